"""What the classifiers do with pairs of texts that are none: which error or warning, and what it says."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers import MISSING, replaced

from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_pair_without_its_second_text_is_refused_with_its_row(fit, toy, missing):
    pairs = [(text, "a film") for text in toy["X"]]
    with pytest.raises(ValueError, match=r"^X contains a missing value at row 3; drop the row or replace it with an"):
        fit(CrossEntropyClassifier, X=replaced(pairs, row3=("a good film", missing)), real_X=None, real_y=None)


def test_a_pair_without_its_first_text_is_dropped_on_demand(fit, toy):
    pairs = replaced([(text, "a film") for text in toy["X"]], row3=(None, "a film"))
    with pytest.warns(SkweightWarning, match="^SKW014: dropped 1 of 12 rows of X"):
        clf = fit(CrossEntropyClassifier, X=pairs, real_X=None, real_y=None, on_bad_rows="drop")
    np.testing.assert_array_equal(np.flatnonzero(clf.sample_weight_ == 0), [3])


@pytest.mark.parametrize("row", [2, 0])
def test_a_missing_row_among_pairs_is_refused_as_missing(fit, toy, row):
    pairs = replaced([(text, "a film") for text in toy["X"]], **{f"row{row}": None})
    with pytest.raises(ValueError, match=rf"^X contains a missing value at row {row}; drop the row"):
        fit(CrossEntropyClassifier, X=pairs, real_X=None, real_y=None)


def test_a_pair_among_single_texts_is_refused_with_its_row(fit, toy):
    with pytest.raises(ValueError, match=r"^X mixes single texts and pairs \(row 3\)\.$"):
        fit(X=replaced(toy["X"], row3=("a good", "film")))


def test_a_single_text_among_pairs_is_refused_with_its_row(fit, toy):
    pairs = [(text, "a film") for text in toy["X"]]
    with pytest.raises(ValueError, match=r"^X mixes single texts and pairs \(row 5\)\.$"):
        fit(CrossEntropyClassifier, X=replaced(pairs, row5="a good film"), real_X=None, real_y=None)


def test_pairs_here_and_single_texts_there_are_refused(fit, toy):
    with pytest.raises(ValueError, match=r"^X and real_X must both hold single texts or both hold pairs of texts\.$"):
        fit(X=[(text, "a film") for text in toy["X"]])


@pytest.mark.parametrize("container", [lambda rows: np.array(rows, dtype=object), pd.DataFrame], ids=["numpy", "frame"])
def test_three_columns_are_refused_with_the_advice_to_select_one(fit, container):
    message = (
        "X must hold one text (or one pair of texts) per row, got an array of shape (12, 3). "
        'Select the text column first, e.g. X["text"].'
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(X=container([["a good film", "a bad film", "a film"]] * 12))


def test_rows_of_three_texts_are_refused(fit):
    with pytest.raises(ValueError, match=r"^X\[0\] has 3 texts; expected one text or a pair"):
        fit(X=[("a good film", "a bad film", "a film")] * 12)
