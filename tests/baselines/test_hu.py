"""Hu et al. and Ren et al.: weights in a step against closed forms."""

import numpy as np
import pytest
import torch
from helpers import LR, MISLABELLED_X, MISLABELLED_Y, VALIDATION, LinearSoftmax
from numpy.testing import assert_allclose
from skorch.callbacks import Callback

from skweight import _engine
from skweight._parameters import TrainingParameters
from skweight._rows.features import Features
from skweight.baselines import HuClassifier
from skweight.baselines.hu import _MetaWeights
from skweight.losses import WeightedCrossEntropy
from skweight.model_selection import stack_real


def weights_of_a_step(lookahead=3, **options):
    """What the mislabelled rows weigh in the first step of plain gradient descent on the linear model.

    Looking ahead along three rows, as the published code would with three.
    """
    classifier = HuClassifier(pretrain_epochs=0, lookahead=lookahead, **options)
    data = _engine.LabelledRows(Features(MISLABELLED_X), MISLABELLED_Y, {"sample_weight": np.ones(3)})
    step_weights = _MetaWeights(classifier, 3, VALIDATION, np.random.RandomState(0))
    parameters = TrainingParameters(
        max_epochs=1,
        lr=LR,
        batch_size=3,
        max_grad_norm=None,
        device="cpu",
        precision="fp32",
        net_params={"optimizer": torch.optim.SGD, "optimizer__fused": False},
    )
    training = _engine.train(
        LinearSoftmax(), WeightedCrossEntropy(), data, parameters, seed=0, title="", step_weights=step_weights
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


@pytest.mark.filterwarnings("ignore:SKW030")  # the real rows are the synthetic ones
def test_hu_weights_do_not_collapse_where_adam_has_seen_next_to_no_gradient():
    """Parameters that the first step did not move: at Adam's present state the second has no bound there, and one row
    whose gradient moves them had all of the weight, whatever its label."""
    X = np.array([[i, j] for i in (1.0, 2.0, 3.0) for j in (1.0, 2.0, 3.0, 4.0)])
    y = np.array([1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2])
    for seed in range(12):
        clf = HuClassifier("passthrough", max_epochs=2, random_state=seed).fit(X, y, real_X=(X,), real_y=(y,))
        assert clf.history_[-1]["effective_sample_size"] > 6


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

    class Watch(Callback):
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
