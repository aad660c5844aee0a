"""Runs by task, method and seed, and which of them may stand in one table."""

import copy
import json
import math

import numpy as np

from benchmarks.paper.lines import key
from benchmarks.paper.methods import METHODS

REAL, CE, POOLED = "real only", "cross-entropy", "pooled"
IDENTITY = ("task", "synthetic", "method", "seed")


class Runs:
    """Runs of one setting, by column (task and generator), row (method) and seed.

    Attributes
    ----------
    columns : list of (str, str)
        In the order of their first lines.
    rows : list of str
        Methods in the order of ``METHODS``, then the rest as they come.
    """

    def __init__(self, lines, row=lambda config: config["method"]):
        order = list(METHODS)
        known = {row(line["config"]): line["config"]["method"] for line in lines}
        self.rows = sorted(known, key=lambda name: order.index(known[name]) if known[name] in order else len(order))
        self.columns = list(dict.fromkeys((line["config"]["task"], line["config"]["synthetic"]) for line in lines))
        self.cells = {}
        for line in lines:
            config = line["config"]
            cell = self.cells.setdefault(((config["task"], config["synthetic"]), row(config)), {})
            cell[config["seed"]] = line

    def lines(self, column, row):
        """Lines of a cell by seed."""
        return self.cells.get((column, row), {})

    def values(self, column, row, score):
        """Return a score in points by seed."""
        return {seed: 100 * line[score] for seed, line in self.lines(column, row).items() if score in line}

    def mean(self, column, row, score, seeds=None):
        """Mean of a score in points over all seeds, or over `seeds`; not a number without runs."""
        values = self.values(column, row, score)
        values = list(values.values()) if seeds is None else [values[seed] for seed in seeds]
        return float(np.mean(values)) if values else math.nan

    @property
    def most(self):
        """Seeds of the cell that has most."""
        return max(map(len, self.cells.values()))


def select(lines, study=None):
    """Lines of a study, once each: two processes may have made the same run."""
    return list({key(line): line for line in lines if line["config"].get("study") == study}.values())


def by_setting(lines, axes=()):
    """Group lines that may stand in one table; name the parts of the configuration that tell the groups apart.

    A part splits only if one task has several values of it: rows may differ from task to task. Parts that only some
    lines have belong to a method, and split only if one method has several values. `axes` never split.
    """
    names = dict.fromkeys(name for line in lines for name in line["config"])
    split = [name for name in names if name not in (*IDENTITY, *axes) and _splits(lines, name)]
    groups = {}
    for line in lines:
        groups.setdefault(json.dumps([line["config"].get(name) for name in split], sort_keys=True), []).append(line)
    return split, list(groups.values())


def _splits(lines, name):
    everywhere = all(name in line["config"] for line in lines)
    seen = {}
    for line in lines:
        config = line["config"]
        where = (config["task"], config["synthetic"], None if everywhere else config["method"])
        seen.setdefault(where, set()).add(json.dumps(config.get(name), sort_keys=True))
    return any(len(values) > 1 for values in seen.values())


def column_name(column):
    task, synthetic = column
    return task.replace("_", " ") + (f" ({synthetic})" if synthetic else "")


def mean_weights(runs, column, row):
    """Mean weights by kind, of each seed that has them."""
    return [line["mean_weight"] for line in runs.lines(column, row).values() if line.get("mean_weight")]


def with_choice(runs, among=(REAL, POOLED, "IMP")):
    """Add a row: for each column and seed, the run of whichever of these is best on the held-out real rows.

    Its score on those rows is left out: it would be too high, for they have been chosen on.
    """
    name = f"best of {', '.join(among)} on held-out real rows"
    result = copy.copy(runs)
    result.cells = dict(runs.cells)
    for column in runs.columns:
        cells = [runs.lines(column, row) for row in among]
        seeds = [seed for seed in cells[0] if all(seed in cell for cell in cells)]
        best = {seed: max((cell[seed] for cell in cells), key=lambda line: line["pool_accuracy"]) for seed in seeds}
        if best:
            kept = {s: {k: v for k, v in line.items() if "pool" not in k} for s, line in best.items()}
            result.cells[column, name] = kept
    result.rows = [*runs.rows, name] if len(result.cells) > len(runs.cells) else runs.rows
    return result
