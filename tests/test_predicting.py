"""What a fitted classifier says of rows, in which form and in which mode of its network."""

import copy

import numpy as np
import pytest
import torch
from helpers import ALL, fit, quick
from sklearn.model_selection import KFold, cross_val_predict

from skweight.baselines import CrossEntropyClassifier

# -- logarithms of probabilities --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_log_probabilities_are_the_logarithms_of_the_probabilities(cls, tiny_encoder, toy):
    clf = fit(quick(cls, tiny_encoder), toy)
    np.testing.assert_allclose(clf.predict_log_proba(toy["X"]), np.log(clf.predict_proba(toy["X"])), rtol=1e-12)


def test_the_logarithm_of_a_probability_that_underflows_is_finite(numeric_classifier):
    clf, X = copy.deepcopy(numeric_classifier), np.ones((1, 3))
    with torch.no_grad():
        clf.module_.classifier.bias += torch.tensor([0.0, 1e4])
    assert clf.predict_proba(X)[0, 0] == 0
    ((low, high),) = clf.predict_log_proba(X)
    assert low == pytest.approx(-1e4, rel=1e-3)
    assert high == 0


@pytest.mark.parametrize(("method", "absent"), [("predict_proba", 0.0), ("predict_log_proba", np.finfo(float).min)])
def test_cross_validated_predictions_have_a_column_for_a_class_that_a_fold_misses(method, absent):
    X = np.random.RandomState(0).normal(size=(30, 3))
    y = np.array(["a"] * 10 + ["b", "c"] * 10)
    clf = CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0)
    with pytest.warns(RuntimeWarning, match="Number of classes in training fold"):
        said = cross_val_predict(clf, X, y, cv=KFold(3), method=method)
    assert said.shape == (30, 3)
    np.testing.assert_array_equal(said[:10, 0], absent)
    proba = said if method == "predict_proba" else np.exp(said)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    fitted = CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0).fit(X[10:], y[10:])
    np.testing.assert_allclose(proba[:10, 1:], fitted.predict_proba(X[:10]))
