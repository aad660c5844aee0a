"""The main comparison, next to the paper's own figures."""

from benchmarks.common import table
from benchmarks.paper.report.differences import best_single_source, differences
from benchmarks.paper.report.more import MORE
from benchmarks.paper.report.never_worse import never_worse_table
from benchmarks.paper.report.plots import dot_plot
from benchmarks.paper.report.published import PAPER_ACCURACY, PAPER_TASKS
from benchmarks.paper.report.runs import CE, Runs, column_name, select
from benchmarks.paper.report.sections import sections
from benchmarks.paper.report.tables import DIFFERENCE_NOTE, NONE, SCORES, SPREAD_NOTE, difference_table, score_table


def main_section(lines, figures):
    def body(group, name):
        runs = Runs(group)
        parts = [SPREAD_NOTE, DIFFERENCE_NOTE, *figures.link(name, "Test accuracy by method", dot_plot, runs, {CE})]
        for score, title in SCORES.items():
            parts += [f"**{title}**", score_table(runs, score), *difference_parts(runs, score, title)]
        parts += ["**Never worse?** (accuracy)", never_worse_table(runs)]
        return [*parts, "**Beside the paper**: test accuracy less that of cross-entropy, in points", paper_table(runs)]

    lines = [line for line in select(lines) if line["config"]["method"] not in MORE]
    return sections("Main comparison", "main", lines, body)


def paper_table(runs):
    """Differences to cross-entropy: the paper's on its tasks, then ours."""
    found = differences(runs, "test_accuracy", lambda column, row: CE)
    published = [row for row in PAPER_ACCURACY if row not in runs.rows]
    rows = []
    for row in [*runs.rows, *published]:
        if row != CE:
            pairs = zip(PAPER_ACCURACY.get(row, ()), PAPER_ACCURACY[CE], strict=False)
            paper = [f"{own - ce:+.1f}" for own, ce in pairs] or [NONE] * len(PAPER_TASKS)
            ours = [found.get((column, row)) for column in runs.columns]
            rows.append([row, *paper, *(f"{difference.mean:+.1f}" if difference else NONE for difference in ours)])
    return table(["method", *(f"paper: {task}" for task in PAPER_TASKS), *map(column_name, runs.columns)], rows)


def difference_parts(runs, score, title):
    """Tables of differences to cross-entropy, and to the best single source."""
    best = {column: best_single_source(runs, column) for column in runs.columns}
    return [
        f"{title}: difference to cross-entropy",
        difference_table(runs, score, lambda column, row: CE),
        f"{title}: difference to real only or cross-entropy, whichever is better on the held-out real rows",
        difference_table(runs, score, lambda column, row: best[column]),
    ]
