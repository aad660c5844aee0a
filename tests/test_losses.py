"""Values, gradients and weights of the losses, and where training with them ends."""

import math
import re

import numpy as np
import pytest
import torch
from helpers import DIVERSITY, LOGITS, MODEL, QUALITY, TARGET, float64, loss_name
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

# A world of two texts and three classes: P(y|x) of real text and Q(y|x) of synthetic text. Both texts are as frequent.
P = float64([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]])
Q = float64([[0.4, 0.35, 0.25], [0.5, 0.3, 0.2]])
TEXT = torch.tensor([0, 0, 0, 1, 1, 1])  # one row for each text and class
LABEL = torch.tensor([0, 1, 2, 0, 1, 2])
SQRT_PQ = [[0.555924, 0.277962, 0.166114], [0.406406, 0.445195, 0.148398]]  # normalised, as is PQ
PQ = [[0.746667, 0.186667, 0.066667], [0.428571, 0.514286, 0.057143]]


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
    ids=loss_name,
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
    ids=loss_name,
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
    ids=loss_name,
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
    distillation = DistillationLoss()(logits, torch.tensor([0, 0]), target_proba=P)
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


@pytest.mark.parametrize("loss", [*IMPORTANCE_LOSSES, *LABEL_LOSSES], ids=loss_name)
def test_weight_carries_no_gradient(loss):
    log_p, log_quality, log_diversity = (x.log().requires_grad_() for x in (MODEL, QUALITY, DIVERSITY))
    assert not loss.weight(log_p, log_quality, log_diversity).requires_grad


@pytest.mark.parametrize("loss", [*IMPORTANCE_LOSSES, *LABEL_LOSSES], ids=loss_name)
def test_rows_give_weights_without_gradient_beside_a_cross_entropy_with_one(loss):
    logits = float64(LOGITS).requires_grad_()
    weight, cross_entropy = loss.rows(
        logits,
        TARGET,
        QUALITY.log(),
        DIVERSITY.log(),
        is_real=torch.tensor([False, False, True]),
        sample_weight=float64([1, 1, 2]),
    )
    assert not weight.requires_grad
    assert cross_entropy.requires_grad


def test_undetached_focal_weight_carries_a_gradient():
    assert FocalLoss(detach=False).weight(MODEL.log().requires_grad_()).requires_grad


ONE = [WeightedCrossEntropy(), IMPLoss(), IMPLoss(gamma=0.5, clip=2.0), GeneralizedCrossEntropyLoss(q=0)]


@pytest.mark.parametrize("loss", ONE, ids=loss_name)
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
        columns = ("log_quality",)

        def weight(self, log_p, log_quality):
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


def test_an_own_loss_may_read_columns_of_its_own():
    class Priced(WeightedLoss):
        columns = ("price",)

        def weight(self, log_p, price):
            return 1 / price

    weight, _ = Priced().rows(float64(LOGITS), TARGET, QUALITY.log(), price=float64([1.0, 2.0, 4.0]))
    assert weight.tolist() == [1.0, 0.5, 0.25]
    with pytest.raises(ValueError, match="Priced needs price"):
        Priced()(float64(LOGITS), TARGET)


def test_a_column_that_a_loss_does_not_know_raises():
    with pytest.raises(TypeError, match=r"DIMPLoss reads no column \['sample_weigth'\]"):
        DIMPLoss()(float64(LOGITS), TARGET, QUALITY.log(), sample_weigth=QUALITY)


def test_a_loss_without_its_own_weight_raises():
    message = "WeightedLoss must say what a row weighs: override weight."
    with pytest.raises(NotImplementedError, match=rf"^{re.escape(message)}$"):
        WeightedLoss()(float64(LOGITS), TARGET)


@pytest.mark.parametrize("loss", [QualityLoss(), IMPLoss(), DIMPLoss()], ids=loss_name)
def test_missing_log_quality_raises(loss):
    with pytest.raises(ValueError, match=f"{type(loss).__name__} needs log_quality"):
        loss(float64(LOGITS), TARGET, log_diversity=DIVERSITY.log())


def test_missing_log_diversity_raises_for_imp():
    with pytest.raises(ValueError, match="IMPLoss needs log_diversity"):
        IMPLoss()(float64(LOGITS), TARGET, QUALITY.log())


@pytest.mark.parametrize("loss", [QualityLoss, IMPLoss, DIMPLoss])
@pytest.mark.parametrize("clip", [0, -1.0, math.nan])
def test_a_clip_that_is_not_positive_raises(loss, clip):
    with pytest.raises(ValueError, match=r"^clip must be None or a positive number, got "):
        loss(clip=clip)


@pytest.mark.parametrize("loss", [QualityLoss, IMPLoss, DIMPLoss])
def test_an_unknown_normalisation_raises(loss):
    with pytest.raises(ValueError, match=r"^normalize must be None or 'batch', got 'global'\.$"):
        loss(normalize="global")


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_an_exponent_outside_of_zero_and_one_raises(q):
    with pytest.raises(ValueError, match=r"^q must be between 0 and 1, got "):
        GeneralizedCrossEntropyLoss(q)


@pytest.mark.parametrize("q", [0, 1])
def test_exponents_zero_and_one_are_taken(q):
    assert GeneralizedCrossEntropyLoss(q).q == q


def test_losses_have_no_parameters_and_show_their_options():
    for loss in (IMPLoss(gamma=0.5, clip=10), FocalLoss(gamma=2, detach=False), GeneralizedCrossEntropyLoss()):
        assert list(loss.parameters()) == []
        assert not loss.state_dict()
    assert repr(IMPLoss(gamma=0.5, clip=10)) == "IMPLoss(gamma=0.5, clip=10, normalize=None)"
    assert repr(FocalLoss()) == "FocalLoss(gamma=1.0, detach=True)"
    assert repr(FocalLoss(gamma=2, detach=False)) == "FocalLoss(gamma=2, detach=False)"
    assert repr(GeneralizedCrossEntropyLoss()) == "GeneralizedCrossEntropyLoss(q=0.7)"


@pytest.mark.parametrize("loss", [DIMPLoss(normalize="batch"), QualityLoss(normalize="batch")])
def test_batch_whose_weights_all_vanish_has_loss_zero_not_nan(loss):
    assert loss(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([float("-inf")])).item() == 0.0
