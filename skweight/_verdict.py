"""Statistics of a verdict: whether one classifier does better on real text than another, and how sure that is."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import stats

USE, DO_NOT_USE, CANNOT_TELL = "use", "do not use", "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """What a paired cross-validation says about a difference of two scores.

    Scores and differences are fractions: 0.01 is one point.

    Attributes
    ----------
    decision : {"use", "do not use", "cannot tell"}
        "use" if the whole interval is above 0 and `p_helps` is above 0.9; "do not use" if the whole interval is below
        `rope`, so that there is no gain worth having; else "cannot tell".
    difference : float
        With the synthetic rows, minus without.
    low, high : float
        Confidence interval of the difference.
    p_helps, p_same, p_hurts : float
        Posterior probabilities that the difference is above `rope`, within it, and below its negative.
    n_rows : int
        Real rows.
    n_more : int or None
        About how many more labelled real rows would narrow the interval to `resolution` on both sides. None if there is
        a decision.
    confidence : float
        Of the interval.
    rope : float
        Half of the region of practical equivalence: a smaller difference does not matter.
    resolution : float
        See `n_more`; 0.02, or 0.01 where the interval is as narrow as that already.
    """

    decision: str
    difference: float
    low: float
    high: float
    p_helps: float
    p_same: float
    p_hurts: float
    n_rows: int
    n_more: int | None
    confidence: float
    rope: float
    resolution: float

    def sentence(self, what="With the synthetic rows", of="on real text"):
        """Say it in a sentence or two.

        Parameters
        ----------
        what : str
            What was done.
        of : str
            What the points are of.
        """
        start = f"{what}: {100 * self.difference:+.1f} points [{100 * self.low:.1f}, {100 * self.high:.1f}] {of}."
        if self.decision == USE:
            return f"{start} Use them."
        if self.decision == DO_NOT_USE:
            return f"{start} Do not use them: there is nothing to gain."
        more = f"about {self.n_more} more labelled real rows would settle it to {100 * self.resolution:.0f} points"
        if self.resolution == 0.01:
            more = more.removesuffix("s")
        return f"{start} Cannot tell: {more}."

    def to_dict(self):
        """Return it as plain values, with its sentence."""
        return {"sentence": self.sentence(), **dataclasses.asdict(self)}


def judge(differences, splits, y, row_weight, *, confidence=0.95, rope=0.01):
    r"""Judge the paired differences of a repeated stratified cross-validation.

    The interval is :math:`\bar d \pm t_{kr-1} s`, where :math:`s` is the larger of two standard errors. The first is
    that of Nadeau and Bengio [1]_, for whom the folds of a cross-validation are not independent, as their training sets
    overlap: :math:`s_f \sqrt{1 / (kr) + n_{test} / n_{train}}` with the standard deviation :math:`s_f` over :math:`k`
    folds times :math:`r` repeats. The second is the standard error over rows, whose differences are averaged over the
    repeats first, within classes, as what a stratified bootstrap of the rows tends to. It is the larger one where the
    folds happen to agree.

    The posterior is the Bayesian correlated t-test's [2]_ with the same standard error: Student's t distribution around
    :math:`\bar d`, and a region of practical equivalence of `rope` on both sides of 0.

    Parameters
    ----------
    differences : ndarray of shape (n_repeats, n_rows)
        Score of each row with the synthetic rows, minus without, by a model that has not seen the row.
    splits : list of list of (ndarray of int, ndarray of int)
        Training and test rows of the folds of each repeat.
    y : ndarray of shape (n_rows,)
        Class of each row.
    row_weight : ndarray of shape (n_rows,)
        What a row counts: ones, or for balanced accuracy those of :func:`skweight._pools.balanced_weight`.
    confidence : float, default=0.95
    rope : float, default=0.01

    Returns
    -------
    verdict : Verdict

    References
    ----------
    .. [1] Nadeau, Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
    .. [2] Corani, Benavoli, "A Bayesian approach for comparing cross-validated algorithms on multiple data sets",
       Machine Learning 100, 2015.
    """
    difference, error, df = _mean_and_error(differences, splits, y, row_weight)
    half = stats.t.ppf((1 + confidence) / 2, df) * error
    # Of a difference without any spread the posterior is a point.
    below, above = stats.t.cdf(np.array([-rope, rope]), df, difference, max(error, 1e-12))
    low, high = difference - half, difference + half
    decision = CANNOT_TELL
    if low > 0 and 1 - above > 0.9:
        decision = USE
    elif high < rope:
        decision = DO_NOT_USE
    resolution = 0.02 if half > 0.02 else 0.01
    n_rows = len(y)
    n_more = _round_up(n_rows * ((half / resolution) ** 2 - 1)) if decision == CANNOT_TELL else None
    return Verdict(
        decision=decision,
        difference=float(difference),
        low=float(low),
        high=float(high),
        p_helps=float(1 - above),
        p_same=float(above - below),
        p_hurts=float(below),
        n_rows=n_rows,
        n_more=n_more,
        confidence=confidence,
        rope=rope,
        resolution=resolution,
    )


def interval(values, splits, y, row_weight, *, confidence=0.95):
    """Mean of what a cross-validation says of each row, and its confidence interval, as :func:`judge` makes it.

    Returns
    -------
    mean, low, high : float
    """
    mean, error, df = _mean_and_error(values, splits, y, row_weight)
    half = stats.t.ppf((1 + confidence) / 2, df) * error
    return float(mean), float(mean - half), float(mean + half)


def _mean_and_error(values, splits, y, weight):
    """Mean, its standard error, and degrees of freedom."""
    per_row = values.mean(axis=0)
    of_folds = [
        np.average(repeat[test], weights=weight[test])
        for repeat, folds in zip(values, splits, strict=True)
        for _, test in folds
    ]
    n_folds = len(of_folds) / len(values)
    over_folds = np.std(of_folds, ddof=1) * np.sqrt(1 / len(of_folds) + 1 / (n_folds - 1))
    of_classes = [per_row[y == label] for label in np.unique(y)]
    shares = [weight[y == label].sum() / weight.sum() for label in np.unique(y)]
    over_rows = np.sqrt(
        sum(
            share**2 * rows.var(ddof=1) / len(rows)
            for share, rows in zip(shares, of_classes, strict=True)
            if len(rows) > 1
        )
    )
    return np.average(per_row, weights=weight), max(over_folds, over_rows), len(of_folds) - 1


def _round_up(number):
    """Round up to two digits, as what is estimated is not known to more."""
    unit = 10 ** max(int(np.floor(np.log10(max(number, 1)))) - 1, 0)
    return int(-(-max(number, 1) // unit) * unit)
