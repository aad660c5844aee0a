r"""Weighted losses as torch modules, for any training loop.

All losses of the paper [1]_ are one formula. With ``q = P'(y|x)`` from the quality checker, ``d = Q(y|x)`` from the
diversity checker and ``p = P_theta(y|x)`` from the model being trained,

.. math:: \log w = \gamma\,(a \log q - b \log d - c \log p), \qquad \text{loss} = \text{mean}(w \cdot (-\log p)),

where no gradient flows through ``w``.

=============================  ===  ===  ===
loss                            a    b    c
=============================  ===  ===  ===
:class:`WeightedCrossEntropy`   0    0    0
:class:`QualityLoss`            1    0    0
:class:`IMPLoss`                1    1    0
:class:`DIMPLoss`               1    0    1
=============================  ===  ===  ===

:class:`FocalLoss` and :class:`GeneralizedCrossEntropyLoss`, whose weights are functions of ``p`` alone, and
:class:`DistillationLoss`, whose targets are probabilities instead of labels, stand beside them. Losses are computed in
float32 (or float64, if the logits are float64) whatever the autocast around them says: a ratio of probabilities does
not fit half precision.

References
----------
.. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
   Classification", ICLR 2025, arXiv:2410.21526.
"""

import math

import torch
from torch import nn
from torch.nn import functional

__all__ = [
    "DIMPLoss",
    "DistillationLoss",
    "FocalLoss",
    "GeneralizedCrossEntropyLoss",
    "IMPLoss",
    "QualityLoss",
    "WeightedCrossEntropy",
    "WeightedLoss",
]

# exp(30) is about 1e13: a bound against overflow only, far above every weight that makes sense.
MAX_LOG_WEIGHT = 30.0


class WeightedLoss(nn.Module):
    """Mean of ``weight * cross-entropy`` over a batch; a subclass says what a row weighs.

    To add a loss, override :meth:`weight`. In a training over several processes it is asked about the rows of the whole
    batch in each of them; gradients flow to a process's own rows only, and are summed.
    """

    def weight(self, log_p, log_quality=None, log_diversity=None):
        """Weight of every row of a batch.

        Parameters
        ----------
        log_p : Tensor of shape (n_rows,)
            Log-probability that the model being trained gives to each row's label, with its gradient.
        log_quality, log_diversity : Tensor of shape (n_rows,), default=None
            The same under the quality checker and under the diversity checker.

        Returns
        -------
        weight : Tensor of shape (n_rows,)
        """
        raise NotImplementedError

    def rows(self, logits, target, log_quality=None, log_diversity=None, sample_weight=None, real_weight=None):
        """Weight and cross-entropy of every row; :meth:`forward` is the mean of their product.

        Parameters
        ----------
        logits : Tensor of shape (n_rows, n_classes)
            Output of the model being trained.
        target : LongTensor of shape (n_rows,)
            Class indices.
        log_quality : Tensor of shape (n_rows,), default=None
            ``log P'(y|x)``. NaN means "not known" and gives the row the neutral weight 1.
        log_diversity : Tensor of shape (n_rows,), default=None
            ``log Q(y|x)``.
        sample_weight : Tensor of shape (n_rows,), default=None
            Multiplies the weights after they have been clipped and normalised.
        real_weight : Tensor of shape (n_rows,), default=None
            Marks real rows that were mixed into the batch: where it is not NaN, the row weighs ``real_weight`` times
            the mean weight of the batch's other rows.

        Returns
        -------
        weight, cross_entropy : Tensor of shape (n_rows,)
        """
        with torch.autocast(logits.device.type, enabled=False):
            log_p = _log_softmax(logits).gather(-1, target[:, None])[:, 0]
            if real_weight is None:
                weight = self.weight(log_p, log_quality, log_diversity)
            else:
                weight = self._weight_beside_real(log_p, log_quality, log_diversity, real_weight)
            if sample_weight is not None:
                weight = weight * sample_weight
            return weight, -log_p

    def forward(self, logits, target, log_quality=None, log_diversity=None, sample_weight=None, real_weight=None):
        """Return the loss of a batch, a scalar Tensor. Parameters as in :meth:`rows`."""
        weight, cross_entropy = self.rows(logits, target, log_quality, log_diversity, sample_weight, real_weight)
        return (weight * cross_entropy).mean()

    def _weight_beside_real(self, log_p, log_quality, log_diversity, real_weight):
        # Only the other rows enter the clip and the normalisation; a batch of real rows alone weighs real_weight.
        other = real_weight.isnan()
        weight = real_weight.to(log_p.dtype)
        if other.any():
            columns = (None if column is None else column[other] for column in (log_quality, log_diversity))
            synthetic = self.weight(log_p[other], *columns)
            weight = weight * synthetic.detach().mean()
            weight = weight.masked_scatter(other, synthetic.to(weight.dtype))
        return weight


class WeightedCrossEntropy(WeightedLoss):
    """Cross-entropy, each row multiplied by its ``sample_weight``.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import WeightedCrossEntropy
    >>> logits, target = torch.zeros(2, 2), torch.tensor([0, 1])
    >>> WeightedCrossEntropy()(logits, target, sample_weight=torch.tensor([2.0, 0.0]))
    tensor(0.6931)
    """

    def weight(self, log_p, log_quality=None, log_diversity=None):
        """Return ones. Parameters as in :meth:`WeightedLoss.weight`."""
        return torch.ones_like(log_p)


class _ImportanceLoss(WeightedLoss):
    """The family of the module's docstring; siblings differ in their exponents alone."""

    quality_exponent = 0
    diversity_exponent = 0
    model_exponent = 0

    def __init__(self, gamma=1.0, clip=None, normalize=None):
        super().__init__()
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be None or a positive number, got {clip!r}.")
        if normalize not in (None, "batch"):
            raise ValueError(f"normalize must be None or 'batch', got {normalize!r}.")
        self.gamma = gamma
        self.clip = clip
        self.normalize = normalize

    def weight(self, log_p, log_quality=None, log_diversity=None):
        """Weight of every row of a batch, without gradient. Parameters as in :meth:`WeightedLoss.weight`."""
        log_ratio = torch.zeros_like(log_p)
        for name, exponent, log_proba in (
            ("log_quality", self.quality_exponent, log_quality),
            ("log_diversity", -self.diversity_exponent, log_diversity),
            ("log_p", -self.model_exponent, log_p),
        ):
            if exponent:
                if log_proba is None:
                    raise ValueError(f"{type(self).__name__} needs {name}.")
                log_ratio = log_ratio + exponent * log_proba.detach().to(log_p.dtype)
        unbounded = self.clip is None or math.isinf(self.clip)
        log_weight = (self.gamma * log_ratio).clamp(max=MAX_LOG_WEIGHT if unbounded else math.log(self.clip))
        # NaN is an unknown quality, or a ratio of zero to zero, or gamma = 0 of a zero: neutral in all three cases.
        weight = log_weight.exp().nan_to_num(nan=1.0)
        if self.normalize == "batch" and (weight > 0).any():
            weight = weight / weight.mean()
        return weight

    def extra_repr(self):
        """Options as shown by ``repr``."""
        return f"gamma={self.gamma}, clip={self.clip}, normalize={self.normalize!r}"


class QualityLoss(_ImportanceLoss):
    """IMP-Loss without its diversity checker: ``w = P'(y|x) ** gamma``.

    Parameters
    ----------
    gamma : float, default=1.0
        Exponent of the weight.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "batch"}, default=None
        "batch" divides by the batch's mean weight.
    """

    quality_exponent = 1


class IMPLoss(_ImportanceLoss):
    """IMP-Loss: ``w = (P'(y|x) / Q(y|x)) ** gamma``.

    Parameters
    ----------
    gamma : float, default=1.0
        Exponent of the whole ratio.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "batch"}, default=None
        "batch" divides by the batch's mean weight.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import IMPLoss
    >>> quality, diversity = torch.tensor([0.9, 0.6]), torch.tensor([0.5, 0.8])
    >>> IMPLoss()(torch.zeros(2, 2), torch.tensor([0, 0]), quality.log(), diversity.log())
    tensor(0.8838)
    """

    quality_exponent = 1
    diversity_exponent = 1


class DIMPLoss(_ImportanceLoss):
    """DIMP-Loss: ``w = (P'(y|x) / P_theta(y|x)) ** gamma``, with ``P_theta`` from this very forward pass.

    Parameters
    ----------
    gamma : float, default=1.0
        Exponent of the whole ratio.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "batch"}, default=None
        "batch" divides by the batch's mean weight.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import DIMPLoss
    >>> quality = torch.tensor([0.9, 0.6])
    >>> DIMPLoss()(torch.zeros(2, 2), torch.tensor([0, 0]), quality.log())
    tensor(1.0397)
    """

    quality_exponent = 1
    model_exponent = 1


class FocalLoss(WeightedLoss):
    """Focal loss: ``w = (1 - p) ** gamma``.

    Parameters
    ----------
    gamma : float, default=1.0
        Exponent of the modulating factor.
    detach : bool, default=True
        Whether the factor is held constant in the gradient, as in the paper's comparison. Lin et al. [1]_ let the
        gradient through (``detach=False``, with ``gamma=2``).

    References
    ----------
    .. [1] Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import FocalLoss
    >>> FocalLoss(gamma=2.0, detach=False)(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.1733)
    """

    def __init__(self, gamma=1.0, detach=True):
        super().__init__()
        self.gamma = gamma
        self.detach = detach

    def weight(self, log_p, log_quality=None, log_diversity=None):
        """Modulating factor of every row. Parameters as in :meth:`WeightedLoss.weight`."""
        log_p = log_p.detach() if self.detach else log_p
        # The floor keeps the derivative of x ** gamma finite at x = 0 for gamma < 1.
        return (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny) ** self.gamma

    def extra_repr(self):
        """Options as shown by ``repr``."""
        return f"gamma={self.gamma}, detach={self.detach}"


class GeneralizedCrossEntropyLoss(WeightedLoss):
    """Generalised cross-entropy, which wrong labels hurt less: ``w = p ** q``.

    The loss of Zhang & Sabuncu [1]_ is ``(1 - p ** q) / q``. Its gradient is that of ``p ** q`` times cross-entropy,
    with the weight held constant, and so is computed here. The values differ: ``-p ** q * log(p)`` is reported.

    Parameters
    ----------
    q : float in [0, 1], default=0.7
        0 is cross-entropy, 1 has the gradient of the mean absolute error.

    References
    ----------
    .. [1] Zhang, Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
       NeurIPS 2018, arXiv:1805.07836.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import GeneralizedCrossEntropyLoss
    >>> logits = torch.zeros(1, 2, requires_grad=True)
    >>> GeneralizedCrossEntropyLoss(q=1.0)(logits, torch.tensor([0])).backward()
    >>> logits.grad  # of 1 - p
    tensor([[-0.2500,  0.2500]])
    """

    def __init__(self, q=0.7):
        super().__init__()
        if not 0 <= q <= 1:
            raise ValueError(f"q must be between 0 and 1, got {q!r}.")
        self.q = q

    def weight(self, log_p, log_quality=None, log_diversity=None):
        """Return ``p ** q``, without gradient. Parameters as in :meth:`WeightedLoss.weight`."""
        return (self.q * log_p.detach()).exp()

    def extra_repr(self):
        """Options as shown by ``repr``."""
        return f"q={self.q}"


class DistillationLoss(WeightedCrossEntropy):
    """Cross-entropy against probabilities, as a teacher gives them [1]_: each row multiplied by its ``sample_weight``.

    With the probabilities of the quality checker, it is what IMP-Loss with counted frequencies ``Q(y|x)`` is on average
    over the labels.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import DistillationLoss
    >>> logits, target = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0])
    >>> target_proba = torch.tensor([[0.7, 0.3], [torch.nan, torch.nan]])  # the second row has its label only
    >>> DistillationLoss()(logits, target, target_proba)
    tensor(0.4633)
    """

    # Its columns are others than those of the losses that know labels only.
    def rows(self, logits, target, target_proba, sample_weight=None):  # type: ignore[override]
        """Weight and cross-entropy of every row; :meth:`forward` is the mean of their product.

        Parameters
        ----------
        logits : Tensor of shape (n_rows, n_classes)
            Output of the model being trained.
        target : LongTensor of shape (n_rows,)
            Class indices: the targets of rows without probabilities. The others' are not used.
        target_proba : Tensor of shape (n_rows, n_classes)
            Probabilities of the classes. A row that holds NaN has none.
        sample_weight : Tensor of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        weight, cross_entropy : Tensor of shape (n_rows,)
        """
        with torch.autocast(logits.device.type, enabled=False):
            log_proba = _log_softmax(logits)
            label = functional.one_hot(target, logits.shape[-1]).to(log_proba.dtype)
            unknown = target_proba.isnan().any(dim=-1, keepdim=True)
            expected = torch.where(unknown, label, target_proba.detach().to(log_proba.dtype))
            cross_entropy = -(expected * log_proba).sum(dim=-1)
            weight = torch.ones_like(cross_entropy)
            if sample_weight is not None:
                weight = weight * sample_weight
            return weight, cross_entropy

    def forward(self, logits, target, target_proba, sample_weight=None):  # type: ignore[override]
        """Return the loss of a batch, a scalar Tensor. Parameters as in :meth:`rows`."""
        weight, cross_entropy = self.rows(logits, target, target_proba, sample_weight)
        return (weight * cross_entropy).mean()


def _log_softmax(logits):
    """Log-probabilities in float32, or in the float64 of the logits."""
    return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(dim=-1)
