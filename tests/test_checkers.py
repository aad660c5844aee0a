"""Checkers: default, cloned and seeded, fitted beforehand."""

import numpy as np
import pytest
import torch
from helpers import ALL, QUICK, fit, parameters, quick, tfidf, watch
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skweight._predicting
from skweight import DIMPClassifier, IMPClassifier, label_proba
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning

Y20 = np.arange(20) % 2 == 0


def test_default_quality_checker_is_the_same_encoder_on_the_real_rows(tiny_encoder, toy):
    clf = DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1)
    fit(clf, toy)
    assert isinstance(clf.quality_checker_, CrossEntropyClassifier)
    assert len(clf.quality_checker_.sample_weight_) == len(toy["real_X"])
    assert clf.quality_checker_.encoder == tiny_encoder


def test_default_diversity_checker_has_the_classifiers_own_training_parameters(tiny_encoder, toy):
    clf = fit(IMPClassifier(tiny_encoder, quality_checker=tfidf(), **QUICK), toy)
    assert isinstance(clf.diversity_checker_, CrossEntropyClassifier)
    assert len(clf.diversity_checker_.sample_weight_) == len(toy["X"])
    assert (clf.diversity_checker_.max_epochs, clf.diversity_checker_.batch_size) == (2, 4)


def test_parameters_of_default_checkers_can_be_listed_and_set():
    clf = IMPClassifier()
    assert clf.get_params()["quality_checker__max_epochs"] >= 1
    clf.set_params(quality_checker__max_epochs=7, diversity_checker__lr=0.5, gamma=2.0)
    assert (clf.quality_checker.max_epochs, clf.diversity_checker.lr, clf.gamma) == (7, 0.5, 2.0)
    assert clone(clf).quality_checker.max_epochs == 7
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        DIMPClassifier().set_params(quality_checker__epochs=7)


@pytest.mark.parametrize("cls", ALL)
def test_parameters_that_are_set_to_what_they_are_change_nothing(cls):
    clf = cls("some/encoder", max_epochs=7)
    before = clf.get_params(deep=False)
    assert clf.set_params(**clf.get_params()).get_params(deep=False) == before
    other = cls().set_params(**clf.get_params())
    assert other.get_params(deep=False) == before


def test_default_checkers_follow_after_their_parameters_were_set_to_what_they_are():
    clf = IMPClassifier(lr=1e-3)
    clf.set_params(**clf.get_params()).set_params(lr=2e-3)
    assert clf.get_params()["diversity_checker__lr"] == 2e-3
    changed = clf.set_params(**{**clf.get_params(), "diversity_checker__lr": 5e-5})
    assert changed.set_params(lr=3e-3).diversity_checker.lr == 5e-5


def test_one_parameter_of_a_default_checker_fixes_it_though_it_is_as_it_was():
    clf = IMPClassifier(lr=1e-3).set_params(diversity_checker__lr=1e-3)
    assert clf.set_params(lr=2e-3).get_params()["diversity_checker__lr"] == 1e-3


@pytest.mark.parametrize("value", ["fast", "drop"])
def test_parameters_of_a_checker_that_has_none_are_refused(value):
    message = rf"Invalid parameter 'diversity_checker__lr': diversity_checker='{value}' has no parameters of its own"
    with pytest.raises(ValueError, match=message):
        IMPClassifier(diversity_checker=value).set_params(diversity_checker__lr=5e-5)
    with pytest.raises(ValueError, match=message):
        IMPClassifier().set_params(diversity_checker=value, diversity_checker__lr=5e-5)


def test_checkers_are_cloned_and_seeded(tiny_encoder, toy):
    checker = make_pipeline(TfidfVectorizer(), LogisticRegression(solver="saga", max_iter=5000))
    clf = fit(quick(DIMPClassifier, tiny_encoder, quality_checker=checker), toy)
    assert not hasattr(checker[-1], "coef_")
    assert checker[-1].random_state is None
    assert isinstance(clf.quality_checker_[-1].random_state, int)


def test_frozen_checker_is_used_as_it_is_and_needs_no_real_rows(tiny_encoder, toy):
    fitted = tfidf().fit(toy["real_X"], toy["real_y"])
    before = fitted[-1].coef_.copy()
    clf = quick(DIMPClassifier, tiny_encoder, quality_checker=FrozenEstimator(fitted)).fit(toy["X"], toy["y"])
    assert clf.quality_checker_.estimator is fitted
    np.testing.assert_array_equal(fitted[-1].coef_, before)
    np.testing.assert_array_equal(clf.quality_proba_, label_proba(fitted, toy["X"], toy["y"]))


def test_frozen_checker_of_this_package_gives_the_same_weights_as_one_fitted_inside(tiny_encoder, toy):
    inside = fit(DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    frozen = DIMPClassifier(tiny_encoder, quality_checker=FrozenEstimator(inside.quality_checker_), **QUICK)
    frozen.fit(toy["X"], toy["y"])
    np.testing.assert_array_equal(frozen.quality_proba_, inside.quality_proba_)
    assert torch.equal(parameters(frozen), parameters(inside))


def test_checkers_are_not_part_of_the_trained_model(tiny_encoder, toy):
    clf = fit(IMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    own = {id(p) for p in clf.module_.parameters()}
    assert own.isdisjoint(id(p) for p in clf.quality_checker_.module_.parameters())
    assert own.isdisjoint(id(p) for p in clf.diversity_checker_.module_.parameters())
    assert not clf.diversity_checker_.module_.training


def test_texts_are_tokenised_once_for_all_checkers_on_the_same_encoder(tiny_encoder, toy, monkeypatch):
    tokenised = watch(monkeypatch, skweight._predicting, "tokenize")
    fit(IMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    assert sorted(len(call.texts) for call in tokenised) == [6, 12]


def test_checker_on_another_length_reads_texts_not_tokens(tiny_encoder, toy):
    checker = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "max_length": 4})
    with pytest.warns(SkweightWarning, match="SKW011"):
        clf = fit(quick(DIMPClassifier, tiny_encoder, quality_checker=checker), toy)
    with pytest.warns(SkweightWarning, match="SKW011"):
        expected = label_proba(clf.quality_checker_, toy["X"], toy["y"])
    np.testing.assert_array_equal(clf.quality_proba_, expected)


def test_default_quality_checker_trains_for_more_and_smaller_steps_than_the_classifier():
    X = np.random.RandomState(0).randn(40, 2)
    clf = DIMPClassifier("passthrough", max_epochs=2, random_state=0).fit(X, X[:, 0] > 0, real_X=X[:20] + 1, real_y=Y20)
    assert (clf.quality_checker_.n_iter_, clf.quality_checker_.batch_size) == (10, 16)


def test_default_diversity_checker_needs_no_real_rows_whatever_the_classifier_does_with_them():
    X = np.random.RandomState(0).randn(40, 2)
    clf = IMPClassifier(
        "passthrough", quality_checker=LogisticRegression(), real_weight=1.0, early_stopping=True, **QUICK
    )
    clf.fit(X, X[:, 0] > 0, real_X=X[:20] + 1, real_y=Y20)
    assert (clf.diversity_checker_.real_weight, clf.diversity_checker_.early_stopping) == (0.0, False)


class Interrupted(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["quality_checker", "diversity_checker"])
def test_ctrl_c_in_a_checker_is_passed_on_and_leaves_an_unfitted_classifier(name, tiny_encoder, toy):
    clf = fit(quick(IMPClassifier, tiny_encoder), toy)
    clf.set_params(**{name: make_pipeline(TfidfVectorizer(), Interrupted())})
    with pytest.raises(KeyboardInterrupt):
        fit(clf, toy)
    assert not [name for name in vars(clf) if name.endswith("_")]
