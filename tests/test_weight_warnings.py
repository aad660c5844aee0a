"""Weights, checkers and classifiers that are worth little: which warning or error, and never two of one cause."""

import re

import numpy as np
import pytest
from helpers import QUICK, ConstantChecker, UniformChecker
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Callback

from skweight import DIMPClassifier, IMPClassifier, effective_sample_size
from skweight.baselines import CrossEntropyClassifier, DistilledClassifier
from skweight.exceptions import SkweightWarning

Y = np.arange(200) % 2
ANYHOW = pytest.mark.filterwarnings("ignore:SKW04")


class FromColumn(ClassifierMixin, BaseEstimator):
    """A fitted checker that finds what it is to say of class 0 in a column of X."""

    classes_ = np.array([0, 1])

    def __init__(self, column):
        self.column = column

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        first = np.asarray(X[:, self.column], dtype=np.float64)
        return np.c_[first, 1 - first]


def imp(**params):
    checkers = {name: FrozenEstimator(FromColumn(i)) for i, name in enumerate(["quality_checker", "diversity_checker"])}
    return IMPClassifier("passthrough", **{**checkers, **QUICK, **params})


def rows_of(quality=0.5, diversity=0.5):
    """Rows whose labels have those probabilities under the two checkers."""
    own = np.c_[np.broadcast_to(quality, len(Y)), np.broadcast_to(diversity, len(Y))]
    return np.where(Y[:, None] == 0, own, 1 - own)


def codes(caught):
    return [str(warning.message)[:6] for warning in caught]


# Extreme probabilities stand in rows of class 0: float32 holds numbers near 0 better than near 1.
EVERY_OTHER = np.where(Y == 0, 0.0, 0.5)
FEW = np.where(np.isin(np.arange(200), range(0, 16, 2)), 1.0, 1e-6)
ONE = np.where(np.arange(200) == 6, 1e-4, 0.5)


# -- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [None, "global"])
def test_half_of_the_weights_at_their_bound_are_reported(caught, normalize):
    clf = imp(normalize=normalize).fit(rows_of(diversity=EVERY_OTHER), Y)
    assert codes(caught) == ["SKW040"]
    assert str(caught[0].message) == (
        "SKW040: 100 of 200 rows (50%) weigh 1e+10 or more, as what divides their weight is next to 0. Try "
        "smoothing=0.05, clip=10, or a checker that is less certain."
    )
    assert np.isfinite(clf.sample_weight_).all()


@pytest.mark.parametrize("options", [{"clip": 10}, {"gamma": 0.01}], ids=str)
def test_weights_that_an_option_keeps_small_are_not_reported(caught, options):
    imp(**options).fit(rows_of(diversity=EVERY_OTHER), Y)
    assert not caught


def test_dimp_reports_weights_at_their_bound_too(caught):
    """Every row is there with both labels, and the model is made certain of one: the other's probability is 0."""
    X = np.repeat(np.random.RandomState(0).randn(100, 2), 2, axis=0)
    settings = {**QUICK, "lr": 10.0, "batch_size": 10}
    clf = DIMPClassifier("passthrough", quality_checker=UniformChecker(), **settings)
    clf.fit(X, Y, real_X=X[:8:2] + 1, real_y=Y[:4])
    assert codes(caught) == ["SKW040"]
    assert "weigh 1e+10 or more" in str(caught[0].message)


def test_labels_without_any_probability_are_reported_from_one_in_a_hundred_on(caught):
    X = rows_of(quality=np.where(np.arange(200) == 0, 0.0, 0.5))
    imp().fit(X, Y)
    assert not caught
    X[2, 0] = 0.0
    imp().fit(X, Y)
    assert codes(caught) == ["SKW040"]
    assert str(caught[0].message) == (
        "SKW040: 2 of 200 rows (1%) weigh next to nothing, as their label has no probability under the quality "
        "checker. Try smoothing=0.05, clip=10, or a checker that is less certain."
    )
    caught.clear()
    imp(smoothing=0.05).fit(X, Y)
    imp(gamma=0).fit(X, Y)
    assert not caught


def test_labels_without_any_probability_and_weights_at_their_bound_are_one_warning(caught):
    quality, diversity = np.where(np.arange(200) % 4 == 0, 0.0, 0.5), np.where(np.arange(200) % 4 == 2, 0.0, 0.5)
    imp().fit(rows_of(quality, diversity), Y)
    assert codes(caught) == ["SKW040"]
    assert str(caught[0].message).startswith(
        "SKW040: 50 of 200 rows (25%) weigh next to nothing, as their label has no probability under the quality "
        "checker; 50 of 200 rows (25%) weigh 1e+10 or more, as "
    )


def test_dimp_takes_a_label_without_probability_in_silence(caught):
    X = rows_of(quality=np.where(np.arange(200) == 0, 0.0, 0.5))
    clf = DIMPClassifier("passthrough", quality_checker=FrozenEstimator(FromColumn(0)), **QUICK).fit(X, Y)
    assert not caught
    np.testing.assert_array_equal(clf.sample_weight_ == 0, np.arange(200) == 0)


def test_one_row_that_outweighs_all_others_is_named(caught):
    imp(on_bad_rows="drop").fit(np.insert(rows_of(diversity=ONE), 0, np.nan, axis=0), np.r_[0, Y])
    assert codes(caught) == ["SKW014", "SKW042"]
    # 0.5 / 1e-4 = 5000, of 5000 + 199
    assert "row 7 carries 96% of the weight of all 200 rows" in str(caught[1].message)


def test_few_rows_that_outweigh_all_others_are_a_collapse(caught):
    imp(diversity_checker="drop").fit(rows_of(quality=FEW), Y)
    assert codes(caught) == ["SKW041"]
    assert "200 rows count as 8.0" in str(caught[0].message)


def test_equal_weights_are_not_reported_however_few_the_rows(caught):
    imp().fit(rows_of()[:4], Y[:4])
    assert not caught


def test_weights_that_are_all_zero_are_refused():
    message = (
        "All 200 weights are 0 in float32, so that nothing could be learnt. Try a gamma smaller than 500, "
        "smoothing=0.05, or another quality checker."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        imp(gamma=500).fit(rows_of(quality=0.4), Y)  # (0.4 / 0.5) ** 500 = 4e-49


@pytest.mark.parametrize("cls", [IMPClassifier, DIMPClassifier])
def test_a_clip_that_leaves_no_weight_is_refused(cls):
    with pytest.raises(ValueError, match="The 'clip' parameter of"):
        cls("passthrough", clip=5e-324).fit(rows_of(), Y, real_X=rows_of()[:4], real_y=Y[:4])


@pytest.mark.parametrize("scale", [1e308, 1e-308, 5e-324])
def test_only_ratios_of_sample_weight_matter_however_large_or_small(scale):
    X = np.random.RandomState(0).randn(200, 2)
    weight = np.full(200, scale)
    clf = CrossEntropyClassifier("passthrough", **QUICK).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(clf.sample_weight_, np.ones(200))


@ANYHOW
@pytest.mark.parametrize("cls", [IMPClassifier, DIMPClassifier])
def test_rows_that_are_all_the_same_and_a_class_of_one_row_have_finite_weights(cls):
    real = {"real_X": np.random.RandomState(0).randn(20, 2), "real_y": np.arange(20) % 2}
    checkers = {"quality_checker": LogisticRegression()}
    if cls is IMPClassifier:
        checkers["diversity_checker"] = LogisticRegression()
    clf = cls("passthrough", **checkers, **QUICK)
    for X, y in [
        (np.ones((200, 2)), Y),
        (np.random.RandomState(1).randn(1000, 2), (np.arange(1000) == 0).astype(int)),  # 99.9 % are of one class
    ]:
        weights = clf.fit(X, y, **real).sample_weight_
        assert np.isfinite(weights).all()
        sizes = effective_sample_size(weights, y)
        assert sizes[1] == pytest.approx(1.0) if y.sum() == 1 else sizes[1] > 1


# -- checkers ---------------------------------------------------------------------------------------------------------


class Stop(Callback):
    def on_train_begin(self, net, **kwargs):
        raise RuntimeError("training has begun")


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (DIMPClassifier, "quality_checker"),
        (IMPClassifier, "diversity_checker"),
        (DistilledClassifier, "quality_checker"),
    ],
)
def test_a_checker_that_predicts_one_class_is_reported_before_the_training(cls, name):
    X = np.random.RandomState(0).randn(200, 2)
    checkers = {"quality_checker": LogisticRegression(), name: FrozenEstimator(ConstantChecker({0: 0.4, 1: 0.6}))}
    clf = cls("passthrough", **checkers, callbacks=[Stop()], **QUICK)
    with (
        pytest.warns(SkweightWarning, match=f"SKW043: the {name} finds 1 most probable in all 200 synthetic rows"),
        pytest.raises(RuntimeError, match="training has begun"),
    ):
        clf.fit(X, Y, real_X=X[:20] + 1, real_y=X[:20, 0] > 0)


@pytest.mark.filterwarnings("error:SKW043")
def test_a_checker_that_tells_rows_apart_or_knows_nothing_of_any_is_not_reported():
    X = np.random.RandomState(0).randn(200, 2)
    for checker in (LogisticRegression(), UniformChecker()):
        DIMPClassifier("passthrough", quality_checker=checker, **QUICK).fit(X, Y, real_X=X[:20] + 1, real_y=Y[:20])


# -- classifiers ------------------------------------------------------------------------------------------------------


def test_a_classifier_that_predicts_one_class_is_reported():
    X = np.random.RandomState(0).randn(200, 2)
    clf = CrossEntropyClassifier("passthrough", **{**QUICK, "max_epochs": 10, "lr": 0.01})
    with pytest.warns(SkweightWarning, match="SKW045: 200 training rows of 2 classes are all predicted as 0"):
        clf.fit(X, Y, sample_weight=Y == 0)  # of the other class nothing is learnt
    assert (clf.predict(X) == 0).all()


@pytest.mark.filterwarnings("error:SKW045", "ignore:SKW041")
def test_a_rare_class_that_is_predicted_is_not_overlooked():
    """Three rows in a thousand, which a sample of the rows would miss."""
    X = np.random.RandomState(0).randn(1000, 2)
    y = np.zeros(1000, dtype=int)
    y[777:780], X[777:780] = 1, 50
    clf = CrossEntropyClassifier("passthrough", **{**QUICK, "batch_size": 32, "lr": 0.03})
    clf.fit(X, y, sample_weight=np.where(y == 1, 100, 1))
    assert clf.predict(X).sum() == 3


@pytest.mark.filterwarnings("error:SKW045")
def test_a_checker_is_judged_by_the_rows_that_it_is_asked_about_alone():
    """No second warning for a checker that predicts one class."""
    X = np.random.RandomState(0).randn(200, 2)
    y = (X[:, 0] > 0).astype(int)
    clf = DIMPClassifier("passthrough", **{**QUICK, "max_epochs": 20, "lr": 0.01})
    clf.set_params(quality_checker__max_epochs=1, quality_checker__lr=1e-12)
    far_away = np.linspace(50, 51, 40).reshape(20, 2)
    with pytest.warns(SkweightWarning, match="SKW043") as caught:
        clf.fit(X, y, real_X=far_away, real_y=np.arange(20) % 2)
    assert "SKW045" not in codes(caught)
