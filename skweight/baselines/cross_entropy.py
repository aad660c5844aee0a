"""Plain fine-tuning."""

from skweight._base import BaseTextClassifier


class CrossEntropyClassifier(BaseTextClassifier):
    """Text classifier fine-tuned with cross-entropy: every row weighs the same.

    It is the baseline to beat, the default checker of the weighted classifiers, and, fitted on the real rows alone, the
    "real only" baseline.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    real_weight : float, default=0.0
        If positive, rows of `real_X` join the training, each at this multiple of the mean weight. At 0 they are not
        used, except for early stopping.
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
        What each row weighed: 1, or its share of the ``sample_weight`` passed to `fit`.
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

    Examples
    --------
    >>> from skweight.baselines import CrossEntropyClassifier
    >>> from skweight.datasets import minilm_folder
    >>> clf = CrossEntropyClassifier(minilm_folder(), max_epochs=10, lr=1e-4, random_state=0)
    >>> clf = clf.fit(["warm and funny", "full of charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"])
    >>> clf.predict(["a charming film", "boring"])
    array(['fresh', 'rotten'], dtype='<U6')
    """

    def _make_loss(self):
        from skweight.losses import WeightedCrossEntropy

        return WeightedCrossEntropy()
