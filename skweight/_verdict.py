"""Statistics of a verdict: whether one classifier does better on real text than another, and how sure that is."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import stats

USE, DO_NOT_USE, CANNOT_TELL = "use", "do not use", "cannot tell"
_RULE_OF_THREE = 1.5  # two standard errors of 1.5 / n are 3 / n


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
        start = f"{what}: {100 * self.difference:+z.1f} points [{100 * self.low:z.1f}, {100 * self.high:z.1f}] {of}."
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


def judge(differences, y, row_weight, *, confidence=0.95, rope=0.01):
    r"""Judge the paired differences of a repeated stratified cross-validation.

    The differences of a row are averaged over the repeats. The interval is :math:`\bar d \pm t_{n-1} s`, where the
    standard error :math:`s` is that over the rows :math:`i` of the classes :math:`k` with shares :math:`\pi_k`, as what
    a stratified bootstrap of the rows tends to:

    .. math:: s^2 = \sum_k \pi_k^2 \frac{\operatorname{var}_{i \in k}(d_i)}{n_k}, \quad s \ge \frac{3}{2 n}

    The bound is the rule of three [1]_: if none of :math:`n` rows differs, up to :math:`3 / n` of all rows may. The
    correction of Nadeau and Bengio [2]_ for training sets that overlap makes the interval 1.6 times as wide or more,
    and covers every time: see the guide on audits.

    The posterior is that of a Bayesian t-test with this standard error: Student's t distribution around
    :math:`\bar d`, and a region of practical equivalence of `rope` on both sides of 0 [3]_.

    Parameters
    ----------
    differences : ndarray of shape (n_repeats, n_rows)
        Score of each row with the synthetic rows, minus without, by a model that has not seen the row.
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
    .. [1] Hanley, Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?", JAMA 249, 1983.
    .. [2] Nadeau, Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
    .. [3] Corani, Benavoli, "A Bayesian approach for comparing cross-validated algorithms on multiple data sets",
       Machine Learning 100, 2015.
    """
    difference, error, df = _mean_and_error(differences, y, row_weight)
    half = stats.t.ppf((1 + confidence) / 2, df) * error
    below, above = stats.t.cdf(np.array([-rope, rope]), df, difference, error)
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


def interval(values, y, row_weight, *, confidence=0.95):
    """Mean of what a cross-validation says of each row, and its confidence interval, as :func:`judge` makes it.

    Returns
    -------
    mean, low, high : float
    """
    mean, error, df = _mean_and_error(values, y, row_weight)
    half = stats.t.ppf((1 + confidence) / 2, df) * error
    return float(mean), float(mean - half), float(mean + half)


def _mean_and_error(values, y, weight):
    """Mean, its standard error, and degrees of freedom."""
    per_row, total, variance = values.mean(axis=0), weight.sum(), 0.0
    for label in np.unique(y):
        own = per_row[y == label]
        if len(own) > 1:
            variance += (weight[y == label].sum() / total) ** 2 * own.var(ddof=1) / len(own)
    error = max(np.sqrt(variance), _RULE_OF_THREE / len(y))
    return np.average(per_row, weights=weight), error, len(y) - 1


def _round_up(number):
    """Round up to two digits, as what is estimated is not known to more."""
    unit = 10 ** max(int(np.floor(np.log10(max(number, 1)))) - 1, 0)
    return int(-(-max(number, 1) // unit) * unit)
