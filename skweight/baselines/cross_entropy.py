"""Plain fine-tuning."""

from skweight._base import BaseTextClassifier


class CrossEntropyClassifier(BaseTextClassifier):
    """Text classifier fine-tuned with cross-entropy: every row weighs the same.

    It is the baseline to beat, the default checker of the weighted classifiers, and, fitted on the real rows alone, the
    "real only" baseline.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder, or "passthrough" for rows of numbers; see
        :class:`~skweight.DIMPClassifier`.
    real_weight : float, default=0.0
        If positive, rows of `real_X` join the training, each at this multiple of the mean weight. At 0 they are not
        used, except for early stopping.
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
        What each row weighed: 1, or its share of the ``sample_weight`` passed to `fit`.
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
