"""The primitive that SunGen and Hu et al. share, against closed forms and against one backward pass for every row."""

import numpy as np
import pytest
import torch
from helpers import LR, VALIDATION, LinearSoftmax, aligned
from numpy.testing import assert_allclose
from torch.nn import functional

from skweight import _engine
from skweight._rows.tokens import tokenize
from skweight.baselines._meta_gradient import alignment, cross_entropy, gradient, mean_gradient, shifted, trainable

X = np.array([[1.0, 0], [0, 1], [1, 1]], dtype=np.float32)
Y = np.array([0, 1, 1])


def test_alignment_times_the_learning_rate_is_how_a_step_on_a_row_changes_the_validation_loss():
    module = LinearSoftmax()
    losses = cross_entropy(module(torch.from_numpy(X)).logits, torch.from_numpy(Y))
    step = [-LR * g for g in gradient(losses.sum(), trainable(module))]
    with shifted(trainable(module), step):
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
    with shifted([module.W], [torch.full((2, 2), 1e6)]):
        assert (module.W > 1e5).all()
    assert torch.equal(module.W, before)


def test_alignment_with_a_gradient_of_zero_is_zero():
    assert aligned(LinearSoftmax(), [torch.zeros(2, 2)], X, Y).tolist() == [0, 0, 0]


def test_alignment_equals_gradients_of_single_rows_on_a_real_encoder(minilm):
    """Six layers, real text: the central difference against one backward pass for every row."""
    module = _engine.load_module(minilm, ["a", "b"], seed=0)
    texts = ["a warm film", "a dull, lifeless film of great length", "charming", "boring and slow", "moving"]
    target = np.array([0, 1, 0, 1, 1])
    tokens = tokenize(texts, _engine.load_tokenizer(minilm), 32, None)
    rows = _engine.LabelledRows(tokens, target)
    others = _engine.LabelledRows(tokens.take(np.array([0, 3])), np.array([0, 1]))
    direction = mean_gradient(module, others, cross_entropy)
    expected = []
    for i in range(len(texts)):
        batch = rows.batch(np.array([i]), torch.device("cpu"))
        loss = cross_entropy(module(**batch.inputs).logits, batch.target).sum()
        row = gradient(loss, trainable(module))
        expected.append(sum((a * b).sum().item() for a, b in zip(direction, row, strict=True)))
    got = alignment(
        trainable(module),
        direction,
        lambda: cross_entropy(torch.from_numpy(_engine.predict_logits(module, tokens)), torch.from_numpy(target)),
    )
    assert_allclose(got, expected, rtol=5e-3, atol=5e-3 * np.abs(expected).max())
    assert len(set(np.sign(expected))) == 2  # rows for and rows against


def test_the_mean_gradient_is_that_of_all_rows_however_they_are_batched(minilm):
    module = _engine.load_module(minilm, ["a", "b"], seed=0)
    tokens = tokenize(
        ["good"] * 3 + ["a very long sentence about films " * 5] * 2, _engine.load_tokenizer(minilm), 64, None
    )
    rows = _engine.LabelledRows(tokens, np.array([0, 1, 1, 0, 1]))
    batch = rows.batch(np.arange(5), torch.device("cpu"))
    expected = gradient(cross_entropy(module(**batch.inputs).logits, batch.target).mean(), trainable(module))
    for got, want in zip(mean_gradient(module, rows, cross_entropy), expected, strict=True):
        assert_allclose(got, want, atol=1e-5)
