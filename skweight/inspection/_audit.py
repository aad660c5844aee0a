"""AuditDisplay: what an audit found, with its intervals."""

import textwrap

import numpy as np

from skweight.inspection._base import BLUE, GREEN, GREY, VERMILION, Display, ink, legend_below, panels
from skweight.inspection._groups import shorten

_TITLE = 70  # characters in a line
_VERDICTS = {
    "better": (BLUE, "o", "better: all of the interval above the band"),
    "same": (GREEN, "s", "practically the same: all of it in the band"),
    "worse": (VERMILION, "v", "worse: all of it below the band"),
    "open": (None, "D", "cannot tell: the interval leaves it open"),
}


class AuditDisplay(Display):
    """Forest plot of an audit: what synthetic rows change, with intervals; how that grows with their number.

    Use :meth:`from_audit`. A shaded band shows differences too small to matter. Beside it is the learning curve, and
    below it what each group of synthetic rows adds, where the audit has them.

    :meth:`frame` has a row for each difference: ``part`` ("score", "group" or "learning curve"), ``name``, ``rows``
    (NaN of scores), ``difference``, ``low`` and ``high``, as fractions of 1.

    Parameters
    ----------
    sentence : str
        What the audit says first.
    scores, groups, learning_curve : list of dict
        As in the audit.
    rope : float
        Half the width of the band: differences that do not matter.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        The panels: differences, then groups and learning curve if there are such. Set by :meth:`plot`.
    ax_, figure_ : matplotlib Axes and Figure
        The Axes in whose place the panels are, and which is not visible itself; its figure. Set by :meth:`plot`.
    """

    def __init__(self, sentence, scores, groups, learning_curve, rope):
        self.sentence = sentence
        self.scores = scores
        self.groups = groups
        self.learning_curve = learning_curve
        self.rope = rope

    @classmethod
    def from_audit(cls, audit):
        """Build from the result of an audit.

        Parameters
        ----------
        audit : object
            With ``sentence``, ``scores``, ``groups``, ``learning_curve`` and ``rope``.

        Returns
        -------
        display : AuditDisplay

        Raises
        ------
        TypeError
            If it lacks one of them.
        """
        names = ("sentence", "scores", "groups", "learning_curve", "rope")
        missing = [name for name in names if not hasattr(audit, name)]
        if missing:
            raise TypeError(f"{type(audit).__name__} has no {' and no '.join(missing)}: pass the result of an audit.")
        return cls(*(getattr(audit, name) for name in names))

    def _differences(self):
        """Scores in the keys of the other parts, without the one that the others are compared with."""
        return [
            {
                "name": score["name"],
                "difference": score["difference"],
                "low": score["difference_low"],
                "high": score["difference_high"],
            }
            for score in self.scores
            if score["difference"] is not None
        ]

    def _records(self):
        parts = {
            "score": self._differences(),
            "group": [{"name": row["group"], **row} for row in self.groups],
            "learning curve": [{"name": f"{row['rows']} rows", **row} for row in self.learning_curve],
        }
        return [
            {
                "part": part,
                "name": row["name"],
                "rows": row.get("rows", np.nan),
                **{name: row[name] for name in ("difference", "low", "high")},
            }
            for part, rows in parts.items()
            for row in rows
        ]

    def _columns(self):
        names = ("part", "name", "rows", "difference", "low", "high")
        records = self._records()
        return {name: [record[name] for record in records] for name in names}

    def _lines(self):
        points = ("difference", "low", "high")
        lines = [["part", "name", *points]]
        lines += [
            [row["part"], str(row["name"]), *(f"{100 * row[name]:+z.1f}" for name in points)] for row in self._records()
        ]
        return lines

    def __repr__(self):
        return f"{self.sentence}\n{super().__repr__()}"

    def _figure_size(self):
        forest = 0.27 * (len(self._differences()) + len(self.groups))
        return 7.5, max(2.6 + forest + 0.9 * bool(self.groups), 3.8 if self.learning_curve else 0)

    def _draw(self, ax):
        differences = self._differences()
        ratios = {"height_ratios": [len(differences) + 1, len(self.groups) + 1]} if self.groups else {}
        widths = {"width_ratios": [1.25, 1]} if self.learning_curve else {}
        grid = panels(ax, 2 if self.groups else 1, 2 if self.learning_curve else 1, **ratios, **widths)
        figure = ax.figure
        first = figure.add_subplot(grid[0, 0])
        drawn = [first]
        self._forest(first, differences, [shorten(row["name"]) for row in differences])
        first.set_title("\n".join(textwrap.wrap(self.sentence, _TITLE)), loc="left", fontsize="medium")
        first.set_xlabel("difference from real rows alone\n(percentage points)")
        lowest = first
        if self.groups:
            lowest = figure.add_subplot(grid[1, 0], sharex=first)
            self._forest(lowest, self.groups, [f"{shorten(row['group'])} ({row['rows']:,})" for row in self.groups])
            lowest.set_xlabel("what each group of synthetic rows adds\n(percentage points)")
            drawn.append(lowest)
        legend_below(lowest, self._legend(ax), columns=1, lines=2)
        if self.learning_curve:
            drawn.append(figure.add_subplot(grid[:, -1]))
            self._curve(drawn[-1])
        return drawn

    def _verdict(self, row):
        if row["low"] > self.rope:
            return "better"
        if row["high"] < -self.rope:
            return "worse"
        return "same" if -self.rope <= row["low"] and row["high"] <= self.rope else "open"

    def _forest(self, ax, rows, names):
        for place, row in enumerate(reversed(rows)):
            colour, marker, _ = _VERDICTS[self._verdict(row)]
            colour = colour or ink(ax)
            ax.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, linewidth=2)
            ax.plot([100 * row["difference"]], [place], color=colour, marker=marker, markersize=6)
        ax.axvspan(-100 * self.rope, 100 * self.rope, color=GREY, alpha=0.25, linewidth=0)
        ax.axvline(0, color=ink(ax), linewidth=0.8)
        ax.set_yticks(range(len(rows)), names[::-1], parse_math=False)
        ax.set_ylim(-0.6, len(rows) - 0.4)

    def _curve(self, ax):
        rows = [row["rows"] for row in self.learning_curve]
        middle, low, high = ([100 * row[name] for row in self.learning_curve] for name in ("difference", "low", "high"))
        ax.fill_between(rows, low, high, color=BLUE, alpha=0.3, linewidth=0)
        ax.plot(rows, middle, color=BLUE, marker="o", markersize=4)
        ax.axhspan(-100 * self.rope, 100 * self.rope, color=GREY, alpha=0.25, linewidth=0)
        ax.axhline(0, color=ink(ax), linewidth=0.8)
        ax.set_xlabel("synthetic rows")
        ax.set_ylabel("difference from real rows alone\n(percentage points)")
        ax.xaxis.set_major_formatter("{x:,.0f}")

    def _legend(self, ax):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        present = {self._verdict(row) for row in (*self._differences(), *self.groups)}
        marks = [
            Line2D([], [], color=colour or ink(ax), marker=marker, linewidth=2, label=label)
            for verdict, (colour, marker, label) in _VERDICTS.items()
            if verdict in present
        ]
        band = Patch(
            color=GREY, alpha=0.25, linewidth=0, label=f"band: up to ±{100 * self.rope:g} points do not matter"
        )
        return [*marks, band]
