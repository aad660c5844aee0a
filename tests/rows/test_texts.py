"""Texts as they are read, and those that are none, missing or empty: which error or warning, and what it says."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers import MISSING, WEIGHTED, replaced

from skweight import IMPClassifier
from skweight._rows.texts import check_texts
from skweight._rows.values import name_rows
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning

# -- check_texts ------------------------------------------------------------------------------------------------------


def test_texts_come_back_as_a_list_of_plain_strings_and_all_rows_kept():
    texts, kept = check_texts(np.array(["a film", "a plot"]))
    assert texts == ["a film", "a plot"]
    assert [type(text) for text in texts] == [str, str]
    assert kept.tolist() == [0, 1]


def test_texts_of_a_string_subclass_come_back_as_plain_strings():
    texts, _ = check_texts([np.str_("a film"), np.str_("a plot")])
    assert [type(text) for text in texts] == [str, str]


def test_pairs_come_back_as_tuples():
    texts, kept = check_texts([["a film", "a plot"], ("a cast", "a story")])
    assert texts == [("a film", "a plot"), ("a cast", "a story")]
    assert kept.tolist() == [0, 1]


def test_a_row_of_two_strings_is_a_pair_and_no_text_of_two_words():
    assert check_texts([["good", "bad"]])[0] == [("good", "bad")]


def test_dropped_rows_are_left_out_of_the_kept_ones():
    texts, kept = check_texts(["a film", None, "a plot", float("nan")], drop_missing=True)
    assert texts == ["a film", "a plot"]
    assert kept.tolist() == [0, 2]


def test_a_pair_is_dropped_if_either_text_is_missing():
    texts, kept = check_texts([("a", "b"), (None, "b"), ("a", None), ("c", "d")], drop_missing=True)
    assert texts == [("a", "b"), ("c", "d")]
    assert kept.tolist() == [0, 3]


def test_the_list_that_was_passed_is_not_handed_back():
    X = ["a film", "a plot"]
    texts, _ = check_texts(X)
    X[0] = "changed"
    assert texts == ["a film", "a plot"]


INVISIBLE = ["\u200b" * 3, "\u200b \u200d\t", "\ufeff", "\u00ad", "\u2060", "\u200e\u200f", "\x00\x07"]


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_a_text_of_which_nothing_can_be_seen_is_empty(text):
    with pytest.warns(SkweightWarning, match=r"^SKW010: 1 of 2 texts in X are empty\.$"):
        check_texts([text, "a film"])
    with pytest.raises(ValueError, match=r"^All 2 texts in X are empty\.$"):
        check_texts([text, text])


def test_a_text_with_something_to_see_among_what_cannot_be_seen_is_not_empty(caught):
    check_texts([f"{text}.{text}" for text in INVISIBLE])
    assert not caught


def test_a_pair_is_empty_only_if_both_texts_are():
    with pytest.warns(SkweightWarning, match=r"^SKW010: 1 of 3 texts in X are empty\.$"):
        check_texts([("", " "), ("", "a"), ("a", "")])


@pytest.mark.parametrize(
    ("n", "spelled"),
    [
        (1, "row 0"),
        (2, "rows 0, 1"),
        (10, "rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (22, "rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (+12 more)"),
    ],
)
def test_rows_are_spelled_out_up_to_ten(n, spelled):
    assert name_rows(list(range(n))) == spelled


def test_a_pyarrow_table_of_one_or_two_columns_holds_texts_or_pairs(toy):
    table = pa.table({"a": toy["X"], "b": toy["X"][::-1]})
    assert check_texts(table.select(["a"]))[0] == toy["X"]
    assert check_texts(table)[0] == list(zip(toy["X"], toy["X"][::-1], strict=True))


# -- texts that are no texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["X", "real_X"])
def test_a_single_string_is_refused_with_the_advice_to_wrap_it(fit, name):
    message = f"{name} must be an iterable of texts, got a single string. Wrap it in a list: [{name}]."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(**{name: "a good film"})


def test_predict_refuses_a_single_string(fit):
    with pytest.raises(ValueError, match=r"^X must be an iterable of texts, got a single string\. Wrap it in a list"):
        fit().predict("a good film")


@pytest.mark.parametrize("rows", [[b"good", b"bad"] * 6, np.array([b"good", b"bad"] * 6), [bytearray(b"good")] * 12])
def test_rows_of_bytes_are_refused_with_the_first_row_and_the_advice_to_decode(fit, rows):
    with pytest.raises(TypeError, match=r"^X\[0\] is (bytes|bytearray), expected str; decode it first: text\.decode"):
        fit(X=rows)


def test_one_row_of_bytes_among_texts_is_named(fit, toy):
    with pytest.raises(TypeError, match=r"^X\[3\] is bytes, expected str; decode it first: text\.decode\(\)\.$"):
        fit(X=replaced(toy["X"], row3=b"good"))


def test_bytes_in_place_of_a_container_are_refused(fit):
    with pytest.raises(TypeError, match=r"^X must be an iterable of texts, got bytes; decode it first: text\.decode"):
        fit(X=b"a good film")


@pytest.mark.parametrize("number", [5, 1.5, True])
def test_a_number_among_texts_is_refused_with_its_row_and_type(fit, toy, number):
    with pytest.raises(TypeError, match=rf"^X\[3\] is {type(number).__name__}, expected str\.$"):
        fit(X=replaced(toy["X"], row3=number, row7=0))


@pytest.mark.parametrize("X", [list(range(12)), np.arange(12), np.arange(24).reshape(12, 2), pd.Series(range(12))])
def test_numbers_for_texts_are_refused_with_the_first_row(fit, X):
    with pytest.raises(TypeError, match=r"^X\[0\] is int, expected str\.$"):
        fit(X=X)


def test_predict_names_the_row_that_is_a_number(fit):
    with pytest.raises(TypeError, match=r"^X\[1\] is int, expected str\.$"):
        fit().predict(["a good film", 3])


@pytest.mark.parametrize("name", ["X", "real_X"])
@pytest.mark.parametrize(
    ("make", "kind", "advice"),
    [
        (lambda X: (text for text in X), "a sequence of texts, got generator", ": wrap it in list()."),
        (lambda X: map(str, X), "a sequence of texts, got map", ": wrap it in list()."),
        (lambda X: dict.fromkeys(X, 1), "an ordered collection of texts, got dict", "."),
        (lambda X: set(X), "an ordered collection of texts, got set", "."),
        (lambda X: frozenset(X), "an ordered collection of texts, got frozenset", "."),
        (lambda X: 5, "a sequence of texts, got int", "."),
    ],
    ids=["generator", "map", "dict", "set", "frozenset", "int"],
)
def test_a_container_without_order_or_length_is_refused(fit, toy, name, make, kind, advice):
    message = f"{name} must be {kind}{advice}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        fit(**{name: make(toy[name])})


def test_a_whole_data_set_is_refused_with_the_advice_to_pass_a_column(fit):
    class Dataset:  # as Hugging Face's: it can be indexed by column name
        column_names = ["text", "label"]

        def __len__(self):
            return 12

    with pytest.raises(TypeError, match=r'^X is a whole data set: pass a column of it, e\.g\. X\["text"\]\.$'):
        fit(X=Dataset())


def test_a_dictionary_of_data_sets_is_refused_with_the_advice_to_pass_one(fit):
    class DatasetDict(dict):
        column_names = {"train": ["text"]}

    with pytest.raises(TypeError, match=r"^X is a dictionary of data sets: pass one of them, e\.g\. X\['train'\]\.$"):
        fit(X=DatasetDict(train=[]))


# -- missing texts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_missing_text_is_refused_with_its_row(fit, toy, missing):
    message = "X contains a missing value at row 3; drop the row or replace it with an empty string."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(X=replaced(toy["X"], row3=missing))


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_predict_refuses_a_missing_text_with_its_row(fit, missing):
    with pytest.raises(ValueError, match=r"^X contains a missing value at row 1; drop the row"):
        fit().predict_proba(["a good film", missing])


@pytest.mark.parametrize(
    "container",
    [
        lambda X: pd.Series(X, dtype="str"),
        lambda X: pd.Series(X, dtype="string[pyarrow]"),
        lambda X: pd.Series(X, dtype="category"),
        lambda X: pd.DataFrame({"text": X}),
        lambda X: np.array(X, dtype=object),
        pl.Series,
        pa.array,
    ],
    ids=["pandas str", "pandas string[pyarrow]", "pandas category", "pandas frame", "object", "polars", "pyarrow"],
)
def test_missing_texts_are_recognised_in_every_container(fit, toy, container):
    with pytest.raises(ValueError, match=r"^X contains a missing value at rows 3, 7; drop the row"):
        fit(X=container(replaced(toy["X"], row3=None, row7=None)))


def test_many_missing_texts_are_listed_up_to_ten_and_counted(fit, toy):
    X = toy["X"] * 3
    for row in range(3, 33, 2):
        X[row] = None
    message = (
        "X contains a missing value at rows 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, … (+5 more); "
        "drop the row or replace it with an empty string."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(X=X, y=toy["y"] * 3)


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_missing_texts_can_be_dropped_with_a_count(fit, toy, missing):
    with pytest.warns(SkweightWarning, match=r"^SKW014: dropped 2 of 12 rows of X with a missing text or label\.$"):
        clf = fit(X=replaced(toy["X"], row3=missing, row8=missing), on_bad_rows="drop")
    dropped = np.isin(np.arange(12), [3, 8])
    np.testing.assert_array_equal(clf.sample_weight_ == 0, dropped)
    np.testing.assert_array_equal(np.isnan(clf.quality_proba_), dropped)


def test_dropped_rows_have_no_diversity_either(fit, toy):
    with pytest.warns(SkweightWarning, match="SKW014: dropped 1 of 12 rows"):
        clf = fit(IMPClassifier, X=replaced(toy["X"], row3=None), on_bad_rows="drop")
    np.testing.assert_array_equal(np.isnan(clf.diversity_proba_), np.arange(12) == 3)
    np.testing.assert_array_equal(clf.sample_weight_ == 0, np.arange(12) == 3)


def test_dropping_rows_gives_the_model_of_the_remaining_rows(fit, toy):
    weight = np.arange(1.0, 13.0)
    keep = np.arange(12) != 3
    with pytest.warns(SkweightWarning, match="SKW014"):
        dropped = fit(X=replaced(toy["X"], row3=None), sample_weight=weight, on_bad_rows="drop")
    alone = fit(
        X=[text for text, k in zip(toy["X"], keep, strict=True) if k],
        y=[label for label, k in zip(toy["y"], keep, strict=True) if k],
        sample_weight=weight[keep],
    )
    np.testing.assert_array_equal(dropped.sample_weight_[keep], alone.sample_weight_)
    np.testing.assert_array_equal(dropped.predict_proba(toy["real_X"]), alone.predict_proba(toy["real_X"]))


def test_a_row_without_text_and_a_row_without_label_are_dropped_together(fit, toy):
    with pytest.warns(SkweightWarning, match=r"^SKW014: dropped 2 of 12 rows of X with a missing text or label\.$"):
        clf = fit(X=replaced(toy["X"], row3=None), y=replaced(toy["y"], row5=None), on_bad_rows="drop")
    np.testing.assert_array_equal(np.flatnonzero(clf.sample_weight_ == 0), [3, 5])


def test_missing_real_texts_can_be_dropped_with_a_count(fit, toy):
    with pytest.warns(SkweightWarning, match="^SKW014: dropped 1 of 6 rows of real_X"):
        clf = fit(real_X=replaced(toy["real_X"], row2=None), on_bad_rows="drop")
    assert len(clf.quality_proba_) == 12


def test_dropping_every_row_is_an_error(fit):
    with pytest.raises(ValueError, match=r"^Found array with 0 sample\(s\).* in X while a minimum of 2 is required\.$"):
        fit(X=[None] * 12, on_bad_rows="drop")


# -- empty texts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [*WEIGHTED, CrossEntropyClassifier])
def test_empty_texts_are_weighed_with_one_warning_that_counts_them(fit, toy, cls):
    with pytest.warns(SkweightWarning, match="SKW010") as caught:
        clf = fit(cls, X=replaced(toy["X"], row0="", row4=" \t\n"))
    messages = [str(w.message) for w in caught if not re.match("SKW04[35]", str(w.message))]  # a toy learns little
    assert messages == ["SKW010: 2 of 12 texts in X are empty."]
    assert np.isfinite(clf.sample_weight_).all()
    assert (clf.sample_weight_ > 0).all()


def test_an_empty_real_text_is_counted_under_its_own_name(fit, toy):
    with pytest.warns(SkweightWarning, match=r"^SKW010: 1 of 6 texts in real_X are empty\.$"):
        fit(real_X=replaced(toy["real_X"], row0=""))


def test_an_empty_text_among_others_is_predicted_with_a_warning(fit):
    clf = fit()
    with pytest.warns(SkweightWarning, match=r"^SKW010: 1 of 2 texts in X are empty\.$"):
        proba = clf.predict_proba(["", "a good film"])
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize(("name", "count"), [("X", 12), ("real_X", 6)])
def test_nothing_but_empty_texts_is_an_error(fit, name, count):
    with pytest.raises(ValueError, match=rf"^All {count} texts in {name} are empty\.$"):
        fit(**{name: ["", " \n"] * (count // 2)})


# -- counts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [11, 13])
def test_texts_and_labels_of_unequal_number_are_refused_with_both_numbers(fit, toy, n):
    with pytest.raises(ValueError, match=rf"^X has 12 rows but y has {n}\.$"):
        fit(y=(toy["y"] * 2)[:n])


def test_real_texts_and_labels_of_unequal_number_are_refused_with_both_numbers(fit, toy):
    with pytest.raises(ValueError, match=r"^real_X has 6 rows but real_y has 5\.$"):
        fit(real_y=toy["real_y"][:5])


def test_unequal_numbers_are_refused_when_bad_rows_are_dropped(fit, toy):
    with pytest.raises(ValueError, match=r"^X has 12 rows but y has 11\.$"):
        fit(X=replaced(toy["X"], row3=None), y=toy["y"][:11], on_bad_rows="drop")


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("name", ["X", "real_X"])
def test_fit_refuses_fewer_than_two_rows_with_the_number_needed(fit, toy, name, n):
    message = f"Found array with {n} sample(s) (shape=({n},)) in {name} while a minimum of 2 is required."
    labels = name.replace("X", "y")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(**{name: toy[name][:n], labels: toy[labels][:n]})


@pytest.mark.parametrize("empty", [[], (), np.array([], dtype=object), pd.Series([], dtype="str"), pa.array([], "str")])
def test_an_empty_container_is_refused_with_the_number_needed(fit, empty):
    with pytest.raises(ValueError, match=r"^Found array with 0 sample\(s\) .* while a minimum of 2 is required\.$"):
        fit(X=empty, y=[])


def test_predict_refuses_no_rows_and_takes_one(fit):
    clf = fit()
    with pytest.raises(ValueError, match=r"^Found array with 0 sample\(s\) .* while a minimum of 1 is required\.$"):
        clf.predict([])
    assert clf.predict(["a good film"]).shape == (1,)
