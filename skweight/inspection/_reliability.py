"""ReliabilityDisplay: whether classifiers are as often right as they say."""

from dataclasses import dataclass

import numpy as np
from sklearn.calibration import calibration_curve

from skweight.inspection._base import PALETTE, Display, find_fitted, ink, legend_below
from skweight.inspection._groups import shorten

_MARKERS = "os^DvPX"


@dataclass(frozen=True)
class Curve:
    """Bins of rows of similar confidence, the least confident first.

    Attributes
    ----------
    confidence, accuracy : ndarray of shape (n_bins,)
        Mean probability of the predicted class, and share of the rows it is right about.
    rows : ndarray of int of shape (n_bins,)
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, confidence, correct, n_bins):
        """Put rows into bins of as equal a size as rows of equal confidence allow."""
        accuracy, mean = calibration_curve(correct, confidence, pos_label=1, n_bins=n_bins, strategy="quantile")
        edges = np.percentile(confidence, np.linspace(0, 100, n_bins + 1))
        rows = np.bincount(np.searchsorted(edges[1:-1], confidence))
        return cls(mean, accuracy, rows[rows > 0])

    @property
    def standard_error(self):
        """Standard error of each bin's accuracy."""
        return np.sqrt(self.accuracy * (1 - self.accuracy) / self.rows)

    @property
    def expected_calibration_error(self):
        """Mean distance of confidence and accuracy over the rows."""
        return float(np.average(np.abs(self.confidence - self.accuracy), weights=self.rows))


class ReliabilityDisplay(Display):
    """Accuracy of classifiers against their confidence, on real rows that they have not seen.

    Use :meth:`from_estimator` or :meth:`from_probas`. The confidence of a prediction is the probability of the class
    that is predicted. A classifier whose curve is below the diagonal is over-confident: weights made from its
    probabilities are too extreme.

    :meth:`frame` has a row for each bin of each classifier: ``classifier``, mean ``confidence``, ``accuracy``, the
    standard error of it, ``accuracy_se``, and the number of ``rows``.

    Parameters
    ----------
    curves : dict of str to Curve
        The bins of each classifier.

    Attributes
    ----------
    expected_calibration_error : dict of str to float
        Mean distance of confidence and accuracy over the rows [1]_, of each classifier, from bins of equal numbers of
        rows [2]_. That of a calibrated classifier is not 0 either, as a bin of `r` rows has an accuracy that is off by
        about ``0.4 / sqrt(r)``.
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.

    References
    ----------
    .. [1] Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    .. [2] Nixon, Dusenberry, Zhang, Jerfel, Tran, "Measuring Calibration in Deep Learning", CVPR Workshops 2019.

    Examples
    --------
    >>> from skweight.inspection import ReliabilityDisplay
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    >>> ReliabilityDisplay.from_probas({"checker": proba}, ["bad", "bad", "bad", "good"], n_bins=2)
    classifier  rows  accuracy  mean confidence  calibration error
    checker        4     0.750            0.750              0.100
    """

    def __init__(self, curves):
        self.curves = curves

    @classmethod
    def from_probas(cls, probas, y, *, classes=None, n_bins=5):
        """Build from predicted probabilities.

        Parameters
        ----------
        probas : dict of str to array-like of shape (n_samples, n_classes)
            Of each classifier, probabilities of rows that it was not fitted on; see :func:`skweight.cross_fit_proba`.
        y : array-like of shape (n_samples,)
            Labels of these rows.
        classes : array-like of shape (n_classes,), default=None
            Labels in the order of the columns. None takes the sorted labels of `y`.
        n_bins : int, default=5
            Number of bins, of equal numbers of rows: of 300 rows, each of 60 has an accuracy that is off by 0.06.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        ValueError
            If the shapes do not go together.
        """
        y = np.asarray(y)
        classes = np.unique(y) if classes is None else np.asarray(classes)
        curves = {}
        for name, proba in probas.items():
            proba = np.asarray(proba, dtype=np.float64)
            if proba.shape != (len(y), len(classes)):
                raise ValueError(
                    f"The probabilities of {name!r} have the shape {proba.shape}; {len(y)} labels and {len(classes)} "
                    f"classes need {(len(y), len(classes))}. Pass classes= if y does not hold every class."
                )
            if not np.isfinite(proba).all():
                row = np.flatnonzero(~np.isfinite(proba).all(axis=1))[0]
                raise ValueError(f"The probabilities of {name!r} are not finite in row {row}. Leave such rows out.")
            correct = classes[proba.argmax(axis=1)] == y
            # Sums of probabilities are above 1 by a rounding error here and there.
            curves[name] = Curve.of(np.minimum(proba.max(axis=1), 1.0), correct.astype(int), n_bins)
        if not curves:
            raise ValueError("probas must hold the probabilities of one classifier at least.")
        return cls(curves)

    @classmethod
    def from_estimator(cls, estimator, real_y, *, n_bins=5):
        """Build from what the experts of a fitted :class:`~skweight.OpinionPoolClassifier` say of real rows.

        Each real row is predicted by a copy that has not seen it.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted. The last step of a pipeline and the best estimator of a search are looked into.
        real_y : array-like of shape (n_real,)
            Labels of the real rows, in the order in which `fit` got them.
        n_bins : int, default=5
            As in :meth:`from_probas`.

        Returns
        -------
        display : ReliabilityDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If it has no experts.
        ValueError
            If `real_y` has another length than there are real rows.
        """
        inner = find_fitted(
            estimator,
            "oof_proba_",
            otherwise="OpinionPoolClassifier has it after fit. Or pass probabilities to "
            "ReliabilityDisplay.from_probas.",
        )
        n_real = inner.oof_proba_.shape[1]
        if len(real_y) != n_real:
            raise ValueError(
                f"real_y has {len(real_y)} labels; the experts were asked about {n_real} real rows. Pass the labels of "
                "those that fit has used: without dropped ones, and without those held out for early stopping."
            )
        probas = dict(zip((f"{name} expert" for name in inner.experts_), inner.oof_proba_, strict=True))
        return cls.from_probas(probas, real_y, classes=inner.classes_, n_bins=n_bins)

    @property
    def expected_calibration_error(self):
        """Mean distance of confidence and accuracy of each classifier."""
        return {name: curve.expected_calibration_error for name, curve in self.curves.items()}

    def _columns(self):
        curves = self.curves.values()
        return {
            "classifier": [name for name, curve in self.curves.items() for _ in curve.rows],
            "confidence": np.concatenate([curve.confidence for curve in curves]),
            "accuracy": np.concatenate([curve.accuracy for curve in curves]),
            "accuracy_se": np.concatenate([curve.standard_error for curve in curves]),
            "rows": np.concatenate([curve.rows for curve in curves]),
        }

    def _lines(self):
        lines = [["classifier", "rows", "accuracy", "mean confidence", "calibration error"]]
        for name, curve in self.curves.items():
            means = (np.average(values, weights=curve.rows) for values in (curve.accuracy, curve.confidence))
            numbers = (f"{value:.3f}" for value in (*means, curve.expected_calibration_error))
            lines.append([str(name), f"{curve.rows.sum()}", *numbers])
        return lines

    def _figure_size(self):
        return 7.5, 4.4 + 0.2 * len(self.curves)

    def _draw(self, ax):
        from matplotlib.ticker import PercentFormatter

        handles = ax.plot([0, 1], [0, 1], color=ink(ax), linestyle="--", linewidth=1, label="right as often as it says")
        for i, (name, curve) in enumerate(self.curves.items()):
            label = f"{shorten(name)}: expected calibration error {100 * curve.expected_calibration_error:.1f} points"
            handles.append(
                ax.errorbar(
                    curve.confidence,
                    curve.accuracy,
                    yerr=curve.standard_error,
                    color=PALETTE[i % len(PALETTE)],
                    marker=_MARKERS[i % len(_MARKERS)],
                    markersize=5,
                    capsize=2,
                    elinewidth=0.8,
                    label=label,
                )
            )
        least = min(min(*curve.confidence, *(curve.accuracy - curve.standard_error)) for curve in self.curves.values())
        lowest = max(np.floor(10 * least) / 10, 0)
        ax.set_xlim(lowest, 1.01)
        ax.set_ylim(lowest, 1.01)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.set_xlabel("confidence: mean probability of the predicted class, in bins of equal numbers of rows")
        ax.set_ylabel("accuracy on real rows (bars: ± one standard error)")
        legend_below(ax, handles, columns=1)
