"""The study of the quality checker's size: scores by number of real rows."""

import numpy as np

from benchmarks.common import table
from benchmarks.paper.report.differences import differences
from benchmarks.paper.report.plots import curves_plot
from benchmarks.paper.report.runs import CE, Runs, column_name, select
from benchmarks.paper.report.sections import configs, sections
from benchmarks.paper.report.tables import PAIRED_NOTE, signed, spread


def checker_size_section(lines, figures):
    # Either tells the number of real rows; more epochs on fewer rows are another row of the table.
    axes = ("share", "real_rows", "budget", "quality_checker")

    def body(group, name):
        shares = sorted({config["share"] for config in configs(group) if config["share"] is not None})
        # Runs without a share (no checker) count for every share.
        runs = {
            share: Runs([line for line in group if line["config"]["share"] in (share, None)], budget_row)
            for share in shares
        }
        parts = []
        if shares:
            parts = figures.link(name, "Test accuracy by number of real rows", checker_size_plot, group, runs)
        for column in Runs(group).columns:
            parts += [f"**{column_name(column)}**, test accuracy by share of the real rows", share_table(runs, column)]
            parts += ["Difference to cross-entropy", share_table(runs, column, difference=True)]
        parts.append(
            f"Scores: mean ± standard deviation (n - 1) over seeds, in points. {PAIRED_NOTE} Methods without a quality "
            "checker have the same runs in every column. A smaller share of the rows takes fewer steps, or as "
            "many with more epochs."
        )
        return parts

    return sections("Size of the quality checker's data", "checker-size", select(lines, "checker size"), body, axes)


def budget_row(config):
    """Name a method, and whether its checker takes as many steps as on all real rows."""
    return config["method"] + (", as many steps" if config.get("budget") == "steps" else "")


def share_table(runs, column, difference=False):
    """Methods x shares of the real rows."""
    names = list(dict.fromkeys(row for given in runs.values() for row in given.rows))
    columns = []
    for given in runs.values():
        if difference:
            found = differences(given, "test_accuracy", lambda column, row: CE)
            columns.append([signed(found.get((column, row)), given.most) for row in names])
        else:
            columns.append([spread(given.values(column, row, "test_accuracy").values(), given.most) for row in names])
    rows = [line for line in zip(names, *columns, strict=True) if not (difference and line[0] == CE)]
    return table(["method", *(f"{100 * share:g} %" for share in runs)], rows)


def real_row_numbers(lines):
    """Find the number of real rows for each share; None if the lines do not tell.

    A line may give the number itself; else the configuration's ``real_rows`` is the number if it changes with the
    share, and what the share is of if it does not.
    """
    lines = [line for line in lines if line["config"]["share"] is not None]
    recorded = {line["config"]["share"]: line.get("real_rows") for line in lines}
    given = {line["config"]["share"]: line["config"].get("real_rows") for line in lines}
    if None not in recorded.values():
        return recorded
    if None in given.values():
        return None
    if len(set(given.values())) == 1:
        return {share: round(share * n) for share, n in given.items()}
    return given


def checker_size_plot(lines, runs):
    """Test accuracy against real rows; methods without a checker are horizontal lines."""
    columns = Runs(lines).columns
    own = {c: [line for line in lines if (line["config"]["task"], line["config"]["synthetic"]) == c] for c in columns}
    numbers = {column: real_row_numbers(own[column]) for column in columns}
    label = "real rows"
    if None in numbers.values():
        label, percent = "share of the real rows in percent", {share: 100 * share for share in runs}
        numbers = dict.fromkeys(columns, percent)
    curves = {}
    for column in columns:
        curves |= {(column, row): curve for row, curve in checker_size_curves(own[column], numbers[column]).items()}
    return curves_plot(columns, curves, label, {column: sorted(numbers[column].values()) for column in columns})


def checker_size_curves(lines, numbers):
    """Put the lines of one task into curves by method: numbers of real rows (None: no checker), seeds x values."""
    curves = {}
    for row in Runs(lines, budget_row).rows:
        values = {}
        for line in lines:
            if budget_row(line["config"]) == row:
                values.setdefault(line["config"]["share"], []).append(100 * line["test_accuracy"])
        shares = sorted(share for share in values if share is not None)
        longest = max(map(len, values.values()))
        padded = [values[share] + [np.nan] * (longest - len(values[share])) for share in shares or [None]]
        curves[row] = ([numbers[share] for share in shares] or None, np.array(padded).T)
    return curves
