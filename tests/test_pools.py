"""The opinion pool against numbers calculated by hand, and cross-fitting."""

import numpy as np
import pytest
from helpers import tfidf
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression

from skweight import OpinionPool, cross_fit_proba
from skweight._pools import folds


def two_classes(p):
    """Probabilities of both classes from those of the second."""
    p = np.asarray(p, dtype=float)
    return np.stack([1 - p, p], axis=-1)


def factorial():
    """Two experts of odds 3 and 2, and rows whose classes come in the odds of their product: 6, 3/2, 2/3 and 1/6."""
    rows = [(3, 2, 6, 7), (3, 1 / 2, 3, 5), (1 / 3, 2, 2, 5), (1 / 3, 1 / 2, 1, 7)]  # odds, odds, of class 1, in all
    first, second, y = [], [], []
    for one, two, hits, n in rows:
        first += [one / (1 + one)] * n
        second += [two / (1 + two)] * n
        y += [1] * hits + [0] * (n - hits)
    return np.stack([two_classes(first), two_classes(second)]), np.array(y)


# -- the numbers of the pool ------------------------------------------------------------------------------------------


def test_two_experts_of_two_classes_get_the_exponents_of_the_closed_form():
    # The likelihood is highest where every group is predicted in its own odds: 3^a1 * 2^a2 = 6 and 3^a1 / 2^a2 = 3/2.
    probas, y = factorial()
    pool = OpinionPool().fit(probas, y)
    assert_allclose(pool.coef_, [1, 1], atol=1e-4)
    assert_allclose(pool.intercept_, [0, 0], atol=1e-5)
    assert_allclose(pool.predict_proba(probas)[[0, 7, 12, 17], 1], [6 / 7, 3 / 5, 2 / 5, 1 / 7], atol=1e-4)


def test_an_over_confident_expert_is_scaled_down():
    # It says 0.99 and is right in 3 of 4: a = log 3 / log 99.
    probas = two_classes([0.99] * 4 + [0.01] * 4)[None]
    pool = OpinionPool().fit(probas, [1, 1, 1, 0, 0, 0, 0, 1])
    assert_allclose(pool.coef_, [np.log(3) / np.log(99)], atol=1e-5)


def test_an_expert_that_is_always_wrong_gets_no_negative_exponent():
    pool = OpinionPool(prior=None).fit(two_classes([0.9, 0.1] * 5)[None], [0, 1] * 5)
    assert pool.coef_.tolist() == [0]
    assert_allclose(pool.predict_proba(two_classes([0.9])[None]), [[0.5, 0.5]])


def test_without_penalty_the_class_terms_are_those_of_label_shift():
    # The expert knows nothing, and four of five rows are of the second class: b1 - b0 = log 4.
    probas, y = two_classes([0.5] * 5)[None], [1, 1, 1, 1, 0]
    assert_allclose(OpinionPool(penalty=0).fit(probas, y).intercept_, [-np.log(2), np.log(2)], atol=1e-4)
    # With one, the sum of the residuals pulls against it: 5 (s(2b) - 4/5) + 2 * 15 b = 0 has the root b = 0.0462.
    assert_allclose(OpinionPool(penalty=15.0).fit(probas, y).intercept_, [-0.046154, 0.046154], atol=1e-4)


@pytest.mark.parametrize(("prior", "expected"), [("real", 0.8), ("balanced", 0.5), (None, 0.5)])
def test_prior_says_whether_the_shares_of_the_classes_count(prior, expected):
    pool = OpinionPool(prior, penalty=0).fit(two_classes([0.5] * 5)[None], [1, 1, 1, 1, 0])
    assert_allclose(pool.predict_proba(two_classes([0.5])[None])[0, 1], expected, atol=1e-4)


def test_balanced_counts_a_rare_class_as_much_as_a_frequent_one():
    # All 8 rows of class 0 weigh as much as the 2 of class 1. Of the rows of 0.1, 3.75 are then of class 0 and 2.5 of
    # class 1; of those of 0.9, 1.25 and 2.5: odds of 2 / 3 and 2, which are two equations for a and b.
    probas = two_classes([0.1] * 6 + [0.9] * 2 + [0.1, 0.9])[None]
    pool = OpinionPool("balanced", penalty=0).fit(probas, [0] * 8 + [1, 1])
    assert_allclose(pool.coef_, [0.25], atol=1e-4)
    assert_allclose(np.diff(pool.intercept_), [np.log(2) - 0.25 * np.log(9)], atol=1e-4)


@pytest.mark.parametrize(("prior", "copies"), [("real", 1), ("balanced", 5)])
def test_an_expert_that_leans_to_a_class_is_straightened(prior, copies):
    """Of rows that it gives 0.9 or 0.6, three quarters or one quarter are of class 1: two equations for a and b."""
    probas, y = np.repeat([0.9, 0.6], 4), np.array([1, 1, 1, 0, 1, 0, 0, 0])
    rows = np.r_[np.flatnonzero(y == 1), np.repeat(np.flatnonzero(y == 0), copies)]  # a class of which there are more
    pool = OpinionPool(prior, penalty=0).fit(two_classes(probas[rows])[None], y[rows])
    a = 2 * np.log(3) / np.log(9 / 1.5)
    b = np.log(3) - a * np.log(9)
    assert_allclose(pool.coef_, [a], atol=1e-4)
    assert_allclose(pool.intercept_, [-b / 2, b / 2], atol=1e-4)


def test_a_row_of_weight_two_counts_twice():
    probas, y = factorial()
    weight = np.where(np.arange(len(y)) % 3, 1, 2)
    again = np.repeat(np.arange(len(y)), weight)
    one, other = OpinionPool().fit(probas, y, weight), OpinionPool().fit(probas[:, again], y[again])
    assert_allclose(one.coef_, other.coef_, atol=1e-4)


def test_a_known_pool_is_recovered():
    rng = np.random.default_rng(0)
    probas = rng.dirichlet([1, 1, 1], size=(2, 40_000))
    truth = OpinionPool(floor=1e-12).fit(probas[:, :10], rng.integers(3, size=10))
    truth.coef_, truth.intercept_ = np.array([0.7, 0.3]), np.array([-0.5, 0.0, 0.5])
    y = (truth.predict_proba(probas).cumsum(axis=1) < rng.uniform(size=(40_000, 1))).sum(axis=1)
    pool = OpinionPool(floor=1e-12).fit(probas, y)
    assert_allclose(pool.coef_, truth.coef_, atol=0.03)
    assert_allclose(pool.intercept_, truth.intercept_, atol=0.03)


def test_a_probability_of_zero_is_taken_for_the_floor():
    # One row in ten has the class that the expert calls impossible: a = log 9 / log(1 / 1e-4).
    pool = OpinionPool(prior=None).fit(two_classes([1.0] * 10)[None], [1] * 9 + [0])
    assert_allclose(pool.coef_, [np.log(9) / np.log(1e4)], atol=1e-5)


def test_probabilities_add_up_to_one():
    probas, y = factorial()
    assert_allclose(OpinionPool().fit(probas, y).predict_proba(probas).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("probas", "y", "message"),
    [
        ([[0.5, 0.5]], [0], r"^probas must be of shape \(n_experts, n_samples, n_classes\), got .* \(1, 2\); a single"),
        ([[[0.5, 0.5]]], [2], "between 0 and 1 for each of 1 rows"),
        ([[[0.5, 0.5]]], ["a"], "column number"),
        ([[[0.5, 0.5]]], [0, 1], "for each of 1 rows"),
        ([[[np.nan, 0.5]]], [0], r"^probas must hold probabilities, without negative values and NaN\.$"),
        ([[[-0.5, 1.5]]], [0], "negative"),
    ],
)
def test_what_is_no_opinion_is_refused(probas, y, message):
    with pytest.raises(ValueError, match=message):
        OpinionPool().fit(probas, y)


def test_class_terms_are_held_at_zero_by_a_penalty_of_fifteen_times_their_square():
    """An expert that says nothing, 9 rows of class 1 and one of class 0: 10 p - 9 + 30 b = 0, p the logistic of 2 b."""
    pool = OpinionPool().fit(two_classes([0.5] * 10)[None], [1] * 9 + [0])
    b = pool.intercept_[1]
    assert_allclose(10 / (1 + np.exp(-2 * b)) - 9 + 2 * 15 * b, 0, atol=1e-4)


def test_balanced_counts_what_the_rows_weigh():
    """Class 1 is one row of weight 9, class 0 nine of weight 1: as they are, both classes weigh the same."""
    probas, y = two_classes([0.2] * 5 + [0.8] * 4 + [0.8])[None], [0] * 9 + [1]
    weight = [1.0] * 9 + [9.0]
    balanced = OpinionPool("balanced", penalty=0).fit(probas, y, weight)
    as_they_are = OpinionPool("real", penalty=0).fit(probas, y, weight)
    assert_allclose(balanced.coef_, as_they_are.coef_, atol=1e-4)
    assert_allclose(balanced.intercept_, as_they_are.intercept_, atol=1e-4)


def test_a_pool_can_be_cloned():
    assert clone(OpinionPool("balanced", penalty=1.0)).get_params() == {
        "prior": "balanced",
        "penalty": 1.0,
        "floor": 1e-4,
    }


# -- cross-fitting ----------------------------------------------------------------------------------------------------


class Memory(ClassifierMixin, BaseEstimator):
    """Is certain of the rows that it has seen, and of no others."""

    def fit(self, X, y):
        self.seen_, self.classes_ = set(X), np.unique(y)
        return self

    def predict_proba(self, X):
        certain = np.eye(len(self.classes_))[0]
        return np.array([certain if x in self.seen_ else np.full(len(certain), 1 / len(certain)) for x in X])


@pytest.mark.parametrize("cv", [2, 5, 100])
def test_no_row_is_predicted_by_a_copy_that_has_seen_it(cv):
    X, y = [f"text {i}" for i in range(23)], np.arange(23) % 2
    assert (cross_fit_proba(Memory(), X, y, cv=cv, random_state=0) == 0.5).all()
    assert (Memory().fit(X, y).predict_proba(X)[:, 0] == 1).all()  # as it would say of rows it has seen


def test_folds_hold_the_classes_in_their_shares():
    y = np.array([0] * 40 + [1] * 10)

    class Shares(Memory):
        def fit(self, X, y):
            assert np.bincount(y).tolist() == [32, 8]
            return super().fit(X, y)

    cross_fit_proba(Shares(), list(range(50)), y, cv=5, random_state=0)


def test_columns_are_in_the_order_of_the_classes_asked_for():
    X, y = ["good", "fine", "bad", "poor"] * 3, ["x", "x", "b", "b"] * 3
    proba = cross_fit_proba(tfidf(), X, y, cv=3, classes=["x", "unheard of", "b"], random_state=0)
    assert (proba[:, 1] == 0).all()
    assert proba[:, [0, 2]].argmax(axis=1).tolist() == [0, 0, 1, 1] * 3


def folds_of(y, **params):
    """Which rows each copy is asked about."""
    asked = []

    class Asked(Memory):
        def predict_proba(self, X):
            asked.append(X)
            return super().predict_proba(X)

    cross_fit_proba(Asked(), list(range(len(y))), y, **params)
    return asked


def test_there_are_five_folds_and_never_more_than_rows_of_a_class():
    y = [0, 1] * 10
    assert len(folds_of(y)) == 5
    assert len(folds_of(y, cv=3)) == 3
    assert len(folds_of([0, 1, 0, 1])) == 2
    assert len(folds([0, 1, 2], 5)) == 2


def test_the_seed_says_which_rows_share_a_fold():
    y = [0, 1] * 10
    assert folds_of(y, random_state=0) == folds_of(y, random_state=0) != folds_of(y, random_state=1)


def test_folds_may_be_given():
    y = [0, 1] * 3
    assert folds_of(y, cv=[([0, 1, 2, 3], [4]), ([2, 3, 4, 5], [0, 1])]) == [[4], [0, 1]]
    proba = cross_fit_proba(Memory(), list(range(6)), y, cv=[([0, 1, 2, 3], [4])])
    assert np.isnan(proba).all(axis=1).tolist() == [True] * 4 + [False, True]


def test_a_fold_of_one_class_does_not_end_the_others():
    splits = [([0, 2], [4]), ([0, 1], [5])]
    proba = cross_fit_proba(Memory(), list(range(6)), [0, 1] * 3, cv=splits)
    assert proba[4].tolist() == [1, 0]
    assert proba[5].tolist() == [0.5, 0.5]


def test_a_class_with_one_row_is_unknown_to_the_copy_that_predicts_it():
    X = np.arange(9.0)[:, None]
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    proba = cross_fit_proba(LogisticRegression(), X, y, cv=3, random_state=0)
    assert proba[8, 2] == 0
    assert_allclose(proba.sum(axis=1), 1)


def test_the_only_class_that_is_left_to_learn_from_gets_probability_one():
    proba = cross_fit_proba(LogisticRegression(), [[0.0], [1.0], [2.0]], [0, 0, 1], cv=3, random_state=0)
    assert proba[2].tolist() == [1, 0]


def test_sample_weight_is_cut_with_the_rows():
    X, y = np.array([[0.0], [1.0], [0.0], [1.0]] * 5), np.array([0, 1, 1, 0] * 5)
    weight = np.array([1.0, 1.0, 0.0, 0.0] * 5)  # the rows that contradict the others do not count
    proba = cross_fit_proba(LogisticRegression(), X, y, random_state=0, fit_params={"sample_weight": weight})
    assert (proba[:, 1] > 0.5).tolist() == (X[:, 0] > 0.5).tolist()
