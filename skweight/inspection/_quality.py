"""QualityDiversityDisplay: the two probabilities that an importance weight is the ratio of."""

import numpy as np
from scipy.special import expit, logit

from skweight.inspection._base import Display, find_fitted, ink
from skweight.inspection._groups import group_legend, name_groups, scatter, styles

_WEIGHTS = (0.1, 1.0, 10.0)


class QualityDiversityDisplay(Display):
    r"""Quality of each row, P'(y|x), against its diversity checker's Q(y|x); the weight is their ratio.

    Use :meth:`from_estimator` or :meth:`from_probas`. Both axes are log-odds, which show differences near 0 as well as
    near 1, where over-confident checkers put most rows. Rows of the weights :math:`w = P'/Q` of 0.1, 1 and 10 lie on
    the curves drawn. Above the curve of 1 are rows whose label the quality checker believes more than the diversity
    checker does; far below it those that the real rows contradict.

    :meth:`frame` has a row for each row: ``group``, ``quality``, ``diversity`` and ``weight``, their ratio.

    Parameters
    ----------
    quality : ndarray of shape (n_samples,)
        Probability of each row's label under the quality checker.
    diversity : ndarray of shape (n_samples,)
        The same under the diversity checker. NaN, in either, where a checker does not know the label.
    groups : ndarray of shape (n_samples,)
        Group of each row.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.

    Examples
    --------
    >>> from skweight.inspection import QualityDiversityDisplay
    >>> QualityDiversityDisplay.from_probas([0.9, 0.8, 0.1], [0.5, 0.8, 0.8], groups=["right", "right", "wrong"])
    group  rows  median quality  median diversity  median weight
    right     2            0.85              0.65            1.4
    wrong     1             0.1               0.8          0.125
    """

    def __init__(self, quality, diversity, groups):
        self.quality = quality
        self.diversity = diversity
        self.groups = groups

    @classmethod
    def from_probas(cls, quality, diversity, *, groups=None):
        """Build from probabilities, as those of :func:`skweight.label_proba`.

        Parameters
        ----------
        quality, diversity : array-like of shape (n_samples,)
            Probability of each row's label under the two checkers. Rows with a NaN are counted, not drawn.
        groups : array-like of shape (n_samples,), default=None
            Group of each row; None puts all rows in one. Rows whose own group is None or NaN are the group "missing".

        Returns
        -------
        display : QualityDiversityDisplay

        Raises
        ------
        ValueError
            If lengths differ, or a value is no probability.
        """
        quality, diversity = (np.asarray(proba, dtype=np.float64) for proba in (quality, diversity))
        if quality.ndim != 1 or quality.shape != diversity.shape:
            raise ValueError(
                f"quality and diversity must be of one length, got shapes {quality.shape} and {diversity.shape}."
            )
        for name, proba in (("quality", quality), ("diversity", diversity)):
            wrong = np.flatnonzero((proba < 0) | (proba > 1))
            if wrong.size:
                raise ValueError(f"{name} must be probabilities, got {proba[wrong[0]]:g} in row {wrong[0]}.")
        return cls(quality, diversity, name_groups(groups, len(quality), "probabilities"))

    @classmethod
    def from_estimator(cls, estimator, *, groups=None):
        """Build from a fitted :class:`~skweight.IMPClassifier`.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted. The last step of a pipeline and the best estimator of a search are looked into.
        groups : array-like of shape (n_samples,), default=None
            As in :meth:`from_probas`.

        Returns
        -------
        display : QualityDiversityDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If it has no probabilities of both checkers.
        """
        inner = find_fitted(
            estimator,
            "quality_proba_",
            "diversity_proba_",
            otherwise="IMPClassifier has both after fit, unless diversity_checker='drop'. Or pass probabilities to "
            "QualityDiversityDisplay.from_probas.",
        )
        return cls.from_probas(inner.quality_proba_, inner.diversity_proba_, groups=groups)

    @property
    def _weights(self):
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.quality / self.diversity

    def _columns(self):
        return {
            "group": self.groups,
            "quality": self.quality,
            "diversity": self.diversity,
            "weight": self._weights,
        }

    def _lines(self):
        lines = [["group", "rows", "median quality", "median diversity", "median weight"]]
        known = ~np.isnan(self.quality + self.diversity)
        for group in dict.fromkeys(self.groups.tolist()):
            rows = (self.groups == group) & known
            medians = [np.median(values[rows]) if rows.any() else np.nan for values in self._numbers()]
            lines.append([str(group), f"{(self.groups == group).sum()}", *(f"{median:.3g}" for median in medians)])
        return lines

    def _numbers(self):
        return self.quality, self.diversity, self._weights

    def _figure_size(self):
        return 7.5, 4.6

    def _draw(self, ax):
        known = ~np.isnan(self.quality + self.diversity)
        (x, x_ends), (y, y_ends) = (_place(proba, known) for proba in (self.diversity, self.quality))
        drawn = [style.only(known) for style in styles(self.groups)]
        scatter(ax, x, y, drawn)
        ax.set_xscale("logit")
        ax.set_yscale("logit")
        ax.set_xlim(*x_ends)
        ax.set_ylim(*y_ends)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(_name_probability)
            axis.set_minor_formatter("")
        left, right = logit(x_ends)
        self._draw_lines(ax, expit(np.linspace(left, right, 200)), y_ends)
        certain = known & np.any([(proba == end) for proba in (self.quality, self.diversity) for end in (0, 1)], axis=0)
        special = {"of unknown probability:\nnot drawn": ~known, "of probability 0 or 1:\non the edge": certain}
        counts = {what: rows.sum() for what, rows in special.items() if rows.any()}
        notes = [f"{n:,} {'row' if n == 1 else 'rows'} {what}" for what, n in counts.items()]
        group_legend(ax, drawn, notes=notes)
        ax.set_xlabel("diversity Q(y|x): how well the synthetic rows predict the label", parse_math=False)
        ax.set_ylabel("quality P'(y|x): how well the real rows do", parse_math=False)

    def _draw_lines(self, ax, x, y_ends):
        for weight in _WEIGHTS:
            y = weight * x
            inside = (y > y_ends[0]) & (y < y_ends[1])
            if not inside.any():
                continue
            ax.plot(x[inside], y[inside], color=ink(ax), linestyle="--", linewidth=1, alpha=0.6, zorder=3)
            ax.annotate(
                f"weight {weight:g}",
                (x[inside][0], y[inside][0]),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize="small",
                bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "alpha": 0.7, "pad": 1},
            )


def _place(proba, known):
    """Return where probabilities are drawn, and the ends of their axis: 0 and 1, at infinity, go to the edge."""
    inner = proba[known & (proba > 0) & (proba < 1)]
    least, most = (inner.min(), inner.max()) if inner.size else (0.5, 0.5)
    low, high = expit(logit(least) - 0.5), expit(logit(most) + 0.5)
    low, high = min(low, 0.4), max(high, 0.6)
    return np.clip(proba, low, high), (low, high)


def _name_probability(proba, position=None):
    """Write a probability: 1e-06, 0.001, 0.5, 0.999 or 1 - 1e-06."""
    return f"{proba:g}" if proba < 0.9999 else f"1 - {1 - proba:.0e}"
