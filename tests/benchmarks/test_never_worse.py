import importlib

import numpy as np
import pytest
from helpers import ROOT


@pytest.fixture(scope="module")
def never_worse():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are not part of the source distribution")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("benchmarks.never_worse")


def line(never_worse, seed, **right):
    """A line of a run whose methods are right on those rows."""
    target = np.zeros(len(next(iter(right.values()))), dtype=int)
    scores = {
        name.replace("_", " "): never_worse.figures(np.stack([rows, 1 - np.array(rows)], axis=1), target)
        for name, rows in right.items()
    }
    return {"config": {"cell": "task:synthetic_gpt-4", "seed": seed}, "pool": scores}


def test_holm_multiplies_the_smallest_by_their_number(never_worse):
    # 3 * 0.01, then 2 * 0.03, then 0.04, which may not be smaller than the one before.
    np.testing.assert_allclose(never_worse.holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


def test_the_comparator_is_chosen_on_other_rows_than_it_is_compared_on(never_worse):
    first = np.random.RandomState(0).permutation(8) % 2 == 0
    lucky, plain = first.astype(float), np.full(8, 0.51)
    lines = [line(never_worse, 0, real_only=lucky, synthetic_only=0 * lucky, pooled=0 * lucky, opinion_pool=plain)]
    chosen, (differences,) = never_worse.compare(lines, "pool", "opinion pool")
    assert chosen == "real only"  # right on all rows that the choice is made on, and wrong on all others
    assert differences.tolist() == [1, 1, 1, 1]


def test_calibration_error_is_the_gap_between_being_sure_and_being_right(never_worse):
    proba = np.array([[0.9, 0.1]] * 4)
    assert never_worse.figures(proba, np.array([0, 0, 1, 1]))["calibration_error"] == pytest.approx(0.4)
    assert never_worse.figures(proba, np.array([0, 0, 1, 1]))["n"] == 4
