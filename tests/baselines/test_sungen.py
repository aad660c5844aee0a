"""SunGen: its hypergradient against automatic differentiation, and its outer loop."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import LR, MISLABELLED_X, MISLABELLED_Y, VALIDATION, LinearSoftmax, aligned
from numpy.testing import assert_allclose

from skweight import _engine
from skweight._rows.features import Features
from skweight._rows.rows import Rows
from skweight.baselines import SunGenClassifier
from skweight.baselines._meta_gradient import cross_entropy, mean_gradient
from skweight.baselines.sungen import hypergradient, reverse_cross_entropy


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


@pytest.mark.filterwarnings("ignore:SKW042")
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
    starts, train = [], _engine.train

    def watched(module, *args, **kwargs):
        starts.append(torch.cat([p.detach().ravel() for p in module.parameters()]))
        return train(module, *args, **kwargs)

    monkeypatch.setattr(_engine, "train", watched)
    SunGenClassifier("passthrough", n_outer_iter=3, random_state=0).fit(numbers["X"], numbers["y"])
    *inner, final = starts
    assert len(inner) == 3
    assert all(torch.equal(start, inner[0]) for start in inner)
    assert not torch.equal(final, inner[0])  # the final one has a head of its own


def test_the_synthetic_objective_leaves_out_the_lightest_tenth():
    y = np.arange(20) % 2
    X = np.arange(20, dtype=np.float32)[:, None]
    rows = Rows(X, y, None, np.arange(20), target=y, tokens=Features(X))
    weight = np.linspace(1, 0, 20)
    kept, loss = SunGenClassifier()._outer_objective(SimpleNamespace(synthetic=rows), weight)
    assert sorted(kept.tokens.values[:, 0].tolist()) == list(range(18))
    assert kept.target.tolist() == y[kept.tokens.values[:, 0].astype(int)].tolist()
    assert loss is reverse_cross_entropy
