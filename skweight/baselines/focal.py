"""Fine-tuning with focal loss."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from skweight._base import BaseTextClassifier
from skweight._parameters import estimator


@estimator
class FocalClassifier(BaseTextClassifier):
    """Text classifier fine-tuned with focal loss: rows that the model is sure of get less weight.

    Parameters
    ----------
    gamma : float, default=1.0
        The weight of a row is ``(1 - p) ** gamma``, where ``p`` is the model's probability of its label.
    detach : bool, default=True
        Whether that factor is held constant in the gradient, as in the paper's comparison. Lin et al. let the gradient
        through (``detach=False``, with ``gamma=2``).
    real_weight : float, default=0.0
        If positive, rows of `real_X` join the training with this sample weight.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        The weight of each row in the last epoch, including its ``sample_weight``.

    References
    ----------
    .. [1] Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002.

    Examples
    --------
    >>> from skweight.baselines import FocalClassifier
    >>> from skweight.datasets import minilm_folder
    >>> clf = FocalClassifier(minilm_folder(), max_epochs=10, lr=1e-4, random_state=0)
    >>> clf = clf.fit(["warm and funny", "full of charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"])
    >>> bool((clf.sample_weight_ < 1).all())
    True
    """

    gamma: float = 1.0
    detach: bool = True

    _parameter_constraints = {"gamma": [Interval(Real, 0, None, closed="left")], "detach": ["boolean"]}

    def _make_loss(self):
        from skweight.losses import FocalLoss

        return FocalLoss(gamma=self.gamma, detach=self.detach)
