"""WeightDisplay: the weights of each group of rows."""

import numpy as np

from skweight._weights import effective_sample_size
from skweight.inspection._base import BLUE, VERMILION, Display, as_columns, find_fitted, ink, legend_below
from skweight.inspection._groups import name_groups, shorten


class WeightDisplay(Display):
    """Distribution of weights by group, for example by label or by kind of row.

    Use :meth:`from_estimator` or :meth:`from_weights`. A notebook shows it as the picture that :meth:`plot` draws, a
    terminal as a table. :meth:`frame` has the columns of :meth:`table`.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Non-negative weights.
    groups : ndarray of shape (n_samples,)
        Group of each row.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.

    Examples
    --------
    >>> from skweight.inspection import WeightDisplay
    >>> WeightDisplay.from_weights([1.5, 1.3, 0.2, 0.4], groups=["right", "right", "wrong", "wrong"])
    group  rows  mean weight  median  effective rows
    right     2        1.400   1.400             2.0
    wrong     2        0.300   0.300             1.8
    """

    def __init__(self, weights, groups):
        self.weights = weights
        self.groups = groups

    @classmethod
    def from_weights(cls, weights, *, groups=None):
        """Build from weights.

        Parameters
        ----------
        weights : array-like of shape (n_samples,)
            Non-negative weights.
        groups : array-like of shape (n_samples,), default=None
            Group of each row; None puts all rows in one. Rows whose own group is None or NaN are the group "missing".

        Returns
        -------
        display : WeightDisplay
        """
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 1:
            raise ValueError(f"weights and groups must be of one length, got {weights.shape} and {np.shape(groups)}.")
        return cls(weights, name_groups(groups, len(weights)))

    @classmethod
    def from_estimator(cls, estimator, *, groups=None):
        """Build from the weights of the training rows of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted. The last step of a pipeline and the best estimator of a search are looked into.
        groups : array-like of shape (n_samples,), default=None
            As in :meth:`from_weights`.

        Returns
        -------
        display : WeightDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If there is no classifier of this package inside.
        """
        inner = find_fitted(estimator, "sample_weight_", otherwise="Pass weights to WeightDisplay.from_weights.")
        return cls.from_weights(inner.sample_weight_, groups=groups)

    def table(self):
        """Summarise the groups, heaviest first.

        Returns
        -------
        rows : list of dict
            With ``group``, ``rows``, ``mean_weight``, ``median_weight`` and ``effective_sample_size``.
        """
        rows = []
        for group in dict.fromkeys(self.groups.tolist()):
            weights = self._of(group)
            rows.append(
                {
                    "group": group,
                    "rows": len(weights),
                    "mean_weight": float(weights.mean()),
                    "median_weight": float(np.median(weights)),
                    "effective_sample_size": effective_sample_size(weights),
                }
            )
        return sorted(rows, key=lambda row: -row["mean_weight"])

    # -- how it is shown -----------------------------------------------------------------------------------------------

    def _of(self, group):
        return self.weights[self.groups == group]

    def _columns(self):
        return as_columns(self.table())

    def _lines(self):
        lines = [["group", "rows", "mean weight", "median", "effective rows"]]
        for row in self.table():
            numbers = (f"{row[name]:{form}}" for name, form in _FORMATS.items())
            lines.append([str(row["group"]), *numbers])
        return lines

    def _figure_size(self):
        return 7.5, 2.2 + 0.3 * len(self.table())

    def _draw(self, ax):
        rows, colour = self.table()[::-1], ink(ax)
        boxes = ax.boxplot(
            [self._of(row["group"]) for row in rows],
            orientation="horizontal",
            widths=0.6,
            whis=(5, 95),  # quantiles, which a logarithm leaves in place
            patch_artist=True,
            showmeans=True,
            boxprops={"edgecolor": colour},
            whiskerprops={"color": colour},
            capprops={"color": colour},
            meanprops=_mean_marker(ax),
            medianprops={"color": colour, "linewidth": 2},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": colour, "alpha": 0.4, "rasterized": True},
        )
        overall = self.weights.mean() if len(rows) > 1 else -np.inf  # one group has nothing to be compared with
        for row, box in zip(rows, boxes["boxes"], strict=True):
            box.set_facecolor(BLUE if row["mean_weight"] >= overall else VERMILION)
        ax.axvline(1.0, color=colour, linestyle="--", linewidth=1, zorder=0)
        if len(rows) > 1:
            ax.axvline(overall, color=colour, linestyle=":", linewidth=1, zorder=0)
        self._scale(ax)
        names = [f"{shorten(row['group'])} ({row['rows']})" for row in rows]
        ax.set_yticks(range(1, len(rows) + 1), names, parse_math=False)
        ax.set_xlabel("weight of a row")
        for place, row in enumerate(rows, start=1):
            self._note(ax, f"{row['mean_weight']:#.3g}", (1, place), ax.get_yaxis_transform(), (8, 0), "center")
        self._note(ax, "mean", (1, 0), ax.transAxes, (8, -4), "top")
        legend_below(ax, self._legend(ax, compared=len(rows) > 1), columns=2)

    def _note(self, ax, text, place, coordinates, offset, align):
        options = {"textcoords": "offset points", "annotation_clip": False, "va": align, "fontsize": "small"}
        ax.annotate(text, place, offset, xycoords=coordinates, **options)

    def _scale(self, ax):
        """Choose a logarithmic axis, with a place for rows that weigh nothing if there are such."""
        positive = self.weights[self.weights > 0]
        if len(positive) == len(self.weights):
            ax.set_xscale("log")
        else:
            least = 10 ** np.floor(np.log10(positive.min(initial=1.0)))
            ax.set_xscale("symlog", linthresh=least)
            ax.set_xlim(-least / 3, 1.5 * self.weights.max(initial=1.0))
        ax.xaxis.set_major_formatter("{x:g}")

    def _legend(self, ax, *, compared):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        colour = ink(ax)
        nothing = {"linestyle": "none", "color": colour}
        boxes = [(BLUE, "box: middle half of the rows")]
        if compared:
            boxes = [
                (BLUE, "middle half of a group above the mean of all rows"),
                (VERMILION, "middle half of a group below it"),
            ]
        average = Line2D([], [], color=colour, linestyle=":", linewidth=1, label="mean of all rows")
        return [
            *(Patch(facecolor=fill, edgecolor=colour, label=label) for fill, label in boxes),
            Line2D([], [], color=colour, label="whiskers: 5 % to 95 % of the rows"),
            Line2D([], [], **nothing, marker=".", markersize=3, label="rows beyond the whiskers"),
            Line2D([], [], **nothing, marker="|", markeredgewidth=2, markersize=9, label="median"),
            Line2D([], [], linestyle="none", **_mean_marker(ax), label="mean of the group"),
            Line2D([], [], color=colour, linestyle="--", linewidth=1, label="1, as without weighting"),
            *([average] if compared else []),
        ]


_FORMATS = {"rows": "d", "mean_weight": ".3f", "median_weight": ".3f", "effective_sample_size": ".1f"}


def _mean_marker(ax):
    return {"marker": "D", "markerfacecolor": ax.get_facecolor(), "markeredgecolor": ink(ax), "markersize": 5}
