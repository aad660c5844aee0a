import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not part of the source distribution", allow_module_level=True)
sys.path.insert(0, str(ROOT))


def make_line(task, method, seed, test, pool=None, n_rows=40, **more):
    """A line whose accuracy on the test rows is `test`, or whose mask is, if that is an array."""
    right = np.arange(n_rows) < round(test * n_rows) if np.isscalar(test) else np.asarray(test, dtype=bool)
    top = {name: more.pop(name) for name in ("mean_weight", "auc_swapped", "epochs", "seconds") if name in more}
    config = {"task": task, "synthetic": "gpt-4", "method": method, "seed": seed, "encoder": "minilm", "rows": 800}
    config |= {"real_rows": None, "scored": 1000, "settings": {"lr": 5e-5}, "quality_checker": {"lr": 1e-4}}
    return {
        "config": config | more,
        "test_accuracy": float(np.mean(right)),
        "test_macro_f1": float(np.mean(right)) / 2,
        "pool_accuracy": float(np.mean(right)) if pool is None else pool,
        "test_correct": np.packbits(right).tobytes().hex(),
        "versions": {"skweight": "0.1.0", "torch": "2.13.0"},
        "machine": "x86_64, 2 cores",
        "date": f"2026-11-2{seed}",
        "seconds": {"build DC": 10.0, "total": 10.0},
        **top,
    }


def make_lines(scores, **more):
    """Lines of `scores[task][method]`, a list by seed (None: no run)."""
    return [
        make_line(task, method, seed, value, **more)
        for task, methods in scores.items()
        for method, values in methods.items()
        for seed, value in enumerate(values)
        if value is not None
    ]


def cells(markdown, row):
    """Cells of the rows of all tables that begin with `row`."""
    return [line.strip("| ").split(" | ")[1:] for line in markdown.splitlines() if line.startswith(f"| {row} |")]


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)
