"""Fine-tuning with focal loss."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from skweight._base import BaseTextClassifier


class FocalClassifier(BaseTextClassifier):
    """Text classifier fine-tuned with focal loss: rows that the model is sure of weigh less.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder, or "passthrough" for rows of numbers; see
        :class:`~skweight.DIMPClassifier`.
    gamma : float, default=1.0
        A row weighs ``(1 - p) ** gamma``, with ``p`` the model's probability of its label.
    detach : bool, default=True
        Whether that factor is held constant in the gradient, as in the paper's comparison. Lin et al. let the gradient
        through (``detach=False``, with ``gamma=2``).
    real_weight : float, default=0.0
        If positive, rows of `real_X` join the training with this sample weight.
    max_epochs, lr, batch_size, max_length, weight_decay, warmup_ratio, max_grad_norm
        Training parameters, see :class:`~skweight.DIMPClassifier`.
    early_stopping, validation_fraction, n_iter_no_change
        Early stopping on held-out rows of `real_X`, see :class:`~skweight.DIMPClassifier`.
    on_bad_rows, device, precision, compile, callbacks, net_params, random_state, verbose
        See :class:`~skweight.DIMPClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the data type of `y`.
    sample_weight_ : ndarray of shape (n_samples,)
        What each row weighed in the last epoch, its ``sample_weight`` included.
    module_ : transformers.PreTrainedModel
        The trained model.
    tokenizer_ : transformers tokenizer
    history_ : list of dict
        One dictionary per epoch.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Number of columns of `X`. Only if `X` was a data frame, or with ``encoder="passthrough"``.
    feature_names_in_ : ndarray of str
        Names of the columns of `X`. Only if `X` was a data frame.

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
