"""ConcentrationDisplay: how few rows carry how much of the weight."""

import numpy as np

from skweight._weights import effective_sample_size
from skweight.inspection._base import BLUE, VERMILION, Display, find_fitted, ink, legend_below
from skweight.inspection._pareto import pareto_tail

_TRUSTED = 0.7  # largest Pareto k whose mean is
_NEGLIGIBLE = 0.01  # of the weight
_HEAVIEST = 0.1


class ConcentrationDisplay(Display):
    r"""Lorenz curve of weights, with the Gini coefficient, the effective sample size and the Pareto k of their tail.

    Use :meth:`from_estimator` or :meth:`from_weights`. The curve shows what share of the weight the lightest rows
    carry together. Of equal weights it is the diagonal.

    :meth:`frame` has the points of the curve: ``share_of_rows`` and ``share_of_weight``, lightest rows first, from 0
    to 1.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Non-negative weights, not all of them zero.

    Attributes
    ----------
    gini : float
        0 where all rows weigh the same, nearly 1 where one row carries everything.
    effective_sample_size : float
        Kish's; see :func:`skweight.effective_sample_size`.
    pareto_k : float
        Shape of the tail of the weights [1]_. Above 0.7 the largest weights decide: the mean of the weights, and what
        is trained with them, would be another with a few more rows. NaN with 20 rows or fewer, or fewer than five that
        are above the others.
    tail_excess : float
        Share of the weight of all rows by which those in the tail exceed the largest weight outside. Below 0.01, a
        Pareto k above 0.7 does no harm: weights that are all near 1 can have one.
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao, Gabry, "Pareto Smoothed Importance Sampling", JMLR 25(72), 2024.

    Examples
    --------
    >>> from skweight.inspection import ConcentrationDisplay
    >>> ConcentrationDisplay.from_weights([0.0, 1.0, 1.0, 2.0])
    rows  Gini coefficient  effective rows  Pareto k
    4                0.375             2.7       nan
    """

    def __init__(self, weights):
        self.weights = weights

    @classmethod
    def from_weights(cls, weights):
        """Build from weights.

        Parameters
        ----------
        weights : array-like of shape (n_samples,)
            Non-negative weights.

        Returns
        -------
        display : ConcentrationDisplay

        Raises
        ------
        ValueError
            If there are no weights, if one is negative or not finite, or all are zero.
        """
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 1 or not weights.size:
            raise ValueError(f"weights must be one number for each row, got an array of shape {weights.shape}.")
        wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if wrong.size:
            raise ValueError(f"weights must be 0 or more, and finite, got {weights[wrong[0]]:g} in row {wrong[0]}.")
        if not weights.any():
            raise ValueError(f"All {len(weights)} weights are 0: there is no weight to be shared.")
        return cls(weights)

    @classmethod
    def from_estimator(cls, estimator):
        """Build from the weights of the training rows of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted. The last step of a pipeline and the best estimator of a search are looked into. Of one fitted with
            `is_real`, pass the weights of the synthetic rows to :meth:`from_weights`: real rows weigh 0.

        Returns
        -------
        display : ConcentrationDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If there is no classifier of this package inside.
        """
        otherwise = "Pass weights to ConcentrationDisplay.from_weights."
        return cls.from_weights(find_fitted(estimator, "sample_weight_", otherwise=otherwise).sample_weight_)

    @property
    def gini(self):
        """Gini coefficient."""
        curve = self._columns()
        # Twice the area between the diagonal and the curve, which is made of straight lines.
        return float(1 - 2 * np.trapezoid(curve["share_of_weight"], curve["share_of_rows"]))

    @property
    def effective_sample_size(self):
        """Effective sample size."""
        return effective_sample_size(self.weights)

    @property
    def pareto_k(self):
        """Shape of the tail."""
        return pareto_tail(self.weights)[0]

    @property
    def tail_excess(self):
        """What the tail adds to the weight of all rows."""
        return pareto_tail(self.weights)[1]

    def _columns(self):
        weights = np.sort(self.weights) / self.weights.max()  # sums of very large weights would overflow
        sums = np.concatenate([[0.0], weights.cumsum()])
        return {"share_of_rows": np.linspace(0, 1, len(sums)), "share_of_weight": sums / sums[-1]}

    def _lines(self):
        numbers = f"{self.gini:.3f}", f"{self.effective_sample_size:.1f}", f"{self.pareto_k:.2f}"
        return [["rows", "Gini coefficient", "effective rows", "Pareto k"], [f"{len(self.weights)}", *numbers]]

    def _tail(self):
        """Say whether the largest weights decide."""
        k = self.pareto_k
        if np.isnan(k):
            return "Pareto k of the largest weights: too few rows above the others to tell"
        verdict = "above 0.7, so the mean of the weights is not to be trusted"
        if k <= _TRUSTED:
            verdict = "not above 0.7, so the mean of the weights is stable"
        elif self.tail_excess < _NEGLIGIBLE:
            verdict = "a heavy tail, which adds less than 1% to the weight, so that it does no harm"
        return f"Pareto k of the largest weights {k:.2f}: {verdict}"

    def _figure_size(self):
        return 7.5, 4.6

    def _draw(self, ax):
        from matplotlib.ticker import PercentFormatter

        rows, carried = self._columns().values()
        at = 1 - _HEAVIEST
        below = float(np.interp(at, rows, carried))
        gini = f"Gini coefficient {self.gini:.2f} (0: equal weights, 1: one row has all)"
        diagonal = ax.plot([0, 1], [0, 1], color=ink(ax), linestyle="--", linewidth=1, label="equal weights")
        ax.fill_between(rows, carried, rows, color=BLUE, alpha=0.3, linewidth=0)
        curve = ax.plot(rows, carried, color=BLUE, linewidth=2, label=gini)
        point = ax.plot(
            [at],
            [below],
            color=VERMILION,
            marker="o",
            linestyle="none",
            clip_on=False,
            label=f"the heaviest {_HEAVIEST:.0%} of the rows carry {1 - below:.0%} of the weight",
        )
        size = f"effective sample size {self.effective_sample_size:,.0f} of {len(self.weights):,} rows"
        notes = [ax.plot([], [], linestyle="none", label=note)[0] for note in (size, self._tail())]
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1))
        ax.set_xlabel("share of the rows, lightest first")
        ax.set_ylabel("share of the total weight that they carry")
        legend_below(ax, [*curve, *diagonal, *point, *notes], columns=1)
