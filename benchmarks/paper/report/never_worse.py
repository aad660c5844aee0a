"""The table of how far each method falls below training without weights, at worst."""

import math

from benchmarks.common import table
from benchmarks.paper.report.differences import never_worse
from benchmarks.paper.report.runs import CE, POOLED, REAL, column_name, with_choice
from benchmarks.paper.report.tables import NONE


def never_worse_table(runs):
    """How far each method falls below the best of "real only", "cross-entropy" and "pooled"."""
    runs = with_choice(runs)
    by_score = {score: never_worse(runs, score) for score in ("pool_accuracy", "test_accuracy")}
    rows = []
    for row in runs.rows:
        cells = []
        for found in by_score.values():
            worst, column, not_worse, n = found.get(row, (math.nan, None, 0, 0))
            cells += [f"{worst:+.1f}, {column_name(column)}", f"{not_worse} of {n}"] if n else [NONE, NONE]
        rows.append([row, *cells])
    header = ["method", "held-out real rows: worst", "not worse on", "test rows: worst", "not worse on"]
    return table(header, rows) + "\n\n" + never_worse_note(runs, by_score)


def never_worse_note(runs, by_score):
    """Say what was compared with, and who comes closest."""
    note = (
        "Mean minus the best mean of real only, cross-entropy and pooled, in points, on the task where it is lowest. "
    )
    lacking = [
        f"{name} on {column_name(column)}"
        for column in runs.columns
        for name in (REAL, CE, POOLED)
        if not runs.lines(column, name)
    ]
    note += f"Not compared with, for want of runs: {'; '.join(lacking)}. " if lacking else ""
    pool, test = by_score.values()
    whole = {row: given[0] for row, given in pool.items() if given[3] == len(runs.columns)}
    whole = {row: worst for row, worst in whole.items() if row not in (REAL, CE, POOLED)}
    if not whole:
        return note + "No other method has all tasks."
    best = max(whole, key=whole.get)
    note += "Closest to never worse on the held-out real rows, of the other methods with all tasks: "
    note += f"{best} ({whole[best]:+.1f}"
    return note + (f"; {test[best][0]:+.1f} on the test rows)." if best in test else ").")
