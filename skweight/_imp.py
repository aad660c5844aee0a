"""IMPClassifier and DIMPClassifier: text classifiers that weight LLM-generated rows by what a few real rows say."""

from numbers import Real

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skweight._base import Weighting
from skweight._checkers import BaseCheckedClassifier, WithDiversityChecker
from skweight._parameters import estimator
from skweight._weights import importance_weights, label_proba, smooth_proba
from skweight.exceptions import warn

_NOTICEABLE = 0.01  # share of the rows from which their probabilities of 0 are worth a warning
_HUGE = 1e10  # a weight near the bound against overflow, whatever the row's sample_weight


@estimator
class _BaseImportanceClassifier(BaseCheckedClassifier):
    """What IMP and DIMP share: the options of the weight.

    Parameters
    ----------
    gamma : float, default=1.0
        Exponent of the weight; 0 is plain cross-entropy.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "global", "batch"}, default=None
        Whether to divide the weights by their mean, over all rows or over the rows of a step.
    """

    gamma: float = 1.0
    clip: float | None = None
    normalize: str | None = None

    _parameter_constraints = {
        "gamma": [Interval(Real, 0, None, closed="left")],
        "clip": [Interval(Real, 1e-30, None, closed="left"), None],  # float32 computes with little less
    }

    def compute_weights(self, X, y):
        """Weights of labelled rows under the fitted checkers; for DIMP, the quality checker and the trained model.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            Texts, or pairs of texts.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        weights : ndarray of shape (n_samples,)
            For DIMP, the weights that the rows would have in a next step, without dropout.

        Raises
        ------
        NotFittedError
            If the classifier has no checkers: one that was loaded from a folder.
        """
        check_is_fitted(self)
        checker = self._fitted_checker("quality_checker_")
        rows = self._check_inputs(X)[0]
        return importance_weights(
            smooth_proba(label_proba(checker, rows, y), self.smoothing, len(checker.classes_)),
            self._denominator(X, rows, y),
            gamma=self.gamma,
            clip=self.clip,
            normalize=None if self.normalize is None else "global",
        )

    def _fitted_checker(self, name):
        if not hasattr(self, name):
            raise NotFittedError(
                f"This {type(self).__name__} has no {name}: a folder that save_pretrained wrote holds the model, not "
                "its checkers. Fit it again, or pickle a classifier whose checkers you need."
            )
        return getattr(self, name)

    def _warn_of_weights(self, weights, index):
        no_probability = self.quality_proba_[index] < np.finfo(np.float64).tiny
        counts = {
            "weigh next to nothing, as their label has no probability under the quality checker": (
                no_probability & (weights == 0)
            ),
            f"weigh {_HUGE:.0e} or more, as what divides their weight is next to 0": (
                self._unnormalised(weights, index) >= _HUGE
            ),
        }
        said = [
            f"{rows.sum()} of {len(rows)} rows ({rows.mean():.0%}) {what}"
            for what, rows in counts.items()
            if rows.mean() >= _NOTICEABLE
        ]
        if said:  # that few rows carry the weight of all then follows from it
            warn(f"SKW040: {'; '.join(said)}. Try smoothing=0.05, clip=10, or a checker that is less certain.")
        else:
            super()._warn_of_weights(weights, index)

    def _unnormalised(self, weights, index):
        """Weights that are not divided by their mean; `weights` are those of the training."""
        return weights

    def _denominator(self, X, rows, y):
        """Probabilities that the weights divide by, of the labels `y` of the rows `X`, in checked form `rows`."""
        raise NotImplementedError


@estimator
class IMPClassifier(_BaseImportanceClassifier, WithDiversityChecker):
    r"""Text classifier trained on synthetic rows with IMP-Loss.

    The weight of a row is :math:`P'(y|x) / Q(y|x)`: its label's probability under a quality checker fitted on the real
    rows, divided by that under a diversity checker fitted on the synthetic rows. Rows that the real rows contradict get
    a small weight, and so do redundant rows.

    Parameters
    ----------
    normalize : {None, "global"}, default=None
        "global" divides the weights by their mean.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        The weight of each row, including its ``sample_weight``. With `is_real`, real rows are 0 unless they joined the
        training.

    See Also
    --------
    DIMPClassifier : Weights that follow the model during training; one checker less to fit.
    skweight.baselines.CrossEntropyClassifier : The same training with equal weights.

    Notes
    -----
    The weight is that of IMP-Loss [1]_. IRBL [2]_ has the same ratio, with the real rows in the training
    (``real_weight > 0``).

    References
    ----------
    .. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
       Classification", ICLR 2025, arXiv:2410.21526.
    .. [2] Nodet, Lemaire, Bondu, Cornuejols, "Importance Reweighting for Biquality Learning", IJCNN 2021,
       arXiv:2010.09621.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight import IMPClassifier
    >>> from skweight.datasets import minilm_folder
    >>> synth_X = ["a warm film", "a dull, lifeless film", "a film of great charm", "boring", "charming and funny"]
    >>> synth_y = ["fresh", "rotten", "fresh", "rotten", "rotten"]
    >>> real_X, real_y = ["funny and warm", "great charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"]
    >>> checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> clf = IMPClassifier(minilm_folder(), quality_checker=checker, diversity_checker=checker, max_epochs=1)
    >>> clf = clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
    >>> clf.sample_weight_.round(2)
    array([1.1 , 0.98, 1.16, 0.73, 0.61])
    """

    _parameter_constraints = {"normalize": [StrOptions({"global"}), None]}

    def _weight_rows(self, data, rng):
        quality_seed, diversity_seed = self._checker_seeds(rng, 2)
        quality = self._fit_quality_checker(data, quality_seed)  # P'(y|x)
        diversity = self._fit_diversity_checker(data, diversity_seed)  # Q(y|x)
        options = {"gamma": self.gamma, "clip": self.clip, "normalize": self.normalize}
        weights = importance_weights(quality.label_proba, diversity.label_proba, **options)
        weights = weights * data.synthetic.mean_one_weight
        if not weights.astype(np.float32).any():
            raise ValueError(
                f"All {len(weights)} weights are 0 in float32, so that nothing could be learnt. Try a gamma smaller "
                f"than {self.gamma:g}, smoothing=0.05, or another quality checker."
            )
        return Weighting({"sample_weight": weights}, quality.learnt | diversity.learnt)

    def _unnormalised(self, weights, index):
        diversity = self.diversity_proba_[index] if hasattr(self, "diversity_proba_") else None
        return importance_weights(self.quality_proba_[index], diversity, gamma=self.gamma, clip=self.clip)

    def _denominator(self, X, rows, y):
        if self.diversity_checker == "drop":
            return None
        return label_proba(self._fitted_checker("diversity_checker_"), rows, y)


@estimator
class DIMPClassifier(_BaseImportanceClassifier):
    r"""Text classifier trained on synthetic rows with DIMP-Loss.

    At every step the weight of a row is :math:`P'(y|x) / P_\theta(y|x)`: its label's probability under a quality
    checker fitted on the real rows, divided by that under the model being trained, without gradient. Rows that the real
    rows contradict get a small weight, and so do rows that the model has already learnt.

    Parameters
    ----------
    normalize : {None, "batch"}, default=None
        "batch" divides the weights of a step by their mean.

    See Also
    --------
    IMPClassifier : Weights that are fixed before training; needs a diversity checker.
    skweight.baselines.CrossEntropyClassifier : The same training with equal weights.

    References
    ----------
    .. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
       Classification", ICLR 2025, arXiv:2410.21526.

    Examples
    --------
    >>> from skweight import DIMPClassifier
    >>> from skweight.datasets import minilm_folder
    >>> synth_X = ["a warm film", "a dull, lifeless film", "a film of great charm", "boring", "charming and funny"]
    >>> synth_y = ["fresh", "rotten", "fresh", "rotten", "rotten"]
    >>> real_X, real_y = ["funny and warm", "great charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"]
    >>> clf = DIMPClassifier(minilm_folder(), max_epochs=5, lr=1e-4, random_state=0)
    >>> clf = clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
    >>> int(clf.quality_proba_.argmin())  # the charming film that is called rotten
    4
    """

    _parameter_constraints = {"normalize": [StrOptions({"batch"}), None]}

    def _make_loss(self):
        from skweight.losses import DIMPLoss

        return DIMPLoss(gamma=self.gamma, clip=self.clip, normalize=self.normalize)

    def _weight_rows(self, data, rng):
        (seed,) = self._checker_seeds(rng, 1)
        quality = self._fit_quality_checker(data, seed)  # P'(y|x)
        with np.errstate(divide="ignore"):  # a probability of zero: the loss takes -inf
            log_quality = np.log(quality.label_proba)
        columns = {"sample_weight": data.synthetic.mean_one_weight, "log_quality": log_quality}
        return Weighting(columns, quality.learnt)

    def _real_columns(self, columns, real):
        # The mean weight moves with the model, so the loss takes it from the batch.
        return {"sample_weight": self.real_weight * real.mean_one_weight, "log_quality": np.full(len(real), np.nan)}

    def _denominator(self, X, rows, y):
        return label_proba(self, X, y)  # P_theta(y|x), of the trained model
