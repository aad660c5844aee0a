"""What the classifiers do with labels of every type: which error or warning, and what it says."""

import datetime
import decimal
import enum
import io
import re
from collections import UserList, deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers import MISSING, replaced, tfidf

from skweight import DIMPClassifier
from skweight.baselines import CrossEntropyClassifier
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
    differ = "labels in y differ only in case, white space or Unicode form and are kept apart"
    message = f"SKW012: {differ}: [['Fresh ', 'fresh']]."
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
    with pytest.raises(ValueError, match=r"^y must hold one label per row, got .*: multilabel is not supported\."):
        fit(y=y)


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_missing_label_is_refused_with_its_row(fit, toy, missing):
    with pytest.raises(ValueError, match=r"^y contains a missing label at row 3; drop the row\."):
        fit(y=replaced(toy["y"], row3=missing))


@pytest.mark.parametrize(
    "y",
    [
        np.array([0.0, 1.0, 0.0, np.nan] * 3),
        pd.Series([0, 1, 0, None] * 3, dtype="Int64"),
        pd.Series(["a", "b", "a", None] * 3, dtype="category"),
        pl.Series(["a", "b", "a", None] * 3),
        pa.array(["a", "b", "a", None] * 3),
        np.ma.array(["a", "b", "a", "b"] * 3, mask=[0, 0, 0, 1] * 3),
        np.ma.array([0, 1, 0, 1] * 3, mask=[0, 0, 0, 1] * 3),
    ],
    ids=["floats", "pandas Int64", "pandas category", "polars", "pyarrow", "masked texts", "masked numbers"],
)
def test_missing_labels_are_refused_with_their_rows_in_every_container(fit, y):
    with pytest.raises(ValueError, match=r"^y contains a missing label at rows 3, 7, 11; drop the row\."):
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


def test_a_class_that_pandas_has_read_as_missing_is_explained(fit):
    y = pd.read_csv(io.StringIO("label\n" + "None\nSome\n" * 6))["label"]
    with pytest.raises(
        ValueError, match=r"at rows 0, 2, .*Of a class called \"None\", .* unless keep_default_na=False"
    ):
        fit(y=y)


@pytest.mark.parametrize("label", ["", " ", "nan", "NaN", "<NA>", "null"])
def test_a_text_that_looks_like_a_missing_label_is_a_class_with_a_warning(fit, toy, label):
    message = f"SKW015: 2 labels in y look like missing ones, but are texts: [{label!r}]."
    with pytest.warns(SkweightWarning) as caught:
        clf = fit(y=replaced(toy["y"], row0=label, row3=label), missing_real="warn")
    assert str(caught[0].message) == message
    assert label in clf.classes_


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (2**64, "int of 65 bits"),
        (-(2**64), "int of 65 bits"),
        (decimal.Decimal(1), "Decimal"),
        (datetime.date(2026, 1, 1), "date"),
        (enum.Enum("Colour", "RED").RED, "Colour"),
        (b"red", "bytes"),
        (1j, "complex"),
    ],
    ids=str,
)
@pytest.mark.parametrize("container", [list, pd.Series], ids=["list", "pandas"])
def test_labels_of_other_types_are_refused_with_those_that_may_be(fit, label, kind, container):
    message = rf"^y holds .* of type {kind}.*\. Labels may be strings, booleans, integers of 64 bits, or"
    with pytest.raises(TypeError, match=message):
        fit(y=container([0, label] * 6))


def test_tuples_as_labels_are_refused_with_the_types_that_may_be(fit):
    message = r"^y must hold one label per row, got \('a', 1\) in row 0: .* Labels may be strings"
    with pytest.raises(ValueError, match=message):
        fit(y=[("a", 1), ("b", 2)] * 6)


@pytest.mark.parametrize("container", [np.array, pd.Series, pd.DatetimeIndex], ids=["array", "pandas", "index"])
def test_dates_as_labels_are_refused_by_fit(fit, container):
    y = container(np.array(["2026-01-01", "2026-01-02"] * 6, dtype="datetime64[s]"))
    with pytest.raises(TypeError, match=r"^y holds .*(datetime64|Timestamp).*Labels may be strings"):
        fit(y=y)


class Named(str, enum.Enum):  # noqa: UP042 - the kind that is tested
    FRESH, ROTTEN = "fresh", "rotten"


class Plain(enum.StrEnum):
    FRESH, ROTTEN = "fresh", "rotten"


def test_labels_that_numpy_would_spell_by_their_name_and_cut_are_refused(fit):
    with pytest.raises(TypeError, match=r"^y holds <Named.FRESH: 'fresh'> in row 0, of type Named\. .*\.value\.$"):
        fit(y=[Named.FRESH, Named.ROTTEN] * 6)


def test_members_of_enumerations_that_are_their_values_to_numpy_are_labels(fit):
    assert fit(y=[Plain.FRESH, Plain.ROTTEN] * 6).classes_.tolist() == ["fresh", "rotten"]


def test_messages_about_labels_are_short_whatever_those_are(fit, toy, caught):
    endless = "fresh " * 100_000
    for changes in (
        {"y": [endless, 1] * 6},
        {"y": [endless] * 12},
        {"y": [(endless, endless)] * 12},
        {"real_y": [f"{endless}{i}" for i in range(6)]},
        {"y": [endless, endless.upper()] * 6},
        {"y": [f"{i}" for i in range(12)], "real_y": [f"{endless}{i}" for i in range(6)]},
    ):
        with pytest.raises((TypeError, ValueError)) as error:
            fit(**changes)
        assert len(str(error.value)) < 1500
    assert caught
    assert max(len(str(warning.message)) for warning in caught) < 1500


class Column:
    """A column of a Hugging Face data set: has a length and items, and is no list."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


@pytest.mark.parametrize(
    "container", [tuple, deque, UserList, Column, pd.Index], ids=["tuple", "deque", "UserList", "Column", "Index"]
)
def test_every_sequence_of_labels_is_read_as_a_list_is(fit, toy, container):
    clf = fit(y=container(toy["y"]), real_y=container(toy["real_y"]))
    np.testing.assert_array_equal(clf.predict_proba(toy["X"]), fit().predict_proba(toy["X"]))
    assert clf.classes_.tolist() == ["fresh", "rotten"]


def test_a_range_of_labels_is_read_as_a_list_is(fit):
    assert fit(CrossEntropyClassifier, y=range(12), real_X=None, real_y=None).classes_.tolist() == list(range(12))


NO_ORDER = [iter(["fresh", "rotten"] * 6), {"fresh", "rotten"}, {"fresh": 1}, "fresh"]


@pytest.mark.parametrize("y", NO_ORDER, ids=lambda y: type(y).__name__)
def test_labels_without_an_order_of_their_own_are_refused(fit, y):
    with pytest.raises(TypeError, match=r"^y must be a sequence of labels, got \w+\.$"):
        fit(y=y)


@pytest.mark.parametrize("dtype", ["category", "Int64", "string", "boolean"])
def test_of_a_column_of_pandas_the_values_are_predicted_as_by_scikit_learn(fit, toy, dtype):
    y = pd.Series([True, False] * 6 if dtype == "boolean" else [1, 2] * 6).astype(dtype)
    theirs = tfidf().fit(toy["X"], y).predict(toy["X"])
    ours = fit(CrossEntropyClassifier, y=y, real_X=None, real_y=None, max_epochs=30, lr=1e-2).predict(toy["X"])
    assert type(ours) is type(theirs) is np.ndarray
    np.testing.assert_array_equal(ours, y.to_numpy())
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "container",
    [pd.Categorical, pd.array, lambda y: np.array(y, dtype=np.dtypes.StringDType())],
    ids=["Categorical", "pandas array", "numpy StringDType"],
)
def test_labels_come_in_arrays_without_an_index_too(fit, toy, container):
    assert fit(y=container(toy["y"])).classes_.tolist() == ["fresh", "rotten"]
