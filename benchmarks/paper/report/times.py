"""Computational time, next to the paper's own."""

import numpy as np

from benchmarks.common import table
from benchmarks.paper.lines import key
from benchmarks.paper.report.plots import times_plot
from benchmarks.paper.report.published import PAPER_RATIO, PAPER_SECONDS
from benchmarks.paper.report.runs import CE, Runs, column_name
from benchmarks.paper.report.sections import sections
from benchmarks.paper.report.tables import NONE

PARTS = ("build QC", "build DC", "precalculate weights", "training", "total")


def times_section(lines, figures):
    # Seconds of different machines must not share a table.
    timed = [line for line in lines if "seconds" in line]
    timed = [line | {"config": line["config"] | {"machine": line.get("machine", "unknown")}} for line in timed]
    timed = list({key(line): line for line in timed}.values())

    def body(group, name):
        runs = Runs(group)
        seconds = {column: {row: median_seconds(runs, column, row) for row in runs.rows} for column in runs.columns}
        link = figures.link(name, "Seconds by part, medians over seeds", times_plot, seconds, PARTS[:-1])
        return [*link, *times_parts(runs, lambda column, row: CE)]

    return sections("Computational time", "times", timed, body) + "\n\n" + paper_times()


def times_parts(runs, reference):
    """Write a table of seconds for each task."""
    parts = []
    for column in runs.columns:
        parts += [f"**{column_name(column)}**, seconds", times_table(runs, column, reference)]
    return [
        *parts,
        "Medians over seeds; x CE: median total over that of cross-entropy, which is its diversity checker.",
    ]


def times_table(runs, column, reference):
    """Median seconds by part, and the total as a multiple of cross-entropy's, next to the paper's where it has any."""
    published = any(row in PAPER_RATIO for row in runs.rows)
    rows = []
    for row in runs.rows:
        seconds = median_seconds(runs, column, row)
        if seconds:
            ce = median_seconds(runs, column, reference(column, row)).get("total")
            ratio = f"{seconds['total'] / ce:.2f}" if ce else NONE
            cells = [f"{seconds[part]:.2f}" if seconds.get(part) else NONE for part in PARTS]
            rows.append(
                [
                    row,
                    *cells,
                    ratio,
                    *([f"{PAPER_RATIO[row]:.2f}" if row in PAPER_RATIO else NONE] if published else []),
                ]
            )
    return table(["method", *PARTS, "x CE", *(["x CE in the paper"] if published else [])], rows)


def median_seconds(runs, column, row):
    lines = [line["seconds"] for line in runs.lines(column, row).values() if "seconds" in line]
    parts = dict.fromkeys(part for seconds in lines for part in seconds)
    return {part: float(np.median([seconds.get(part, 0.0) for seconds in lines])) for part in parts}


def paper_times():
    """Write the paper's own table."""
    rows = [
        [name, *(NONE if value is None else f"{value:.2f}" for value in seconds), f"{PAPER_RATIO[name]:.2f}"]
        for name, seconds in PAPER_SECONDS.items()
    ]
    return "**The paper's own**, seconds\n\n" + table(["method", *PARTS, "x CE"], rows)
