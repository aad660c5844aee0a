"""Runs of a comparison by task, method and seed, and what can be said of their differences."""

import copy
import json
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from grid import key
from paper import METHODS
from scipy.stats import rankdata, ttest_rel

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


@dataclass
class Difference:
    """A paired difference: mean and standard error in points, p-value (corrected where said), number of pairs."""

    mean: float
    error: float
    p: float
    pairs: int


def paired_difference(values, reference):
    """Difference of two dictionaries by seed, over the seeds that both have; None if there are none."""
    seeds = sorted(values.keys() & reference.keys())
    if not seeds:
        return None
    a, b = (np.array([given[seed] for seed in seeds]) for given in (values, reference))
    difference = a - b
    error, p = math.nan, math.nan
    if len(seeds) > 1:
        error = float(difference.std(ddof=1) / math.sqrt(len(seeds)))
        # Differences without any spread are an accident of few seeds: t is infinite or undefined, and no evidence.
        p = float(ttest_rel(a, b).pvalue) if np.ptp(difference) > 1e-9 else math.nan
    return Difference(float(difference.mean()), error, p, len(seeds))


def holm(p_values):
    """Holm's step-down correction; what is not a number stays so, and does not count as a comparison."""
    p_values = np.asarray(p_values, dtype=float)
    corrected = np.full_like(p_values, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return corrected


def differences(runs, score, reference):
    """Difference of every cell to that of row ``reference(column, row)``, corrected over the rows of each column."""
    found = {}
    for column in runs.columns:
        own = {}
        for row in runs.rows:
            other = reference(column, row)
            if other is not None and other != row:
                own[row] = paired_difference(runs.values(column, row, score), runs.values(column, other, score))
        own = {row: difference for row, difference in own.items() if difference}
        corrected = holm([difference.p for difference in own.values()])
        for (row, difference), p in zip(own.items(), corrected, strict=True):
            found[column, row] = Difference(difference.mean, difference.error, float(p), difference.pairs)
    return found


def average_ranks(runs, score):
    """Average rank of the rows that have every column, and the blocks (column, seeds) that it is taken over."""
    ranked = [row for row in runs.rows if all(runs.values(column, row, score) for column in runs.columns)]
    if not ranked:
        return {}, {}
    blocks, table = {}, []
    for column in runs.columns:
        values = [runs.values(column, row, score) for row in ranked]
        seeds = sorted(set.intersection(*(set(given) for given in values)))
        blocks[column] = seeds
        table.extend([given[seed] for given in values] for seed in seeds)
    if not table:
        return {}, blocks
    ranks = rankdata(-np.array(table), axis=1).mean(axis=0)
    return dict(zip(ranked, ranks.tolist(), strict=True)), blocks


def best_single_source(runs, column):
    """Whichever of "real only" and "cross-entropy" is better on the held-out real rows; None without either."""
    means = {row: runs.mean(column, row, "pool_accuracy") for row in (REAL, CE)}
    means = {row: mean for row, mean in means.items() if not math.isnan(mean)}
    return max(means, key=means.get, default=None)


def margin(runs, column, row, score):
    """Mean of a row above the best mean of "real only", "cross-entropy" and "pooled", over the seeds they share."""
    baselines = [name for name in (REAL, CE, POOLED) if runs.lines(column, name)]
    seeds = set.intersection(*(set(runs.values(column, name, score)) for name in (row, *baselines)))
    if not seeds or not baselines:
        return math.nan
    return runs.mean(column, row, score, seeds) - max(runs.mean(column, name, score, seeds) for name in baselines)


def never_worse(runs, score):
    """For every row: its worst margin, the column of it, on how many columns it is not worse, and of how many."""
    found = {}
    for row in runs.rows:
        margins = {column: margin(runs, column, row, score) for column in runs.columns}
        margins = {column: value for column, value in margins.items() if not math.isnan(value)}
        if margins:
            worst = min(margins, key=margins.get)
            not_worse = sum(value >= -1e-9 for value in margins.values())
            found[row] = (margins[worst], worst, not_worse, len(margins))
    return found


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


def correct_rows(line, n_rows):
    """Which of the scored test rows a run got right."""
    packed = np.frombuffer(bytes.fromhex(line["test_correct"]), dtype=np.uint8)
    return np.unpackbits(packed, count=n_rows).astype(np.float32)


def number_scored(lines):
    """Test rows that the runs were scored on.

    The mask is padded to whole bytes with zeros, and ``scored`` may exceed the rows of a small test set, so the number
    is what makes the bits of a mask the accuracy of its line.
    """
    numbers = set()
    for line in lines:
        right = bytes.fromhex(line["test_correct"])
        if line["test_accuracy"] > 0:
            n_rows = round(sum(byte.bit_count() for byte in right) / line["test_accuracy"])
            numbers.add(n_rows)
            if not 8 * len(right) - 8 < n_rows <= 8 * len(right):
                raise ValueError(f"The mask and the accuracy of a line contradict each other: {line['config']}")
    if len(numbers) > 1:
        raise ValueError(f"Lines of one task were scored on different numbers of rows: {sorted(numbers)}")
    return numbers.pop() if numbers else 8 * len(bytes.fromhex(lines[0]["test_correct"]))


def row_differences(lines, reference):
    """Seeds x test rows: 1 where only the first of two cells is right, -1 where only the reference is; None if none."""
    seeds = sorted(lines.keys() & reference.keys())
    if not seeds or any("test_correct" not in cell[seed] for cell in (lines, reference) for seed in seeds):
        return None
    n_rows = number_scored([cell[seed] for cell in (lines, reference) for seed in seeds])
    return np.array([correct_rows(lines[seed], n_rows) - correct_rows(reference[seed], n_rows) for seed in seeds])


@lru_cache(maxsize=64)
def resampled(name, size, resamples):
    """How often each of `size` things is drawn, in each resample, as a share; the same for the same name and size."""
    rng = np.random.default_rng([0, zlib.crc32(name.encode())])
    return (rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size).astype(np.float32)


def bootstrap(blocks, resamples=2000):
    """Mean over blocks of ``(task, row_differences)`` and its 95 % interval, in points.

    Within each task, test rows and seeds are resampled. Tasks are not: the interval is about these tasks. Blocks of one
    task (several generators) get the same draws, since they share their test rows, and by seed their quality checkers.
    Resampling both at once counts what is peculiar to a row and a seed up to three times (Owen, 2007, "The pigeonhole
    bootstrap"), so the interval is rather too wide than too narrow, unless seeds are few and differ a lot.
    """
    means = np.zeros(resamples)
    for task, block in blocks:
        n_seeds, n_rows = block.shape
        by_seed = resampled(f"rows of {task}", n_rows, resamples) @ block.T
        means += (by_seed * resampled(f"seeds of {task}", n_seeds, resamples)).sum(axis=1) / len(blocks)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = np.mean([block.mean() for _, block in blocks])
    return 100 * float(mean), 100 * float(low), 100 * float(high)
