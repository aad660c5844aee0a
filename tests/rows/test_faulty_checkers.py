"""Checkers without probabilities or of other classes: which error, and what it says."""

import re

import numpy as np
import pytest
from helpers import WEIGHTED, ConstantChecker, replaced, tfidf
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier, label_proba
from skweight.baselines import DistilledClassifier
from skweight.exceptions import SkweightWarning


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


class Answers(ClassifierMixin, BaseEstimator):
    """A fitted checker of two classes whose answer is right but for what `change` makes of it."""

    classes_ = np.array(["fresh", "rotten"])

    def __init__(self, change):
        self.change = change

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return self.change(np.tile([0.25, 0.75], (len(X), 1)))


def with_row_3(*values):
    def change(proba):
        proba[3] = values
        return proba

    return change


NO_PROBABILITIES = {
    "NaN": (with_row_3(np.nan, 0.5), r"returned \[nan, 0\.5\] for row 3, expected numbers between 0 and 1"),
    "above 1": (with_row_3(5.0, 0.5), r"returned \[5\.0, 0\.5\] for row 3"),
    "negative": (with_row_3(-0.1, 1.1), r"returned \[-0\.1, 1\.1\] for row 3"),
    "infinite": (with_row_3(np.inf, 0.0), r"returned \[inf, 0\.0\] for row 3"),
    "sum": (with_row_3(0.2, 0.2), r"returned \[0\.2, 0\.2\] for row 3, .* add up to 1 \(1 of 12 rows are wrong\)"),
    "a row too few": (lambda proba: proba[1:], r"returned an array of shape \(11, 2\), expected \(12, 2\)"),
    "a column too many": (
        lambda proba: np.c_[proba, proba],
        r"returned an array of shape \(12, 4\), expected \(12, 2\)",
    ),
    "one column": (lambda proba: proba[:, 0], r"returned an array of shape \(12,\), expected \(12, 2\)"),
}
ASKED = {
    "quality_checker of IMP": (IMPClassifier, "quality_checker"),
    "quality_checker of DIMP": (DIMPClassifier, "quality_checker"),
    "diversity_checker of IMP": (IMPClassifier, "diversity_checker"),
    "teacher": (DistilledClassifier, "quality_checker"),
    "expert": (OpinionPoolClassifier, "experts"),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("fault", NO_PROBABILITIES)
def test_what_a_checker_says_must_be_probabilities(fit, asked, fault):
    (cls, name), (change, message) = ASKED[asked], NO_PROBABILITIES[fault]
    checker = FrozenEstimator(Answers(change))
    who = "first expert" if name == "experts" else name
    with pytest.raises(ValueError, match=rf"^predict_proba of {who} \(Answers\) {message}"):
        fit(cls, **{name: [("first", checker, "real")] if name == "experts" else checker})


def test_the_row_that_a_message_names_is_that_of_the_users_data(fit, toy):
    checker = FrozenEstimator(Answers(with_row_3(np.nan, 0.5)))
    with pytest.warns(SkweightWarning, match="SKW014"), pytest.raises(ValueError, match="for row 4, expected"):
        fit(DIMPClassifier, quality_checker=checker, X=replaced(toy["X"], row1=None), on_bad_rows="drop")


def test_label_proba_refuses_what_are_no_probabilities_for_any_classifier(toy):
    with pytest.raises(ValueError, match=r"^predict_proba of Answers returned \[nan, 0\.5\] for row 3"):
        label_proba(Answers(with_row_3(np.nan, 0.5)), toy["X"], toy["y"])


def test_rounding_is_no_fault(fit):
    clf = fit(
        DIMPClassifier, quality_checker=FrozenEstimator(Answers(lambda proba: (proba * 1.001).astype(np.float16)))
    )
    np.testing.assert_allclose(clf.quality_proba_, [0.25, 0.75] * 6, rtol=2e-3)
