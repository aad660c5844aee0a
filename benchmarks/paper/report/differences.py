"""What can be said of the differences between methods: paired tests, ranks and margins."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, ttest_rel

from benchmarks.paper.report.runs import CE, POOLED, REAL


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
