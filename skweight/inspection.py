"""Displays of what the weights did."""

import numpy as np

from skweight._weights import effective_sample_size

__all__ = ["WeightDisplay"]

# Okabe and Ito's palette: distinct to readers with any colour vision, on white and on black.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")


class WeightDisplay:
    """Distribution of weights by group, for example by label or by kind of row.

    Use :meth:`from_estimator` or :meth:`from_weights`.

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
    >>> display = WeightDisplay.from_weights([1.5, 1.3, 0.2, 0.4], groups=["right", "right", "wrong", "wrong"])
    >>> for row in display.table():
    ...     print(row["group"], row["rows"], round(row["mean_weight"], 2))
    right 2 1.4
    wrong 2 0.3
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
            Group of each row; None puts all rows in one.

        Returns
        -------
        display : WeightDisplay
        """
        weights = np.asarray(weights, dtype=np.float64)
        groups = np.full(len(weights), "all rows") if groups is None else np.asarray(groups)
        if groups.shape != weights.shape or weights.ndim != 1:
            raise ValueError(f"weights and groups must be of one length, got {weights.shape} and {groups.shape}.")
        return cls(weights, groups)

    @classmethod
    def from_estimator(cls, estimator, *, groups=None):
        """Build from the ``sample_weight_`` of a fitted classifier. Parameters as in :meth:`from_weights`."""
        return cls.from_weights(estimator.sample_weight_, groups=groups)

    def table(self):
        """Summarise the groups, heaviest first.

        Returns
        -------
        rows : list of dict
            With ``group``, ``rows``, ``mean_weight``, ``median_weight`` and ``effective_sample_size``.
        """
        rows = []
        for group in np.unique(self.groups).tolist():
            weights = self.weights[self.groups == group]
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
        """Draw one box for each group, heaviest first, with its mean.

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
            _, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
        rows = self.table()[::-1]
        boxes = ax.boxplot(
            [self.weights[self.groups == row["group"]] for row in rows],
            orientation="horizontal",
            widths=0.6,
            patch_artist=True,
            showfliers=False,
            showmeans=True,
            meanprops={"marker": "D", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 5},
            medianprops={"color": "black"},
        )
        for i, box in enumerate(boxes["boxes"]):
            box.set_facecolor(_PALETTE[i % len(_PALETTE)])
        ax.set_yticks(range(1, len(rows) + 1), [f"{row['group']} ({row['rows']})" for row in rows])
        ax.set_xlabel("weight (diamond: mean)")
        self.ax_, self.figure_ = ax, ax.figure
        return self
