"""Real rows that are missing, or of other classes than the synthetic ones: which error or warning, and what it says."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import WEIGHTED, replaced

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning


@pytest.mark.parametrize("missing_real", ["raise", "warn"])
@pytest.mark.parametrize("cls", WEIGHTED)
def test_real_rows_of_one_class_are_refused(fit, cls, missing_real):
    message = "The quality checker needs at least 2 classes, but the real data has one: ['fresh']."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(cls, real_y=["fresh"] * 6, missing_real=missing_real)


@pytest.mark.parametrize("cls", [*WEIGHTED, CrossEntropyClassifier])
def test_synthetic_rows_of_one_class_are_refused(fit, cls):
    message = f"{cls.__name__} needs at least 2 classes in y, got 1: ['fresh']."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(cls, y=["fresh"] * 12, real_y=["fresh"] * 6)


@pytest.mark.parametrize("cls", WEIGHTED)
def test_a_class_without_real_rows_is_an_error_that_names_it_and_the_way_out(fit, toy, cls):
    with pytest.raises(ValueError, match=r"^the real data has no rows of \['mixed', 'other'\].*missing_real='warn'"):
        fit(cls, y=replaced(toy["y"], row9="mixed", row10="other", row11="mixed"))


@pytest.mark.parametrize("options", [{}, {"smoothing": 0.1}, {"gamma": 2.0}, {"clip": 0.9}], ids=str)
@pytest.mark.parametrize("cls", WEIGHTED)
def test_a_class_without_real_rows_can_get_the_neutral_weight_one(fit, toy, cls, options):
    y = np.array(replaced(toy["y"], row9="mixed", row10="mixed", row11="mixed"))
    message = "SKW021: the real data has no rows of ['mixed']; their 3 synthetic rows get the neutral weight 1."
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}$"):
        clf = fit(cls, y=y, missing_real="warn", **options)
    np.testing.assert_array_equal(clf.sample_weight_[y == "mixed"], 1.0)
    assert (clf.sample_weight_[y != "mixed"] != 1.0).all()
    assert clf.classes_.tolist() == ["fresh", "mixed", "rotten"]


@pytest.mark.parametrize("cls", [*WEIGHTED, CrossEntropyClassifier])
def test_a_label_of_real_rows_only_is_an_error_that_names_it_and_meta_estimators(fit, toy, cls):
    message = (
        "real_y holds labels that y does not: ['odd']; y holds ['fresh', 'rotten']. If this fit ran inside a "
        "meta-estimator that re-encodes y (VotingClassifier, OneVsRestClassifier, …), stack the rows "
        "(skweight.model_selection.stack_real) and pass is_real instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        fit(cls, real_y=replaced(toy["real_y"], row5="odd"))


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("Fresh", "fresh"),
        (" fresh", "fresh"),
        ("fresh\u200b", "fresh"),
        ("caf\u00e9", "cafe\u0301"),
        ("0", 0),
        (0, "0"),
    ],
    ids=ascii,
)
def test_real_labels_that_only_look_like_those_of_y_are_named_in_pairs(fit, label, other):
    rest = 1 if isinstance(other, int) else "1"
    message = f"SKW012: these look alike: {label!r} and {other!r}"
    with pytest.raises(ValueError, match=f"^real_y holds labels that y does not: .*{re.escape(message)}") as error:
        fit(y=[other, rest] * 6, real_y=[label, rest if isinstance(label, type(rest)) else type(label)(1)] * 3)
    assert "meta-estimator" not in str(error.value)


def test_labels_that_were_encoded_behind_the_back_of_the_real_ones_are_an_error(fit):
    with pytest.raises(ValueError, match=r"^real_y holds labels that y does not: \['fresh', 'rotten'\]; y holds \[0, "):
        fit(y=[0, 1] * 6)


def test_a_class_with_one_real_row_is_not_held_out(fit):
    with pytest.warns(SkweightWarning, match="^SKW023: class 'rotten' has one real row, which is not held out"):
        clf = fit(real_y=["fresh"] * 5 + ["rotten"], early_stopping=True)
    assert 5 not in clf.real_validation_indices_


def test_real_texts_among_the_synthetic_ones_are_counted(fit, toy):
    message = "SKW030: 2 of the 6 real rows (rows 0, 1) are also among the synthetic ones (rows 7, 2), which"
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}"):
        fit(real_X=replaced(toy["real_X"], row0=toy["X"][7], row1=toy["X"][2]))


def test_real_rows_that_are_there_twice_are_named_with_what_they_repeat(fit, toy):
    message = "SKW034: 2 of the 6 real rows (rows 3, 5) repeat others (rows 1, 0)."
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}"):
        fit(real_X=replaced(toy["real_X"], row3=toy["real_X"][1], row5=toy["real_X"][0]))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_real_rows_under_other_column_names_are_refused_with_both(fit, toy, frame):
    message = "real_X has the columns ['review'], but X has ['text']. Give them the same names."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(X=frame({"text": toy["X"]}), real_X=frame({"review": toy["real_X"]}))


@pytest.mark.parametrize("column", [0, 1])
def test_a_text_of_each_pair_that_is_the_label_is_warned_of(fit, toy, column):
    frame = pd.DataFrame({"text": toy["X"], "label": toy["y"]}).iloc[:, :: 1 if column else -1]
    with pytest.warns(SkweightWarning, match=f"^SKW033: column {column} of X holds the labels themselves"):
        fit(CrossEntropyClassifier, X=frame, y=frame["label"], real_X=None, real_y=None)


@pytest.mark.parametrize("cls", [IMPClassifier, DIMPClassifier])
def test_weights_need_real_rows_or_a_fitted_checker(build, toy, cls):
    message = (
        f"{cls.__name__}.fit needs real data: pass real_X and real_y, or is_real, or a fitted "
        "quality_checker as FrozenEstimator(checker)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(cls).fit(toy["X"], toy["y"])


@pytest.mark.parametrize("absent", ["real_X", "real_y"])
def test_half_of_the_real_data_is_refused(fit, absent):
    with pytest.raises(ValueError, match=r"^Pass both real_X and real_y, or neither\.$"):
        fit(**{absent: None})


@pytest.mark.parametrize("options", [{"real_weight": 1.0}, {"early_stopping": True}], ids=str)
def test_options_that_use_real_rows_need_them(build, toy, options):
    with pytest.raises(ValueError, match=r"(real_weight > 0|early_stopping=True) needs real data: pass real_X and"):
        build(CrossEntropyClassifier, **options).fit(toy["X"], toy["y"])
