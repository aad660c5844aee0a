"""Losses of probabilities next to zero and one, and in half precision."""

import math

import pytest
import torch
from helpers import DIVERSITY, LOGITS, MODEL, QUALITY, TARGET, float64, loss_name

from skweight.losses import DIMPLoss, FocalLoss, GeneralizedCrossEntropyLoss, IMPLoss, QualityLoss, WeightedLoss


def unlikely(dtype=torch.float32):
    """A row to whose label the model gives exp(-120), which is zero in float32."""
    logits = torch.tensor([[0.0, -120.0]], dtype=dtype)
    assert logits.float().softmax(-1)[0, 1] == 0
    return logits.requires_grad_(), torch.tensor([1]), torch.tensor([0.5]).log(), torch.tensor([-120.0])


@pytest.mark.parametrize("loss", [IMPLoss(clip=10), DIMPLoss(clip=10)], ids=loss_name)
def test_clip_is_the_weight_of_a_row_whose_denominator_underflows(loss):
    logits, target, log_quality, log_diversity = unlikely()
    weight, cross_entropy = loss.rows(logits, target, log_quality, log_diversity)
    assert weight.dtype == torch.float32
    assert weight.item() == pytest.approx(10.0, rel=1e-6)
    assert cross_entropy.item() == pytest.approx(120.0)


@pytest.mark.parametrize("loss", [IMPLoss(), DIMPLoss(), IMPLoss(gamma=2), DIMPLoss(gamma=2)], ids=loss_name)
def test_without_clip_an_underflowing_denominator_costs_neither_inf_nor_nan(loss):
    logits, target, log_quality, log_diversity = unlikely()
    value = loss(logits, target, log_quality, log_diversity)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert value > 1e12
    assert gradient.isfinite().all()


@pytest.mark.parametrize("loss", [QualityLoss(), IMPLoss(), DIMPLoss()], ids=loss_name)
def test_unknown_quality_weighs_one(loss):
    weight = loss.weight(MODEL.log(), float64([math.nan, 0.5, math.nan]).log(), DIVERSITY.log())
    assert weight[0] == 1
    assert weight[1] != 1
    assert weight[2] == 1


@pytest.mark.parametrize("loss", [QualityLoss(), IMPLoss(), DIMPLoss()], ids=loss_name)
def test_impossible_label_weighs_nothing(loss):
    weight = loss.weight(MODEL.log(), float64([0.0, 0.6, 0.1]).log(), DIVERSITY.log())
    assert weight[0] == 0
    assert (weight[1:] > 0).all()


def test_diversity_zero_gives_a_finite_weight():
    weight = IMPLoss().weight(MODEL.log(), QUALITY.log(), float64([0.0, 0.8, 0.95]).log())
    assert weight.isfinite().all()
    assert weight[0] > 1e12


def test_quality_and_diversity_zero_weigh_one():
    assert IMPLoss().weight(float64([0.5]).log(), float64([0.0]).log(), float64([0.0]).log()).tolist() == [1.0]


@pytest.mark.parametrize("loss", [QualityLoss(gamma=0), IMPLoss(gamma=0), DIMPLoss(gamma=0)], ids=loss_name)
def test_gamma_zero_weighs_every_row_one_even_with_zero_probabilities(loss):
    log_quality, log_diversity = float64([0.0, 0.6, 0.0]).log(), float64([0.5, 0.0, 0.0]).log()
    assert loss.weight(MODEL.log(), log_quality, log_diversity).tolist() == [1.0] * 3


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_gradient_is_finite_where_the_model_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 0.0]], requires_grad=True)  # p is exactly 1 in float32
    FocalLoss(gamma=gamma, detach=False)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0].tolist() == [0.0, 0.0]
    assert (logits.grad[1] != 0).all()


def test_focal_weight_of_a_nearly_certain_row_is_not_rounded_to_zero():
    # 1 - exp(-1e-9), of which a subtraction in float32 would leave nothing
    assert FocalLoss().weight(torch.tensor([-1e-9])).item() == pytest.approx(1e-9, rel=1e-5)


@pytest.mark.parametrize("loss", [IMPLoss(), DIMPLoss(), FocalLoss(), GeneralizedCrossEntropyLoss()], ids=loss_name)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_give_a_float32_loss_from_the_logits_as_they_are(loss, dtype):
    logits = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    target, log_quality, log_diversity = torch.arange(16) % 3, torch.full((16,), -0.5), torch.full((16,), -0.2)
    weight, cross_entropy = loss.rows(logits, target, log_quality, log_diversity)
    expected_weight, expected = loss.rows(logits.float(), target, log_quality, log_diversity)
    assert weight.dtype == cross_entropy.dtype == torch.float32
    assert torch.equal(weight, expected_weight)
    assert torch.equal(cross_entropy, expected)
    assert loss(logits, target, log_quality, log_diversity).dtype == torch.float32


@pytest.mark.parametrize("loss", [IMPLoss(), DIMPLoss(), FocalLoss(), GeneralizedCrossEntropyLoss()], ids=loss_name)
def test_loss_under_autocast_is_float32_and_that_of_the_upcast_logits(loss):
    generator = torch.Generator().manual_seed(0)
    X, head = torch.randn(16, 4, generator=generator), torch.randn(4, 3, generator=generator)
    target, log_quality, log_diversity = torch.arange(16) % 3, torch.full((16,), -0.5), torch.full((16,), -0.2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = X @ head
        weight, _ = loss.rows(logits, target, log_quality, log_diversity)
        value = loss(logits, target, log_quality, log_diversity)
    assert logits.dtype == torch.bfloat16
    assert weight.dtype == value.dtype == torch.float32
    assert torch.equal(weight, loss.rows(logits.float(), target, log_quality, log_diversity)[0])
    assert torch.equal(value, loss(logits.float(), target, log_quality, log_diversity))


def test_weight_of_an_own_loss_is_not_computed_in_half_precision_under_autocast():
    class MatrixWeight(WeightedLoss):
        def weight(self, log_p, log_quality=None, log_diversity=None):
            return (log_p.detach()[:, None] @ torch.eye(1))[:, 0]

    with torch.autocast("cpu", dtype=torch.bfloat16):
        weight, cross_entropy = MatrixWeight().rows(torch.tensor([[0.1, 0.0]]), torch.tensor([0]))
    assert weight.dtype == torch.float32
    assert torch.equal(weight, -cross_entropy)


def test_float64_logits_are_computed_in_float64():
    weight, cross_entropy = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.float().log())
    assert weight.dtype == cross_entropy.dtype == torch.float64


def test_float64_columns_leave_a_float32_loss_in_float32():
    logits = torch.tensor(LOGITS)
    weight, _ = IMPLoss().rows(logits, TARGET, QUALITY.log(), DIVERSITY.log())
    assert weight.dtype == torch.float32


def test_generalised_cross_entropy_of_an_underflowing_probability_is_finite():
    logits, target, _, _ = unlikely()
    value = GeneralizedCrossEntropyLoss()(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert 0 < gradient[0, 0] < 1e-30
