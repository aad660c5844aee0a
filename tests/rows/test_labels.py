"""What the classifiers do with labels of every type: which error or warning, and what it says."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers import MISSING, replaced

from skweight import DIMPClassifier
from skweight.exceptions import SkweightWarning


@pytest.mark.parametrize(
    "container", [list, lambda y: np.array(y, dtype=object), pd.Series], ids=["list", "object", "s"]
)
def test_numbers_and_strings_as_labels_are_never_merged(fit, container):
    message = "y mixes label types: int (row 0: 1), str (row 1: '1'). Convert all labels to one type."
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        fit(y=container([1, "1"] * 6))


def test_numbers_and_booleans_as_labels_are_never_merged(fit):
    with pytest.raises(TypeError, match=r"^y mixes label types: int \(row 0: 1\), bool \(row 1: True\)"):
        fit(y=[1, True] * 6)


def test_real_labels_of_another_type_are_never_merged(fit):
    with pytest.raises(ValueError, match=r"^real_y holds labels that y does not: \['0', '1'\]; y holds \[0, 1\]"):
        fit(y=[0, 1] * 6, real_y=["0", "1"] * 3)


def test_labels_that_differ_in_case_or_white_space_are_kept_apart_with_a_warning(fit, toy):
    message = "SKW012: labels in y differ only in case or white space and are kept apart: [['Fresh ', 'fresh']]."
    with pytest.warns(SkweightWarning) as caught:
        clf = fit(y=replaced(toy["y"], row0="Fresh "), missing_real="warn")
    assert str(caught[0].message) == message
    assert clf.classes_.tolist() == ["Fresh ", "fresh", "rotten"]


@pytest.mark.filterwarnings("ignore:SKW051")
@pytest.mark.parametrize(
    ("pair", "make", "dtype"),
    [
        ((True, False), list, np.dtype(bool)),
        ((True, False), lambda y: pd.Series(y, dtype="boolean"), np.dtype(bool)),
        (("fresh", "rotten"), list, np.dtype("<U6")),
        (("fresh", "rotten"), np.array, np.dtype("<U6")),
        (("fresh", "rotten"), lambda y: np.array(y, dtype="<U20"), np.dtype("<U20")),
        (("fresh", "rotten"), lambda y: np.array(y, dtype=object), np.dtype(object)),
        (("fresh", "rotten"), pd.Series, np.dtype(object)),
        (("fresh", "rotten"), lambda y: pd.Series(y, dtype="category"), np.dtype(object)),
        (("fresh", "rotten"), pl.Series, np.dtype(object)),
        ((1, 2), lambda y: pd.Series(y, dtype="category"), np.dtype(np.int64)),
        ((1, 2), lambda y: pd.Series(y, dtype="Int64"), np.dtype(np.int64)),
        ((1, 2), lambda y: np.array(y, dtype=object), np.dtype(np.int64)),
        ((2**40, -(2**41)), np.array, np.dtype(np.int64)),
        ((2**40, 2**40 + 1), list, np.dtype(np.int64)),
        ((1, -3), lambda y: np.array(y, dtype=np.int8), np.dtype(np.int8)),
        ((1, 255), lambda y: np.array(y, dtype=np.uint8), np.dtype(np.uint8)),
        ((1.0, 2.0), np.array, np.dtype(np.float64)),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple | np.dtype) else "",
)
def test_labels_come_back_in_their_own_type_from_the_model_and_from_a_folder(fit, toy, tmp_path, pair, make, dtype):
    clf = fit(y=make(list(pair) * 6), real_y=make(list(pair) * 3))
    clf.save_pretrained(tmp_path)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    for classifier in (clf, loaded):
        predicted = classifier.predict(toy["X"])
        assert predicted.dtype == classifier.classes_.dtype == dtype
        assert classifier.classes_.tolist() == sorted(pair)
        assert {type(label) for label in predicted.tolist()} == {type(pair[0])}
        assert set(predicted.tolist()) <= set(pair)


def test_an_unused_category_is_no_class(fit, toy):
    y = pd.Series(toy["y"], dtype=pd.CategoricalDtype(["fresh", "never", "rotten"]))
    assert fit(y=y).classes_.tolist() == ["fresh", "rotten"]


@pytest.mark.parametrize(("name", "n"), [("y", 12), ("real_y", 6)])
def test_a_regression_target_is_refused(fit, name, n):
    with pytest.raises(ValueError, match=r"^Unknown label type: continuous\."):
        fit(**{name: np.linspace(0, 1, n)})


@pytest.mark.parametrize(
    "y",
    [
        np.eye(2, dtype=int)[[0, 1] * 6],
        pd.DataFrame({"a": [0, 1] * 6, "b": [1, 0] * 6}),
        [["fresh", "short"]] * 12,
        [["fresh"], ["fresh", "short"]] * 6,
        [("fresh", "short"), ("rotten", "long")] * 6,
    ],
    ids=["indicator", "frame", "lists", "ragged lists", "tuples"],
)
def test_several_labels_per_row_are_refused(fit, y):
    with pytest.raises(ValueError, match=r"^y must hold one label per row, got .*: multilabel is not supported\.$"):
        fit(y=y)


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_missing_label_is_refused_with_its_row(fit, toy, missing):
    with pytest.raises(ValueError, match=r"^y contains a missing label at row 3; drop the row\.$"):
        fit(y=replaced(toy["y"], row3=missing))


@pytest.mark.parametrize(
    "y",
    [
        np.array([0.0, 1.0, 0.0, np.nan] * 3),
        pd.Series([0, 1, 0, None] * 3, dtype="Int64"),
        pd.Series(["a", "b", "a", None] * 3, dtype="category"),
        pl.Series(["a", "b", "a", None] * 3),
        pa.array(["a", "b", "a", None] * 3),
    ],
    ids=["floats", "pandas Int64", "pandas category", "polars", "pyarrow"],
)
def test_missing_labels_are_refused_with_their_rows_in_every_container(fit, y):
    with pytest.raises(ValueError, match=r"^y contains a missing label at rows 3, 7, 11; drop the row\.$"):
        fit(y=y)


def test_a_missing_real_label_is_refused_under_its_own_name(fit, toy):
    with pytest.raises(ValueError, match=r"^real_y contains a missing label at row 2; drop the row\.$"):
        fit(real_y=replaced(toy["real_y"], row2=None))


def test_rows_without_label_can_be_dropped_and_labels_keep_their_type(fit):
    y = pd.Series([5, 7] * 6, dtype="Int64")
    y[4] = pd.NA
    with pytest.warns(SkweightWarning, match="^SKW014: dropped 1 of 12 rows of X with a missing text or label"):
        clf = fit(y=y, real_y=[5, 7] * 3, on_bad_rows="drop")
    assert clf.classes_.dtype == np.int64
    np.testing.assert_array_equal(np.flatnonzero(clf.sample_weight_ == 0), [4])


@pytest.mark.parametrize(
    "container",
    [pd.Categorical, pd.array, lambda y: np.array(y, dtype=np.dtypes.StringDType())],
    ids=["Categorical", "pandas array", "numpy StringDType"],
)
def test_labels_come_in_arrays_without_an_index_too(fit, toy, container):
    assert fit(y=container(toy["y"])).classes_.tolist() == ["fresh", "rotten"]
