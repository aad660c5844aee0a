"""What scikit-learn expects of every classifier and has no check for, on texts and on numbers."""

import copy
import pickle
import random
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from helpers import ALL, QUICK, WEIGHTED, quick_options, tfidf
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import estimator_html_repr

import skweight
from skweight import DIMPClassifier


@dataclass
class Rows:
    """Labelled rows, and a classifier that fits them in a fraction of a second."""

    encoder: str
    checker: Any
    X: Any
    y: Any
    real_X: Any  # noqa: N815
    real_y: Any

    def build(self, cls, **params):
        checkers = {name: self.checker for name in cls().get_params(deep=False) if name.endswith("_checker")}
        return cls(self.encoder, **{**QUICK, **quick_options(cls, self.checker), **checkers, **params})

    def fit(self, classifier, **kwargs):
        return classifier.fit(self.X, self.y, real_X=self.real_X, real_y=self.real_y, **kwargs)

    def labelled(self, labels):
        """The same rows with other names of the two classes, in the same order of the alphabet."""
        first = min(self.y)
        y, real_y = ([labels[int(label != first)] for label in old] for old in (self.y, self.real_y))
        return replace(self, y=np.array(y), real_y=np.array(real_y))


@pytest.fixture
def texts(tiny_encoder, toy):
    return Rows(tiny_encoder, tfidf(), **toy)


@pytest.fixture
def numbers():
    # Whole numbers, which every data type holds without rounding.
    X = np.random.RandomState(0).randint(-50, 50, size=(60, 3)).astype(np.float32)
    y = np.where(X[:, 0] > X[:, 1], "high", "low")
    return Rows("passthrough", LogisticRegression(), X[:40], y[:40], X[40:], y[40:])


@pytest.fixture(params=["texts", "numbers"])
def rows(request):
    return request.getfixturevalue(request.param)


def framed(rows, frame=pd.DataFrame, prefix="column"):
    """The same rows in frames, of one column of texts or of three of numbers."""

    def in_frame(X):
        columns = np.array(X).reshape(len(X), -1).T
        return frame({f"{prefix} {i}": column for i, column in enumerate(columns)})

    return replace(rows, X=in_frame(rows.X), real_X=in_frame(rows.real_X))


def fitted_attributes(classifier):
    return {name for name in vars(classifier) if name.endswith("_")}


def assert_equal_training(one, other):
    """Assert that two fits ended in the same bits and left the same behind."""
    assert fitted_attributes(one) == fitted_attributes(other)
    np.testing.assert_array_equal(one.classes_, other.classes_)
    np.testing.assert_array_equal(one.sample_weight_, other.sample_weight_)
    for mine, others in zip(one.module_.parameters(), other.module_.parameters(), strict=True):
        assert torch.equal(mine, others)


@pytest.mark.parametrize("cls", ALL)
def test_labels_come_back_as_they_were_whatever_their_type(cls, rows):
    enough = {"max_epochs": 20, "lr": 1e-3}
    plain = rows.labelled([0, 1])
    expected = plain.fit(plain.build(cls, **enough))
    assert expected.score(plain.X, plain.y) > 0.9
    for labels in (["no", "yes"], [3, 7], [False, True]):
        named = rows.labelled(labels)
        clf = named.fit(named.build(cls, **enough))
        predicted = clf.predict(rows.X)
        assert clf.classes_.tolist() == labels
        assert clf.classes_.dtype == predicted.dtype == named.y.dtype
        # The names of the classes change nothing else.
        np.testing.assert_array_equal(clf.predict_proba(rows.X), expected.predict_proba(rows.X))
        np.testing.assert_array_equal(predicted, np.array(labels)[expected.predict(rows.X)])


FRAME = {"columns": ["a", "b", "c"]}


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(lambda X: X.tolist(), id="lists"),
        pytest.param(lambda X: [tuple(row) for row in X.tolist()], id="tuples"),
        pytest.param(list, id="list of arrays"),
        pytest.param(lambda X: X.astype(np.float64), id="float64"),
        pytest.param(lambda X: X.astype(np.float16), id="float16"),
        pytest.param(lambda X: X.astype(np.int64), id="int64"),
        pytest.param(lambda X: X.astype(np.int8), id="int8"),
        pytest.param(lambda X: X.astype(object), id="object"),
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda X: np.repeat(X, 2, axis=0)[::2], id="every other row"),
        pytest.param(lambda X: pd.DataFrame(X, **FRAME), id="pandas"),
        pytest.param(lambda X: pd.DataFrame(X, index=[7] * len(X), **FRAME), id="pandas of odd index"),
        pytest.param(lambda X: pd.DataFrame(X, **FRAME).astype("Int64"), id="pandas Int64"),
        pytest.param(lambda X: pl.DataFrame(X, schema=FRAME["columns"]), id="polars"),
    ],
)
@pytest.mark.parametrize("cls", ALL)
def test_every_container_of_numbers_gives_the_same_bits(cls, container, numbers):
    expected = numbers.fit(numbers.build(cls))
    contained = replace(numbers, X=container(numbers.X), real_X=container(numbers.real_X))
    clf = contained.fit(contained.build(cls))
    np.testing.assert_array_equal(clf.sample_weight_, expected.sample_weight_)
    np.testing.assert_array_equal(clf.predict_proba(contained.X), expected.predict_proba(numbers.X))


@pytest.mark.parametrize("cls", ALL)
def test_second_fit_leaves_nothing_of_one_on_other_columns_classes_and_parameters(cls, rows):
    frames = framed(rows)
    if rows.encoder == "passthrough":
        frames = replace(frames, X=frames.X.assign(more=1.0), real_X=frames.real_X.assign(more=2.0))
    before = replace(frames, y=np.arange(len(rows.y)) % 3, real_y=np.arange(len(rows.real_y)) % 3)
    fresh = rows.fit(rows.build(cls))
    again = before.fit(before.build(cls, early_stopping=True, real_weight=1.0))
    assert {"best_epoch_", "feature_names_in_", "n_features_in_"} <= fitted_attributes(again)
    rows.fit(again.set_params(early_stopping=False, real_weight=fresh.real_weight))
    assert_equal_training(again, fresh)
    np.testing.assert_array_equal(again.predict_proba(rows.X), fresh.predict_proba(rows.X))


@pytest.mark.parametrize("cls", ALL)
def test_clone_of_a_fitted_classifier_is_unfitted_and_fits_to_the_same_bits(cls, rows):
    clf = rows.fit(rows.build(cls))
    twin = clone(clf)
    assert not fitted_attributes(twin)
    params = twin.get_params(deep=False)
    for name, value in clf.get_params(deep=False).items():
        assert params[name] is value or repr(params[name]) == repr(value)  # checkers are cloned
    with pytest.raises(NotFittedError):
        twin.predict(rows.X)
    assert_equal_training(rows.fit(twin), clf)


@pytest.mark.parametrize("writeable", [True, False], ids=["writeable", "read-only"])
@pytest.mark.parametrize("route", ["real_X", "is_real"])
@pytest.mark.parametrize("cls", ALL)
def test_fit_and_predict_leave_their_arguments_as_they_were(cls, route, writeable, rows):
    X, real_X = (np.array(x, dtype=None if rows.encoder == "passthrough" else object) for x in (rows.X, rows.real_X))
    arrays = {"X": X, "y": np.array(rows.y)}
    real = {"real_X": real_X, "real_y": np.array(rows.real_y)}
    if route == "real_X":
        arrays |= real
    else:
        arrays = {"X": np.concatenate([X, real_X]), "y": np.concatenate([arrays["y"], real["real_y"]])}
        arrays["is_real"] = np.arange(len(arrays["y"])) >= len(X)
    arrays["sample_weight"] = np.arange(1.0, len(arrays["y"]) + 1)
    before = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array.flags.writeable = writeable
    clf = rows.build(cls, real_weight=1.0, early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of an array that it could write to
        warnings.filterwarnings("ignore", message="SKW04[35]")
        clf.fit(arrays["X"], arrays["y"], **{name: arrays[name] for name in arrays if name not in ("X", "y")})
        clf.predict(arrays["X"])
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


@pytest.mark.parametrize("cls", ALL)
def test_global_generators_stay_where_they_were_on_texts_and_on_numbers(cls, rows):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1:3], random.getstate()  # noqa: NPY002
    networks = {name: None for name in cls().get_params(deep=False) if name.endswith("_checker")}
    # Not with random_state=None, which by scikit-learn's convention takes its seed from numpy's global generator.
    for random_state in (0, np.random.RandomState(0)):
        rows.fit(rows.build(cls, random_state=random_state, **networks)).predict(rows.X)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_equal(np.random.get_state()[1:3], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]


def test_order_of_many_rows_does_not_change_their_predictions(rows):
    """More rows than a batch of predictions holds, texts of many lengths."""
    clf = rows.fit(rows.build(DIMPClassifier, max_epochs=20, lr=1e-3, max_length=48))
    if rows.encoder == "passthrough":
        X = np.random.RandomState(1).randn(3000, 3).astype(np.float32) * 50
    else:
        X = np.array([" ".join(rows.X[: 1 + i % 3]) for i in range(300)])
        X = np.array([text + " good" * (i % 7) for i, text in enumerate(X)])
    order = np.random.RandomState(0).permutation(len(X))
    expected = clf.predict_proba(X)
    assert expected[:, 0].std() > 1e-3
    np.testing.assert_allclose(clf.predict_proba(X[order]), expected[order], atol=1e-6)
    np.testing.assert_allclose(clf.predict_proba(X[order[:10]]), expected[order[:10]], atol=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_everything_that_needs_a_fit_says_so_before_it(cls, rows, tmp_path):
    clf = rows.build(cls)
    calls = {
        "predict": lambda: clf.predict(rows.X),
        "predict_proba": lambda: clf.predict_proba(rows.X),
        "score": lambda: clf.score(rows.X, rows.y),
        "save_pretrained": lambda: clf.save_pretrained(tmp_path / "model"),
    }
    if cls in WEIGHTED:
        calls["compute_weights"] = lambda: clf.compute_weights(rows.X, rows.y)
    for call in calls.values():
        with pytest.raises(NotFittedError, match=f"^This {cls.__name__} instance is not fitted yet"):
            call()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "copier",
    [lambda clf: pickle.loads(pickle.dumps(clf)), copy.deepcopy, copy.copy],
    ids=["pickle", "deepcopy", "copy"],
)
@pytest.mark.parametrize("cls", ALL)
def test_copies_of_a_classifier_of_numbers_predict_the_same_bits(cls, copier, numbers):
    clf = numbers.fit(numbers.build(cls))
    twin = copier(clf)
    assert_equal_training(twin, clf)
    np.testing.assert_array_equal(twin.predict_proba(numbers.X), clf.predict_proba(numbers.X))
    np.testing.assert_array_equal(twin.predict(numbers.X), clf.predict(numbers.X))


# -- names of columns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("cls", ALL)
def test_names_of_columns_are_kept_and_others_are_refused(cls, frame, rows):
    frames, renamed = framed(rows, frame), framed(rows, frame, prefix="other")
    clf = frames.fit(frames.build(cls))
    assert clf.feature_names_in_.tolist() == list(frames.X.columns)
    assert clf.n_features_in_ == frames.X.shape[1]
    plain = rows.fit(rows.build(cls))
    np.testing.assert_array_equal(clf.predict_proba(frames.X), plain.predict_proba(rows.X))
    for method in (clf.predict, clf.predict_proba):
        with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
            method(renamed.X)


@pytest.mark.parametrize("cls", ALL)
def test_real_rows_must_have_the_columns_of_the_synthetic_ones(cls, rows):
    mixed = replace(framed(rows), real_X=framed(rows, prefix="other").real_X)
    with pytest.raises(ValueError, match=r"^real_X has the columns \['other 0'.*\], but X has \['column 0'"):
        mixed.fit(mixed.build(cls))


@pytest.mark.parametrize("cls", ALL)
def test_rows_without_names_leave_no_names(cls, rows):
    clf = rows.fit(rows.build(cls))
    assert not hasattr(clf, "feature_names_in_")
    # Texts have no columns to count.
    assert getattr(clf, "n_features_in_", None) == (3 if rows.encoder == "passthrough" else None)


@pytest.mark.parametrize("cls", ALL)
def test_plain_list_of_texts_is_predicted_after_a_fit_on_a_frame(cls, texts):
    frames = framed(texts)
    clf = frames.fit(frames.build(cls))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = clf.predict_proba(texts.X)
    np.testing.assert_array_equal(proba, clf.predict_proba(frames.X))


@pytest.mark.parametrize("cls", ALL)
def test_numbers_without_names_are_predicted_after_a_fit_on_a_frame_with_scikit_learns_warning(cls, numbers):
    frames = framed(numbers)
    clf = frames.fit(frames.build(cls))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        proba = clf.predict_proba(numbers.X)
    np.testing.assert_array_equal(proba, clf.predict_proba(frames.X))


@pytest.mark.parametrize("cls", WEIGHTED)
def test_weights_of_the_rows_of_a_frame_are_computed_without_a_warning_about_names(cls, rows):
    frames = framed(rows)
    clf = frames.fit(frames.build(cls))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights = clf.compute_weights(frames.X, frames.y)
    np.testing.assert_array_equal(weights, rows.fit(rows.build(cls)).compute_weights(rows.X, rows.y))


# -- saving and showing -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:SKW051")
@pytest.mark.parametrize("cls", ALL)
def test_saved_classifier_of_numbers_comes_back_with_what_it_knew(cls, numbers, tmp_path):
    frames = framed(numbers)
    clf = frames.fit(frames.build(cls, early_stopping=True))
    clf.save_pretrained(tmp_path)
    loaded = cls.from_pretrained(tmp_path)
    checkers = {"quality_checker_", "diversity_checker_", "experts_"}  # have no form without a pickle
    assert fitted_attributes(clf) - fitted_attributes(loaded) <= checkers
    assert loaded.feature_names_in_.tolist() == ["column 0", "column 1", "column 2"]
    assert (loaded.n_features_in_, loaded.n_iter_, loaded.best_epoch_) == (3, clf.n_iter_, clf.best_epoch_)
    np.testing.assert_array_equal(loaded.sample_weight_, clf.sample_weight_)
    np.testing.assert_array_equal(loaded.predict_proba(frames.X), clf.predict_proba(frames.X))
    assert loaded.predict(frames.X).dtype == clf.predict(frames.X).dtype
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        loaded.predict(framed(numbers, prefix="other").X)


@pytest.mark.filterwarnings("ignore:SKW051")
def test_saved_classifier_of_a_frame_of_texts_remembers_the_name_of_the_column(texts, tmp_path):
    frames = framed(texts)
    clf = frames.fit(frames.build(DIMPClassifier))
    clf.save_pretrained(tmp_path)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    assert loaded.feature_names_in_.tolist() == ["column 0"]
    assert loaded.n_features_in_ == 1
    np.testing.assert_array_equal(loaded.predict_proba(frames.X), clf.predict_proba(texts.X))


@pytest.mark.parametrize("cls", ALL)
def test_html_of_a_fitted_classifier_links_to_its_page(cls, rows):
    home = "skweight" if cls.__name__ in skweight.__all__ else "skweight.baselines"  # where it is imported from
    page = f"https://skweight.readthedocs.io/en/latest/generated/{home}.{cls.__name__}.html"
    assert page in estimator_html_repr(rows.fit(rows.build(cls)))
