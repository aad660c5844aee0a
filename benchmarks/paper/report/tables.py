"""Tables that several studies have: scores, and differences of scores."""

import math

import numpy as np

from benchmarks.common import table
from benchmarks.paper.report.bootstrap import bootstrap, row_differences
from benchmarks.paper.report.differences import Difference, average_ranks, differences
from benchmarks.paper.report.runs import column_name

SCORES = {
    "test_accuracy": "Test accuracy",
    "test_macro_f1": "Macro-F1 on the test rows",
    "pool_accuracy": "Accuracy on held-out real rows, on which choices are made",
}
NONE = "–"  # noqa: RUF001

SPREAD_NOTE = (
    "Scores: mean ± standard deviation (n - 1) over seeds, in points; [n] where a cell has fewer seeds than others; "
    "best of a column in bold. Average rank: within each block (one seed of one task), over the blocks that have every "
    "method ranked."
)
PAIRED_NOTE = (
    "Differences: paired by seed, mean ± standard error in points, p of the paired t-test after Holm's correction over "
    "the methods of a column (\\* p < .05, \\*\\* p < .01)."
)
DIFFERENCE_NOTE = (
    f"{PAIRED_NOTE} All tasks count alike: for test accuracy with the 95 % interval of a bootstrap over test rows and "
    "seeds within each task, else with the standard error over seeds. Tasks are taken as given: intervals say nothing "
    "about other tasks."
)


def spread(values, most=1, digits=1):
    """Mean ± standard deviation; the number of values, where it is not the most of the table."""
    values = [value for value in values if value is not None]
    if not values:
        return NONE
    text = f"{np.mean(values):.{digits}f}"
    text += f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return text + (f" [{len(values)}]" if len(values) < most else "")


def signed(difference, most=1):
    """Write a difference with its standard error, its p-value and the marks of that."""
    if difference is None:
        return NONE
    text = f"{difference.mean:+.1f}"
    if not math.isnan(difference.error):
        text += f" ± {difference.error:.1f}"
    if not math.isnan(difference.p):
        stars = "\\*\\*" if difference.p < 0.01 else "\\*" if difference.p < 0.05 else ""
        text += f"{stars}, p " + ("< .001" if difference.p < 0.001 else f"{difference.p:.3f}".removeprefix("0"))
    return text + (f" [{difference.pairs}]" if difference.pairs < most else "")


def seeds_text(seeds):
    """Seeds as a range where they are one."""
    seeds = sorted(seeds)
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds)) or "none"


def bold(texts, values, best=max):
    """Put the best text in bold; `values` that are not numbers do not compete."""
    numbers = [value for value in values if not math.isnan(value)]
    return [
        f"**{text}**" if numbers and value == best(numbers) else text for text, value in zip(texts, values, strict=True)
    ]


def score_table(runs, score):
    """Methods x tasks with the average rank, and the line under it."""
    ranks, blocks = average_ranks(runs, score)
    columns = []
    for column in runs.columns:
        texts = [spread(runs.values(column, row, score).values(), runs.most) for row in runs.rows]
        columns.append(bold(texts, [runs.mean(column, row, score) for row in runs.rows]))
    ranked = [ranks.get(row, math.nan) for row in runs.rows]
    columns.append(bold([NONE if math.isnan(rank) else f"{rank:.1f}" for rank in ranked], ranked, min))
    header = ["method", *map(column_name, runs.columns), "average rank"]
    rows = [[row, *cells] for row, *cells in zip(runs.rows, *columns, strict=True)]
    return table(header, rows) + "\n\n" + rank_note(runs, ranks, blocks)


def rank_note(runs, ranks, blocks):
    """Say which seeds of which tasks the average rank is over, and who is left out."""
    if not ranks:
        return "No average rank: no seed has all the methods that have all tasks."
    by_seeds = {}
    for column, seeds in blocks.items():
        by_seeds.setdefault(seeds_text(seeds), []).append(column_name(column))
    if len(by_seeds) == 1:
        used = f"seeds {next(iter(by_seeds))} of every task"
    else:
        used = "; ".join(f"seeds {seeds} of {', '.join(names)}" for seeds, names in by_seeds.items())
    note = f"Average rank of {len(ranks)} methods over {sum(map(len, blocks.values()))} blocks: {used}."
    out = ", ".join(row for row in runs.rows if row not in ranks)
    return note + (f" Left out, because they miss tasks: {out}." if out else "")


def difference_table(runs, score, reference):
    """Methods x tasks: paired differences, and all tasks together."""
    found = differences(runs, score, reference)
    rows = []
    for row in runs.rows:
        cells = [
            "reference" if reference(column, row) == row else signed(found.get((column, row)), runs.most)
            for column in runs.columns
        ]
        if set(cells) != {"reference"}:
            rows.append([row, *cells, pooled_difference(runs, row, score, reference, found)])
    chosen = [{str(reference(column, row)) for row in runs.rows} for column in runs.columns]
    differ = len(set.union(*chosen)) > 1 and max(map(len, chosen)) == 1  # one for each column, not the same for all
    tells = [f"; to {next(iter(own))}" if differ else "" for own in chosen]
    header = [column_name(column) + tell for column, tell in zip(runs.columns, tells, strict=True)]
    return table(["method", *header, "all tasks"], rows)


def pooled_difference(runs, row, score, reference, found):
    """Difference over all tasks, which count alike: with the bootstrap's interval, or the standard error by seeds."""
    columns = [c for c in runs.columns if (c, row) in found or (reference(c, row) == row and runs.lines(c, row))]
    if not columns:
        return NONE
    missing = f" ({len(columns)} of {len(runs.columns)} tasks)" if len(columns) < len(runs.columns) else ""
    if score == "test_accuracy":
        cells = [(c[0], runs.lines(c, row), runs.lines(c, reference(c, row))) for c in columns]
        blocks = [(task, row_differences(own, other)) for task, own, other in cells]
        if all(block is not None for _, block in blocks):
            mean, low, high = bootstrap(blocks)
            return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]{missing}"
    own = [found.get((column, row), Difference(0.0, 0.0, math.nan, 0)) for column in columns]
    error = math.sqrt(sum(difference.error**2 for difference in own)) / len(own)
    return signed(Difference(np.mean([d.mean for d in own]), error, math.nan, runs.most)) + missing
