"""SunGen: weights learnt in an outer loop around the training."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skweight._base import BaseTextClassifier

_MAX_NORM = 3.0  # of the outer gradient
_KEPT = 0.9  # share of the synthetic rows, the heaviest, that the outer objective is taken on


class SunGenClassifier(BaseTextClassifier):
    r"""Text classifier whose rows' weights were learnt by SunGen, in an outer loop around the training.

    A row weighs :math:`\sigma(\theta_i)`. Again and again, a fresh copy of the encoder is trained on the weighted rows
    for an epoch, and :math:`\theta` takes a step of Adam down the gradient of an outer objective: row i gains if one
    more step on it would lower that objective,

    .. math:: \frac{dL_{outer}}{d\theta_i} \propto -\sigma'(\theta_i) \langle \nabla L_{outer}, \nabla l_i \rangle .

    Then the classifier is trained from the start with the weights found, divided by their mean. With
    the default of 15 iterations and the real rows as outer objective, a fit took seven times as long as plain
    fine-tuning for five epochs; on the synthetic rows about as long.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    outer : {"synthetic", "real"}, default="synthetic"
        Outer objective. "synthetic", as published: reverse cross-entropy, which wrong labels hurt little, on the nine
        tenths of the synthetic rows that weigh most; no real rows are needed. "real": cross-entropy on the real rows.
    n_outer_iter : int, default=15
        Steps of the outer loop. The authors take 100 with a small recurrent network.
    outer_lr : float, default=0.25
        Learning rate of the outer Adam.
    inner_epochs : int, default=1
        Epochs of training within each step of the outer loop.
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
        What each row weighed: the weight that was learnt, of mean 1, times its ``sample_weight``.
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
    HuClassifier : Weights learnt inside every step.

    Notes
    -----
    The inner products are central differences (two passes over the rows without gradients), so memory is that of
    training. In several processes the inner training is shared; the outer gradient is computed by each.

    References
    ----------
    .. [1] Gao, Pi, Lin, Xu, Ye, Wu, Zhang, Liang, Li, Kong, "Self-Guided Noise-Free Data Generation for Efficient
       Zero-Shot Learning", ICLR 2023, arXiv:2205.12679.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight.baselines import SunGenClassifier
    >>> X = np.random.RandomState(0).randn(200, 2)
    >>> y = X[:, 0] > 0
    >>> wrong = np.arange(200) < 20
    >>> clf = SunGenClassifier("passthrough", n_outer_iter=10, inner_epochs=10, random_state=0).fit(X, y ^ wrong)
    >>> bool(clf.sample_weight_[wrong].mean() < 0.5 * clf.sample_weight_[~wrong].mean())
    True
    """

    _parameter_constraints: dict = {
        **BaseTextClassifier._parameter_constraints,
        "outer": [StrOptions({"synthetic", "real"})],
        "n_outer_iter": [Interval(Integral, 1, None, closed="left")],
        "outer_lr": [Interval(Real, 0, None, closed="neither")],
        "inner_epochs": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        outer="synthetic",
        n_outer_iter=15,
        outer_lr=0.25,
        inner_epochs=1,
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
        self.outer = outer
        self.n_outer_iter = n_outer_iter
        self.outer_lr = outer_lr
        self.inner_epochs = inner_epochs

    def _make_loss(self):
        from skweight.losses import WeightedCrossEntropy

        return WeightedCrossEntropy()

    def _needs_real(self):
        return self.outer == "real"

    def _weigh(self, data, rng):
        import torch

        from skweight import _meta_gradient, _net

        own_weight = data.synthetic.mean_one_weight
        rows = _net.LabelledRows(data.synthetic.tokens, data.synthetic.target)
        target = torch.from_numpy(rows.target)
        head_seed, *seeds = rng.randint(np.iinfo(np.int32).max, size=1 + self.n_outer_iter)
        module = self._make_module(data, head_seed).to(_net.resolve_device(self.device))
        start = {name: value.clone() for name, value in module.state_dict().items()}
        theta = torch.zeros(len(rows), dtype=torch.float64)
        optimizer = torch.optim.Adam([theta], lr=self.outer_lr)

        def row_losses():
            return _meta_gradient.cross_entropy(torch.from_numpy(_net.predict_logits(module, rows.tokens)), target)

        for i, seed in enumerate(seeds):
            weight = theta.sigmoid()
            module.load_state_dict(start)
            self._train(
                module,
                _net.LabelledRows(rows.tokens, rows.target, {"sample_weight": weight.numpy() * own_weight}),
                seed=seed,
                max_epochs=self.inner_epochs,
                title=f"outer step {i + 1} of {self.n_outer_iter}",
            )
            direction = _meta_gradient.mean_gradient(module, *self._outer_objective(data, weight.numpy()))
            aligned = _meta_gradient.alignment(_meta_gradient.trainable(module), direction, row_losses)
            theta.grad = hypergradient(aligned.double() * torch.from_numpy(own_weight), weight)
            torch.nn.utils.clip_grad_norm_([theta], _MAX_NORM)
            optimizer.step()
        learnt = theta.sigmoid().numpy()
        return {"sample_weight": learnt / learnt.mean() * own_weight}

    def _outer_objective(self, data, weight):
        """Rows that the outer objective is taken on, and its loss."""
        from skweight import _meta_gradient, _net

        if self.outer == "real":
            return _net.LabelledRows(data.real.tokens, data.real.target), _meta_gradient.cross_entropy
        kept = np.argsort(-weight, kind="stable")[: max(1, round(_KEPT * len(weight)))]
        rows = _net.LabelledRows(data.synthetic.tokens.take(kept), data.synthetic.target[kept])
        return rows, reverse_cross_entropy


def hypergradient(alignment, weight):
    r"""Gradient of the outer objective in theta, for ``weight = sigmoid(theta)``, up to a constant.

    The constant left out is the inner learning rate divided by the sum of the weights: so small that the gradient would
    be lost in the epsilon of Adam, which does not ask for scale.
    """
    return -alignment * weight * (1 - weight)


def reverse_cross_entropy(logits, target, sharpness=10.0):
    """Cross-entropy of a sharpened label under the prediction, as published: the mean over the classes, not their sum.

    A scaled mean absolute error: a row with a wrong label cannot add more than `sharpness` over the number of classes.
    """
    import torch

    labels = torch.nn.functional.one_hot(target, logits.shape[-1])
    log_label = (sharpness * labels.to(logits.dtype)).log_softmax(dim=-1)
    return -(logits.softmax(dim=-1) * log_label).mean(dim=-1)
