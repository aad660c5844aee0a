"""Distillation: a teacher's probabilities in place of the labels of synthetic rows."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from skweight._base import Weighting
from skweight._checkers import WithDiversityChecker
from skweight._parameters import estimator
from skweight._weights import product_of_experts


@estimator
class DistilledClassifier(WithDiversityChecker):
    r"""Text classifier trained on synthetic texts with the quality checker's probabilities in place of their labels.

    The loss of a row is :math:`-\sum_k t_k(x) \log P_\theta(k|x)`. Without a diversity checker the target :math:`t` is
    :math:`P'(k|x)`, as in distillation [1]_: the labels of the synthetic rows are not used at all. With one it is the
    product of experts :math:`t_k \propto (P'(k|x) Q(k|x))^{exponent}`, where labels come in through :math:`Q`.

    Weighted training aims at the same targets, with the noise of single labels added: averaged over the labels,
    IMP-Loss has the first target if its :math:`Q` is the true one, and DIMP-Loss converges to the second. A weighted
    classifier that is no better than distillation has learnt nothing from the labels of the synthetic rows.

    Parameters
    ----------
    quality_checker : classifier, default=None
        The teacher: any classifier with ``predict_proba`` on texts, fitted on the real rows. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` on the same encoder with a budget for a few hundred rows;
        its parameters can be set, such as ``quality_checker__max_epochs``. ``FrozenEstimator(fitted)`` is used as it
        is, and no real rows are needed.
    diversity_checker : classifier, "fast", "drop" or None, default="drop"
        The second expert, fitted on the synthetic rows. "drop" leaves it out. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` with this classifier's own training parameters; "fast" is a
        logistic regression on words and pairs of words (TF-IDF), on numbers one on standardised features.
    exponent : float, default=0.5
        Exponent of both experts: 1/2 gives what DIMP-Loss converges to, 1 what IMP-Loss without its diversity checker
        does. Not used without a second expert.
    missing_real : {"raise", "warn"}, default="raise"
        What to do about a class without real rows. "warn" lets its synthetic rows keep their labels; the targets of the
        other rows give it no probability.

    Attributes
    ----------
    target_proba_ : ndarray of shape (n_samples, n_classes)
        Targets of the training, columns in the order of ``classes_``. A row whose label a checker does not know has
        probability 1 for it. NaN for real and dropped rows.
    sample_weight_ : ndarray of shape (n_samples,)
        The weight of each row: 1, or its share of the ``sample_weight`` passed to `fit`. With `is_real`, real rows are
        0 unless they joined the training.

    See Also
    --------
    skweight.IMPClassifier : Weights for the labels, from the same two checkers.
    skweight.DIMPClassifier : Weights that follow the model during training.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight.baselines import DistilledClassifier
    >>> from skweight.datasets import minilm_folder
    >>> synth_X = ["a warm film", "a dull, lifeless film", "a film of great charm", "boring", "charming and funny"]
    >>> synth_y = ["fresh", "rotten", "fresh", "rotten", "rotten"]
    >>> real_X, real_y = ["funny and warm", "great charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"]
    >>> teacher = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> clf = DistilledClassifier(minilm_folder(), quality_checker=teacher, max_epochs=1)
    >>> clf = clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
    >>> clf.target_proba_[:, 0].round(2)  # fresh, whatever the label says
    array([0.56, 0.36, 0.6 , 0.5 , 0.58])
    """

    diversity_checker: Any = "drop"
    exponent: float = 0.5

    _parameter_constraints = {"exponent": [Interval(Real, 0, None, closed="neither")]}

    _missing_real_effect = "keep their labels"

    def _make_loss(self):
        from skweight.losses import DistillationLoss

        return DistillationLoss()

    def _weight_rows(self, data, rng):
        quality_seed, diversity_seed = self._checker_seeds(rng, 2)
        quality = self._fit_quality_checker(data, quality_seed)
        diversity = self._fit_diversity_checker(data, diversity_seed)
        if diversity.proba is None:
            target = product_of_experts(quality.proba)
        else:
            target = product_of_experts(quality.proba, diversity.proba, exponent=self.exponent)
        unknown = np.isnan(data.synthetic.label_column(target))
        target = np.nan_to_num(target, nan=0.0)
        target[unknown] = _certain(data.synthetic.target[unknown], target)
        return Weighting(
            columns={"sample_weight": data.synthetic.mean_one_weight, "target_proba": target},
            learnt=quality.learnt | diversity.learnt | {"target_proba_": data.scatter(target, fill=np.nan)},
        )

    def _real_columns(self, columns, real):
        own = super()._real_columns(columns, real)
        return {**own, "target_proba": _certain(real.target, columns["target_proba"])}


def _certain(labels, target):
    """Probability 1 for each row's label, with as many classes as `target` has."""
    return np.eye(target.shape[1])[labels]
