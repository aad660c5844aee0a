"""The study of training dynamics: scores by epoch."""

import numpy as np

from benchmarks.common import table
from benchmarks.paper.report.plots import curves_plot
from benchmarks.paper.report.runs import Runs, column_name, select
from benchmarks.paper.report.sections import sections
from benchmarks.paper.report.tables import NONE, SCORES, bold, spread


def dynamics_section(lines, figures):
    def body(group, name):
        runs = Runs(group)
        curves = {}
        for (column, row), cell in runs.cells.items():
            values = by_epoch(cell.values(), "test_accuracy")
            curves[column, row] = (np.arange(1, values.shape[1] + 1), values)
        curves = {place: curves[place] for place in sorted(curves, key=lambda place: runs.rows.index(place[1]))}
        caption = "Test accuracy after each epoch: mean, and lowest to highest seed"
        parts = figures.link(name, caption, curves_plot, runs.columns, curves, "epoch")
        for column in runs.columns:
            for score in ("test_accuracy", "pool_accuracy"):
                parts += [f"**{column_name(column)}**: {SCORES[score][0].lower()}{SCORES[score][1:]}"]
                parts.append(epoch_table(runs, column, score))
        return [
            *parts,
            "By epoch: mean ± standard deviation (n - 1) over seeds, in points; best epoch of a method in bold.",
        ]

    return sections("Dynamics", "dynamics", select(lines, "dynamics"), body)


def by_epoch(lines, score):
    """Seeds x epochs of a score in points; not a number after the last epoch of a run."""
    lines = list(lines)
    values = np.full((len(lines), max(len(line["epochs"]) for line in lines)), np.nan)
    for own, line in zip(values, lines, strict=True):
        own[: len(line["epochs"])] = [100 * epoch[score] for epoch in line["epochs"]]
    return values


def epoch_table(runs, column, score):
    """Methods x epochs."""
    rows = {row: by_epoch(runs.lines(column, row).values(), score) for row in runs.rows if runs.lines(column, row)}
    longest = max(values.shape[1] for values in rows.values())
    lines = []
    for row, values in rows.items():
        epochs = [own[~np.isnan(own)] for own in values.T]
        texts = bold([spread(own, runs.most) for own in epochs], [own.mean() for own in epochs])
        lines.append([row, *texts, *[NONE] * (longest - len(texts))])
    return table(["method", *map(str, range(1, longest + 1))], lines)
