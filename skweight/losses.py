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
:class:`DistillationLoss`, whose targets are probabilities instead of labels, are further losses. Losses are computed in
float32 (or float64, if the logits are float64) even under autocast: a ratio of probabilities does not fit half
precision.

References
----------
.. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
   Classification", ICLR 2025, arXiv:2410.21526.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from skweight._limits import MAX_LOG_WEIGHT

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


_ONE_PER_ROW = ("target", "sample_weight", "is_real", "log_quality", "log_diversity")


def _check_rows(logits, columns):
    """Refuse columns that do not go with the logits."""
    if logits.ndim != 2:
        raise ValueError(f"logits must have the shape (n_rows, n_classes), got {tuple(logits.shape)}.")
    for name, values in columns.items():
        if values is not None:
            further = () if name in _ONE_PER_ROW else tuple(getattr(values, "shape", ()))[1:]
            further = logits.shape[1:] if name == "target_proba" else further
            _check_shape(name, values, (len(logits), *further))
            _check_values(name, values)


def _check_shape(name, values, expected):
    found = tuple(getattr(values, "shape", ()))
    if found != tuple(expected):
        raise ValueError(f"{name} must have the shape {tuple(expected)} beside these logits, got {found}.")


def _check_values(name, values):
    """Refuse probabilities in place of their logarithms, and the reverse."""
    # A GPU would be waited for in every step, a compiled graph cut in two.
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if name in ("log_quality", "log_diversity"):
        wrong, advice = values > 1e-3, "the logarithm of a probability is at most 0. Pass proba.log()."
    elif name == "target_proba":
        wrong, advice = values < 0, "a probability is at least 0. Pass neither logarithms nor logits."
    else:
        return
    if wrong.any():
        raise ValueError(f"{name} holds {values[wrong][0].item():.4g}, but {advice}")


def _no_weight(self, log_p, **columns):
    raise NotImplementedError(f"{type(self).__name__} must say what a row weighs: override weight.")


class WeightedLoss(nn.Module):
    """Mean of ``weight * cross-entropy`` over a batch; a subclass defines the weight of a row.

    To add a loss, override ``weight(self, log_p, ...)``. It takes the log-probability that the model being trained
    gives to each row's label, with its gradient, then the columns that the attribute ``columns`` lists, by name:
    Tensors of shape (n_rows,). It returns the weights, of the same shape.

    In a training over several processes each process calls it with the rows of the whole batch; gradients only flow to
    the process's own rows, and are summed.

    Attributes
    ----------
    columns : tuple of str
        What the loss reads of a row besides its label: ``log_quality``, ``log_diversity``, any name of its own, and
        ``is_real`` if the weight of real rows that join the training is a multiple of the other rows' mean weight.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import WeightedLoss
    >>> class SquareRootLoss(WeightedLoss):
    ...     columns = ("log_quality",)
    ...
    ...     def weight(self, log_p, log_quality):
    ...         return (log_quality / 2).exp()
    >>> SquareRootLoss()(torch.zeros(2, 2), torch.tensor([0, 0]), log_quality=torch.tensor([0.81, 0.25]).log())
    tensor(0.4852)
    """

    columns: tuple[str, ...] = ()
    weight: Callable[..., torch.Tensor] = _no_weight  # every loss has its own arguments, as a module's forward has

    def rows(self, logits, target, log_quality=None, log_diversity=None, sample_weight=None, is_real=None, **columns):
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
        is_real : BoolTensor of shape (n_rows,), default=None
            Marks real rows that were mixed into the batch: their weight is the mean weight of the batch's other rows,
            times their ``sample_weight``.
        **columns : Tensor of shape (n_rows, ...)
            Whatever else the loss reads, by the names in its attribute ``columns``.

        Returns
        -------
        weight, cross_entropy : Tensor of shape (n_rows,)

        Raises
        ------
        ValueError
            If a shape differs from those above: it would broadcast to another loss. On a CPU also if the logarithm of a
            probability is positive; on a GPU values are not checked, as every step would have to wait for them.
        """
        columns = self._read(log_quality=log_quality, log_diversity=log_diversity, **columns)
        _check_rows(logits, {"target": target, "sample_weight": sample_weight, "is_real": is_real, **columns})
        with torch.autocast(logits.device.type, enabled=False):
            log_proba = (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(dim=-1)
            log_p = log_proba.gather(-1, target[:, None])[:, 0]
            weight = self._weight(log_p, columns) if is_real is None else self._mixed_weight(log_p, is_real, columns)
            if sample_weight is not None:
                weight = weight * sample_weight
            return weight, self._cross_entropy(log_proba, log_p, columns)

    def forward(self, logits, target, *args, **kwargs):
        """Return the loss of a batch, a scalar Tensor. Parameters as in :meth:`rows`."""
        weight, cross_entropy = self.rows(logits, target, *args, **kwargs)
        return (weight * cross_entropy).mean()

    def _read(self, **given):
        """Of the columns that were given, those that this loss reads."""
        unknown = given.keys() - {"log_quality", "log_diversity", *self.columns}
        if unknown:
            raise TypeError(f"{type(self).__name__} reads no column {sorted(unknown)}; it reads {self.columns}.")
        read = [name for name in self.columns if name != "is_real"]
        for name in read:
            if given.get(name) is None:
                raise ValueError(f"{type(self).__name__} needs {name}.")
        return {name: given[name] for name in read}

    def _weight(self, log_p, columns):
        weight = self.weight(log_p, **columns)
        _check_shape(f"what {type(self).__name__}.weight returns", weight, log_p.shape)
        return weight

    def _mixed_weight(self, log_p, is_real, columns):
        # Only the other rows enter the clip and the normalisation; a batch of real rows alone weighs one each.
        weight, other = torch.ones_like(log_p), ~is_real
        if other.any():
            synthetic = self._weight(log_p[other], {name: values[other] for name, values in columns.items()})
            weight = weight * synthetic.detach().mean()
            weight = weight.masked_scatter(other, synthetic.to(weight.dtype))
        return weight

    def _cross_entropy(self, log_proba, log_p, columns):
        """Cross-entropy of every row, here against its label."""
        return -log_p


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

    def weight(self, log_p, log_quality=None, log_diversity=None, **columns):
        """Return ones, whatever the columns."""
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
        """Weight of every row of a batch, without gradient; see :class:`WeightedLoss`."""
        log_ratio = torch.zeros_like(log_p)
        for exponent, log_proba in (
            (self.quality_exponent, log_quality),
            (-self.diversity_exponent, log_diversity),
            (-self.model_exponent, log_p),
        ):
            if exponent:
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

    columns = ("log_quality",)
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

    columns = ("log_quality", "log_diversity")
    quality_exponent = 1
    diversity_exponent = 1


class DIMPLoss(_ImportanceLoss):
    """DIMP-Loss: ``w = (P'(y|x) / P_theta(y|x)) ** gamma``, with ``P_theta`` from the same forward pass.

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

    columns = ("log_quality", "is_real")
    quality_exponent = 1
    model_exponent = 1


class FocalLoss(WeightedLoss):
    """Focal loss: ``w = (1 - p) ** gamma``.

    Parameters
    ----------
    gamma : float, default=1.0
        Exponent of the modulating factor.
    detach : bool, default=True
        Whether the factor is held constant in the gradient, as in the paper's comparison. Lin et al. [1]_ do not hold
        it constant (``detach=False``, with ``gamma=2``).

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
        """Modulating factor of every row."""
        log_p = log_p.detach() if self.detach else log_p
        # The floor keeps the derivative of x ** gamma finite at x = 0 for gamma < 1.
        return (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny) ** self.gamma

    def extra_repr(self):
        """Options as shown by ``repr``."""
        return f"gamma={self.gamma}, detach={self.detach}"


class GeneralizedCrossEntropyLoss(WeightedLoss):
    """Generalised cross-entropy, which is robust to wrong labels: ``w = p ** q``.

    The loss of Zhang & Sabuncu [1]_ is ``(1 - p ** q) / q``. Its gradient is that of ``p ** q`` times cross-entropy,
    with the weight held constant, and this is how it is computed here. The value that is reported differs:
    ``-p ** q * log(p)``.

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
        """Return ``p ** q``, without gradient."""
        return (self.q * log_p.detach()).exp()

    def extra_repr(self):
        """Options as shown by ``repr``."""
        return f"q={self.q}"


class DistillationLoss(WeightedCrossEntropy):
    """Cross-entropy against a teacher's probabilities [1]_, each row multiplied by its ``sample_weight``.

    Its column ``target_proba``, of shape (n_rows, n_classes), holds the probabilities; labels are not read. For a row
    that only has a label, pass probability 1 for it. With the probabilities of the quality checker it equals IMP-Loss
    with counted frequencies ``Q(y|x)``, averaged over the labels.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.

    Examples
    --------
    >>> import torch
    >>> from skweight.losses import DistillationLoss
    >>> logits, target = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0])
    >>> DistillationLoss()(logits, target, target_proba=torch.tensor([[0.7, 0.3], [1.0, 0.0]]))
    tensor(0.4633)
    """

    columns = ("target_proba",)

    def _cross_entropy(self, log_proba, log_p, columns):
        return -(columns["target_proba"].detach().to(log_proba.dtype) * log_proba).sum(dim=-1)
