"""The last layer is fitted before the whole is trained."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from skweight._engine.batches import LabelledRows
from skweight._engine.head import make_head
from skweight._engine.loading import load_module, load_tokenizer
from skweight._engine.prediction import predict_logits
from skweight._engine.probing import fit_last_layer
from skweight._rows.features import Features
from skweight._rows.tokens import tokenize


def rows_of(tokens, target, weight=None):
    weight = np.ones(len(target)) if weight is None else weight
    return LabelledRows(tokens, target.argmax(axis=1), {"target_proba": target, "sample_weight": weight})


@pytest.fixture
def numbers():
    return np.random.RandomState(0).randn(60, 4).astype(np.float32)


def test_it_is_the_softmax_regression_of_scikit_learn(numbers):
    """On the hidden layer, scaled to rows of length 1 on average, with hard targets and weights."""
    y = (numbers[:, 0] + numbers[:, 1] > 0).astype(int) + (numbers[:, 2] > 1)
    weight = np.random.RandomState(1).rand(60) + 0.5
    module = make_head(numbers, ["a", "b", "c"], seed=0)
    with torch.no_grad():
        hidden = torch.relu(module.hidden((torch.tensor(numbers) - module.mean) / module.scale)).numpy()
    fit_last_layer(module, rows_of(Features(numbers), np.eye(3)[y], weight), seed=0)
    hidden = hidden.astype(np.float64)
    hidden /= np.sqrt((hidden**2).sum(axis=1).mean())
    regression = LogisticRegression(tol=1e-8, max_iter=1000).fit(hidden, y, weight / weight.mean())
    logits = predict_logits(module, Features(numbers))
    proba = torch.softmax(torch.tensor(logits), dim=1).numpy()
    assert_allclose(proba, regression.predict_proba(hidden), atol=1e-4)


def test_soft_targets_are_learnt_as_they_are(numbers):
    """The least loss is where the mean of what is predicted is the mean of the targets."""
    target = np.random.RandomState(1).dirichlet([1, 2, 3], size=60)
    module = make_head(numbers, ["a", "b", "c"], seed=0)
    fit_last_layer(module, rows_of(Features(numbers), target), seed=0)
    proba = torch.softmax(torch.tensor(predict_logits(module, Features(numbers))), dim=1).numpy()
    assert_allclose(proba.mean(axis=0), target.mean(axis=0), atol=1e-5)


def test_the_layers_below_stay_as_they_are(tiny_encoder, toy):
    module = load_module(tiny_encoder, ["a", "b"], 0)
    before = copy.deepcopy(module.state_dict())
    tokens = tokenize(list(toy["X"]), load_tokenizer(tiny_encoder, max_length=16), 16, None)
    target = np.eye(2)[np.unique(toy["y"], return_inverse=True)[1]]
    fit_last_layer(module, rows_of(tokens, target), seed=0)
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert not module.training
    assert not module.classifier._forward_pre_hooks


def test_only_so_many_rows_are_read(numbers):
    """Rows that are not read may be anything."""
    target = np.eye(2)[(numbers[:, 0] > 0).astype(int)]
    some = np.sort(np.random.RandomState(3).permutation(60)[:20])
    whole, part = (make_head(numbers, ["a", "b"], seed=0) for _ in range(2))
    fit_last_layer(whole, rows_of(Features(numbers), target), seed=3, max_rows=20)
    fit_last_layer(part, rows_of(Features(numbers[some]), target[some]), seed=3)
    assert_array_equal(whole.classifier.weight.detach(), part.classifier.weight.detach())


def test_a_last_layer_of_another_kind_is_left_alone(numbers):
    """Without a bias there is nowhere to put the class terms."""
    module = make_head(numbers, ["a", "b"], seed=0)
    module.classifier = torch.nn.Linear(128, 2, bias=False)
    before = module.classifier.weight.detach().clone()
    fit_last_layer(module, rows_of(Features(numbers), np.eye(2)[(numbers[:, 0] > 0).astype(int)]), seed=0)
    assert torch.equal(module.classifier.weight, before)


def test_a_model_that_classifies_every_token_is_left_alone(numbers):
    """As decoders do, which then choose one token: what the layer is given is no vector for each row."""

    class Sequences(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.config = make_head(numbers, ["a", "b"], seed=0).config
            self.classifier = torch.nn.Linear(4, 2)

        def forward(self, features):
            return self.classifier(features[:, None, :].repeat(1, 3, 1))

    module = Sequences()
    before = module.classifier.weight.detach().clone()
    fit_last_layer(module, rows_of(Features(numbers), np.eye(2)[(numbers[:, 0] > 0).astype(int)]), seed=0)
    assert torch.equal(module.classifier.weight, before)
