"""Synthetic and real rows in one container."""

import re
from collections import deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from skweight._rows.texts import check_texts
from skweight.model_selection import stack_real

TEXTS, REAL_TEXTS = ["a warm film", "a dull film", "a bore"], ["loved it", "hated it"]
LABELS, REAL_LABELS = ["good", "bad", "bad"], ["good", "bad"]


def as_list(rows):
    """Rows of any container as a list."""
    if scipy.sparse.issparse(rows):
        return rows.toarray().tolist()
    if isinstance(rows, pl.DataFrame):
        return [list(row) for row in rows.rows()]
    if isinstance(rows, pd.DataFrame):
        return rows.to_numpy().tolist()
    return rows.tolist() if isinstance(rows, np.ndarray) else list(rows)


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (list, list),
        (tuple, list),
        (np.array, np.ndarray),
        (lambda a: np.array(a, dtype=object), np.ndarray),
        (lambda a: pd.Series(a, index=np.arange(len(a)) + 5), pd.Series),
        (pl.Series, pl.Series),
        (pa.array, list),
    ],
    ids="list tuple array object pandas polars pyarrow".split(),
)
def test_texts_are_stacked_synthetic_rows_first(wrap, kind):
    X, y, is_real = stack_real(wrap(TEXTS), LABELS, wrap(REAL_TEXTS), REAL_LABELS)
    assert isinstance(X, kind)
    assert [str(text) for text in as_list(X)] == TEXTS + REAL_TEXTS
    assert y.tolist() == LABELS + REAL_LABELS
    assert is_real.tolist() == [False, False, False, True, True]
    assert is_real.dtype == bool


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (np.array, np.ndarray),
        (lambda a: pd.DataFrame(a, columns=["a", "b"], index=np.arange(len(a)) + 5), pd.DataFrame),
        (lambda a: pl.DataFrame(a, schema=["a", "b"], orient="row"), pl.DataFrame),
        (scipy.sparse.csr_array, scipy.sparse.csr_array),
        (scipy.sparse.csr_matrix, scipy.sparse.csr_matrix),
        (scipy.sparse.csc_array, scipy.sparse.csr_array),  # rows can be picked from this one
    ],
    ids="array pandas polars csr_array csr_matrix csc_array".split(),
)
def test_numeric_columns_are_stacked_synthetic_rows_first(wrap, kind):
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 0.0]]
    X, y, is_real = stack_real(wrap(rows[:3]), [0, 1, 1], wrap(rows[3:]), [0, 1])
    assert isinstance(X, kind)
    assert as_list(X) == rows
    assert y.tolist() == [0, 1, 1, 0, 1]
    assert is_real.sum() == 2


def test_a_data_frame_keeps_its_columns_and_gets_a_new_index():
    def frame(texts, start):
        return pd.DataFrame({"text": texts, "stars": range(len(texts))}, index=np.arange(start, start + len(texts)))

    X, _, _ = stack_real(frame(TEXTS, 7), LABELS, frame(REAL_TEXTS, 7), REAL_LABELS)
    assert X.columns.tolist() == ["text", "stars"]
    assert X.index.tolist() == [0, 1, 2, 3, 4]
    assert X["stars"].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("second", [list, lambda pairs: np.array(pairs, dtype=object)], ids=["list", "array"])
@pytest.mark.parametrize("first", [list, lambda pairs: np.array(pairs, dtype=object)], ids=["list", "array"])
def test_pairs_are_stacked_as_pairs(first, second):
    pairs, real_pairs = list(zip(TEXTS, TEXTS[::-1], strict=True)), list(zip(REAL_TEXTS, REAL_TEXTS, strict=True))
    X, _, _ = stack_real(first(pairs), LABELS, second(real_pairs), REAL_LABELS)
    assert [tuple(pair) for pair in as_list(X)] == pairs + real_pairs


@pytest.mark.parametrize(
    ("labels", "real_labels", "dtype"),
    [
        ([0, 1, 1], [1, 0], np.int64),
        (np.array([0, 1, 1], dtype=np.int8), np.array([1, 0], dtype=np.int8), np.int8),
        ([True, False, True], [False, True], np.bool_),
        (["good", "bad", "bad"], ["good", "bad"], "<U4"),
        (["bad", "bad", "good"], ["excellent", "bad"], "<U9"),  # no label is cut to the other side's width
        (np.array(["b", "a", "a"]), np.array(["a", "b"], dtype=object), object),
        (pd.Series(["b", "a", "a"], index=[9, 8, 7]), pd.Series(["a", "b"], index=[9, 9]), object),
        (pd.Categorical(["b", "a", "a"]), pd.Categorical(["a", "b"]), object),
        (pd.array([1, 0, 1], dtype="Int64"), pd.array([0, 1], dtype="Int64"), np.int64),
    ],
    ids="int int8 bool str widths object Series Categorical Int64".split(),
)
def test_labels_keep_their_data_type(labels, real_labels, dtype):
    _, y, _ = stack_real(TEXTS, labels, REAL_TEXTS, real_labels)
    assert y.dtype == dtype
    assert y.tolist() == [*labels, *real_labels]


@pytest.mark.parametrize(
    ("labels", "real_labels", "first"),
    [
        ([0, 1, 1], ["0", "1"], "np.int64(0) and np.str_('0')"),
        (["0", "1", "1"], [0, 1], "np.str_('0') and np.int64(0)"),
        ([0, 1, 1], [False, True], "np.int64(0) and np.False_"),
        ([False, True, True], [0, 1], "np.False_ and np.int64(0)"),
    ],
    ids="int-str str-int int-bool bool-int".split(),
)
def test_labels_of_different_types_on_the_two_sides_are_refused(labels, real_labels, first):
    message = f"y and real_y hold labels of different types: {first}."
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        stack_real(TEXTS, labels, REAL_TEXTS, real_labels)


def test_labels_of_mixed_types_on_one_side_are_refused_with_the_rows():
    with pytest.raises(TypeError, match=r"^real_y mixes label types: str \(row 0: 'good'\), int \(row 1: 1\)"):
        stack_real(TEXTS, LABELS, REAL_TEXTS, ["good", 1])
    with pytest.raises(TypeError, match=r"^y mixes label types: str \(row 0: 'good'\), int \(row 1: 1\)"):
        stack_real(TEXTS, ["good", 1, "bad"], REAL_TEXTS, REAL_LABELS)


@pytest.mark.parametrize("name", ["X", "real_X"])
def test_rows_and_labels_of_unequal_number_are_refused_with_both_numbers(name):
    arguments = {"X": TEXTS, "y": LABELS, "real_X": REAL_TEXTS, "real_y": REAL_LABELS}
    arguments[name] = [*arguments[name], "one more"]
    n, labels = len(arguments[name]), name.replace("X", "y")
    with pytest.raises(ValueError, match=f"^{name} has {n} rows but {labels} has {n - 1}"):
        stack_real(**arguments)


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "array": np.array,
    "pandas": lambda a: pd.Series(a, index=range(len(a))[::-1]),
    "pandas frame": lambda a: pd.DataFrame({"text": a}),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "pyarrow chunked": lambda a: pa.chunked_array([a[:1], a[1:]]),
    "pyarrow table": lambda a: pa.table({"text": a}),
}


@pytest.mark.parametrize("second", CONTAINERS)
@pytest.mark.parametrize("first", CONTAINERS)
def test_texts_may_come_in_any_two_containers(first, second):
    X, _, _ = stack_real(CONTAINERS[first](TEXTS), LABELS, CONTAINERS[second](REAL_TEXTS), REAL_LABELS)
    assert check_texts(X)[0] == TEXTS + REAL_TEXTS


def test_pairs_in_tables_of_pyarrow_are_stacked_as_pairs():
    table, real_table = (pa.table({"a": texts, "b": texts[::-1]}) for texts in (TEXTS, REAL_TEXTS))
    X, _, _ = stack_real(table, LABELS, real_table, REAL_LABELS)
    assert [*zip(TEXTS, TEXTS[::-1], strict=True), *zip(REAL_TEXTS, REAL_TEXTS[::-1], strict=True)] == X


def test_numbers_in_a_list_and_in_an_array_are_stacked_as_rows():
    X, _, _ = stack_real([[1.0, 2.0, 3.0]] * 3, LABELS, np.zeros((2, 3)), REAL_LABELS)
    assert [list(row) for row in X] == [[1.0, 2.0, 3.0]] * 3 + [[0.0] * 3] * 2


def test_one_row_of_each_kind_is_enough():
    X, y, is_real = stack_real(("a warm film",), ["good"], ["loved it"], ["good"])
    assert (X, y.tolist(), is_real.tolist()) == (["a warm film", "loved it"], ["good", "good"], [False, True])
    with pytest.raises(TypeError, match=r"^y and real_y hold labels of different types: "):
        stack_real(["a warm film"], ["good"], ["loved it"], [1])


def test_pairs_beside_single_texts_are_refused():
    pairs = [(text, text) for text in REAL_TEXTS]
    message = r"^X holds rows such as 'a warm film', but real_X such as \('loved it', 'loved it'\)"
    with pytest.raises(ValueError, match=message):
        stack_real(TEXTS, LABELS, pairs, REAL_LABELS)


def test_a_sparse_matrix_beside_a_dense_one_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^X is csr_array: pass X and real_X in the same container\.$"):
        stack_real(scipy.sparse.eye_array(3).tocsr(), LABELS, np.eye(2, 3), REAL_LABELS)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a: pd.DataFrame({"text": a, "source": a}),
        lambda a: pl.DataFrame({"text": a, "source": a}),
        lambda a: scipy.sparse.eye_array(len(a)).tocsr(),
        lambda a: dict.fromkeys(a),
        set,
        "".join,
    ],
    ids="pandas polars sparse dict set str".split(),
)
def test_beside_a_list_real_rows_are_refused_that_do_not_come_one_after_another(wrap):
    """Iterating over a data frame gives its columns, here two as there are real rows; over a set, rows in any order."""
    with pytest.raises((TypeError, ValueError), match=r"^real_X |real_X such as |^X holds texts but real_X"):
        stack_real(TEXTS, LABELS, wrap(["a", "b"]), REAL_LABELS)


STRINGS = np.array(TEXTS, dtype=np.dtypes.StringDType())
OTHERS = {"int": np.arange(3), "unsigned": np.arange(3, dtype=np.uint8), "float": np.ones(3)}


@pytest.mark.parametrize("texts", [np.array(TEXTS), STRINGS], ids=["str", "StringDType"])
@pytest.mark.parametrize("others", [*OTHERS.values(), np.ones(3, dtype=bool)], ids=[*OTHERS, "bool"])
def test_numbers_beside_texts_are_refused(texts, others):
    """numpy would spell the numbers."""
    kind = "booleans" if others.dtype == bool else "numbers"
    with pytest.raises(TypeError, match=rf"^X holds {kind} but real_X holds texts\.$"):
        stack_real(others, LABELS, texts, LABELS)
    with pytest.raises(TypeError, match=rf"^X holds texts but real_X holds {kind}\.$"):
        stack_real(texts, LABELS, others, LABELS)


def test_numbers_of_two_types_are_stacked():
    X, _, _ = stack_real(np.arange(3), LABELS, np.array([0.5, 1.5]), REAL_LABELS)
    assert X.tolist() == [0.0, 1.0, 2.0, 0.5, 1.5]


@pytest.mark.parametrize("labels", [LABELS, [0, 1, 1]], ids=["str", "int"])
def test_no_real_rows_at_all_are_refused(labels):
    with pytest.raises(ValueError, match=r"^real_X and real_y hold no rows\.$"):
        stack_real(TEXTS, labels, [], [])


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("columns", [["b", "a"], ["a"], ["a", "c"]], ids=["order", "fewer", "name"])
def test_data_frames_of_other_columns_are_refused_with_both_lists(frame, columns):
    X, real_X = frame({"a": [1, 2, 3], "b": [4, 5, 6]}), frame({name: [1, 2] for name in columns})
    with pytest.raises(ValueError, match=r"^X has the columns \['a', 'b'\] but real_X has \[.*\]\.$"):
        stack_real(X, LABELS, real_X, REAL_LABELS)


@pytest.mark.parametrize("real_X", [np.ones((2, 3)), np.ones(2)], ids=["width", "1-D"])
def test_arrays_of_other_shapes_are_refused_with_both_shapes(real_X):
    message = f"X has rows of shape (2,) but real_X of shape {real_X.shape[1:]}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        stack_real(np.ones((3, 2)), LABELS, real_X, REAL_LABELS)
