"""Displays of what the weights did."""

import base64
import html
import io

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skweight._rows.values import is_missing
from skweight._weights import effective_sample_size

__all__ = ["WeightDisplay"]

# Of Okabe and Ito's palette: distinct to readers with any colour vision, on white and on black.
_ABOVE, _BELOW = "#56B4E9", "#E69F00"
_LEGEND = (
    "box: middle half of the rows; line: median; diamond: mean\n"
    "whiskers: 5 % to 95 %; points: all other rows\n"
    "blue: median above 1; orange: below\n"
    "dashed: 1, as in training without weights"
)


class WeightDisplay:
    """Distribution of weights by group, for example by label or by kind of row.

    Use :meth:`from_estimator` or :meth:`from_weights`. A notebook shows it as the picture that :meth:`plot` draws, a
    terminal as a table.

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
        if groups is None:
            groups = ["all rows"] * weights.size
        # Not by numpy, which makes the text "nan" of a NaN among texts.
        listed = groups.tolist() if hasattr(groups, "tolist") else list(groups)
        if weights.ndim != 1 or getattr(groups, "ndim", 1) != 1 or len(listed) != len(weights):
            raise ValueError(f"weights and groups must be of one length, got {weights.shape} and {np.shape(groups)}.")
        named = np.empty(len(weights), dtype=object)
        named[:] = ["missing" if is_missing(group) else group for group in listed]
        return cls(weights, named)

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
        inner = estimator
        while not hasattr(inner, "sample_weight_"):
            check_is_fitted(inner)
            inner = _inside(inner)
            if inner is None:
                raise TypeError(
                    f"{type(estimator).__name__} has no sample_weight_, and no classifier inside that has. Pass "
                    "weights to WeightDisplay.from_weights."
                )
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

    def plot(self, ax=None):
        """Draw one box for each group on a logarithmic axis, heaviest first.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : WeightDisplay
            This object.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError('Plots need matplotlib. Run: pip install "skweight[plot]"') from error
        if ax is None:
            _, ax = plt.subplots(**self._figure_options())
        self._draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _of(self, group):
        return self.weights[self.groups == group]

    def _figure_options(self):
        return {"figsize": (7, 1.9 + 0.45 * len(self.table())), "layout": "constrained"}

    def _draw(self, ax):
        rows = self.table()[::-1]
        boxes = ax.boxplot(
            [self._of(row["group"]) for row in rows],
            orientation="horizontal",
            widths=0.6,
            whis=(5, 95),  # quantiles, which a logarithm leaves in place
            patch_artist=True,
            showmeans=True,
            meanprops={"marker": "D", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 5},
            medianprops={"color": "black", "linewidth": 1.5},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": "#555555", "alpha": 0.5, "rasterized": True},
        )
        for row, box in zip(rows, boxes["boxes"], strict=True):
            box.set_facecolor(_ABOVE if row["median_weight"] > 1 else _BELOW)
        ax.axvline(1.0, color="black", linestyle="--", linewidth=1, zorder=0)
        positive = self.weights[self.weights > 0]
        if len(positive) == len(self.weights):
            ax.set_xscale("log")
        else:  # with a place for rows that weigh nothing
            least = 10 ** np.floor(np.log10(positive.min(initial=1.0)))
            ax.set_xscale("symlog", linthresh=least)
            ax.set_xlim(-least / 3, 1.5 * self.weights.max(initial=1.0))
        ax.xaxis.set_major_formatter("{x:g}")
        names = [f"{row['group']} ({row['rows']})" for row in rows]
        ax.set_yticks(range(1, len(rows) + 1), names, parse_math=False)
        ax.set_xlabel(f"weight of a row\n{_LEGEND}", fontsize="small")

    # -- how it is shown -----------------------------------------------------------------------------------------------

    def __repr__(self):
        lines = [["group", "rows", "mean weight", "median", "effective rows"]]
        for row in self.table():
            numbers = (f"{row[name]:{form}}" for name, form in _FORMATS.items())
            lines.append([str(row["group"]), *numbers])
        first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
        form = f"{{:<{first}}}" + "".join(f"  {{:>{width}}}" for width in others)
        return "\n".join(form.format(*line) for line in lines)

    def _repr_png_(self):
        if hasattr(self, "ax_"):  # the notebook shows that figure itself
            return None
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return None  # the table is shown instead
        figure, file = Figure(**self._figure_options()), io.BytesIO()
        self._draw(figure.subplots())
        figure.savefig(file, format="png", dpi=120)
        return file.getvalue()

    def _repr_html_(self):
        picture = self._repr_png_()
        if picture is None:
            return None
        source = base64.b64encode(picture).decode("ascii")
        return f'<img alt="{html.escape(repr(self))}" src="data:image/png;base64,{source}">'


_FORMATS = {"rows": "d", "mean_weight": ".3f", "median_weight": ".3f", "effective_sample_size": ".1f"}


def _inside(estimator):
    """Return the fitted estimator that another one passes its rows on to; None if there is no such, or several."""
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    return getattr(estimator, "best_estimator_", getattr(estimator, "estimator_", None))
