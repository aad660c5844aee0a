"""Probabilities that checkers give to labels and classes, mixed and multiplied."""

import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skweight import importance_weights, label_proba, smooth_proba
from skweight._weights import class_proba, product_of_experts

# A world of two texts and three classes: P(y|x) of real text and Q(y|x) of synthetic text.
P = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]])
Q = np.array([[0.4, 0.35, 0.25], [0.5, 0.3, 0.2]])


class Table:
    """A checker that looks its probabilities up: X holds row numbers."""

    def __init__(self, classes, proba):
        self.classes_ = np.array(classes)
        self.proba = np.array(proba)

    def predict_proba(self, X):
        return self.proba[np.asarray(X)]


# -- label_proba ------------------------------------------------------------------------------------------------------


def test_label_proba_is_the_probability_of_each_rows_own_label():
    checker = Table(["bad", "good"], [[0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_array_equal(label_proba(checker, [0, 1, 1], ["good", "good", "bad"]), [0.1, 0.7, 0.3])


def test_label_proba_finds_columns_by_name_not_by_position():
    sorted_classes = Table(["bad", "good"], [[0.9, 0.1], [0.3, 0.7]])
    other_order = Table(["good", "bad"], [[0.1, 0.9], [0.7, 0.3]])
    y = ["bad", "good"]
    np.testing.assert_array_equal(label_proba(sorted_classes, [0, 1], y), [0.9, 0.7])
    np.testing.assert_array_equal(label_proba(other_order, [0, 1], y), [0.9, 0.7])


def test_label_proba_takes_integer_labels_for_names_not_for_columns():
    checker = Table([7, 1, 0], [[0.2, 0.3, 0.5]])
    np.testing.assert_array_equal(label_proba(checker, [0, 0, 0], [0, 1, 7]), [0.5, 0.3, 0.2])


def test_label_proba_is_nan_where_the_checker_does_not_know_the_label():
    checker = Table(["bad", "good"], [[0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_array_equal(label_proba(checker, [0, 1], ["mixed", "good"]), [np.nan, 0.7])


def test_label_proba_raises_if_the_checker_knows_none_of_the_labels():
    checker = Table(["bad", "good"], [[0.9, 0.1], [0.3, 0.7]])
    message = "No label in y is a class of Table: y holds ['positive', 'negative'], its classes_ are ['bad', 'good']."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        label_proba(checker, [0, 1], ["positive", "negative"])


def test_a_message_lists_eight_labels_at_most():
    y = "y holds [10, 11, 12, 13, 14, 15, 16, 17, ...], its classes_ are [0, 1, 2, 3, 4, 5, 6, 7]."
    with pytest.raises(ValueError, match=f"{re.escape(y)}$"):
        label_proba(Table(range(8), np.full((9, 8), 1 / 8)), range(9), range(10, 19))


def test_label_proba_takes_rows_that_all_have_the_label_of_the_first_column():
    checker = Table(["bad", "good"], [[0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_array_equal(label_proba(checker, [0, 1], ["bad", "bad"]), [0.9, 0.3])


def test_label_proba_takes_a_checker_of_one_class():
    np.testing.assert_array_equal(label_proba(Table(["bad"], [[1.0]]), [0, 0], ["good", "bad"]), [np.nan, 1.0])


def test_label_proba_of_no_rows_is_empty():
    no_rows = np.empty(0, dtype=int)
    assert label_proba(Table(["bad", "good"], [[0.9, 0.1]]), no_rows, []).shape == (0,)


def test_label_proba_raises_type_error_without_predict_proba():
    svm = LinearSVC().fit([[0.0], [1.0]], ["bad", "good"])
    with pytest.raises(TypeError, match=r"^LinearSVC has no predict_proba; weights need the probability of a label"):
        label_proba(svm, [[0.0]], ["bad"])


def test_label_proba_raises_if_labels_and_probabilities_differ_in_number():
    checker = Table(["bad", "good"], [[0.9, 0.1], [0.3, 0.7]])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[2, 1\]"):
        label_proba(checker, [0, 1], ["bad"])


def test_label_proba_is_float64_whatever_the_checker_returns():
    checker = Table(["bad", "good"], np.array([[0.75, 0.25]], dtype=np.float32))
    proba = label_proba(checker, [0], ["good"])
    assert proba.dtype == np.float64
    assert proba.tolist() == [0.25]


def test_label_proba_takes_a_pipeline_on_raw_texts():
    texts, labels = ["good film", "bad film"], ["fresh", "rotten"]
    checker = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, labels)
    fresh, rotten = label_proba(checker, ["good", "good"], ["fresh", "rotten"])
    assert fresh > 0.5
    assert fresh + rotten == pytest.approx(1.0)


# -- class_proba ------------------------------------------------------------------------------------------------------


def test_class_proba_finds_columns_by_name_not_by_position():
    checker = Table(["mixed", "good", "bad"], [[0.2, 0.1, 0.7], [0.1, 0.6, 0.3]])
    expected = [[0.7, 0.1, 0.2], [0.3, 0.6, 0.1]]
    np.testing.assert_array_equal(class_proba(checker, [0, 1], ["bad", "good", "mixed"]), expected)
    np.testing.assert_array_equal(class_proba(Table([7, 1, 0], [[0.2, 0.3, 0.5]]), [0], [0, 1, 7]), [[0.5, 0.3, 0.2]])
    np.testing.assert_array_equal(class_proba(Table([1, 0], [[0.2, 0.8]]), [0], [False, True]), [[0.8, 0.2]])


def test_class_proba_is_nan_for_a_class_that_the_checker_does_not_know():
    checker = Table(["bad", "odd", "good"], [[0.5, 0.4, 0.1], [0.3, 0.0, 0.7]])
    expected = [[0.5, 0.1, np.nan], [0.3, 0.7, np.nan]]
    np.testing.assert_array_equal(class_proba(checker, [0, 1], ["bad", "good", "mixed"]), expected)


def test_class_proba_holds_what_label_proba_says_of_each_label():
    checker, y = Table([2, 1, 3], [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]), np.array([3, 1, 9, 2])
    rows, classes = [0, 1, 1, 0], np.array([1, 2, 3, 9])
    own = class_proba(checker, rows, classes)[np.arange(4), np.searchsorted(classes, y)]
    np.testing.assert_array_equal(own, label_proba(checker, rows, y))


def test_class_proba_raises_as_label_proba_does():
    with pytest.raises(ValueError, match=r"y holds \['positive', 'negative'\].*classes_ are \['bad', 'good'\]"):
        class_proba(Table(["bad", "good"], [[0.9, 0.1]]), [0], ["positive", "negative"])
    with pytest.raises(TypeError, match="LinearSVC has no predict_proba"):
        class_proba(LinearSVC().fit([[0.0], [1.0]], ["bad", "good"]), [[0.0]], ["bad", "good"])


# -- answers that are no probabilities --------------------------------------------------------------------------------


class Wrapped(Table):
    """A checker within another, as FrozenEstimator has one."""

    estimator = LogisticRegression()


def test_an_answer_of_another_shape_is_refused():
    message = (
        "predict_proba of Table returned an array of shape (1, 2), expected (1, 3): a row for each row of X, a column "
        "for each of its classes_."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        label_proba(Table([0, 1, 2], [[0.5, 0.5]]), [0], [0])


@pytest.mark.parametrize(
    "wrong", [[1.5, -0.5], [-0.5, 1.5], [0.5, np.nan], [0.25, 0.25], [0.5, 0.75], [0.494, 0.494], [1 + 2e-6, 0.0]]
)
def test_the_first_row_without_probabilities_is_named(wrong):
    checker = Table([0, 1], [[0.5, 0.5], wrong, [0.25, 0.75], wrong])
    message = (
        f"predict_proba of Table returned {wrong} for row 1, expected numbers between 0 and 1 that add up to 1 (2 of 4 "
        "rows are wrong)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        label_proba(checker, [0, 1, 2, 3], [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("checker", "name", "who"),
    [
        (Table, "quality_checker", "quality_checker (Table)"),
        (Wrapped, "quality_checker", "quality_checker (LogisticRegression)"),
        (Wrapped, None, "Wrapped"),
    ],
)
def test_a_message_calls_checker_and_row_as_it_was_told(checker, name, who):
    with pytest.raises(ValueError, match=rf"^predict_proba of {re.escape(who)} returned \[2\.0, 0\.0\] for row 7, "):
        class_proba(checker([0, 1], [[2.0, 0.0]]), [0], [0, 1], name=name, index=np.array([7]))


@pytest.mark.parametrize("rounded", [[1 + 1e-6, 0.0], [0.496, 0.496], [0.504, 0.504]])
def test_rounding_is_no_fault_of_an_answer(rounded):
    np.testing.assert_array_equal(label_proba(Table([0, 1], [rounded]), [0, 0], [0, 1]), rounded)


# -- product_of_experts -----------------------------------------------------------------------------------------------


def test_product_of_one_expert_is_what_it_says():
    proba = [[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]
    np.testing.assert_allclose(product_of_experts(proba), proba, atol=1e-12)


def test_product_of_two_experts_is_normalised():
    # sqrt(0.9 * 0.5) and sqrt(0.1 * 0.5) over their sum; 0.9 * 0.2 and 0.1 * 0.8 over theirs
    np.testing.assert_allclose(product_of_experts([[0.9, 0.1]], [[0.5, 0.5]], exponent=0.5), [[0.75, 0.25]])
    np.testing.assert_allclose(product_of_experts([[0.9, 0.1]], [[0.2, 0.8]]), [[0.692308, 0.307692]], atol=1e-6)


def test_product_is_taken_over_the_classes_that_all_experts_know():
    one, other = [[0.6, 0.2, np.nan], [np.nan, 0.3, np.nan]], [[0.5, 0.5, 0.5], [0.5, np.nan, 0.5]]
    np.testing.assert_allclose(product_of_experts(one, other), [[0.75, 0.25, np.nan], [np.nan] * 3])


def test_product_of_tiny_probabilities_does_not_underflow():
    tiny = [[1e-300, 3e-300], [0.5, 0.5]]
    np.testing.assert_allclose(product_of_experts(tiny, tiny, exponent=2.0), [[1 / 82, 81 / 82], [0.5, 0.5]])


# -- smooth_proba -----------------------------------------------------------------------------------------------------

# P without its third class, which no real row has: rows (7/9, 2/9, 0) and (1/3, 2/3, 0).
MISSING = np.array([[7 / 9, 2 / 9, 0.0], [1 / 3, 2 / 3, 0.0]])


def test_smoothing_gives_a_missing_class_its_share_of_the_uniform_distribution():
    np.testing.assert_allclose(
        smooth_proba(MISSING, 0.05, n_classes=3),
        [[0.755556, 0.227778, 0.016667], [0.333333, 0.65, 0.016667]],
        atol=1e-6,
    )


def test_smoothed_missing_class_weighs_little_but_not_nothing():
    smoothed = smooth_proba(MISSING[:, 2], 0.05, n_classes=3)
    np.testing.assert_allclose(importance_weights(smoothed, Q[:, 2]), [0.066667, 0.083333], atol=1e-6)


def test_smoothing_is_symmetric_label_noise():
    # 0.8 * P + 0.2 / 3
    np.testing.assert_allclose(
        smooth_proba(P, 0.2, n_classes=3),
        [[0.626667, 0.226667, 0.146667], [0.306667, 0.546667, 0.146667]],
        atol=1e-6,
    )


def test_smoothing_zero_changes_nothing():
    np.testing.assert_array_equal(smooth_proba(P, 0.0, n_classes=3), P)


def test_smoothed_probabilities_are_float64():
    assert smooth_proba(np.float32([0.5]), 0.1, n_classes=2).dtype == np.float64


def test_smoothing_one_is_uniform():
    np.testing.assert_allclose(smooth_proba(P, 1.0, n_classes=3), np.full((2, 3), 1 / 3))


def test_smoothing_keeps_unknown_probabilities_unknown():
    np.testing.assert_allclose(smooth_proba([np.nan, 0.8], 0.5, n_classes=2), [np.nan, 0.65])
