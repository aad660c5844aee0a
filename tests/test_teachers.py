"""Who teaches: a pool and its experts judged on answers that were cross-fitted, and their scores."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import f1_score

from skweight import OpinionPool
from skweight._teachers import _log_losses, _macro_f1, _score, choose_teacher

# Four rows of two classes, the last one of class 1 and taken for class 0 by an expert.
Y = np.array([0, 1, 0, 1])
PROBA = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.9, 0.1]])
UNIFORM = np.full((4, 2), 0.5)
HALVES = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]


def choose(opinions, weight=(1.0, 1.0, 1.0, 1.0), y=Y, prior=None):
    return choose_teacher(OpinionPool(prior), opinions, y, np.array(weight), HALVES)


# -- scores -----------------------------------------------------------------------------------------------------------


def test_log_losses_are_those_of_probabilities_above_the_floor_that_add_up_to_one():
    # -log(0.5 / 0.75); 0 is lifted to 0.25: -log(0.25 / 1.25)
    losses = _log_losses(np.array([[0.5, 0.25], [0.0, 1.0]]), np.array([0, 0]), floor=0.25)
    assert_allclose(losses, [0.405465, 1.609438], atol=1e-6)


def test_scores_of_four_rows():
    score = _score(PROBA, Y, floor=1e-4)
    # Three of four; sqrt(0.75 * 0.25 / 4).
    assert score["accuracy"] == 0.75
    assert score["accuracy_se"] == pytest.approx(0.216506, abs=1e-6)
    # Class 0: twice own, three times said, 4/5. Class 1: twice own, once said, 2/3.
    assert score["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    # -log of 0.8, 0.6, 0.7 and 0.1: 0.223144, 0.510826, 0.356675 and 2.302585; their standard deviation is 0.845776.
    assert score["log_loss"] == pytest.approx(0.848307, abs=1e-6)
    assert score["log_loss_se"] == pytest.approx(0.845776 / 2, abs=1e-6)
    # Of rows that are there ten times only the standard errors differ.
    more = _score(np.tile(PROBA, (10, 1)), np.tile(Y, 10), floor=1e-4)
    assert more["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert more["log_loss_se"] == pytest.approx(0.845776 / np.sqrt(40), abs=1e-6)


def test_standard_error_of_macro_f1_is_near_that_of_all_samples_with_replacement():
    said = PROBA.argmax(axis=1)
    samples = [list(rows) for rows in product(range(4), repeat=4)]
    expected = np.std([f1_score(Y[rows], said[rows], average="macro") for rows in samples])
    score = _score(PROBA, Y, floor=1e-4)
    assert score["macro_f1_se"] == pytest.approx(expected, rel=0.1)
    assert _score(PROBA, Y, floor=1e-4) == score


def test_macro_f1_of_several_samples_leaves_out_classes_that_are_in_neither():
    y, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    counts = np.array([[1, 1, 1, 1], [2, 0, 1, 0], [0, 0, 0, 1]])
    # 2/3, 1/2 and 0 for class 2, which is never said; 1 and 1; 0 for class 1, which is wrong, and 0 for class 2
    assert_allclose(_macro_f1(y, predicted, counts), [7 / 18, 1, 0])


# -- choice -----------------------------------------------------------------------------------------------------------


def test_an_expert_teaches_where_the_pool_is_as_good():
    """The first of them, with what it says."""
    teacher, pool, proba, scores = choose({"one": UNIFORM, "other": UNIFORM})
    assert teacher == "one"
    assert pool.coef_.tolist() == [1, 0]
    assert pool.intercept_.tolist() == [0, 0]
    assert_allclose(pool.predict_proba([PROBA, UNIFORM]), PROBA)
    assert_allclose(proba, UNIFORM)
    assert scores["pool"] == scores["one"] == scores["other"] == _score(UNIFORM, Y, pool.floor)


def test_the_best_expert_teaches():
    """One that knows nothing is better than one that is sure and right about half of the rows."""
    bad, good = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]), UNIFORM
    teacher, pool, proba, _ = choose({"bad": bad, "good": good})
    assert teacher == "good"
    assert pool.coef_.tolist() == [0, 1]
    assert_allclose(proba, good)


def hesitant(n=40):
    """An expert that is always right and says so with 0.6, so that a pool sharpens it."""
    y = np.arange(n) % 2
    return y, np.where(np.eye(2)[y] == 1, 0.6, 0.4)


def test_the_pool_teaches_where_it_is_better_with_what_it_says_of_rows_it_has_not_seen():
    y, proba = hesitant()
    proba[-2:] = 0.5  # the halves differ
    weight = np.linspace(1, 2, 40)
    halves = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    teacher, pool, pooled, scores = choose_teacher(OpinionPool(), {"expert": proba}, y, weight, halves)
    assert teacher == "pool"
    for train, test in halves:
        part = OpinionPool().fit(proba[None, train], y[train], weight[train])
        assert_allclose(pooled[test], part.predict_proba(proba[None, test]))
    whole = OpinionPool().fit(proba[None], y, weight)
    assert_allclose(pool.coef_, whole.coef_)
    assert_allclose(pool.intercept_, whole.intercept_)
    assert scores == {"expert": _score(proba, y, pool.floor), "pool": _score(pooled, y, pool.floor)}


def test_rows_count_by_their_weight_in_the_choice():
    """One expert is right about the first two rows and wrong about the others, the other expert the reverse."""
    first = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    opinions = {"first": first, "last": 1 - first}
    assert choose(opinions, weight=[3.0, 3.0, 1.0, 1.0])[0] == "first"
    assert choose(opinions, weight=[1.0, 1.0, 3.0, 3.0])[0] == "last"


def test_classes_count_the_same_in_the_choice_if_the_prior_is_balanced():
    """An expert that knows one class, where three of four rows are of it."""
    y, down = np.array([0, 0, 0, 1]), np.tile([0.9, 0.1], (4, 1))
    opinions = {"down": down, "uniform": UNIFORM}
    # -log 0.9 three times and -log 0.1 once: 0.65 on average, 1.2 if classes count the same. Uniform: 0.69.
    assert choose(opinions, y=y, prior=None)[0] == "down"
    assert choose(opinions, y=y, prior="balanced")[0] == "uniform"
