"""The report as a page, and as the part of a page that a notebook shows."""

import math
from importlib.resources import files

import numpy as np

from skweight._visible import joined, visible
from skweight.inspection import WeightDisplay

_COLUMNS = {  # of the table of rows: title, and whether numbers are in it
    "row": ("Row", True),
    "weight": ("Weight", True),
    "label": ("Label", False),
    "suggested": ("Suggested", True),  # with its probability, by which it is sorted
    "quality": ("Quality", True),
    "diversity": ("Diversity", True),
    "group": ("Group", False),
    "copy_of": ("Copy of", True),
    "findings": ("Findings", False),
}
_LONGEST_TEXT = 1000  # characters of a text on the page


def write_page(report, evidence, columns, *, most, whole):
    """Spell a report as HTML, everything in it escaped.

    Parameters
    ----------
    report : WeightReport
    evidence : Evidence
    columns : dict of str to sequence of length n
        Of `WeightReport.frame`.
    most : int
        Rows in the table.
    whole : bool
        Whether it is a page of its own, or a part of one.

    Returns
    -------
    html : str
    """
    import jinja2

    chosen = _sample(evidence.weight, most)
    near = {row["row"]: row for row in report.rows if row["nearest_real"] is not None}
    rows = []
    for i in chosen.tolist():
        row = int(columns["row"][i])
        text = visible(joined(evidence.rows.X[i])) if evidence.holds_texts else ""
        rows.append(
            {
                "cells": [_cell(name, columns, i) for name in _COLUMNS if name in columns],
                "text": _cut(text),
                "near": _near(near.get(row)),
            }
        )
    names: dict = {"labels": evidence.rows.y, "groups": evidence.groups}
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("skweight._report").joinpath("page.html").read_text("utf-8")).render(
        whole=whole,
        report=report,
        bars={title: _bars(evidence.weight, groups) for title, groups in _groupings(evidence)},
        histogram=_histogram(evidence.weight),
        columns=[(name, *column) for name, column in _COLUMNS.items() if name in columns],
        rows=rows,
        total=len(evidence),
        third=most // 3,
        choices={name: _choices(values) for name, values in names.items() if values is not None},
        has_text=evidence.holds_texts,
    )


def _sample(weight, most):
    """Rows of highest and of lowest weight, a third of `most` each, and a sample of the others; heaviest first."""
    order = np.argsort(-weight, kind="stable")
    if len(order) <= most:
        return order
    third = most // 3
    others = np.random.RandomState(0).permutation(np.arange(third, len(order) - third))[: most - 2 * third]
    return order[np.concatenate([np.arange(third), np.sort(others), np.arange(len(order) - third, len(order))])]


def _cell(name, columns, i):
    """Spell what a cell shows, and the value that it is sorted and filtered by."""
    title, is_number = _COLUMNS[name]
    number, shown = float("nan"), visible(str(columns[name][i]))
    if name == "suggested":
        if columns["suggested"][i] != columns["label"][i]:
            number = float(columns["suggested_proba"][i])
        shown = f"{shown} {number:.2f}"
    elif name in ("row", "copy_of"):
        number = float(columns[name][i]) if columns[name][i] >= 0 else float("nan")
    elif is_number:
        number = float(columns[name][i])
        shown = f"{number:.3g}"
    if not is_number:
        return {"name": name, "title": title, "shown": shown, "value": shown}
    known = not math.isnan(number)
    return {"name": name, "title": title, "shown": shown if known else "", "value": repr(number) if known else ""}


def _near(row):
    if row is None:
        return ""
    text = "" if row["nearest_text"] is None else f": {visible(joined(row['nearest_text']))}"
    return _cut(f"Nearest real row {row['nearest_real']} (cosine {row['cosine']:.2f}){text}")


def _cut(text):
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"


def _groupings(evidence):
    yield "label", [visible(str(label)) for label in evidence.rows.y.tolist()]
    if evidence.groups is not None:
        yield "group", list(map(visible, evidence.groups))


def _bars(weight, groups, most=40):
    rows = WeightDisplay.from_weights(weight, groups=groups).table()
    largest = max(row["mean_weight"] for row in rows) or 1.0
    return [row | {"width": 100 * row["mean_weight"] / largest} for row in rows][:most]


def _histogram(weight, n_bins=24):
    """Bars of the numbers of rows; weights above the 99th percentile are in the last."""
    top = float(np.quantile(weight, 0.99)) or float(weight.max()) or 1.0
    counts, edges = np.histogram(np.minimum(weight, top), bins=n_bins, range=(0, top))
    heights = 100 * counts / counts.max()
    bars = [
        {"height": height, "count": int(count), "from": start, "to": end}
        for height, count, start, end in zip(heights, counts, edges, edges[1:], strict=False)
    ]
    return {"bars": bars, "top": top, "cut": bool(weight.max() > 1.01 * top)}


def _choices(values):
    return sorted({visible(str(value)) for value in values.tolist()})
