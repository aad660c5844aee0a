import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from skweight import importance_weights
from skweight._weights import product_of_experts
from skweight.losses import (
    DIMPLoss,
    DistillationLoss,
    FocalLoss,
    GeneralizedCrossEntropyLoss,
    IMPLoss,
    QualityLoss,
    WeightedCrossEntropy,
    WeightedLoss,
)


def float64(values):
    return torch.tensor(values, dtype=torch.float64)


# Three rows, two classes, every label is class 0. The model gives it the probabilities 1/2, 3/4 and 1/5.
LOGITS = [[0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(4)]]
TARGET = torch.tensor([0, 0, 0])
QUALITY = float64([0.9, 0.6, 0.1])
DIVERSITY = float64([0.5, 0.8, 0.95])
MODEL = float64([0.5, 0.75, 0.2])

# A world of two texts and three classes: P(y|x) of real text and Q(y|x) of synthetic text. Both texts are as frequent.
P = float64([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]])
Q = float64([[0.4, 0.35, 0.25], [0.5, 0.3, 0.2]])
TEXT = torch.tensor([0, 0, 0, 1, 1, 1])  # one row for each text and class
LABEL = torch.tensor([0, 1, 2, 0, 1, 2])
SQRT_PQ = [[0.555924, 0.277962, 0.166114], [0.406406, 0.445195, 0.148398]]  # normalised, as is PQ
PQ = [[0.746667, 0.186667, 0.066667], [0.428571, 0.514286, 0.057143]]


def name(value):
    return repr(value) if isinstance(value, WeightedLoss) else None


def minimiser(loss):
    """Probabilities at which gradient descent on free logits ends, with exact expectations over Q."""
    logits = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    expectation = 6 * Q.ravel()  # the loss is a mean over six rows
    for _ in range(2_000):
        value = loss(logits[TEXT], LABEL, P.log().ravel(), Q.log().ravel(), sample_weight=expectation)
        (gradient,) = torch.autograd.grad(value, logits)
        if gradient.abs().max() < 1e-8:
            return logits.softmax(-1).detach()
        with torch.no_grad():
            logits -= gradient
    raise AssertionError(f"{loss} did not converge")


# -- values and gradients ---------------------------------------------------------------------------------------------

# In logit 0, d(-log p) = -(1 - p). A weight held constant multiplies it; a mean over three rows divides it by three.
TABLE = {
    "cross-entropy": (WeightedCrossEntropy(), 0.863422, [-0.166667, -0.083333, -0.266667]),
    "focal, gamma 1": (FocalLoss(), 0.568681, [-0.083333, -0.020833, -0.213333]),
    "focal, gamma 1, full": (FocalLoss(detach=False), 0.568681, [-0.141096, -0.038813, -0.299170]),
    "focal, gamma 2": (FocalLoss(gamma=2), 0.407102, [-0.041667, -0.005208, -0.170667]),
    "focal, gamma 2, full": (FocalLoss(gamma=2, detach=False), 0.407102, [-0.099429, -0.014198, -0.308005]),
    # p ** 0.7 is 0.615572, 0.817604 and 0.324131
    "generalised": (GeneralizedCrossEntropyLoss(), 0.394520, [-0.102595, -0.068134, -0.086435]),
    "quality": (QualityLoss(), 0.319128, [-0.15, -0.05, -0.026667]),
    "IMP": (IMPLoss(), 0.544280, [-0.3, -0.0625, -0.028070]),
    "DIMP": (DIMPLoss(), 0.760843, [-0.3, -0.066667, -0.133333]),
    "DIMP, gamma 1/2": (DIMPLoss(gamma=0.5), 0.775103, [-0.223607, -0.074536, -0.188562]),
    "DIMP, clip 1": (DIMPLoss(clip=1), 0.576004, [-0.166667, -0.066667, -0.133333]),
    "DIMP, normalised": (DIMPLoss(normalize="batch"), 0.736300, [-0.290323, -0.064516, -0.129032]),
    "IMP, normalised": (IMPLoss(normalize="batch"), 0.614945, [-0.338949, -0.070614, -0.031715]),
}


@pytest.mark.parametrize(("loss", "value", "gradient"), TABLE.values(), ids=TABLE)
def test_value_and_gradient_of_three_rows(loss, value, gradient):
    logits = float64(LOGITS).requires_grad_()
    result = loss(logits, TARGET, QUALITY.log(), DIVERSITY.log())
    (grad,) = torch.autograd.grad(result, logits)
    assert result.item() == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(grad[:, 0], gradient, atol=1e-6)
    np.testing.assert_allclose(grad[:, 1], [-g for g in gradient], atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        (WeightedCrossEntropy(), [1.0, 1.0, 1.0]),
        (FocalLoss(gamma=2), [0.25, 0.0625, 0.64]),
        (GeneralizedCrossEntropyLoss(), [0.615572, 0.817604, 0.324131]),
        (GeneralizedCrossEntropyLoss(q=0), [1.0, 1.0, 1.0]),
        (GeneralizedCrossEntropyLoss(q=1), [0.5, 0.75, 0.2]),
        (QualityLoss(), [0.9, 0.6, 0.1]),
        (IMPLoss(), [1.8, 0.75, 0.105263]),
        (DIMPLoss(), [1.8, 0.8, 0.5]),
        (DIMPLoss(gamma=0.5), [1.341641, 0.894427, 0.707107]),
        (DIMPLoss(clip=1), [1.0, 0.8, 0.5]),
        (DIMPLoss(normalize="batch"), [1.741935, 0.774194, 0.483871]),
    ],
    ids=name,
)
def test_weight_of_three_rows(loss, weight):
    np.testing.assert_allclose(loss.weight(MODEL.log(), QUALITY.log(), DIVERSITY.log()), weight, atol=1e-6)


def test_rows_give_weight_and_cross_entropy_of_every_row():
    weight, cross_entropy = IMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), DIVERSITY.log())
    np.testing.assert_allclose(weight, [1.8, 0.75, 0.105263], atol=1e-6)
    np.testing.assert_allclose(cross_entropy, [0.693147, 0.287682, 1.609438], atol=1e-6)


def test_dimp_has_the_gradient_of_the_mean_of_quality_times_the_odds_of_being_wrong():
    logits = float64(LOGITS).requires_grad_()
    p = logits.softmax(-1)[:, 0]
    (expected,) = torch.autograd.grad((QUALITY * (1 / p - 1)).mean(), logits)
    (grad,) = torch.autograd.grad(DIMPLoss()(logits, TARGET, QUALITY.log()), logits)
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_generalised_cross_entropy_has_the_gradient_of_the_loss_as_published(q):
    logits = float64(LOGITS).requires_grad_()
    p = logits.softmax(-1)[:, 0]
    (expected,) = torch.autograd.grad(((1 - p**q) / q).mean(), logits)
    (grad,) = torch.autograd.grad(GeneralizedCrossEntropyLoss(q)(logits, TARGET), logits)
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize(("p", "ratio"), [(0.01, 90.0), (0.1, 9.0), (0.5, 1.8), (0.9, 1.0)])
def test_dimp_scales_the_gradient_of_cross_entropy_by_quality_over_model(p, ratio):
    logits = float64([[math.log(p / (1 - p)), 0.0]]).requires_grad_()
    (dimp,) = torch.autograd.grad(DIMPLoss()(logits, TARGET[:1], float64([0.9]).log()), logits)
    (plain,) = torch.autograd.grad(functional.cross_entropy(logits, TARGET[:1]), logits)
    np.testing.assert_allclose(dimp / plain, [[ratio, ratio]], rtol=1e-9)


# -- where training ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "proba"),
    [
        (WeightedCrossEntropy(), Q),
        (IMPLoss(), P),
        (IMPLoss(gamma=0.5), SQRT_PQ),
        (QualityLoss(), PQ),
        (DIMPLoss(), SQRT_PQ),
        (DIMPLoss(gamma=0.5), [[0.503861, 0.303594, 0.192545], [0.440006, 0.394369, 0.165625]]),
        (DIMPLoss(gamma=2), [[0.606590, 0.251682, 0.141728], [0.371321, 0.497149, 0.131529]]),
        (FocalLoss(), [[0.377850, 0.347008, 0.275142], [0.440184, 0.320551, 0.239266]]),
        (FocalLoss(detach=False), [[0.384939, 0.349080, 0.265982], [0.456729, 0.318137, 0.225134]]),
        # Q ** (1 / (1 - q)) normalised
        (GeneralizedCrossEntropyLoss(q=0.5), [[0.463768, 0.355072, 0.181159], [0.657895, 0.236842, 0.105263]]),
        # min(P, Q) normalised: (4, 2, 1)/7 and (3, 3, 1)/7
        (IMPLoss(clip=1), [[0.571429, 0.285714, 0.142857], [0.428571, 0.428571, 0.142857]]),
        (DIMPLoss(clip=1), [[0.518675, 0.301277, 0.180048], [0.443873, 0.394047, 0.162080]]),
    ],
    ids=name,
)
def test_gradient_descent_ends_at_the_minimiser(loss, proba):
    np.testing.assert_allclose(minimiser(loss), proba, atol=1.5e-6)


@pytest.mark.parametrize(
    ("loss", "distance"),
    [
        (WeightedCrossEntropy(), 0.3),
        (QualityLoss(), 0.087619),
        (DIMPLoss(), 0.149440),
        (IMPLoss(), 0.0),
        (IMPLoss(clip=1), 0.15),
        (IMPLoss(clip=1.5), 0.051961),
    ],
    ids=name,
)
def test_total_variation_between_minimiser_and_real_text(loss, distance):
    assert ((minimiser(loss) - P).abs().sum(-1) / 2).mean().item() == pytest.approx(distance, abs=1.5e-6)


def test_imp_on_synthetic_text_is_cross_entropy_on_real_text():
    logits = float64([[0.2, -0.1, 0.4], [0.0, 0.3, -0.6]]).requires_grad_()
    under_q = IMPLoss()(logits[TEXT], LABEL, P.log().ravel(), Q.log().ravel(), sample_weight=3 * Q.ravel())
    under_p = WeightedCrossEntropy()(logits[TEXT], LABEL, sample_weight=3 * P.ravel())
    assert under_q.item() == pytest.approx(1.035096, abs=1e-6)
    assert under_p.item() == pytest.approx(1.035096, abs=1e-6)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (under_q, under_p)))


def test_imp_with_counted_frequencies_as_diversity_distils_the_quality_checker():
    counts = torch.tensor([[37, 41, 22], [55, 28, 17]])  # of 100 rows for each text
    text, label = TEXT.repeat_interleave(counts.ravel()), LABEL.repeat_interleave(counts.ravel())
    log_quality, log_diversity = P.log()[text, label], (counts / 100).double().log()[text, label]
    logits = float64([[0.2, -0.1, 0.4], [0.0, 0.3, -0.6]]).requires_grad_()
    imp = IMPLoss()(logits[text], label, log_quality, log_diversity)
    distillation = DistillationLoss()(logits, torch.tensor([0, 0]), P)
    assert imp.item() == pytest.approx(1.035096, abs=1e-6)
    assert distillation.item() == pytest.approx(1.035096, abs=1e-6)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (imp, distillation)))
    weight, _ = IMPLoss().rows(logits[text], label, log_quality, log_diversity)
    assert weight.mean().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("loss", "exponent"), [(DIMPLoss(), 0.5), (QualityLoss(), 1.0)], ids=str)
def test_weighted_losses_end_at_products_of_the_two_checkers(loss, exponent):
    np.testing.assert_allclose(
        minimiser(loss), product_of_experts(P.numpy(), Q.numpy(), exponent=exponent), atol=1.5e-6
    )


def test_dimp_weighs_a_doubled_text_less_as_training_goes_on():
    # One logit margin for each of two texts, the second of which is there twice; gradient descent of rate 1 on the sum.
    margin = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    text, target, log_quality = torch.tensor([0, 1, 1]), torch.zeros(3, dtype=torch.long), float64([0.9] * 3).log()
    seen = []
    for _ in range(4):
        logits = torch.stack([margin[text], torch.zeros(3, dtype=torch.float64)], dim=1)
        weight, cross_entropy = DIMPLoss().rows(logits, target, log_quality)
        seen.append(weight[:2].tolist())
        (gradient,) = torch.autograd.grad((weight * cross_entropy).sum(), margin)
        with torch.no_grad():
            margin -= gradient
    expected = [[1.8, 1.8], [1.265913, 1.048769], [1.153784, 1.010482], [1.096900, 0.988579]]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_linear_models_on_synthetic_draws_end_near_their_targets():
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(2, (20_000,), generator=generator)
    label = torch.multinomial(Q[text], 1, generator=generator)[:, 0]
    counts = functional.one_hot(3 * text + label, 6).sum(0).reshape(2, 3).double()
    log_quality = P.log()[text, label]
    log_diversity = (counts / counts.sum(-1, keepdim=True)).log()[text, label]
    X = functional.one_hot(text, 2).double()

    def train(loss):
        coef = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.SGD([coef], lr=2.0)
        for _ in range(150):
            optimiser.zero_grad()
            loss(X @ coef, label, log_quality, log_diversity).backward()
            optimiser.step()
        return coef.detach().softmax(-1)

    np.testing.assert_allclose(train(IMPLoss()), P, atol=0.02)
    np.testing.assert_allclose(train(WeightedCrossEntropy()), Q, atol=0.02)
    np.testing.assert_allclose(train(DIMPLoss()), SQRT_PQ, atol=0.02)
    np.testing.assert_allclose(train(QualityLoss()), PQ, atol=0.02)


# -- weights without gradient -----------------------------------------------------------------------------------------

IMPORTANCE_LOSSES = [QualityLoss(), IMPLoss(), DIMPLoss(), DIMPLoss(gamma=0.5, clip=1, normalize="batch")]
LABEL_LOSSES = [WeightedCrossEntropy(), FocalLoss(), GeneralizedCrossEntropyLoss()]


@pytest.mark.parametrize("loss", [*IMPORTANCE_LOSSES, *LABEL_LOSSES], ids=name)
def test_weight_carries_no_gradient(loss):
    log_p, log_quality, log_diversity = (x.log().requires_grad_() for x in (MODEL, QUALITY, DIVERSITY))
    assert not loss.weight(log_p, log_quality, log_diversity).requires_grad


@pytest.mark.parametrize("loss", [*IMPORTANCE_LOSSES, *LABEL_LOSSES], ids=name)
def test_rows_give_weights_without_gradient_beside_a_cross_entropy_with_one(loss):
    logits = float64(LOGITS).requires_grad_()
    weight, cross_entropy = loss.rows(
        logits, TARGET, QUALITY.log(), DIVERSITY.log(), real_weight=float64([math.nan, math.nan, 2.0])
    )
    assert not weight.requires_grad
    assert cross_entropy.requires_grad


def test_undetached_focal_weight_carries_a_gradient():
    assert FocalLoss(detach=False).weight(MODEL.log().requires_grad_()).requires_grad


ONE = [WeightedCrossEntropy(), IMPLoss(), IMPLoss(gamma=0.5, clip=2.0), GeneralizedCrossEntropyLoss(q=0)]


@pytest.mark.parametrize("loss", ONE, ids=name)
def test_gradient_at_weight_one_is_that_of_torch_cross_entropy_to_the_last_bit(loss):
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(37, 5, generator=generator)).requires_grad_()
    target = torch.randint(5, (37,), generator=generator)
    log_proba = torch.rand(37, generator=generator).log()  # quality and diversity agree
    (ours,) = torch.autograd.grad(loss(logits, target, log_proba, log_proba), logits)
    (theirs,) = torch.autograd.grad(functional.cross_entropy(logits, target), logits)
    assert torch.equal(ours, theirs)


def test_dimp_weighs_exactly_one_where_quality_checker_and_model_agree():
    log_p = torch.rand(37, generator=torch.Generator().manual_seed(0)).log()
    assert DIMPLoss().weight(log_p, log_p).tolist() == [1.0] * 37


# -- numerics ---------------------------------------------------------------------------------------------------------


def unlikely(dtype=torch.float32):
    """A row to whose label the model gives exp(-120), which is zero in float32."""
    logits = torch.tensor([[0.0, -120.0]], dtype=dtype)
    assert logits.float().softmax(-1)[0, 1] == 0
    return logits.requires_grad_(), torch.tensor([1]), torch.tensor([0.5]).log(), torch.tensor([-120.0])


@pytest.mark.parametrize("loss", [IMPLoss(clip=10), DIMPLoss(clip=10)], ids=name)
def test_clip_is_the_weight_of_a_row_whose_denominator_underflows(loss):
    logits, target, log_quality, log_diversity = unlikely()
    weight, cross_entropy = loss.rows(logits, target, log_quality, log_diversity)
    assert weight.dtype == torch.float32
    assert weight.item() == pytest.approx(10.0, rel=1e-6)
    assert cross_entropy.item() == pytest.approx(120.0)


@pytest.mark.parametrize("loss", [IMPLoss(), DIMPLoss(), IMPLoss(gamma=2), DIMPLoss(gamma=2)], ids=name)
def test_without_clip_an_underflowing_denominator_costs_neither_inf_nor_nan(loss):
    logits, target, log_quality, log_diversity = unlikely()
    value = loss(logits, target, log_quality, log_diversity)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert value > 1e12
    assert gradient.isfinite().all()


@pytest.mark.parametrize("loss", [QualityLoss(), IMPLoss(), DIMPLoss()], ids=name)
def test_unknown_quality_weighs_one(loss):
    weight = loss.weight(MODEL.log(), float64([math.nan, 0.5, math.nan]).log(), DIVERSITY.log())
    assert weight[0] == 1
    assert weight[1] != 1
    assert weight[2] == 1


@pytest.mark.parametrize("loss", [QualityLoss(), IMPLoss(), DIMPLoss()], ids=name)
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


@pytest.mark.parametrize("loss", [QualityLoss(gamma=0), IMPLoss(gamma=0), DIMPLoss(gamma=0)], ids=name)
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


@pytest.mark.parametrize("loss", [IMPLoss(), DIMPLoss(), FocalLoss(), GeneralizedCrossEntropyLoss()], ids=name)
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


@pytest.mark.parametrize("loss", [IMPLoss(), DIMPLoss(), FocalLoss(), GeneralizedCrossEntropyLoss()], ids=name)
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


# -- probabilities as targets -----------------------------------------------------------------------------------------

TARGET_PROBA = float64([[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]])


def test_distillation_of_three_rows():
    # -(0.9 + 0.1) log 0.5; -0.6 log 0.75 - 0.4 log 0.25; -0.1 log 0.2 - 0.9 log 0.8. Gradients (p - t) / 3.
    logits = float64(LOGITS).requires_grad_()
    weight, cross_entropy = DistillationLoss().rows(logits, TARGET, TARGET_PROBA)
    np.testing.assert_allclose(cross_entropy.detach(), [0.693147, 0.727127, 0.361773], atol=1e-6)
    assert weight.tolist() == [1.0] * 3
    value = DistillationLoss()(logits, TARGET, TARGET_PROBA)
    (grad,) = torch.autograd.grad(value, logits)
    assert value.item() == pytest.approx(0.594016, abs=1e-6)
    np.testing.assert_allclose(grad[:, 0], [-0.133333, 0.05, 0.033333], atol=1e-6)


def test_distillation_multiplies_rows_by_their_sample_weight():
    value = DistillationLoss()(float64(LOGITS), TARGET, TARGET_PROBA, sample_weight=float64([2.0, 0.0, 0.5]))
    assert value.item() == pytest.approx((2 * 0.693147 + 0.5 * 0.361773) / 3, abs=1e-6)


@pytest.mark.parametrize("row", [[math.nan, math.nan], [0.5, math.nan]])
def test_distillation_takes_the_label_of_a_row_without_probabilities(row):
    target_proba = torch.stack([TARGET_PROBA[0], float64(row), TARGET_PROBA[2]])
    logits = float64(LOGITS).requires_grad_()
    _, cross_entropy = DistillationLoss().rows(logits, TARGET, target_proba)
    np.testing.assert_allclose(cross_entropy.detach(), [0.693147, 0.287682, 0.361773], atol=1e-6)
    (grad,) = torch.autograd.grad(cross_entropy.mean(), logits)
    np.testing.assert_allclose(grad[:, 0], [-0.133333, -0.083333, 0.033333], atol=1e-6)


def test_distillation_of_certain_probabilities_is_torch_cross_entropy_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(37, 5, generator=generator)).requires_grad_()
    target = torch.randint(5, (37,), generator=generator)
    loss = DistillationLoss()(logits, torch.zeros_like(target), functional.one_hot(target, 5).float())
    torch.testing.assert_close(loss, functional.cross_entropy(logits, target))
    (ours,) = torch.autograd.grad(loss, logits)
    (theirs,) = torch.autograd.grad(functional.cross_entropy(logits, target), logits)
    assert torch.equal(ours, theirs)


def test_distillation_sends_no_gradient_to_the_teacher():
    target_proba = TARGET_PROBA.clone().requires_grad_()
    DistillationLoss()(float64(LOGITS).requires_grad_(), TARGET, target_proba).backward()
    assert target_proba.grad is None


def test_distillation_under_autocast_is_float32():
    logits = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    target, target_proba = torch.arange(16) % 3, torch.full((16, 3), 1 / 3, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = DistillationLoss()(logits, target, target_proba)
    assert value.dtype == torch.float32
    assert torch.equal(value, DistillationLoss()(logits.float(), target, target_proba))


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

REAL = float64([math.nan, math.nan, 2.0])  # the third row is real and weighs twice the mean of the others


def test_a_real_row_weighs_a_multiple_of_the_mean_of_the_other_rows():
    # (1.8 + 0.8) / 2 * 2; the others stay as they are
    weight, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), real_weight=REAL)
    np.testing.assert_allclose(weight, [1.8, 0.8, 2.6], atol=1e-6)


@pytest.mark.parametrize("proba", [0.0, 1.0, math.nan])
def test_what_the_checkers_say_about_a_real_row_does_not_matter(proba):
    log_quality = float64([0.9, 0.6, proba]).log()
    log_diversity = float64([0.5, 0.8, proba]).log()
    weight, _ = IMPLoss().rows(float64(LOGITS), TARGET, log_quality, log_diversity, real_weight=REAL)
    np.testing.assert_allclose(weight, [1.8, 0.75, 2.55], atol=1e-6)


def test_a_real_row_enters_neither_clip_nor_normalisation():
    # The others, (1.8, 0.8) clipped at 1, over their mean 0.9; the real row weighs twice their mean 1.
    weight, _ = DIMPLoss(clip=1, normalize="batch").rows(float64(LOGITS), TARGET, QUALITY.log(), real_weight=REAL)
    np.testing.assert_allclose(weight, [1.111111, 0.888889, 2.0], atol=1e-6)


def test_real_rows_may_have_different_weights_and_any_place():
    real_weight = float64([0.5, math.nan, 3.0])
    weight, _ = IMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), DIVERSITY.log(), real_weight=real_weight)
    np.testing.assert_allclose(weight, [0.375, 0.75, 2.25], atol=1e-6)


def test_sample_weight_multiplies_real_rows_too():
    sample_weight = float64([1.0, 1.0, 10.0])
    weight, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), sample_weight=sample_weight, real_weight=REAL)
    np.testing.assert_allclose(weight, [1.8, 0.8, 26.0], atol=1e-6)


@pytest.mark.parametrize("loss", [DIMPLoss(), DIMPLoss(normalize="batch"), FocalLoss(detach=False)], ids=name)
def test_in_a_batch_of_real_rows_alone_they_weigh_real_weight(loss):
    weight, _ = loss.rows(float64(LOGITS), TARGET, QUALITY.log(), real_weight=float64([2.0, 2.0, 0.5]))
    assert weight.tolist() == [2.0, 2.0, 0.5]


def test_a_batch_without_real_rows_does_not_feel_the_column():
    plain, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log())
    marked, _ = DIMPLoss().rows(float64(LOGITS), TARGET, QUALITY.log(), real_weight=torch.full((3,), math.nan))
    assert torch.equal(plain, marked)


def test_gradient_of_a_real_row_is_its_weight_times_that_of_cross_entropy():
    logits = float64(LOGITS).requires_grad_()
    (grad,) = torch.autograd.grad(DIMPLoss()(logits, TARGET, QUALITY.log(), real_weight=REAL), logits)
    # third row: -2.6 * (1 - 0.2) / 3
    np.testing.assert_allclose(grad[:, 0], [-0.3, -0.066667, -0.693333], atol=1e-6)


def test_a_real_row_adds_nothing_to_the_gradient_of_the_other_rows():
    logits = float64(LOGITS).requires_grad_()
    (grad,) = torch.autograd.grad(FocalLoss(detach=False)(logits, TARGET, real_weight=REAL), logits)
    # As without a real row; third row: -2 * (0.5 + 0.25) / 2 * 0.8 / 3
    np.testing.assert_allclose(grad[:, 0], [-0.141096, -0.038813, -0.2], atol=1e-6)


# -- the same formula twice -------------------------------------------------------------------------------------------

OPTIONS = [{}, {"gamma": 0.5}, {"gamma": 2.0, "clip": 3.0}, {"clip": 1.0}]


@pytest.fixture(scope="module")
def proba():
    """Three columns of 200 random probabilities, some of them not known."""
    rng = np.random.default_rng(0)
    quality, diversity, model = rng.uniform(0.01, 1.0, size=(3, 200))
    quality[::17] = np.nan
    return quality, diversity, model


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_imp_loss_weighs_as_importance_weights_does(proba, options, normalize):
    quality, diversity, model = proba
    loss = IMPLoss(**options, normalize="batch" if normalize else None)
    weight = loss.weight(*(torch.from_numpy(np.log(x)) for x in (model, quality, diversity)))
    expected = importance_weights(quality, diversity, **options, normalize="global" if normalize else None)
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_dimp_loss_weighs_as_importance_weights_against_the_model(proba, options):
    quality, _, model = proba
    weight = DIMPLoss(**options).weight(*(torch.from_numpy(np.log(x)) for x in (model, quality)))
    np.testing.assert_allclose(weight, importance_weights(quality, model, **options), rtol=1e-6)


# -- own losses, wrong arguments --------------------------------------------------------------------------------------


def test_an_own_loss_needs_only_a_weight_to_train_a_model():
    class TrustedOnly(WeightedLoss):
        def weight(self, log_p, log_quality=None, log_diversity=None):
            return (log_quality > math.log(0.5)).float()

    def train(loss):
        # Two texts, each once with its label and three times with the other one, which the quality checker doubts.
        X = torch.eye(2).repeat(4, 1)
        target = torch.tensor([0, 1] + 3 * [1, 0])
        log_quality = torch.tensor([0.9, 0.9] + 6 * [0.1]).log()
        model = torch.nn.Linear(2, 2)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
        for _ in range(20):
            optimiser.zero_grad()
            loss(model(X), target, log_quality).backward()
            optimiser.step()
        return model(torch.eye(2)).argmax(-1).tolist()

    assert train(TrustedOnly()) == [0, 1]
    assert train(WeightedCrossEntropy()) == [1, 0]


def test_a_loss_without_its_own_weight_raises():
    with pytest.raises(NotImplementedError):
        WeightedLoss()(float64(LOGITS), TARGET)


@pytest.mark.parametrize("loss", [QualityLoss(), IMPLoss(), DIMPLoss()], ids=name)
def test_missing_log_quality_raises(loss):
    with pytest.raises(ValueError, match=f"{type(loss).__name__} needs log_quality"):
        loss(float64(LOGITS), TARGET, log_diversity=DIVERSITY.log())


def test_missing_log_diversity_raises_for_imp():
    with pytest.raises(ValueError, match="IMPLoss needs log_diversity"):
        IMPLoss()(float64(LOGITS), TARGET, QUALITY.log())


@pytest.mark.parametrize("loss", [QualityLoss, IMPLoss, DIMPLoss])
@pytest.mark.parametrize("clip", [0, -1.0, math.nan])
def test_a_clip_that_is_not_positive_raises(loss, clip):
    with pytest.raises(ValueError, match="clip must be None or a positive number"):
        loss(clip=clip)


@pytest.mark.parametrize("loss", [QualityLoss, IMPLoss, DIMPLoss])
def test_an_unknown_normalisation_raises(loss):
    with pytest.raises(ValueError, match="normalize must be None or 'batch', got 'global'"):
        loss(normalize="global")


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_an_exponent_outside_of_zero_and_one_raises(q):
    with pytest.raises(ValueError, match="q must be between 0 and 1"):
        GeneralizedCrossEntropyLoss(q)


def test_losses_have_no_parameters_and_show_their_options():
    for loss in (IMPLoss(gamma=0.5, clip=10), FocalLoss(gamma=2, detach=False), GeneralizedCrossEntropyLoss()):
        assert list(loss.parameters()) == []
        assert not loss.state_dict()
    assert repr(IMPLoss(gamma=0.5, clip=10)) == "IMPLoss(gamma=0.5, clip=10, normalize=None)"
    assert repr(FocalLoss(gamma=2, detach=False)) == "FocalLoss(gamma=2, detach=False)"
    assert repr(GeneralizedCrossEntropyLoss()) == "GeneralizedCrossEntropyLoss(q=0.7)"


@pytest.mark.parametrize("loss", [DIMPLoss(normalize="batch"), QualityLoss(normalize="batch")])
def test_batch_whose_weights_all_vanish_has_loss_zero_not_nan(loss):
    assert loss(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([float("-inf")])).item() == 0.0
