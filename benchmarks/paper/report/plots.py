"""Figures of the comparison: matplotlib only, no state."""

import math
import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.paper.report.runs import column_name, mean_weights

# Okabe and Ito's colours, told apart by colour-blind readers too; shapes for those who print in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHAPES = ("o", "s", "^", "D", "v", "P", "X")


class Figures:
    """Where figures go, and how the Markdown names them.

    Parameters
    ----------
    folder : str or Path or None
        No figures without a folder.
    start : str or Path, default="."
        Folder of the Markdown file: links are relative to it.
    """

    def __init__(self, folder=None, start="."):
        self.folder, self.start = folder and Path(folder), start

    def link(self, name, caption, draw, *args):
        """Draw and save a figure: a list of the link to it, empty without a folder."""
        if self.folder is None:
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.png"
        draw(*args).savefig(path, dpi=150)
        return [f"![{caption}]({Path(os.path.relpath(path, self.start)).as_posix()})", f"*{caption}*"]


def look(i):
    """Colour and shape number `i`; the pairs repeat only after 49."""
    return COLOURS[i % len(COLOURS)], SHAPES[(i + i // len(COLOURS)) % len(SHAPES)]


def panels(columns, width, height, left=0.6, most=3, **share):
    """Begin a figure with a titled panel for each column; sizes in inches, `left` for what stands left of the first."""
    across = min(len(columns), most)
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(width * across + left, height * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, **share).ravel()
    for ax in axes[len(columns) :]:
        ax.remove()
    for ax, column in zip(axes, columns, strict=False):
        task, synthetic = column
        ax.set_title("\n".join(filter(None, (column_name((task, None)), synthetic))), fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    return figure, axes[: len(columns)]


def legend(figure, ax):
    """One legend for all panels, below them."""
    handles, labels = ax.get_legend_handles_labels()
    across = max(1, int(figure.get_figwidth() / (0.5 + 0.07 * max(map(len, labels)))))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), across), fontsize=8, frameon=False
    )


def label_width(rows):
    """Inches that the longest name takes."""
    return 0.2 + 0.07 * max(map(len, rows))


def dot_plot(runs, baselines, score="test_accuracy"):
    """Scores by method: single seeds, their mean, and a line at the mean of a single baseline."""
    figure, axes = panels(runs.columns, 2.6, 0.22 * len(runs.rows) + 0.7, label_width(runs.rows), sharey=True)
    for ax, column in zip(axes, runs.columns, strict=True):
        for place, row in enumerate(runs.rows):
            values = list(runs.values(column, row, score).values())
            label = place == 0
            dots = {"color": COLOURS[0], "alpha": 0.35, "linewidths": 0, "label": "one seed" if label else None}
            ax.scatter(values, [place] * len(values), s=18, zorder=2, **dots)
            mean = {"color": COLOURS[1], "linewidths": 2, "label": "mean" if label else None}
            ax.scatter(
                [np.mean(values)] if values else [], [place] if values else [], marker="|", s=90, zorder=3, **mean
            )
        for row in baselines if len(baselines) == 1 else ():
            line = {"color": "0.55", "linestyle": "--", "linewidth": 0.9, "label": f"mean of {row}"}
            if runs.lines(column, row):
                ax.axvline(runs.mean(column, row, score), zorder=1, **line)
        ax.set_yticks(range(len(runs.rows)), runs.rows)
        ax.set_ylim(len(runs.rows) - 0.5, -0.5)
        ax.grid(axis="y", color="0.93", linewidth=0.8)
        ax.set_xlabel("accuracy in percent", fontsize=8)
    legend(figure, axes[0])
    return figure


def weights_plot(runs, kinds):
    """Mean weight by method and kind of row: a mark for each kind, at the mean over seeds."""
    rows = [row for row in runs.rows if any(mean_weights(runs, column, row) for column in runs.columns)]
    figure, axes = panels(runs.columns, 2.6, 0.3 * len(rows) + 0.8, label_width(rows), sharey=True)
    for ax, column in zip(axes, runs.columns, strict=True):
        for i, kind in enumerate(kinds):
            colour, shape = look(i)
            for place, row in enumerate(rows):
                own = [weights[kind] for weights in mean_weights(runs, column, row) if kind in weights]
                if own:
                    label = None if kind in ax.get_legend_handles_labels()[1] else kind
                    ax.scatter(np.mean(own), place, color=colour, marker=shape, s=30, label=label, zorder=2)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlim(left=0)
        ax.grid(axis="y", color="0.93", linewidth=0.8)
        ax.set_xlabel("mean weight", fontsize=8)
    legend(figure, axes[0])
    return figure


def curves_plot(columns, curves, xlabel, ticks=None):
    """Test accuracy along an axis: line = mean, band = lowest to highest seed.

    `curves` maps (column, name) to (x, seeds x values); a curve without x is a horizontal line.
    """
    figure, axes = panels(columns, 3.1, 2.6)
    names = list(dict.fromkeys(name for _, name in curves))
    for ax, column in zip(axes, columns, strict=True):
        for i, name in enumerate(names):
            if (column, name) in curves:
                colour, shape = look(i)
                curve(ax, *curves[column, name], {"color": colour, "label": name}, shape)
        if ticks:
            ax.set_xscale("log")
            ax.set_xticks(ticks[column], [f"{tick:g}" for tick in ticks[column]])
            ax.xaxis.set_minor_locator(NullLocator())
        else:
            ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel(xlabel, fontsize=8)
        ax.set_ylabel("test accuracy in percent", fontsize=8)
    legend(figure, max(axes, key=lambda ax: len(ax.get_legend_handles_labels()[1])))
    return figure


def curve(ax, x, values, style, shape):
    if x is None:
        ax.axhline(np.mean(values), linestyle="--", linewidth=1.2, **style)
        return
    ax.plot(x, np.nanmean(values, axis=0), marker=shape, markersize=4, linewidth=1.5, **style)
    ax.fill_between(x, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=style["color"], alpha=0.15, lw=0)


def times_plot(seconds, parts):
    """Stacked bars: `seconds` maps (task and generator) to methods to seconds by part."""
    rows = list(dict.fromkeys(row for own in seconds.values() for row in own))
    figure, axes = panels(list(seconds), 3.1, 0.3 * len(rows) + 0.8, label_width(rows), sharey=True)
    for ax, own in zip(axes, seconds.values(), strict=True):
        end = np.zeros(len(rows))
        for i, part in enumerate(parts):
            width = np.array([own.get(row, {}).get(part, 0.0) for row in rows])
            ax.barh(range(len(rows)), width, left=end, color=COLOURS[i], label=part)
            end += width
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel("seconds", fontsize=8)
    legend(figure, axes[0])
    return figure
