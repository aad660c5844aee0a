"""Fine-tuning with focal loss."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from skweight._base import BaseTextClassifier


class FocalClassifier(BaseTextClassifier):
    """Text classifier fine-tuned with focal loss: rows that the model is sure of weigh less.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    gamma : float, default=1.0
        A row weighs ``(1 - p) ** gamma``, with ``p`` the model's probability of its label.
    detach : bool, default=True
        Whether that factor is held constant in the gradient, as in the paper's comparison. Lin et al. let the gradient
        through (``detach=False``, with ``gamma=2``).
    real_weight : float, default=0.0
        If positive, rows of `real_X` join the training with this sample weight.
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

    _parameter_constraints: dict = {
        **BaseTextClassifier._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="left")],
        "detach": ["boolean"],
    }

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        gamma=1.0,
        detach=True,
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
        self.gamma = gamma
        self.detach = detach

    def _make_loss(self):
        from skweight.losses import FocalLoss

        return FocalLoss(gamma=self.gamma, detach=self.detach)
