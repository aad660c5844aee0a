"""Sketches of log ratios: exact where they say so, bounded elsewhere."""

import json

import numpy as np
import pytest

from skweight import effective_sample_size, importance_weights
from skweight.scale import Sketch


@pytest.fixture
def ratios():
    """Log ratios in float32 as files have them, far and near, some of them not known; their labels."""
    rng = np.random.default_rng(0)
    found = np.r_[rng.normal(0, 2, 500), rng.normal(-20, 5, 100), [700, -700, 0, 0.125, -0.125, np.nan, np.nan]]
    return found.astype(np.float32), rng.choice(["a", "b", "c"], len(found))


def test_parts_add_up_to_the_whole_in_any_order_and_grouping(ratios):
    values, labels = ratios
    a, b, c = (Sketch.of(values[part], labels[part]) for part in (slice(0, 7), slice(7, 300), slice(300, None)))
    whole = Sketch.of(values, labels)
    assert (a + b) + c == whole
    assert a + (b + c) == whole
    assert c + a + b == whole
    assert Sketch() + whole == whole


def test_it_adds_into_neither_of_its_parts(ratios):
    values, labels = ratios
    one, other = Sketch.of(values[:9], labels[:9]), Sketch.of(values[9:], labels[9:])
    before = json.dumps([one.to_dict(), other.to_dict()])
    one + other
    assert json.dumps([one.to_dict(), other.to_dict()]) == before


def test_what_json_holds_is_the_whole_of_it(ratios):
    sketch = Sketch.of(*ratios)
    assert Sketch.from_dict(json.loads(json.dumps(sketch.to_dict()))) == sketch


def test_it_counts_rows_by_class_and_those_that_are_not_known(ratios):
    values, labels = ratios
    sketch = Sketch.of(values, labels)
    assert sketch.n_rows == len(values)
    assert sketch.n_unknown == 2
    for label in "abc":
        assert sketch.select(label).n_rows == np.sum((labels == label) & ~np.isnan(values))


def test_one_bin_by_hand():
    # 0.3 and 0.35 are in bin 2, from 0.25 to 0.375: exp(0.05) - 1 + exp(0.1) - 1 = 0.15644...
    sketch = Sketch.of([0.3, 0.35], ["a", "a"])
    ((n_rows, excess),) = sketch.classes["a"].values()
    assert list(sketch.classes["a"]) == [2]
    assert n_rows == 2
    assert excess / 2**30 == pytest.approx(0.15644201, abs=1e-8)


def test_it_takes_about_four_kilobytes_for_two_classes_of_many_rows():
    values = np.random.default_rng(0).normal(-0.5, 1.5, 200_000)
    sketch = Sketch.of(values, np.repeat(["fresh", "rotten"], 100_000))
    assert len(json.dumps(sketch.to_dict(), separators=(",", ":"))) < 5000


@pytest.mark.parametrize("clip", [None, 1.0, 1.7, 5.0, 1e20])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0, 3.5])
def test_the_true_sum_of_weights_lies_within_the_error(ratios, gamma, clip):
    values, labels = ratios
    values = np.where(values > 600, 5, values)  # a weight of exp(30) would hide the others
    limit = 30.0 if clip is None else np.log(clip)
    weights = importance_weights(
        np.exp(np.minimum(values, 0.0)), np.exp(-np.maximum(values, 0.0)), gamma=gamma, clip=clip
    )
    total, error = Sketch.of(values, labels).sum_of_weights(gamma, limit)
    assert abs(total - weights.sum()) <= error + 1e-6 * total
    if gamma in (0.0, 1.0) and clip is None:
        assert error < 1e-12 * total
    if gamma <= 1 and clip is None:
        assert error < 1e-3 * total
    assert error < 0.05 * total


def test_a_weight_at_the_bound_against_overflow_is_exact(ratios):
    total, error = Sketch.of([700.0, 30.01, 0.0, np.nan], ["a"] * 4).sum_of_weights(1.0, 30.0)
    assert total == pytest.approx(2 * np.exp(30) + 2, rel=1e-9)
    assert error == pytest.approx(0, abs=1e-3)


def test_quantiles_are_off_by_less_than_a_bin(ratios):
    values, labels = ratios
    sketch, known = Sketch.of(values, labels), values[~np.isnan(values)]
    for q in (0.01, 0.3, 0.5, 0.9, 0.99):
        assert sketch.quantile(q) == pytest.approx(np.quantile(known, q, method="inverted_cdf"), abs=0.126)


def test_nothing_has_no_quantiles():
    with pytest.raises(ValueError, match=r"^No row has a ratio that is known"):
        Sketch.of([np.nan], [None]).quantile(0.5)


def test_squares_give_the_effective_sample_size():
    values = np.random.default_rng(0).normal(0, 1, 3000)
    sketch = Sketch.of(values, ["a"] * 3000)
    size = sketch.sum_of_weights(1.0, 30.0)[0] ** 2 / sketch.sum_of_weights(2.0, 60.0)[0]
    assert size == pytest.approx(effective_sample_size(np.exp(values)), rel=0.01)
