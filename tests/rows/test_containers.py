"""Texts and pairs in every container give the same bits."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skweight.baselines import CrossEntropyClassifier


def odd_index(n):
    return [7, 7, "x", -1][:n] + [7] * (n - 4)


class Column:
    """A column of a Hugging Face data set: has a length and items, and is no list."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class Dataset:
    """A Hugging Face data set: indexed by the names of its columns."""

    def __init__(self, **columns):
        self.columns_ = columns

    @property
    def column_names(self):
        return list(self.columns_)

    def __len__(self):
        return len(next(iter(self.columns_.values())))

    def __getitem__(self, name):
        return Column(self.columns_[name])


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(list, id="list"),
        pytest.param(tuple, id="tuple"),
        pytest.param(np.array, id="numpy U"),
        pytest.param(lambda X: np.array(X, dtype=object), id="numpy object"),
        pytest.param(lambda X: np.array(X, dtype=object)[:, None], id="numpy object of one column"),
        pytest.param(lambda X: np.array(X, dtype=np.dtypes.StringDType()), id="numpy StringDType"),
        pytest.param(pd.Series, id="pandas"),
        pytest.param(lambda X: pd.Series(X, index=odd_index(len(X))), id="pandas of odd and duplicated index"),
        pytest.param(lambda X: pd.Series(X, index=range(len(X))[::-1]), id="pandas of reversed index"),
        pytest.param(lambda X: pd.Series(X, dtype=object), id="pandas object"),
        pytest.param(lambda X: pd.Series(X, dtype="string[pyarrow]"), id="pandas string[pyarrow]"),
        pytest.param(lambda X: pd.Series(X, dtype=pd.ArrowDtype(pa.string())), id="pandas ArrowDtype"),
        pytest.param(lambda X: pd.Series(X, dtype="category"), id="pandas category"),
        pytest.param(lambda X: pd.DataFrame({"text": X}, index=odd_index(len(X))), id="pandas frame"),
        pytest.param(pl.Series, id="polars"),
        pytest.param(lambda X: pl.DataFrame({"text": X}), id="polars frame"),
        pytest.param(pa.array, id="pyarrow"),
        pytest.param(lambda X: pa.chunked_array([X[:2], X[2:]]), id="pyarrow chunked"),
        pytest.param(Column, id="data set column"),
        pytest.param(lambda X: Dataset(text=X), id="data set of one column"),
    ],
)
def test_every_container_of_texts_gives_the_same_bits(fit, toy, container):
    expected = fit().predict_proba(toy["X"])
    clf = fit(X=container(toy["X"]), real_X=container(toy["real_X"]))
    np.testing.assert_array_equal(clf.predict_proba(container(toy["X"])), expected)


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(lambda P: [list(pair) for pair in P], id="lists"),
        pytest.param(lambda P: np.array(P, dtype=object), id="numpy object"),
        pytest.param(np.array, id="numpy U"),
        pytest.param(lambda P: pd.DataFrame(P, index=odd_index(len(P))), id="pandas frame"),
        pytest.param(lambda P: pl.DataFrame(P, orient="row"), id="polars frame"),
        pytest.param(lambda P: Dataset(a=[a for a, _ in P], b=[b for _, b in P]), id="data set of two columns"),
    ],
)
def test_every_container_of_pairs_gives_the_same_bits(fit, toy, container):
    pairs = [(text, "a long story") for text in toy["X"]]
    expected = fit(CrossEntropyClassifier, X=pairs, real_X=None, real_y=None).predict_proba(pairs)
    clf = fit(CrossEntropyClassifier, X=container(pairs), real_X=None, real_y=None)
    np.testing.assert_array_equal(clf.predict_proba(container(pairs)), expected)


def test_fit_and_predict_leave_their_arguments_alone(fit, toy):
    X, y = np.array(toy["X"], dtype=object), np.array(toy["y"])
    weight = np.arange(1.0, 13.0)
    for array in (X, y, weight):
        array.flags.writeable = False
    clf = fit(X=X, y=y, sample_weight=weight)
    assert clf.predict(X).shape == (12,)
    assert X.tolist() == toy["X"]


def test_numbers_may_be_mapped_from_a_file(tmp_path):
    X = np.random.RandomState(0).randn(40, 3)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0)
    expected = clf.fit(X, X[:, 0] > 0).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(mapped, mapped[:, 0] > 0).predict_proba(mapped), expected)


def test_what_the_caller_does_with_the_rows_after_fit_changes_nothing(fit, toy):
    rows = {name: list(values) for name, values in toy.items()}
    weight = np.arange(1.0, 13.0)
    clf = fit(**rows, sample_weight=weight)
    proba, weights = clf.predict_proba(toy["X"]), clf.sample_weight_.copy()
    for values in rows.values():
        values[:] = ["rotten"] * len(values)
    weight[:] = 0
    np.testing.assert_array_equal(clf.predict_proba(toy["X"]), proba)
    np.testing.assert_array_equal(clf.sample_weight_, weights)
    assert clf.classes_.tolist() == ["fresh", "rotten"]
