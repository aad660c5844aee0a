"""Hu et al. and Ren et al.: weights learnt inside every step, from the gradient on real rows."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from skweight._base import BaseTextClassifier

_LEAST = 1e-5  # where the published code ends a weight's fall
_MOST = 1e6  # of a row's effect, which is far below 1 wherever Adam has seen gradients


class HuClassifier(BaseTextClassifier):
    r"""Text classifier whose rows' weights are learnt inside every step, as by Hu et al. [1]_.

    Before a step, the model looks ahead along the rows of the batch, finds the gradient of the loss on some real rows
    there, and asks of each row of the batch how much a step on it changes that loss: :math:`h_i`, negative where it
    helps. Every row has a persisting score,

    .. math:: \phi_i \leftarrow \max(\phi_i / decay - scale \cdot h_i, 10^{-5}),

    and weighs its share of the batch's :math:`\exp(\phi_i / temperature)`, times the number of rows. With
    ``persistent=False`` there is no score and no looking ahead, and a row weighs its share of :math:`\max(-h_i, 0)`,
    as by Ren et al. [2]_.

    A step costs about as much as four or five of plain fine-tuning.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    persistent : bool, default=True
        Whether rows keep a score from one visit to the next (Hu et al.). False: Ren et al.
    pretrain_epochs : int, default=1
        How many of the `max_epochs` come first with equal weights.
    decay : float, default=5.0
        What a score is divided by at each visit.
    scale : float or "unit", default=1.0
        What :math:`h_i` is multiplied by. With the published 1.0 rows ended up weighing nearly the same.
        "unit" divides by its standard deviation within the batch.
    normalize : {"softmax", "linear"}, default="softmax"
        "linear": a row weighs its share of :math:`\phi_i` itself, as the authors do for unbalanced classes.
    temperature : float, default=1.0
        Of the softmax.
    lookahead : float, default=1.0
        How many rows the model looks ahead along, each as far as a step on it alone times its score; a larger batch
        shares them. 0: it does not look ahead. The published code has 8 (Notes).
    real_batch_size : int, default=64
        Real rows, drawn anew for every step, whose loss is to fall.
    real_weight : float, default=0.0
        If positive, the real rows join the training, each at this multiple of the mean weight.
    max_epochs : int, default=5
        Passes over the rows.
    lr : float or "auto", default="auto"
        Peak learning rate of AdamW; it falls linearly to 0. "auto" is 5e-5, and 3e-3 with ``encoder="passthrough"``.
    batch_size : int, default=32
        Rows in a step.
    max_length : int, default=128
        Longer texts are truncated to this many tokens.
    weight_decay : float, default=0.0
        AdamW's weight decay; biases and normalisation layers are left out.
    warmup_ratio : float, default=0.0
        Share of the steps over which the learning rate rises.
    max_grad_norm : float, default=1.0
        Gradients are scaled down to this norm; None leaves them.
    early_stopping : bool, default=False
        Whether to hold out real rows, stop when the loss on them no longer falls, and keep the best epoch.
    validation_fraction : float, default=0.2
        Share of the real rows that is held out.
    n_iter_no_change : int, default=2
        Epochs without improvement before stopping.
    on_bad_rows : {"raise", "drop"}, default="raise"
        What `fit` does with a missing text or label. Dropped rows weigh 0.
    device : str, default="auto"
        A torch device; "auto" takes CUDA, then MPS, then the CPU.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        Precision of training; "auto" takes bfloat16 where the processor computes in it. Weights, losses and predictions
        are float32 in any case.
    compile : bool, default=False
        Whether to train through ``torch.compile``.
    callbacks : list of skorch callbacks, default=None
        Added to the training loop.
    net_params : dict, default=None
        Further parameters of the skorch net, as ``{"optimizer__betas": (0.9, 0.98)}``.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random; the global generators of numpy and torch are left alone.
    verbose : int, default=0
        1 shows progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the data type of `y`.
    sample_weight_ : ndarray of shape (n_samples,)
        What each row weighed in the last epoch, its ``sample_weight`` included.
    module_ : transformers.PreTrainedModel
        The trained model.
    tokenizer_ : transformers tokenizer
        Not there with ``encoder="passthrough"``.
    text_pairs_ : bool
        Whether it was fitted on pairs of texts. Not there with ``encoder="passthrough"``.
    history_ : list of dict
        One dictionary per epoch: losses, seconds, mean and largest weight, effective sample size.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Number of columns of `X`. Only if `X` was a data frame, or with ``encoder="passthrough"``.
    feature_names_in_ : ndarray of str
        Names of the columns of `X`. Only if `X` was a data frame.
    best_epoch_ : int
        Epoch that was kept, counted from 1. Only with early stopping.
    validation_score_ : float
        Accuracy on the held-out real rows in that epoch. Only with early stopping.
    real_validation_indices_ : ndarray of int
        Rows of `real_X`, or with `is_real` of `X`, that were held out. Only with early stopping.

    See Also
    --------
    SunGenClassifier : Weights learnt in an outer loop around the training.

    Notes
    -----
    As in the authors' code, :math:`h_i` is the inner product of that gradient with the step of the optimiser that row i
    alone would bring; for Adam it is linearised at its present state. Inner products are central differences (two
    passes over the batch without gradients), where the authors take a gradient for every row; they are taken without
    dropout.

    The authors look ahead along up to eight rows at a time. Adam makes a step of each of them as long as one on a whole
    batch, so that is up to eight steps at once, to a point where more of the same rows may do harm, right labels or
    wrong. On tweets a look-ahead of one row told wrong labels a little better in every run, and neither well
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

    _parameter_constraints: dict = {
        **BaseTextClassifier._parameter_constraints,
        "persistent": ["boolean"],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "decay": [Interval(Real, 1, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither"), StrOptions({"unit"})],
        "normalize": [StrOptions({"softmax", "linear"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "lookahead": [Interval(Real, 0, None, closed="left")],
        "real_batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        persistent=True,
        pretrain_epochs=1,
        decay=5.0,
        scale=1.0,
        normalize="softmax",
        temperature=1.0,
        lookahead=1.0,
        real_batch_size=64,
        real_weight=0.0,
        max_epochs=5,
        lr="auto",
        batch_size=32,
        max_length=128,
        weight_decay=0.0,
        warmup_ratio=0.0,
        max_grad_norm=1.0,
        early_stopping=False,
        validation_fraction=0.2,
        n_iter_no_change=2,
        on_bad_rows="raise",
        device="auto",
        precision="auto",
        compile=False,
        callbacks=None,
        net_params=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            encoder,
            real_weight=real_weight,
            max_epochs=max_epochs,
            lr=lr,
            batch_size=batch_size,
            max_length=max_length,
            weight_decay=weight_decay,
            warmup_ratio=warmup_ratio,
            max_grad_norm=max_grad_norm,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            on_bad_rows=on_bad_rows,
            device=device,
            precision=precision,
            compile=compile,
            callbacks=callbacks,
            net_params=net_params,
            random_state=random_state,
            verbose=verbose,
        )
        self.persistent = persistent
        self.pretrain_epochs = pretrain_epochs
        self.decay = decay
        self.scale = scale
        self.normalize = normalize
        self.temperature = temperature
        self.lookahead = lookahead
        self.real_batch_size = real_batch_size

    def _make_loss(self):
        from skweight.losses import WeightedCrossEntropy

        return WeightedCrossEntropy()

    def _needs_real(self):
        return True

    def _weigh(self, data, rng):
        if self.pretrain_epochs >= self.max_epochs:
            raise ValueError(
                f"pretrain_epochs={self.pretrain_epochs} must be below max_epochs={self.max_epochs}: no epoch would be "
                "left to learn weights in."
            )
        return super()._weigh(data, rng)

    def _step_weights(self, data, rng):
        from skweight import _net

        return _StepWeights(self, len(data.synthetic), _net.LabelledRows(data.real.tokens, data.real.target), rng)


class _StepWeights:
    """Find what the rows of a batch weigh in the step that is about to be taken."""

    def __init__(self, classifier, n_synthetic, real, rng):
        import torch

        self.options = classifier
        self.real = real
        self.rng = rng
        self.phi = torch.full((n_synthetic,), 1.0 if classifier.persistent else 0.0)

    def __call__(self, net, inputs, target):
        import torch

        weight = torch.ones(len(target), device=target.device)
        synthetic = inputs["row"] < len(self.phi)  # real rows may have joined the training
        if len(net.history) > self.options.pretrain_epochs and synthetic.any() and not _lacks_state(net.optimizer_):
            net.module_.eval()  # a difference of two losses must not be one of two dropout masks
            weight[synthetic] = self._weigh(net, inputs, target, synthetic)
            net.module_.train()
        return weight

    def _weigh(self, net, inputs, target, synthetic):
        rows = inputs["row"][synthetic].cpu()
        phi = self.phi[rows].to(target.device)
        h = self._change(net, inputs, target, synthetic, phi)
        if not self.options.persistent:
            help_ = (-h).clamp(min=0)
            total = help_.sum()
            return help_ / total * len(help_) if total > 0 else help_
        scale = 1 / h.std(correction=0).clamp(min=1e-30) if self.options.scale == "unit" else self.options.scale
        phi = (phi / self.options.decay - scale * h).clamp(min=_LEAST)
        self.phi[rows] = phi.cpu()
        share = phi / phi.sum() if self.options.normalize == "linear" else (phi / self.options.temperature).softmax(0)
        return share * len(share)

    def _change(self, net, inputs, target, synthetic, phi):
        """How a step on each row alone would change the loss on real rows."""
        from skweight import _meta_gradient

        parameters = _meta_gradient.trainable(net.module_)

        def row_losses():
            logits = net.world.gather(net.infer(inputs).float(), len(target))
            return _meta_gradient.cross_entropy(logits, target)[synthetic]

        steps = _Steps(net.optimizer_, parameters)
        ahead = [0.0 * parameter.detach() for parameter in parameters]
        if phi.any():
            along = min(1.0, self.options.lookahead / len(phi)) * phi
            gradient = net.world.sum(_meta_gradient.gradient((along * row_losses()).sum(), parameters))
            ahead = steps.of(gradient, along.sum().item())
        with _meta_gradient.moved(parameters, ahead):
            size = min(self.options.real_batch_size, len(self.real))
            drawn = self.rng.choice(len(self.real), size=size, replace=False)
            batch, real_target = self.real.batch(drawn, target.device)
            loss = _meta_gradient.cross_entropy(net.infer(batch).float(), real_target).mean()
            gradient = _meta_gradient.gradient(loss, parameters)
        h = _meta_gradient.alignment(parameters, steps.of(gradient), row_losses)
        # Where Adam has seen next to no gradient, its linearised step has no bound, and may overflow.
        return h.nan_to_num(0.0).clamp(-_MOST, _MOST)


class _Steps:
    """The step that an optimiser would take for a gradient, Adam linearised at its present state, SGD as it is."""

    def __init__(self, optimizer, parameters):
        group_of = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
        self.factors, self.momenta = [], []
        for parameter in parameters:
            group, state = group_of[parameter], optimizer.state[parameter]
            factor, momentum = -group["lr"], 0.0
            if "exp_avg_sq" in state:
                beta1, beta2 = group["betas"]
                step = int(state["step"]) + 1
                scale = (state["exp_avg_sq"] / (1 - beta2**step)).sqrt() + group["eps"]
                factor = -group["lr"] * (1 - beta1) / (1 - beta1**step) / scale
                momentum = -group["lr"] * beta1 / (1 - beta1**step) * state["exp_avg"] / scale
            self.factors.append(factor)
            self.momenta.append(momentum)

    def of(self, gradient, n_momenta=0.0):
        """Step for a gradient, with the momentum added `n_momenta` times.

        Without momentum it is the linear part, which is its own adjoint: its inner product with the gradient of a row
        is the inner product of `gradient` with that row's step.
        """
        return [
            factor * g + n_momenta * momentum
            for factor, g, momentum in zip(self.factors, gradient, self.momenta, strict=True)
        ]


def _lacks_state(optimizer):
    """Whether it is an Adam that has not taken a step: what a row's step would be is not known then."""
    return "betas" in optimizer.param_groups[0] and not optimizer.state
