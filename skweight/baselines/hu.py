"""Hu et al. and Ren et al.: weights learnt inside every step, from the gradient on real rows."""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from skweight import _engine
from skweight._base import BaseTextClassifier
from skweight._parameters import estimator

_MIN_SCORE = 1e-5  # where the published code ends a weight's fall


@estimator
class HuClassifier(BaseTextClassifier):
    r"""Text classifier that learns the rows' weights inside every step, as Hu et al. [1]_ do.

    Before a step, the model takes a trial step on the rows of the batch (the look-ahead) and computes the gradient of
    the loss on some real rows there. :math:`h_i` is how much a step on row i of the batch changes that loss; it is
    negative if the row helps. Every row has a persistent score,

    .. math:: \phi_i \leftarrow \max(\phi_i / decay - scale \cdot h_i, 10^{-5}),

    and its weight is its share of the batch's :math:`\exp(\phi_i / temperature)`, times the number of rows. With
    ``persistent=False`` there is no score and no look-ahead, and the weight of a row is its share of
    :math:`\max(-h_i, 0)`, as in Ren et al. [2]_.

    A step costs about as much as four or five of plain fine-tuning.

    Parameters
    ----------
    persistent : bool, default=True
        Whether rows keep a score from one visit to the next (Hu et al.). False: Ren et al.
    pretrain_epochs : int, default=1
        How many of the `max_epochs` are trained with equal weights first.
    decay : float, default=5.0
        What a score is divided by at each visit.
    scale : float or "unit", default=1.0
        Factor of :math:`h_i`. With the published 1.0 all rows ended up with nearly the same weight. "unit" divides by
        the standard deviation within the batch.
    normalize : {"softmax", "linear"}, default="softmax"
        "linear": the weight of a row is its share of :math:`\phi_i` itself, as the authors do for unbalanced classes.
    temperature : float, default=1.0
        Of the softmax.
    lookahead : float, default=1.0
        Length of the look-ahead, in steps on single rows. Each row of the batch contributes a step scaled by its score;
        in a larger batch all of them are scaled down to this total. 0: no look-ahead. The published code has 8 (Notes).
    real_batch_size : int, default=64
        Number of real rows sampled at every step for the meta-objective.

    See Also
    --------
    SunGenClassifier : Weights learnt in an outer loop around the training.

    Notes
    -----
    As in the authors' code, :math:`h_i` is the inner product of that gradient with the optimiser's step on row i alone;
    Adam is linearised at the state that it would have after a step on the real rows. Inner
    products are central differences (two passes over the batch without gradients), where the authors take a gradient
    for every row; they are taken without dropout.

    The authors look ahead along up to eight rows at a time. Adam's step on each of them is as long as one on a whole
    batch, so this is up to eight steps at once, to a point where more of the same rows may do harm, with right or wrong
    labels. On tweets a look-ahead of one row detected wrong labels a little better in every run, and neither did well
    (``docs/results.md``). A step takes longer in proportion to `real_batch_size`.

    References
    ----------
    .. [1] Hu, Tan, Salakhutdinov, Mitchell, Xing, "Learning Data Manipulation for Augmentation and Weighting",
       NeurIPS 2019, arXiv:1910.12795.
    .. [2] Ren, Zeng, Yang, Urtasun, "Learning to Reweight Examples for Robust Deep Learning", ICML 2018,
       arXiv:1803.09050.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight.baselines import HuClassifier
    >>> X = np.random.RandomState(0).randn(230, 2)
    >>> y = X[:, 0] > 0
    >>> wrong = np.arange(200) < 20
    >>> clf = HuClassifier("passthrough", scale="unit", random_state=0)
    >>> clf = clf.fit(X[:200], y[:200] ^ wrong, real_X=X[200:], real_y=y[200:])
    >>> bool(clf.sample_weight_[wrong].mean() < 0.5 * clf.sample_weight_[~wrong].mean())
    True
    """

    persistent: bool = True
    pretrain_epochs: int = 1
    decay: float = 5.0
    scale: Any = 1.0
    normalize: str = "softmax"
    temperature: float = 1.0
    lookahead: float = 1.0
    real_batch_size: int = 64

    _parameter_constraints = {
        "persistent": ["boolean"],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "decay": [Interval(Real, 1, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither"), StrOptions({"unit"})],
        "normalize": [StrOptions({"softmax", "linear"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "lookahead": [Interval(Real, 0, None, closed="left")],
        "real_batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def _needs_real(self):
        return True

    def _weight_rows(self, data, rng):
        if self.pretrain_epochs >= self.max_epochs:
            raise ValueError(
                f"pretrain_epochs={self.pretrain_epochs} must be below max_epochs={self.max_epochs}: no epoch would be "
                "left to learn weights in."
            )
        return super()._weight_rows(data, rng)

    def _step_weights(self, data, rng):
        return _MetaWeights(self, len(data.synthetic), _engine.LabelledRows.of(data.real), rng)


class _MetaWeights:
    """Weights of the rows of a batch in the step that is about to be taken; a `StepWeights` of the engine."""

    def __init__(self, classifier, n_synthetic, real, rng):
        import torch

        self.options = classifier
        self.real = real
        self.rng = rng
        with _engine.plain_torch():
            self.phi = torch.full((n_synthetic,), 1.0 if classifier.persistent else 0.0, dtype=torch.float32)

    def state_dict(self):
        return {"phi": self.phi, "rng": _engine.rng_state(self.rng)}

    def load_state_dict(self, state):
        self.phi = state["phi"]
        _engine.load_rng_state(self.rng, state["rng"])

    def __call__(self, step):
        import torch

        batch = step.batch
        weight = torch.ones(len(batch), dtype=torch.float32, device=batch.target.device)
        synthetic = ~batch.columns["is_real"] if "is_real" in batch.columns else weight.bool()
        if step.epoch > self.options.pretrain_epochs and synthetic.any() and not _lacks_state(step.optimizer):
            step.module.eval()  # a difference of two losses must not be one of two dropout masks
            weight[synthetic] = self._weight(step, synthetic)
            step.module.train()
        return weight

    def _weight(self, step, synthetic):
        rows = step.batch.rows[synthetic].cpu()
        phi = self.phi[rows].to(synthetic.device)
        h = self._change(step, synthetic, phi)
        if not self.options.persistent:
            gain = (-h).clamp(min=0)
            total = gain.sum()
            return gain / total * len(gain) if total > 0 else gain
        scale = 1 / h.std(correction=0).clamp(min=1e-30) if self.options.scale == "unit" else self.options.scale
        phi = (phi / self.options.decay - scale * h).clamp(min=_MIN_SCORE)
        self.phi[rows] = phi.cpu()
        share = phi / phi.sum() if self.options.normalize == "linear" else (phi / self.options.temperature).softmax(0)
        return share * len(share)

    def _change(self, step, synthetic, phi):
        """How a step on each row alone would change the loss on real rows."""
        from skweight.baselines import _meta_gradient

        parameters = _meta_gradient.trainable(step.module)

        def row_losses():
            logits = step.world.gather(step.infer(step.batch).float(), len(step.batch))
            return _meta_gradient.cross_entropy(logits, step.batch.target)[synthetic]

        steps = _Steps(step.optimizer, parameters)
        ahead = [0.0 * parameter.detach() for parameter in parameters]
        if phi.any():
            along = min(1.0, self.options.lookahead / len(phi)) * phi
            gradient = step.world.sum(_meta_gradient.gradient((along * row_losses()).sum(), parameters))
            ahead = steps.of(gradient, along.sum().item())
        with _meta_gradient.shifted(parameters, ahead):
            size = min(self.options.real_batch_size, len(self.real))
            drawn = self.rng.choice(len(self.real), size=size, replace=False)
            real = self.real.batch(drawn, step.batch.target.device)
            loss = _meta_gradient.cross_entropy(step.infer(real).float(), real.target).mean()
            gradient = _meta_gradient.gradient(loss, parameters)
        return _meta_gradient.alignment(parameters, steps.of(gradient), row_losses)


class _Steps:
    """The step that an optimiser would take for a gradient."""

    def __init__(self, optimizer, parameters):
        group_of = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
        self._states = [(group_of[parameter], optimizer.state[parameter]) for parameter in parameters]

    def of(self, gradient, n_momenta=0.0):
        """Step for a gradient, with the momentum added `n_momenta` times.

        Without momentum it is the gradient times a factor for each parameter, which is its own adjoint: its inner
        product with the gradient of a row is the inner product of `gradient` with that row's step. Adam's factors are
        those after it has seen the gradient: without it, where it has seen next to none before, a step has no bound.
        """
        return [self._step(g, n_momenta, *state) for g, state in zip(gradient, self._states, strict=True)]

    @staticmethod
    def _step(gradient, n_momenta, group, state):
        if "exp_avg_sq" not in state:
            return -group["lr"] * gradient
        beta1, beta2 = group["betas"]
        step = int(state["step"]) + 1
        square = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient**2
        mean = (1 - beta1) * gradient + n_momenta * beta1 * state["exp_avg"]
        return -group["lr"] / (1 - beta1**step) * mean / ((square / (1 - beta2**step)).sqrt() + group["eps"])


def _lacks_state(optimizer):
    """Whether it is an Adam that has not taken a step: what a row's step would be is not known then."""
    return "betas" in optimizer.param_groups[0] and not optimizer.state
