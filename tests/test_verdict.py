import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skweight import OpinionPoolClassifier
from skweight._verdict import interval, judge

T_15 = 2.13145  # 97.5 % quantile of Student's t with fifteen degrees of freedom
HALF = [1] * 8 + [0] * 8  # a variance of 4/15, and so a standard error of sqrt(1/60) = 0.129


def verdict_of(differences, **kwargs):
    n = len(differences)
    return judge(np.array([differences], dtype=float), np.zeros(n, dtype=int), np.ones(n), **kwargs)


def test_the_interval_is_that_over_rows():
    verdict = verdict_of(HALF)
    assert verdict.difference == 0.5
    assert verdict.high - verdict.difference == pytest.approx(T_15 / math.sqrt(60), rel=1e-5)
    assert verdict.low == pytest.approx(1 - verdict.high)


def test_where_no_row_differs_three_of_as_many_may():
    verdict = verdict_of([0] * 16)
    assert (verdict.low, verdict.high) == (-verdict.high, pytest.approx(T_15 * 1.5 / 16, rel=1e-5))


def test_rows_vary_within_their_classes():
    # Within a class all are alike, so drawing other rows of the same classes changes nothing.
    verdict = judge(np.array([HALF], dtype=float), np.array(HALF), np.ones(16))
    assert (verdict.difference, verdict.high) == (0.5, pytest.approx(0.5 + T_15 * 1.5 / 16, rel=1e-5))


def test_what_a_row_counts_reaches_the_mean_and_the_shares_of_the_classes():
    # The first class has three quarters of the weight and a variance of 2/7 over eight rows, the second none.
    y = np.array([0] * 8 + [1] * 8)
    weight = np.where(y == 0, 3.0, 1.0)
    verdict = judge(np.array([[1.0, 0.0] * 4 + [0.0] * 8]), y, weight)
    assert verdict.difference == 0.375
    assert verdict.high - 0.375 == pytest.approx(T_15 * 0.75 * math.sqrt(2 / 7 / 8), rel=1e-5)


def test_repeats_are_averaged_for_each_row_before_rows_are_compared():
    # Each row is right once with and once without.
    repeats = np.array([[1.0, -1.0] * 8, [-1.0, 1.0] * 8])
    verdict = judge(repeats, np.zeros(16, dtype=int), np.ones(16))
    assert (verdict.difference, verdict.high) == (0.0, pytest.approx(T_15 * 1.5 / 16, rel=1e-5))


def test_the_posterior_is_students_t_around_the_difference():
    def below(x):  # Student's distribution with three degrees of freedom
        x /= math.sqrt(3)
        return 0.5 + (x / (1 + x**2) + math.atan(x)) / math.pi

    verdict = verdict_of([3, 3, 0, 0], rope=0.1)
    scale = math.sqrt(3 / 4)
    assert verdict.p_helps == pytest.approx(1 - below((0.1 - 1.5) / scale))
    assert verdict.p_hurts == pytest.approx(below((-0.1 - 1.5) / scale))
    assert verdict.p_helps + verdict.p_same + verdict.p_hurts == pytest.approx(1)


def test_rows_that_agree_are_certain_if_they_are_many():
    assert verdict_of([1] * 16).decision == "use"
    assert verdict_of([0] * 16).decision == "cannot tell"
    assert verdict_of([0] * 400).decision == "do not use"
    assert verdict_of([-1] * 16).decision == "do not use"


def test_a_gain_that_does_not_matter_is_none():
    assert verdict_of([0.02] * 1000, rope=0.01).decision == "use"
    assert verdict_of([0.02] * 1000, rope=0.05).decision == "do not use"


def test_an_interval_on_both_sides_of_zero_cannot_tell_and_asks_for_more_rows():
    # The standard error is sqrt(16/15 / 16) = 0.258, half of the interval 0.5503: (0.5503 / 0.02)^2 = 757 times the
    # sixteen rows, rounded up to two digits.
    verdict = verdict_of([1, -1] * 8)
    assert verdict.decision == "cannot tell"
    assert verdict.n_more == 13_000
    assert verdict.sentence() == (
        "With the synthetic rows: +0.0 points [-55.0, 55.0] on real text. Cannot tell: about 13000 more labelled real "
        "rows would settle it to 2 points."
    )


def test_a_narrow_interval_that_cannot_tell_asks_for_a_narrower_one():
    verdict = verdict_of([0] * 200, rope=0.001)
    assert verdict.decision == "cannot tell"
    assert verdict.resolution == 0.01
    assert verdict.n_more == 240  # half is 1.972 * 1.5 / 200 = 0.01479: 200 * (1.479^2 - 1) = 237.5
    assert verdict.sentence().endswith("about 240 more labelled real rows would settle it to 1 point.")


def test_a_sentence_says_what_to_do():
    assert verdict_of([1] * 16).sentence() == (
        "With the synthetic rows: +100.0 points [80.0, 120.0] on real text. Use them."
    )
    assert verdict_of([-1] * 16).sentence().endswith("Do not use them: there is nothing to gain.")


def test_no_difference_has_no_minus():
    assert verdict_of([-1e-9] * 400).sentence().startswith("With the synthetic rows: +0.0 points [")


def test_more_confidence_takes_a_wider_interval():
    assert verdict_of(HALF, confidence=0.99).high > verdict_of(HALF, confidence=0.9).high


def test_the_interval_of_a_score_is_made_as_that_of_a_difference():
    mean, low, high = interval(np.array([[1.0, 1.0, 0.0, 0.0]]), np.zeros(4, dtype=int), np.ones(4))
    verdict = verdict_of([1, 1, 0, 0])
    assert (mean, low, high) == (verdict.difference, verdict.low, verdict.high)


# -- of an opinion pool -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    """Of a task that 60 real rows are too few for."""
    rng = np.random.RandomState(0)
    X, real_X = rng.randn(400, 8), rng.randn(60, 8)
    return {
        "X": X,
        "y": np.where(X.sum(axis=1) > 0, "up", "down"),
        "real_X": real_X,
        "real_y": np.where(real_X.sum(axis=1) > 0, "up", "down"),
    }


def fitted(rows, **params):
    return OpinionPoolClassifier("passthrough", student=False, random_state=0, **params).fit(**rows)


def test_a_pool_is_judged_by_the_expert_on_real_rows_alone(rows):
    clf = fitted(rows)
    gain = clf.scores_[clf.teacher_]["accuracy"] - clf.scores_["real"]["accuracy"]
    assert gain > 0.05
    assert clf.verdict_["difference"] == pytest.approx(gain)
    assert clf.verdict_["low"] < gain < clf.verdict_["high"]
    assert clf.verdict_["sentence"].startswith(f"With the synthetic rows: {100 * gain:+.1f} points [")


def test_a_pool_that_gains_nothing_says_not_to_use_the_rows(rows):
    shuffled = np.random.RandomState(0).permutation(rows["y"])
    clf = fitted({**rows, "y": shuffled})
    assert clf.teacher_ in ("real", "pool")
    assert clf.verdict_["difference"] < 0.05
    assert clf.verdict_["decision"] != "use"


def test_with_balanced_classes_it_is_balanced_accuracy(rows):
    few = np.r_[np.flatnonzero(rows["real_y"] == "up")[:8], np.flatnonzero(rows["real_y"] == "down")]
    skewed = {**rows, "real_X": rows["real_X"][few], "real_y": rows["real_y"][few]}
    hesitant = LogisticRegression(C=1e-3)  # always says "down", which is right for one class of two, and most rows
    experts = [("alone", hesitant, "real"), ("both", LogisticRegression(), "both")]
    clf = fitted(skewed, prior="balanced", experts=experts)
    assert clf.scores_["alone"]["accuracy"] > 0.7
    assert clf.scores_[clf.teacher_]["accuracy"] == 1
    assert clf.verdict_["difference"] == pytest.approx(0.5)


def test_without_an_expert_on_real_rows_alone_there_is_no_verdict(rows):
    assert fitted(rows, experts=[("both", LogisticRegression(), "both")]).verdict_ is None


def test_a_saved_classifier_keeps_its_verdict(rows, tmp_path):
    clf = OpinionPoolClassifier("passthrough", max_epochs=1, random_state=0).fit(**rows)
    clf.save_pretrained(tmp_path)
    assert OpinionPoolClassifier.from_pretrained(tmp_path).verdict_ == clf.verdict_
