import json

import numpy as np
import pytest

from skweight import audit
from skweight._audit.comparison import BOTH, POOL, REAL, SYNTHETIC

WAYS = [REAL, SYNTHETIC, BOTH, POOL]


QUICK = {"encoder": "passthrough", "cv": 3, "n_repeats": 1}


def numbers(n, seed, n_columns=30):
    X = np.random.RandomState(seed).randn(n, n_columns)
    return X, np.where(X.sum(axis=1) > 0, "up", "down")


@pytest.fixture(scope="module")
def good():
    """Rows of the same kind as 60 real ones, which are too few for thirty columns."""
    return (*numbers(500, 0), *numbers(60, 1))


@pytest.fixture(scope="module")
def judged(good):
    return audit(*good, **QUICK | {"cv": 5, "n_repeats": 2})


def test_rows_that_teach_what_real_ones_are_too_few_for_are_used(judged):
    assert judged.verdict.decision == "use"
    assert judged.verdict.low > 0
    assert judged.sentence.startswith(f"With the synthetic rows: {100 * judged.verdict.difference:+.1f} points [")
    assert judged.sentence.endswith("of accuracy on real text. Use them.")


def test_rows_with_labels_at_random_are_not_used(good):
    X, y, *_ = good
    shuffled = np.random.RandomState(0).permutation(y)
    result = audit(X, shuffled, *numbers(200, 1), **QUICK)
    assert result.verdict.decision != "use"
    assert [row["name"] for row in result.scores] == WAYS
    assert result.scores[1]["difference"] < -0.2
    assert [finding.code for finding in result.findings] == ["A06"]


def test_what_is_scored_has_not_been_seen():
    """Labels at random can be learnt by heart, not predicted."""
    X, real_X = np.random.RandomState(0).randn(100, 60), np.random.RandomState(1).randn(100, 60)
    y, real_y = (np.random.RandomState(seed).randint(2, size=100) for seed in (2, 3))
    result = audit(X, y, real_X, real_y, **QUICK)
    assert all(0.3 < row["score"] < 0.7 for row in result.scores)


def test_the_score_of_the_synthetic_rows_is_that_of_one_model_on_all_real_rows(good, judged):
    from skweight._opinion_pool import frozen_expert

    X, y, real_X, real_y = good
    assert judged.scores[1]["score"] == pytest.approx(frozen_expert(True).fit(X, y).score(real_X, real_y))


def test_a_learning_curve_ends_with_all_rows(judged):
    assert [point["rows"] for point in judged.learning_curve] == [62, 125, 250, 500]
    assert judged.learning_curve[-1]["difference"] == pytest.approx(judged.verdict.difference, abs=0.05)


def test_a_group_that_adds_nothing_but_errors_hurts(good):
    X, y, *_ = good
    wrong = np.where(y == "up", "down", "up")
    half = np.arange(len(X)) < 250
    result = audit(X, np.where(half, y, wrong), *numbers(300, 1), **QUICK, generator=np.where(half, "good", "bad"))
    assert [effect["group"] for effect in result.groups] == ["good", "bad"]
    assert result.groups[0]["difference"] > result.groups[1]["difference"]
    assert result.groups[1]["rows"] == 250
    assert "against the pool without it" in str(result)


def test_a_group_with_few_rows_has_no_line(good):
    groups = ["a"] * 490 + ["b"] * 10
    assert audit(*good, **QUICK, generator=groups).groups == []


def test_only_so_many_rows_are_read(good):
    result = audit(*good, **QUICK, max_rows=100)
    assert (result.n_read, result.n_synthetic) == (100, 500)
    assert result.learning_curve[-1]["rows"] == 100
    assert "100 of 500 synthetic rows" in str(result)


def test_rows_of_another_kind_are_told_apart(good, judged):
    X, y, real_X, real_y = good
    result = audit(X + 5, y, real_X, real_y, **QUICK, max_rows=100)
    assert result.domain_auc > 0.99
    assert judged.domain_auc == pytest.approx(0.5, abs=0.1)


def test_all_is_there_for_a_machine_to_read(judged):
    said = json.loads(json.dumps(judged.to_dict()))
    assert said["verdict"]["decision"] == "use"
    assert said["sentence"] == judged.sentence


def test_scores_are_shares(judged):
    assert all(0 <= row["low"] <= row["score"] <= row["high"] <= 1 for row in judged.scores)


def test_the_report_begins_with_the_sentence(judged):
    lines = str(judged).splitlines()
    assert lines[0] == judged.sentence
    assert repr(judged) == str(judged)
    assert max(map(len, lines[1:])) <= 120


def test_the_same_seed_gives_the_same_audit(good):
    first, again, other = (audit(*good, **QUICK, max_rows=50, random_state=seed).to_dict() for seed in (0, 0, 1))
    assert first == again != other


def test_balanced_accuracy_counts_all_classes_alike():
    """A model that always says the larger class has an accuracy of 0.9 and a balanced accuracy of 1/2."""
    rng = np.random.RandomState(0)
    X, real_X = rng.randn(100, 2), rng.randn(100, 2)
    y, real_y = np.arange(100) % 2, np.arange(100) % 10 == 0
    plain = audit(X, y, real_X, real_y.astype(int), **QUICK)
    balanced = audit(X, y, real_X, real_y.astype(int), **QUICK, scoring="balanced_accuracy")
    assert plain.scores[0]["score"] == pytest.approx(0.9)
    assert balanced.scores[0]["score"] == pytest.approx(0.5)
    assert "balanced accuracy" in balanced.sentence


def test_a_class_with_one_real_row_or_none_is_named(good):
    X, y, real_X, real_y = good
    y, real_y = y.astype(object), real_y.astype(object)
    y[:20], y[20:40] = "once", "never"
    real_y[0] = "once"
    found = {finding.code: finding.text for finding in audit(X, y, real_X, real_y, **QUICK).findings}
    assert "'never'" in found["A04"]
    assert "'once'" in found["A05"]
    assert "A08" in found


def test_shares_of_classes_that_differ_are_named(good):
    X, y, _, _ = good
    real_X, real_y = numbers(400, 1)
    kept = np.r_[np.flatnonzero(real_y == "up"), np.flatnonzero(real_y == "down")[:40]]
    codes = [finding.code for finding in audit(X, y, real_X[kept], real_y[kept], **QUICK).findings]
    assert codes == ["A07"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scoring": "f1"}, "The 'scoring' parameter of audit must be a str among"),
        ({"cv": 2}, r"The 'cv' parameter of audit must be an int in the range \[3, inf\). Got 2"),
        ({"n_repeats": 0}, "The 'n_repeats' parameter"),
        ({"max_rows": 0}, "The 'max_rows' parameter"),
        ({"confidence": 95}, "The 'confidence' parameter"),
        ({"rope": 1.5}, "The 'rope' parameter"),
        ({"real_X": np.eye(4, 30), "real_y": ["up"] * 4}, "needs real rows of two classes"),
        ({"generator": ["a"]}, "generator has 1 values, but there are 500 synthetic rows"),
    ],
)
def test_bad_arguments_are_refused(good, change, message):
    with pytest.raises(ValueError, match=message):
        audit(**dict(zip(("synth_X", "synth_y", "real_X", "real_y"), good, strict=True)) | QUICK | change)


# -- texts ------------------------------------------------------------------------------------------------------------


def reviews(n, seed):
    rng = np.random.RandomState(seed)
    words = {"good": ["great", "warm", "funny", "superb"], "bad": ["poor", "dull", "boring", "weak"]}
    about = ["film", "plot", "cast", "story", "acting", "score", "scene", "music", "ending", "camera"]
    y = ["good", "bad"] * (n // 2)
    return [f"{' '.join(rng.choice(about, 6))} {rng.choice(words[label])} {rng.choice(about)}" for label in y], y


def test_texts_are_read_by_the_encoder(tiny_encoder):
    result = audit(*reviews(60, 0), *reviews(40, 1), encoder=tiny_encoder, cv=3, n_repeats=1)
    assert [row["name"] for row in result.scores] == WAYS
    assert result.n_real == 40


def test_copies_are_counted(tiny_encoder):
    X, y = reviews(60, 0)
    real_X, real_y = reviews(40, 1)
    test_X, _ = reviews(20, 2)
    X[:5], X[10:13], X[20:30] = real_X[:5], [text.upper() for text in test_X[:3]], [X[50]] * 10
    result = audit(X, y, real_X, real_y, encoder=tiny_encoder, cv=3, n_repeats=1, test_X=test_X)
    found = {finding.code: finding.text for finding in result.findings}
    assert found["A01"].startswith("3 of 60 synthetic rows are copies of rows of test_X")
    assert found["A02"].startswith("5 of 60 synthetic rows are copies of rows of the real data")
    assert found["A03"].startswith("17% of the synthetic rows are copies of other synthetic rows")


def test_pairs_of_texts_can_be_audited(tiny_encoder):
    (X, y), (real_X, real_y) = reviews(40, 0), reviews(20, 1)
    pairs, real_pairs = ([(text, text[::-1]) for text in texts] for texts in (X, real_X))
    assert audit(pairs, y, real_pairs, real_y, encoder=tiny_encoder, cv=3, n_repeats=1).n_synthetic == 40
