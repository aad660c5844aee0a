"""What is known of the log ratios of any number of rows, in a few kilobytes."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

WIDTH = 0.125  # of a bin, in log ratio: the weights of a bin differ by 13 % at most (gamma=1)
_UNIT = 1 << 30  # sums are whole multiples of 1 / _UNIT: whole numbers add up to the same in any order


@dataclass
class Sketch:
    """Distribution of the logarithms of P'(y|x) / Q(y|x), for each class.

    It holds whole numbers only, so that sketches of parts add up exactly to the sketch of the whole, in any order.

    Attributes
    ----------
    classes : dict of str to (dict of int to (int, int))
        For each class, the bins that are not empty. Bin ``i`` is of log ratios from ``i / 8`` up to ``(i + 1) / 8``. It
        holds the number of its rows and the sum, over those rows, of ``exp(log_ratio - i / 8) - 1`` in units of 2**-30.
    n_unknown : int
        Rows whose ratio is not known: their label is missing, or no class of the checkers.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight.scale import Sketch
    >>> log_ratios = np.log(np.array([1.8, 0.75, 0.105], dtype=np.float32))
    >>> parts = Sketch.of(log_ratios[:1], ["bad"]) + Sketch.of(log_ratios[1:], ["good", "bad"])
    >>> parts == Sketch.of(log_ratios, ["bad", "good", "bad"])
    True
    >>> parts.n_rows
    3
    """

    key: ClassVar[str] = "sketch"

    classes: dict = field(default_factory=dict)
    n_unknown: int = 0

    @classmethod
    def of(cls, log_ratios, labels):
        """Sketch rows.

        Parameters
        ----------
        log_ratios : array-like of shape (n_rows,)
            NaN where it is not known.
        labels : array-like of shape (n_rows,)
            Classes of the rows, by their names; of a row whose ratio is not known, anything.

        Returns
        -------
        sketch : Sketch
        """
        ratios, labels = np.asarray(log_ratios, dtype=np.float64), np.asarray(labels, dtype=object)
        known = ~np.isnan(ratios)
        sketch = cls(n_unknown=int((~known).sum()))
        ratios, labels = ratios[known], labels[known]
        bins = np.floor(ratios / WIDTH).astype(np.int64)
        excess = np.rint(np.expm1(ratios - bins * WIDTH) * _UNIT).astype(np.int64)
        for label in sorted(set(labels.tolist())):
            of_class = labels == label
            found, place, counts = np.unique(bins[of_class], return_inverse=True, return_counts=True)
            sums = np.zeros(len(found), dtype=np.int64)
            np.add.at(sums, place, excess[of_class])
            pairs = zip(counts.tolist(), sums.tolist(), strict=True)
            sketch.classes[label] = dict(zip(found.tolist(), pairs, strict=True))
        return sketch

    def __add__(self, other):
        """Sketch of the rows of both."""
        classes = {label: dict(bins) for label, bins in self.classes.items()}
        for label, bins in other.classes.items():
            own = classes.setdefault(label, {})
            for i, (n_rows, excess) in bins.items():
                n_before, before = own.get(i, (0, 0))
                own[i] = (n_before + n_rows, before + excess)
        return Sketch(classes, self.n_unknown + other.n_unknown)

    @property
    def n_rows(self):
        """Number of rows."""
        return self.n_unknown + sum(n_rows for bins in self.classes.values() for n_rows, _ in bins.values())

    def select(self, label):
        """Sketch of the rows of one class whose ratio is known."""
        return Sketch({label: self.classes[label]})

    def to_dict(self):
        """Return what JSON can hold; :meth:`from_dict` is the way back."""
        classes = {label: [[i, *pair] for i, pair in sorted(bins.items())] for label, bins in self.classes.items()}
        return {"classes": classes, "unknown": self.n_unknown}

    @classmethod
    def from_dict(cls, content):
        """Make a sketch of what :meth:`to_dict` returned."""
        classes = {label: {i: (n, excess) for i, n, excess in bins} for label, bins in content["classes"].items()}
        return cls(classes, content["unknown"])

    # -- what it says of weights --------------------------------------------------------------------------------------

    def sum_of_weights(self, gamma, max_log_weight):
        """Sum of ``exp(min(gamma * log_ratio, max_log_weight))``, 1 for a row whose ratio is not known.

        Parameters
        ----------
        gamma, max_log_weight : float

        Returns
        -------
        total : float
        error : float
            The true sum is at most so far away. But for rounding it is 0 with ``gamma=1`` if no ratio that occurs is
            near the limit.
        """
        begins, n_rows, means = self._arrays()

        def weight(log_ratio):
            return np.exp(np.minimum(gamma * log_ratio, max_log_weight))

        # A convex or concave function of the ratio: its mean over a bin lies between the function of the bin's mean
        # ratio and the straight line through the ends. A bin with the limit inside may be both, and is bounded plainly.
        first, last, middle = weight(begins), weight(begins + WIDTH), weight(begins + np.log(means))
        line = first + (means - 1) / np.expm1(WIDTH) * (last - first)
        low, high = np.minimum(middle, line), np.maximum(middle, line)
        inside = (gamma * begins < max_log_weight) & (max_log_weight < gamma * (begins + WIDTH)) & (gamma > 1)
        low, high = np.where(inside, first, low), np.where(inside, last, high)
        low, high = float(n_rows @ low), float(n_rows @ high)
        return self.n_unknown + (low + high) / 2, (high - low) / 2

    def quantile(self, q):
        """Log ratio below which the share `q` of the rows with a known ratio lies; it is off by 1/8 at most."""
        begins, n_rows, _ = self._arrays()
        if not len(begins):
            raise ValueError("No row has a ratio that is known, so there are no quantiles.")
        until = np.cumsum(n_rows)
        bin_ = int(np.searchsorted(until, q * until[-1]))
        return float(begins[bin_] + WIDTH * (1 - (until[bin_] - q * until[-1]) / n_rows[bin_]))

    def _arrays(self):
        """Where the bins begin, in order, their numbers of rows, and the means of ``exp(log_ratio - begin)``."""
        together = sum((Sketch({"": bins}) for bins in self.classes.values()), Sketch())
        bins = together.classes.get("", {})
        listed = sorted(bins.items())
        begins = np.array([i for i, _ in listed], dtype=np.float64) * WIDTH
        n_rows = np.array([n for _, (n, _) in listed], dtype=np.float64)
        excess = np.array([excess / n / _UNIT for _, (n, excess) in listed], dtype=np.float64)
        return begins, n_rows, 1 + excess
