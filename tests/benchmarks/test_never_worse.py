import gzip
import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT


@pytest.fixture(scope="module")
def never_worse():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are not part of the source distribution")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield SimpleNamespace(
            rules=importlib.import_module("benchmarks.never_worse.rules"),
            report=importlib.import_module("benchmarks.never_worse.report"),
        )


def runs(never_worse, draw, **right):
    """Scores of a cell of one draw, by method: which rows are right."""
    target = np.zeros(len(next(iter(right.values()))), dtype=int)
    return {
        name.replace("_", " "): {
            "cell": {draw: never_worse.rules.figures(np.stack([rows, 1 - np.array(rows)], axis=1), target, draw)}
        }
        for name, rows in right.items()
    }


def test_holm_multiplies_the_smallest_by_their_number(never_worse):
    # 3 * 0.01, then 2 * 0.03, then 0.04, which may not be smaller than the one before.
    np.testing.assert_allclose(never_worse.report.holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


def test_the_comparator_is_chosen_on_other_rows_than_it_is_compared_on(never_worse):
    first = never_worse.rules.halves(8, 0)
    lucky, plain = first.astype(float), np.full(8, 0.51)
    scores = runs(never_worse, 0, real_only=lucky, synthetic_only=0 * lucky, pooled=0 * lucky, opinion_pool=plain)
    chosen, (differences,) = never_worse.report.compare(scores, "cell", "opinion pool")
    assert chosen == "real only"  # right on all rows that the choice is made on, and wrong on all others
    assert differences.tolist() == [1, 1, 1, 1]
    # Macro-F1 of one class that is always, or never, predicted rightly; the class that is not there counts for none.
    assert never_worse.report.macro_f1_gain(scores, "cell", "opinion pool") == 1


def test_calibration_error_is_the_gap_between_being_sure_and_being_right(never_worse):
    proba = np.array([[0.9, 0.1]] * 4)
    figures = never_worse.rules.figures(proba, np.array([0, 0, 1, 1]), 0)
    assert figures["calibration_error"] == pytest.approx(0.4)
    assert figures["n"] == 4


def test_means_are_over_draws_that_the_method_and_the_baselines_have(never_worse, tmp_path):
    names = ["real only", "synthetic only", "pooled", "student", "IMP"]
    scores = {
        name: of["cell"][0]
        for name, of in runs(
            never_worse, 0, **{name.replace(" ", "_"): [1.0, 0.6 - 0.2 * (name == "student")] for name in names}
        ).items()
    }
    path = tmp_path / "lines.jsonl"
    lines = [
        {"config": {"cell": "cell", "draw": draw, "method": {"synthetic only": "cross-entropy"}.get(name, name)},
         "pool": scores[name], "test": scores[name]}
        for draw in (100, 101, 102) for name in names
        if (name, draw) not in {("student", 101), ("IMP", 102)}
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    found = never_worse.report.read_runs([path], "student")["test"]
    assert {name: list(of["cell"]) for name, of in found.items()} == {name: [100, 102] for name in names[:4]}
    assert never_worse.rules.right_rows(found["student"]["cell"][100]).tolist() == [1, 0]
    assert list(never_worse.report.read_runs([path], "student", draws=[100])["test"]["IMP"]["cell"]) == [100]


def test_frozen_lines_hold_all_methods(never_worse, tmp_path):
    names = ["real only", "synthetic only", "pooled", "opinion pool"]
    scores = {
        name: of["cell"][0]
        for name, of in runs(never_worse, 0, **{name.replace(" ", "_"): [1.0, 0.6] for name in names}).items()
    }
    path = tmp_path / "lines.jsonl.gz"
    line = {"config": {"cell": "cell", "seed": 3}, "pool": scores, "test": scores}
    path.write_bytes(gzip.compress(json.dumps(line).encode()))
    found = never_worse.report.read_runs([path], "opinion pool")["pool"]
    assert {name: list(of["cell"]) for name, of in found.items()} == {name: [3] for name in names}
