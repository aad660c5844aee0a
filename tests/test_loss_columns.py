"""What losses do with a column beside the logits: probabilities as targets, weights of the caller, real rows."""

import math
import re

import numpy as np
import pytest
import torch
from helpers import DIVERSITY, LOGITS, MODEL, QUALITY, TARGET, float64, loss_name
from torch.nn import functional

from skweight.losses import (
    DIMPLoss,
    DistillationLoss,
    FocalLoss,
    IMPLoss,
    WeightedCrossEntropy,
    WeightedLoss,
    _check_rows,
)

# -- probabilities as targets -----------------------------------------------------------------------------------------

TARGET_PROBA = float64([[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]])


def test_distillation_of_three_rows():
    # -(0.9 + 0.1) log 0.5; -0.6 log 0.75 - 0.4 log 0.25; -0.1 log 0.2 - 0.9 log 0.8. Gradients (p - t) / 3.
    logits = float64(LOGITS).requires_grad_()
    weight, cross_entropy = DistillationLoss().rows(logits, TARGET, target_proba=TARGET_PROBA)
    np.testing.assert_allclose(cross_entropy.detach(), [0.693147, 0.727127, 0.361773], atol=1e-6)
    assert weight.tolist() == [1.0] * 3
    value = DistillationLoss()(logits, TARGET, target_proba=TARGET_PROBA)
    (grad,) = torch.autograd.grad(value, logits)
    assert value.item() == pytest.approx(0.594016, abs=1e-6)
    np.testing.assert_allclose(grad[:, 0], [-0.133333, 0.05, 0.033333], atol=1e-6)


def test_distillation_multiplies_rows_by_their_sample_weight():
    value = DistillationLoss()(
        float64(LOGITS), TARGET, target_proba=TARGET_PROBA, sample_weight=float64([2.0, 0.0, 0.5])
    )
    assert value.item() == pytest.approx((2 * 0.693147 + 0.5 * 0.361773) / 3, abs=1e-6)


def test_distillation_without_probabilities_raises():
    with pytest.raises(ValueError, match="DistillationLoss needs target_proba"):
        DistillationLoss()(float64(LOGITS), TARGET)


def test_distillation_of_certain_probabilities_is_torch_cross_entropy_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(37, 5, generator=generator)).requires_grad_()
    target = torch.randint(5, (37,), generator=generator)
    loss = DistillationLoss()(logits, torch.zeros_like(target), target_proba=functional.one_hot(target, 5).float())
    torch.testing.assert_close(loss, functional.cross_entropy(logits, target))
    (ours,) = torch.autograd.grad(loss, logits)
    (theirs,) = torch.autograd.grad(functional.cross_entropy(logits, target), logits)
    assert torch.equal(ours, theirs)


def test_distillation_sends_no_gradient_to_the_teacher():
    target_proba = TARGET_PROBA.clone().requires_grad_()
    DistillationLoss()(float64(LOGITS).requires_grad_(), TARGET, target_proba=target_proba).backward()
    assert target_proba.grad is None


def test_distillation_under_autocast_is_float32():
    logits = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    target, target_proba = torch.arange(16) % 3, torch.full((16, 3), 1 / 3, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = DistillationLoss()(logits, target, target_proba=target_proba)
    assert value.dtype == torch.float32
    assert torch.equal(value, DistillationLoss()(logits.float(), target, target_proba=target_proba))


# -- weights of the caller --------------------------------------------------------------------------------------------


def test_cross_entropy_multiplies_rows_by_their_sample_weight():
    # (2 * 0.693147 + 0 * 0.287682 + 0.5 * 1.609438) / 3
    value = WeightedCrossEntropy()(float64(LOGITS), TARGET, sample_weight=float64([2.0, 0.0, 0.5]))
    assert value.item() == pytest.approx(0.730338, abs=1e-6)


def test_sample_weight_multiplies_after_the_clip():
    # (1.8, 0.75, 0.105263) clipped at 1, then times (3, 2, 1)
    sample_weight = float64([3.0, 2.0, 1.0])
    weight, _ = IMPLoss(clip=1).rows(
        float64(LOGITS), TARGET, QUALITY.log(), DIVERSITY.log(), sample_weight=sample_weight
    )
    np.testing.assert_allclose(weight, [3.0, 1.5, 0.105263], atol=1e-6)


def test_sample_weight_multiplies_after_the_normalisation():
    # (1.8, 0.8, 0.5) over their mean 1.033333, then times (3, 2, 1)
    sample_weight = float64([3.0, 2.0, 1.0])
    weight, _ = DIMPLoss(normalize="batch").rows(float64(LOGITS), TARGET, QUALITY.log(), sample_weight=sample_weight)
    np.testing.assert_allclose(weight, [5.225806, 1.548387, 0.483871], atol=1e-6)


def test_clip_comes_before_the_normalisation():
    # (1, 0.75, 0.105263) over their mean 0.618421
    weight = IMPLoss(clip=1, normalize="batch").weight(MODEL.log(), QUALITY.log(), DIVERSITY.log())
    np.testing.assert_allclose(weight, [1.617021, 1.212766, 0.170213], atol=1e-6)


# -- real rows in the batch -------------------------------------------------------------------------------------------

# The third row is real and weighs twice the mean of the others.
REAL = {"is_real": torch.tensor([False, False, True]), "sample_weight": float64([1.0, 1.0, 2.0])}


def test_a_real_row_weighs_a_multiple_of_the_mean_of_the_other_rows():
    # (1.8 + 0.8) / 2 * 2; the others stay as they are
    weight, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), **REAL)
    np.testing.assert_allclose(weight, [1.8, 0.8, 2.6], atol=1e-6)


@pytest.mark.parametrize("proba", [0.0, 1.0, math.nan])
def test_what_the_checkers_say_about_a_real_row_does_not_matter(proba):
    log_quality = float64([0.9, 0.6, proba]).log()
    log_diversity = float64([0.5, 0.8, proba]).log()
    weight, _ = IMPLoss().rows(float64(LOGITS), TARGET, log_quality, log_diversity, **REAL)
    np.testing.assert_allclose(weight, [1.8, 0.75, 2.55], atol=1e-6)


def test_a_real_row_enters_neither_clip_nor_normalisation():
    # The others, (1.8, 0.8) clipped at 1, over their mean 0.9; the real row weighs twice their mean 1.
    weight, _ = DIMPLoss(clip=1, normalize="batch").rows(float64(LOGITS), TARGET, QUALITY.log(), **REAL)
    np.testing.assert_allclose(weight, [1.111111, 0.888889, 2.0], atol=1e-6)


def test_real_rows_may_have_different_weights_and_any_place():
    real = {"is_real": torch.tensor([True, False, True]), "sample_weight": float64([0.5, 1.0, 3.0])}
    weight, _ = IMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), DIVERSITY.log(), **real)
    np.testing.assert_allclose(weight, [0.375, 0.75, 2.25], atol=1e-6)


def test_sample_weight_multiplies_real_rows_too():
    sample_weight = float64([1.0, 1.0, 20.0])
    weight, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), **{**REAL, "sample_weight": sample_weight})
    np.testing.assert_allclose(weight, [1.8, 0.8, 26.0], atol=1e-6)


@pytest.mark.parametrize("loss", [DIMPLoss(), DIMPLoss(normalize="batch"), FocalLoss(detach=False)], ids=loss_name)
def test_in_a_batch_of_real_rows_alone_they_weigh_their_sample_weight(loss):
    weight, _ = loss.rows(
        float64(LOGITS),
        TARGET,
        QUALITY.log(),
        is_real=torch.ones(3, dtype=torch.bool),
        sample_weight=float64([2.0, 2.0, 0.5]),
    )
    assert weight.tolist() == [2.0, 2.0, 0.5]


def test_a_batch_without_real_rows_does_not_feel_the_column():
    plain, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log())
    marked, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), is_real=torch.zeros(3, dtype=torch.bool))
    assert torch.equal(plain, marked)


def test_gradient_of_a_real_row_is_its_weight_times_that_of_cross_entropy():
    logits = float64(LOGITS).requires_grad_()
    (grad,) = torch.autograd.grad(DIMPLoss()(logits, TARGET, QUALITY.log(), **REAL), logits)
    # third row: -2.6 * (1 - 0.2) / 3
    np.testing.assert_allclose(grad[:, 0], [-0.3, -0.066667, -0.693333], atol=1e-6)


def test_a_real_row_adds_nothing_to_the_gradient_of_the_other_rows():
    logits = float64(LOGITS).requires_grad_()
    (grad,) = torch.autograd.grad(FocalLoss(detach=False)(logits, TARGET, **REAL), logits)
    # As without a real row; third row: -2 * (0.5 + 0.25) / 2 * 0.8 / 3
    np.testing.assert_allclose(grad[:, 0], [-0.141096, -0.038813, -0.2], atol=1e-6)


def test_real_rows_join_those_of_an_own_loss_that_weighs_in_another_precision():
    class TrustedOnly(WeightedLoss):
        columns = ("log_quality",)

        def weight(self, log_p, log_quality):
            return (log_quality > math.log(0.8)).float()

    weight, _ = TrustedOnly().rows(float64(LOGITS), TARGET, QUALITY.log(), **REAL)
    assert weight.dtype == torch.float64
    assert weight.tolist() == [1.0, 0.0, 1.0]


# -- shapes and values that do not go together ------------------------------------------------------------------------

GIVEN = {"target": TARGET, "log_quality": QUALITY.log(), "log_diversity": DIVERSITY.log()}


@pytest.mark.parametrize("name", ["target", "log_quality", "log_diversity", "sample_weight", "is_real"])
@pytest.mark.parametrize("shape", [(3, 1), (1,), (1, 3), ()], ids=str)
def test_a_column_that_would_broadcast_is_refused_with_both_shapes(name, shape):
    wrong = torch.ones(shape, dtype=torch.long) - 1
    message = rf"{name} must have the shape \(3,\) .* got {re.escape(str(shape))}"
    with pytest.raises(ValueError, match=message):
        IMPLoss()(float64(LOGITS), **{**GIVEN, name: wrong})


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4)], ids=str)
def test_logits_of_other_than_two_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match=rf"logits must have the shape .* got {re.escape(str(shape))}"):
        WeightedCrossEntropy()(torch.zeros(shape), TARGET)


@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (2,), (3, 2, 1)], ids=str)
def test_target_probabilities_have_the_shape_of_the_logits(shape):
    with pytest.raises(ValueError, match=rf"target_proba must have the shape \(3, .* got {re.escape(str(shape))}"):
        DistillationLoss()(float64(LOGITS), TARGET, target_proba=torch.full(shape, 0.5))


def test_a_column_that_is_no_tensor_is_refused():
    with pytest.raises(ValueError, match=r"^log_quality must have the shape \(3,\) beside these logits, got \(\)\.$"):
        DIMPLoss()(float64(LOGITS), TARGET, [-0.1, -0.2, -0.3])
    with pytest.raises(ValueError, match=r"^embedding must have the shape \(3,\) beside these logits, got \(\)\.$"):
        OwnLoss()(float64(LOGITS), TARGET, embedding=[1.0, 2.0, 3.0])


class OwnLoss(WeightedLoss):
    columns = ("embedding",)

    def weight(self, log_p, embedding):
        return embedding


def test_a_column_of_an_own_loss_has_one_entry_for_each_row():
    with pytest.raises(ValueError, match=r"embedding must have the shape \(3, 7\) .* got \(2, 7\)"):
        OwnLoss()(float64(LOGITS), TARGET, embedding=torch.ones(2, 7))


@pytest.mark.parametrize("is_real", [None, torch.tensor([False, False, True])])
def test_weights_of_an_own_loss_that_would_broadcast_are_refused(is_real):
    with pytest.raises(ValueError, match=r"OwnLoss\.weight returns must have the shape \(\d,\) .* got \(\d, 1\)"):
        OwnLoss()(float64(LOGITS), TARGET, embedding=torch.ones(3, 1), is_real=is_real)


@pytest.mark.parametrize("name", ["log_quality", "log_diversity"])
def test_probabilities_in_place_of_logarithms_are_refused(name):
    message = rf"^{name} holds 0\.9, but the logarithm of a probability is at most 0\. Pass proba\.log\(\)\.$"
    with pytest.raises(ValueError, match=message):
        IMPLoss()(float64(LOGITS), **{**GIVEN, name: float64([math.nan, 0.9, -math.inf])})


def test_the_logarithm_of_a_probability_that_was_rounded_above_one_is_taken():
    weight, _ = IMPLoss().rows(float64(LOGITS), **{**GIVEN, "log_quality": float64([1e-3, -1.0, -math.inf])})
    assert weight.isfinite().all()


def test_logarithms_in_place_of_target_probabilities_are_refused():
    message = "target_proba holds -0.1054, but a probability is at least 0. Pass neither logarithms nor logits."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DistillationLoss()(float64(LOGITS), TARGET, target_proba=TARGET_PROBA.log())


def test_values_on_another_device_are_not_waited_for():
    # A meta tensor has no values: to read one is an error.
    logits = float64(LOGITS).to("meta")
    _check_rows(logits, {"log_quality": QUALITY.to("meta"), "target_proba": TARGET_PROBA.to("meta")})
