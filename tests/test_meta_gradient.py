"""SunGen and Hu et al.: learnt weights against closed forms, and against labels known to be wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from skweight import _net
from skweight._features import Features
from skweight._meta_gradient import alignment, cross_entropy, gradient, mean_gradient, moved, trainable
from skweight._text import tokenize
from skweight.baselines import HuClassifier, SunGenClassifier
from skweight.baselines.hu import _StepWeights
from skweight.baselines.sungen import hypergradient, reverse_cross_entropy
from skweight.losses import WeightedCrossEntropy
from skweight.model_selection import stack_real


class LinearConfig(PreTrainedConfig):
    model_type = "linear-softmax"


class LinearSoftmax(PreTrainedModel):
    """logits = X W', W = 0: the model that the closed forms are worked out for."""

    config_class = LinearConfig

    def __init__(self):
        super().__init__(LinearConfig(num_labels=2))
        self.W = torch.nn.Parameter(torch.zeros(2, 2))

    def forward(self, features):
        return SequenceClassifierOutput(logits=features @ self.W.T)


X = np.array([[1.0, 0], [0, 1], [1, 1]], dtype=np.float32)
Y = np.array([0, 1, 1])
# The third row says 0 where the second and the validation rows say 1.
MISLABELLED_X, MISLABELLED_Y = np.array([[1.0, 0], [0, 1], [0, 1]], dtype=np.float32), np.array([0, 1, 0])
VALIDATION = _net.LabelledRows(Features(np.eye(2, dtype=np.float32)), np.array([0, 1]))
LR = 0.1


def aligned(module, direction, X, y):
    def row_losses():
        return cross_entropy(module(torch.from_numpy(X)).logits, torch.from_numpy(y))

    return alignment(trainable(module), direction, row_losses)


# -- the primitive ----------------------------------------------------------------------------------------------------


def test_alignment_times_the_learning_rate_is_how_a_step_on_a_row_changes_the_validation_loss():
    module = LinearSoftmax()
    losses = cross_entropy(module(torch.from_numpy(X)).logits, torch.from_numpy(Y))
    step = [-LR * g for g in gradient(losses.sum(), trainable(module))]
    with moved(trainable(module), step):
        assert_allclose(module.W.detach(), [[0, -0.1], [0, 0.1]], atol=1e-7)
        direction = mean_gradient(module, VALIDATION, cross_entropy)
        validation = module(torch.eye(2)).logits
        assert functional.cross_entropy(validation, torch.tensor([0, 1])).item() == pytest.approx(0.645643, abs=1e-6)
    assert_allclose(-LR * aligned(module, direction, X, Y), [-0.025, -0.022508, 0.002492], atol=1e-6)


def test_moved_gives_the_parameters_back_to_the_last_bit():
    module = LinearSoftmax()
    with torch.no_grad():
        module.W.copy_(torch.tensor([[0.1, 1e-8], [3.0, -7.7]]))
    before = module.W.detach().clone()
    with moved([module.W], [torch.full((2, 2), 1e6)]):
        assert (module.W > 1e5).all()
    assert torch.equal(module.W, before)


def test_alignment_with_a_gradient_of_zero_is_zero():
    assert aligned(LinearSoftmax(), [torch.zeros(2, 2)], X, Y).tolist() == [0, 0, 0]


def test_alignment_equals_gradients_of_single_rows_on_a_real_encoder(minilm):
    """Six layers, real text: the central difference against one backward pass for every row."""
    module = _net.load_module(minilm, ["a", "b"], seed=0)
    texts = ["a warm film", "a dull, lifeless film of great length", "charming", "boring and slow", "moving"]
    target = np.array([0, 1, 0, 1, 1])
    tokens = tokenize(texts, _net.load_tokenizer(minilm), 32, None)
    rows = _net.LabelledRows(tokens, target)
    others = _net.LabelledRows(tokens.take(np.array([0, 3])), np.array([0, 1]))
    direction = mean_gradient(module, others, cross_entropy)
    expected = []
    for i in range(len(texts)):
        batch, label = rows.batch(np.array([i]), torch.device("cpu"))
        loss = cross_entropy(module(**batch["inputs"].tensors).logits, label).sum()
        row = gradient(loss, trainable(module))
        expected.append(sum((a * b).sum().item() for a, b in zip(direction, row, strict=True)))
    got = alignment(
        trainable(module),
        direction,
        lambda: cross_entropy(torch.from_numpy(_net.predict_logits(module, tokens)), torch.from_numpy(target)),
    )
    assert_allclose(got, expected, rtol=5e-3, atol=5e-3 * np.abs(expected).max())
    assert len(set(np.sign(expected))) == 2  # rows for and rows against


def test_the_mean_gradient_is_that_of_all_rows_however_they_are_batched(minilm):
    module = _net.load_module(minilm, ["a", "b"], seed=0)
    tokens = tokenize(
        ["good"] * 3 + ["a very long sentence about films " * 5] * 2, _net.load_tokenizer(minilm), 64, None
    )
    rows = _net.LabelledRows(tokens, np.array([0, 1, 1, 0, 1]))
    batch, target = rows.batch(np.arange(5), torch.device("cpu"))
    expected = gradient(cross_entropy(module(**batch["inputs"].tensors).logits, target).mean(), trainable(module))
    for got, want in zip(mean_gradient(module, rows, cross_entropy), expected, strict=True):
        assert_allclose(got, want, atol=1e-5)


# -- SunGen -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_classes", "label_proba", "expected"), [(2, 0.8, 1.000023), (3, 0.8, 0.666697)], ids=["two", "three"]
)
def test_reverse_cross_entropy_is_the_published_one(n_classes, label_proba, expected):
    proba = np.full(n_classes, (1 - label_proba) / (n_classes - 1))
    proba[0] = label_proba
    logits = torch.from_numpy(np.log(proba))[None]
    assert reverse_cross_entropy(logits, torch.tensor([0])).item() == pytest.approx(expected, abs=1e-6)


def test_the_hypergradient_is_that_of_an_unrolled_step():
    """Closed form by the shipped functions, against automatic differentiation through the inner step."""
    module = LinearSoftmax()
    direction = mean_gradient(module, VALIDATION, cross_entropy)
    s = aligned(module, direction, MISLABELLED_X, MISLABELLED_Y)
    assert_allclose(s, [0.25, 0.25, -0.25], atol=1e-6)
    theta = torch.zeros(3, requires_grad=True)
    weight = theta.sigmoid()
    closed = LR / weight.detach().sum() * hypergradient(s, weight.detach())
    losses = cross_entropy(module(torch.from_numpy(MISLABELLED_X)).logits, torch.from_numpy(MISLABELLED_Y))
    inner = (losses * weight / weight.detach().sum()).sum()
    (step,) = torch.autograd.grad(inner, module.W, create_graph=True)
    (unrolled,) = torch.autograd.grad(-LR * step, theta, grad_outputs=direction)
    assert_allclose(closed, unrolled, atol=1e-7)
    assert_allclose(closed, [-0.004167, -0.004167, 0.004167], atol=1e-6)


def test_sungen_on_synthetic_rows_needs_no_real_ones_and_on_real_rows_does(toy):
    with pytest.raises(ValueError, match=r"SunGenClassifier.fit needs real data: pass real_X and real_y, or is_real."):
        SunGenClassifier("passthrough", outer="real").fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.filterwarnings("ignore:SKW041")
def test_the_gradient_of_sungens_weights_is_scaled_down_to_norm_three(numbers):
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    norms = []

    def watch(optimizer, *_):
        (first, *_) = optimizer.param_groups[0]["params"]
        if first.shape == (len(numbers["X"]),):
            norms.append(first.grad.norm().item())

    only_one = np.where(np.arange(240) == 0, 1, 1e-9)  # its share of the gradient is that of all rows
    hook = register_optimizer_step_pre_hook(watch)
    try:
        SunGenClassifier("passthrough", outer="real", n_outer_iter=3, random_state=0).fit(
            numbers["X"], numbers["y"], real_X=numbers["real_X"], real_y=numbers["real_y"], sample_weight=only_one
        )
    finally:
        hook.remove()
    assert len(norms) == 3
    assert max(norms) == pytest.approx(3, rel=1e-3)


def test_every_training_of_sungen_starts_from_the_same_model(numbers, monkeypatch):
    starts, train = [], _net.train

    def watched(module, *args, **kwargs):
        starts.append(torch.cat([p.detach().ravel() for p in module.parameters()]))
        return train(module, *args, **kwargs)

    monkeypatch.setattr(_net, "train", watched)
    SunGenClassifier("passthrough", n_outer_iter=3, random_state=0).fit(numbers["X"], numbers["y"])
    *inner, final = starts
    assert len(inner) == 3
    assert all(torch.equal(start, inner[0]) for start in inner)
    assert not torch.equal(final, inner[0])  # the final one has a head of its own


def test_the_synthetic_objective_leaves_out_the_lightest_tenth():
    y = np.arange(20) % 2
    rows = SimpleNamespace(tokens=Features(np.arange(20, dtype=np.float32)[:, None]), target=y)
    weight = np.linspace(1, 0, 20)
    kept, loss = SunGenClassifier()._outer_objective(SimpleNamespace(synthetic=rows), weight)
    assert sorted(kept.tokens.values[:, 0].tolist()) == list(range(18))
    assert kept.target.tolist() == y[kept.tokens.values[:, 0].astype(int)].tolist()
    assert loss is reverse_cross_entropy


# -- Hu et al., Ren et al. --------------------------------------------------------------------------------------------


def weights_of_a_step(lookahead=3, **options):
    """What the mislabelled rows weigh in the first step of plain gradient descent on the linear model.

    Looking ahead along three rows, as the published code would with three.
    """
    classifier = HuClassifier(pretrain_epochs=0, lookahead=lookahead, **options)
    data = _net.LabelledRows(Features(MISLABELLED_X), MISLABELLED_Y, {"sample_weight": np.ones(3)})
    step_weights = _StepWeights(classifier, 3, VALIDATION, np.random.RandomState(0))
    training = _net.train(
        LinearSoftmax(),
        WeightedCrossEntropy(),
        data,
        step_weights=step_weights,
        seed=0,
        device=torch.device("cpu"),
        precision="fp32",
        max_epochs=1,
        lr=LR,
        batch_size=3,
        weight_decay=0.0,
        warmup_ratio=0.0,
        max_grad_norm=None,
        n_iter_no_change=1,
        compile=False,
        callbacks=None,
        net_params={"optimizer": torch.optim.SGD, "optimizer__fused": False},
        title="",
        verbose=0,
    )
    return training.weights / 3, step_weights.phi.numpy()


def test_hu_scores_and_weights_in_a_step_are_those_of_the_unrolled_meta_gradient():
    weights, phi = weights_of_a_step()
    assert_allclose(phi, [0.223751, 0.225, 0.175], atol=2e-6)
    assert_allclose(weights, [0.338562, 0.338985, 0.322453], atol=2e-6)


def test_hu_linear_weights_are_shares_of_the_scores():
    assert_allclose(weights_of_a_step(normalize="linear")[0], [0.358719, 0.360721, 0.280561], atol=2e-6)


def test_ren_weights_forget_and_leave_out_rows_that_would_do_harm():
    assert_allclose(weights_of_a_step(persistent=False)[0], [0.5, 0.5, 0.0], atol=2e-6)


def test_unit_scale_makes_the_weights_independent_of_the_learning_rate():
    phi = weights_of_a_step(scale="unit")[1]
    h = np.array([-0.023751, -0.025, 0.025])
    assert_allclose(phi, np.maximum(0.2 - h / h.std(), 1e-5), rtol=1e-3)


@pytest.mark.parametrize(("lookahead", "steps"), [(0, 0), (1, 1), (3, 3), (8, 3)])
def test_rows_of_a_batch_share_the_look_ahead_and_none_goes_further_than_its_own_step(lookahead, steps):
    """Plain gradient descent on logits X W', from W = 0: the last two rows differ in the label alone and cancel out."""
    W = LR * steps / 3 * np.array([[0.5, 0.0], [-0.5, 0.0]])
    p = np.exp(W) / np.exp(W).sum(axis=0)  # of the two validation rows, which are the unit vectors
    direction = (p - np.eye(2)) / 2
    h = -LR * np.array(
        [np.sum(direction * (0.5 - np.eye(2)[[k]].T) * x) for x, k in zip(MISLABELLED_X, MISLABELLED_Y, strict=True)]
    )
    assert_allclose(weights_of_a_step(lookahead)[1], 0.2 - h, atol=2e-6)


@pytest.mark.filterwarnings("ignore:SKW0")
def test_hu_survives_parameters_that_adam_has_seen_no_gradient_of():
    """Only rows of one label weigh anything: all is learnt at once, and Adam's linearised steps overflow."""
    X = np.random.RandomState(0).uniform(size=(10, 10))
    y = np.arange(10) % 2
    clf = HuClassifier("passthrough", max_epochs=40, random_state=0)
    clf.fit(X, y, real_X=(X,), real_y=(y,), sample_weight=y)
    assert np.isfinite(clf.sample_weight_).all()


def test_hu_needs_real_rows():
    with pytest.raises(ValueError, match=r"HuClassifier.fit needs real data: pass real_X and real_y, or is_real."):
        HuClassifier("passthrough").fit(np.eye(4), [0, 1, 0, 1])


def test_hu_refuses_a_pretraining_that_leaves_no_epoch_to_learn_weights_in():
    with pytest.raises(ValueError, match=r"pretrain_epochs=3 must be below max_epochs=3"):
        HuClassifier("passthrough", pretrain_epochs=3, max_epochs=3).fit(
            np.eye(4), [0, 1, 0, 1], real_X=np.eye(4)[:2] + 1, real_y=[0, 1]
        )


def test_hu_weighs_all_rows_alike_until_pretraining_is_over(numbers):
    seen = {}

    class Watch(_net.Callback):
        def on_epoch_end(self, net, **kwargs):
            seen[len(net.history)] = net.weights_.numpy().copy()

    HuClassifier("passthrough", pretrain_epochs=2, max_epochs=3, callbacks=[Watch()], random_state=0).fit(
        numbers["X"], numbers["y"], real_X=numbers["real_X"], real_y=numbers["real_y"]
    )
    assert (seen[1] == 1).all()
    assert (seen[2] == 1).all()
    assert len(np.unique(seen[3])) > 50


def test_real_rows_that_join_are_not_weighed_by_hu(numbers):
    X, y, is_real = stack_real(numbers["X"], numbers["y"], numbers["real_X"], numbers["real_y"])
    clf = HuClassifier("passthrough", scale="unit", real_weight=0.5, random_state=0).fit(X, y, is_real=is_real)
    assert_allclose(clf.sample_weight_[is_real], 0.5)
    assert len(np.unique(clf.sample_weight_[~is_real])) > 50


# -- what they are for: wrong labels ----------------------------------------------------------------------------------


@pytest.fixture
def numbers():
    """Rows of numbers, a fifth with the wrong label."""
    rng = np.random.RandomState(0)
    X = rng.randn(280, 4)
    y = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
    wrong = np.arange(240) < 48
    other = np.where(y == "up", "down", "up")
    return {
        "X": X[:240],
        "y": np.where(wrong, other[:240], y[:240]),
        "wrong": wrong,
        "real_X": X[240:],
        "real_y": y[240:],
    }


LEARNERS = {
    "SunGen, synthetic": SunGenClassifier("passthrough", n_outer_iter=8, inner_epochs=5, random_state=0),
    "SunGen, real": SunGenClassifier("passthrough", outer="real", n_outer_iter=8, inner_epochs=5, random_state=0),
    "Hu et al.": HuClassifier("passthrough", random_state=0),
    "Ren et al.": HuClassifier("passthrough", persistent=False, random_state=0),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_wrong_labels_come_to_weigh_less(name, numbers):
    """AUC of telling right from wrong labels by the learnt weights."""
    from sklearn.metrics import roc_auc_score

    clf = LEARNERS[name].fit(numbers["X"], numbers["y"], real_X=numbers["real_X"], real_y=numbers["real_y"])
    # SunGen on synthetic rows has nothing to go by but those rows themselves.
    assert roc_auc_score(~numbers["wrong"], clf.sample_weight_) > (0.8 if name == "SunGen, synthetic" else 0.9)
    assert clf.sample_weight_.mean() == pytest.approx(1.0, abs=0.05)
