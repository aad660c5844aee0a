"""What a fitted classifier says of rows, in which form and in which mode of its network."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers import ALL, fit, quick
from sklearn.model_selection import KFold, cross_val_predict

from skweight import OpinionPoolClassifier
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


# -- evaluation mode --------------------------------------------------------------------------------------------------


def left_in_training(clf):
    """The classifier after somebody has put its network into training mode, as an export of a wrapper does."""
    clf.module_.train()
    return clf


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("copier", [lambda clf: clf, copy.deepcopy, lambda clf: pickle.loads(pickle.dumps(clf))])
def test_a_network_that_was_left_in_training_mode_predicts_without_dropout(cls, copier, tiny_encoder, toy):
    clf = fit(quick(cls, tiny_encoder), toy)
    expected = clf.predict_proba(toy["X"])
    dropping = copier(left_in_training(clf))
    np.testing.assert_array_equal(dropping.predict_proba(toy["X"]), expected)
    np.testing.assert_array_equal(np.vstack(list(dropping.predict_proba(iter([toy["X"]])))), expected)
    assert dropping.module_.training  # somebody may be training it


@pytest.mark.parametrize("encoder", ["texts", "passthrough"])
def test_so_does_one_of_which_a_part_was_left_in_training_mode(encoder, text_classifier, numeric_classifier):
    clf = copy.deepcopy(text_classifier if encoder == "texts" else numeric_classifier)
    X = ["a good film"] if encoder == "texts" else np.ones((1, 3))
    expected = clf.predict_proba(X)
    clf.module_.dropout.train()
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_so_does_a_pool_of_frozen_experts(tiny_encoder, toy):
    clf = fit(OpinionPoolClassifier(tiny_encoder, student=False, max_length=16, cv=2, random_state=0), toy)
    expected = clf.predict_proba(toy["X"])
    np.testing.assert_array_equal(left_in_training(clf).predict_proba(toy["X"]), expected)


def test_a_saved_classifier_whose_network_was_left_in_training_mode_predicts_the_same(text_classifier, tmp_path):
    clf = left_in_training(copy.deepcopy(text_classifier))
    clf.save_pretrained(tmp_path)
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(["a good film"]), text_classifier.predict_proba(["a good film"]))


def test_threads_that_put_the_network_into_training_mode_do_not_disturb_predictions(text_classifier, texts):
    clf, X = copy.deepcopy(text_classifier), texts(8)
    expected, done = clf.predict_proba(X), threading.Event()

    def toggle():
        while not done.is_set():
            clf.module_.train()

    clf.module_.train()
    with ThreadPoolExecutor(5) as threads:
        toggling = threads.submit(toggle)
        found = list(threads.map(lambda _: clf.predict_proba(X), range(100)))
        done.set()
    toggling.result()
    for proba in found:
        np.testing.assert_array_equal(proba, expected)
