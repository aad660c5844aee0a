"""Checkers without probabilities or of other classes: which error, and what it says."""

import re

import numpy as np
import pytest
from helpers import WEIGHTED, ConstantChecker, replaced, tfidf
from sklearn.ensemble import StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skweight import IMPClassifier, label_proba


@pytest.mark.parametrize(
    ("name", "checker", "kind"),
    [
        ("quality_checker", LinearSVC(), "LinearSVC"),
        ("quality_checker", make_pipeline(TfidfVectorizer(), LinearSVC()), "Pipeline"),
        ("diversity_checker", make_pipeline(TfidfVectorizer(), LinearSVC()), "Pipeline"),
    ],
)
def test_a_checker_without_predict_proba_is_refused_by_name(fit, name, checker, kind):
    message = f"{name} is {kind}, which has no predict_proba; weights need the probability of a label."
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        fit(IMPClassifier, **{name: checker})


def test_a_fitted_checker_without_predict_proba_is_refused(build, toy):
    checker = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(toy["real_X"], toy["real_y"])
    with pytest.raises(TypeError, match=r"^quality_checker is \w+, which has no predict_proba"):
        build(quality_checker=FrozenEstimator(checker)).fit(toy["X"], toy["y"])


STACK = StackingClassifier([("words", tfidf())], cv=2)


@pytest.mark.parametrize(
    ("name", "checker"),
    [
        ("quality_checker", STACK),
        ("diversity_checker", STACK),
        ("diversity_checker", GridSearchCV(STACK, {"words__logisticregression__C": [0.5, 1]}, cv=2)),
    ],
)
def test_a_checker_may_have_predict_proba_only_once_it_is_fitted(fit, toy, name, checker):
    assert not hasattr(checker, "predict_proba")
    clf = fit(IMPClassifier, **{name: checker})
    proba = label_proba(getattr(clf, f"{name}_"), toy["X"], toy["y"])
    np.testing.assert_allclose(getattr(clf, name.replace("checker", "proba_")), proba)


def test_a_stack_that_has_none_once_it_is_fitted_is_refused(fit):
    stack = StackingClassifier([("words", tfidf())], final_estimator=LinearSVC(), cv=2)
    with pytest.raises(TypeError, match=r"^quality_checker is StackingClassifier, which has no predict_proba"):
        fit(IMPClassifier, quality_checker=stack)


@pytest.mark.parametrize("cls", WEIGHTED)
def test_classes_of_a_fitted_checker_are_matched_by_name(build, toy, cls):
    checker = ConstantChecker({"rotten": 0.2, "other": 0.5, "fresh": 0.3})
    clf = build(cls, quality_checker=FrozenEstimator(checker)).fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.quality_proba_, [0.3, 0.2] * 6)


def test_a_fitted_checker_of_other_classes_is_refused(build, toy):
    checker = ConstantChecker({"good": 0.5, "bad": 0.5})
    message = (
        "No label in y is a class of FrozenEstimator: y holds ['fresh', 'rotten'], its classes_ are ['good', 'bad']."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(quality_checker=FrozenEstimator(checker)).fit(toy["X"], toy["y"])


def test_a_class_that_a_fitted_checker_does_not_know_is_an_error_by_default(build, toy):
    checker = FrozenEstimator(ConstantChecker({"fresh": 0.5, "rotten": 0.5}))
    with pytest.raises(ValueError, match=r"^the fitted quality_checker has no rows of \['mixed'\].*missing_real="):
        build(quality_checker=checker).fit(toy["X"], replaced(toy["y"], row0="mixed"))
