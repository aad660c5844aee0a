"""IMPClassifier and DIMPClassifier: text classifiers that weigh LLM-generated rows by what a few real rows say."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skweight._checkers import BaseCheckedClassifier, own_label
from skweight._weights import importance_weights, label_proba, smooth_proba


class _BaseImportanceClassifier(BaseCheckedClassifier):
    """What IMP and DIMP share: the options of the weight."""

    _parameter_constraints: dict = {
        **BaseCheckedClassifier._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="left")],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        quality_checker=None,
        gamma=1.0,
        clip=None,
        normalize=None,
        smoothing=0.0,
        real_weight=0.0,
        missing_real="raise",
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
        memory=None,
        callbacks=None,
        net_params=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            encoder,
            quality_checker=quality_checker,
            smoothing=smoothing,
            real_weight=real_weight,
            missing_real=missing_real,
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
            memory=memory,
            callbacks=callbacks,
            net_params=net_params,
            random_state=random_state,
            verbose=verbose,
        )
        self.gamma = gamma
        self.clip = clip
        self.normalize = normalize


class IMPClassifier(_BaseImportanceClassifier):
    r"""Text classifier trained on synthetic rows with IMP-Loss.

    A row weighs :math:`P'(y|x) / Q(y|x)`: its label's probability under a quality checker fitted on the real rows,
    divided by that under a diversity checker fitted on the synthetic rows. Rows that the real rows contradict weigh
    little, and so do rows that say what many others say.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    quality_checker : classifier, default=None
        Any classifier with ``predict_proba`` on texts, fitted on the real rows. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` on the same encoder with a budget for a few hundred rows;
        its parameters can be set, as ``quality_checker__max_epochs``. ``FrozenEstimator(fitted)`` is used as it is, and
        no real rows are needed.
    diversity_checker : classifier, "fast" or "drop", default=None
        The same, fitted on the synthetic rows. None takes a :class:`~skweight.baselines.CrossEntropyClassifier` with
        this classifier's own training parameters; a search over one of those then fits it anew, unless it is set apart,
        as ``diversity_checker__lr=5e-5``. "fast" is a logistic regression on words and pairs of words (TF-IDF), on
        numbers one on standardised features: it takes seconds, and tells duplicates apart better than an encoder does.
        "drop" leaves the denominator out: a row weighs :math:`P'(y|x)`.
    gamma : float, default=1.0
        Exponent of the weight; 0 is plain cross-entropy.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "global"}, default=None
        "global" divides the weights by their mean.
    smoothing : float, default=0.0
        Share of the uniform distribution that is mixed into :math:`P'`.
    real_weight : float, default=0.0
        If positive, the real rows join the training, each at this multiple of the mean weight.
    missing_real : {"raise", "warn"}, default="raise"
        What to do about a class without real rows. "warn" gives its synthetic rows the neutral weight 1.
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
        Share of the real rows that is held out. No checker sees them.
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
    memory : str, path or joblib.Memory, default=None
        Where to keep tokens, fitted checkers and their probabilities, so that a search over options of the weight or of
        training fits each checker once for each fold. The key is their content: texts, labels, parameters, seed, the
        encoder's files, the checker's code and the versions of the libraries. With ``random_state=None`` all fits
        share one seed for the checkers.
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
        What each row weighed, its ``sample_weight`` included. With `is_real`, real rows are 0 unless they joined the
        training.
    quality_proba_ : ndarray of shape (n_samples,)
        :math:`P'(y_i|x_i)`; NaN where it is not known, and on real rows.
    diversity_proba_ : ndarray of shape (n_samples,)
        :math:`Q(y_i|x_i)`. Not there with ``diversity_checker="drop"``.
    quality_checker_, diversity_checker_ : classifier
        The fitted checkers.
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
    DIMPClassifier : Weights that follow the model as it trains; one checker less to fit.
    skweight.baselines.CrossEntropyClassifier : The same training with equal weights.

    References
    ----------
    .. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
       Classification", ICLR 2025, arXiv:2410.21526.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight import IMPClassifier
    >>> from skweight.datasets import minilm_folder
    >>> synth_X = ["a warm film", "a dull, lifeless film", "a film of great charm", "boring", "charming and funny"]
    >>> synth_y = ["fresh", "rotten", "fresh", "rotten", "rotten"]
    >>> real_X, real_y = ["funny and warm", "great charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"]
    >>> checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> clf = IMPClassifier(minilm_folder(), quality_checker=checker, diversity_checker=checker, max_epochs=1)
    >>> clf = clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
    >>> clf.sample_weight_.round(2)
    array([1.1 , 0.98, 1.16, 0.73, 0.61])
    """

    _parameter_constraints: dict = {
        **_BaseImportanceClassifier._parameter_constraints,
        "diversity_checker": [HasMethods(["fit"]), StrOptions({"drop", "fast"}), None],
        "normalize": [StrOptions({"global"}), None],
    }

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        quality_checker=None,
        diversity_checker=None,
        gamma=1.0,
        clip=None,
        normalize=None,
        smoothing=0.0,
        real_weight=0.0,
        missing_real="raise",
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
        memory=None,
        callbacks=None,
        net_params=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            encoder,
            quality_checker=quality_checker,
            gamma=gamma,
            clip=clip,
            normalize=normalize,
            smoothing=smoothing,
            real_weight=real_weight,
            missing_real=missing_real,
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
            memory=memory,
            callbacks=callbacks,
            net_params=net_params,
            random_state=random_state,
            verbose=verbose,
        )
        self.diversity_checker = diversity_checker

    def _make_loss(self):
        from skweight.losses import WeightedCrossEntropy

        return WeightedCrossEntropy()

    def _weigh(self, data, rng):
        quality_seed, diversity_seed = self._checker_rng(rng).randint(np.iinfo(np.int32).max, size=2)
        quality, diversity = own_label(self._fit_quality_checker(data, quality_seed), data.synthetic), None
        if self.diversity_checker != "drop":
            diversity = own_label(self._fit_diversity_checker(data, diversity_seed), data.synthetic)
        weights = importance_weights(quality, diversity, gamma=self.gamma, clip=self.clip, normalize=self.normalize)
        return {"sample_weight": weights * data.synthetic.mean_one_weight}

    def compute_weights(self, X, y):
        """Weights of labelled rows under the fitted checkers.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            Texts, or pairs of texts.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        weights : ndarray of shape (n_samples,)
        """
        return _compute_weights(self, X, y, getattr(self, "diversity_checker_", None))


class DIMPClassifier(_BaseImportanceClassifier):
    r"""Text classifier trained on synthetic rows with DIMP-Loss.

    At every step a row weighs :math:`P'(y|x) / P_\theta(y|x)`: its label's probability under a quality checker fitted
    on the real rows, divided by that under the model being trained, without gradient. Rows that the real rows
    contradict weigh little, and so do rows the model has already learnt.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    quality_checker : classifier, default=None
        Any classifier with ``predict_proba`` on texts, fitted on the real rows. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` on the same encoder with a budget for a few hundred rows;
        its parameters can be set, as ``quality_checker__max_epochs``. ``FrozenEstimator(fitted)`` is used as it is, and
        no real rows are needed.
    gamma : float, default=1.0
        Exponent of the weight; 0 is plain cross-entropy.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "batch"}, default=None
        "batch" divides the weights of a step by their mean.
    smoothing : float, default=0.0
        Share of the uniform distribution that is mixed into :math:`P'`.
    real_weight : float, default=0.0
        If positive, the real rows join the training, each at this multiple of the mean weight of its step.
    missing_real : {"raise", "warn"}, default="raise"
        What to do about a class without real rows. "warn" gives its synthetic rows the neutral weight 1.
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
        Share of the real rows that is held out. The quality checker does not see them.
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
    memory : str, path or joblib.Memory, default=None
        Where to keep tokens, fitted checkers and their probabilities, so that a search over options of the weight or of
        training fits each checker once for each fold. The key is their content: texts, labels, parameters, seed, the
        encoder's files, the checker's code and the versions of the libraries. With ``random_state=None`` all fits
        share one seed for the checkers.
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
        What each row weighed in the last epoch, its ``sample_weight`` included. With `is_real`, real rows are 0 unless
        they joined the training.
    quality_proba_ : ndarray of shape (n_samples,)
        :math:`P'(y_i|x_i)`; NaN where it is not known, and on real rows.
    quality_checker_ : classifier
        The fitted quality checker.
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
    IMPClassifier : Weights that are fixed before training, with a diversity checker.
    skweight.baselines.CrossEntropyClassifier : The same training with equal weights.

    References
    ----------
    .. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
       Classification", ICLR 2025, arXiv:2410.21526.

    Examples
    --------
    >>> from skweight import DIMPClassifier
    >>> from skweight.datasets import minilm_folder
    >>> synth_X = ["a warm film", "a dull, lifeless film", "a film of great charm", "boring", "charming and funny"]
    >>> synth_y = ["fresh", "rotten", "fresh", "rotten", "rotten"]
    >>> real_X, real_y = ["funny and warm", "great charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"]
    >>> clf = DIMPClassifier(minilm_folder(), max_epochs=5, lr=1e-4, random_state=0)
    >>> clf = clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
    >>> int(clf.quality_proba_.argmin())  # the charming film that is called rotten
    4
    """

    _parameter_constraints: dict = {
        **_BaseImportanceClassifier._parameter_constraints,
        "normalize": [StrOptions({"batch"}), None],
    }

    def _make_loss(self):
        from skweight.losses import DIMPLoss

        return DIMPLoss(gamma=self.gamma, clip=self.clip, normalize=self.normalize)

    def _weigh(self, data, rng):
        seed = self._checker_rng(rng).randint(np.iinfo(np.int32).max)
        quality = own_label(self._fit_quality_checker(data, seed), data.synthetic)
        with np.errstate(divide="ignore"):  # a probability of zero: the loss takes -inf
            return {"sample_weight": data.synthetic.mean_one_weight, "log_quality": np.log(quality)}

    def _weigh_real(self, columns, real):
        # The mean weight moves with the model, so the loss takes it from the batch.
        synthetic = {**columns, "real_weight": np.full(len(columns["sample_weight"]), np.nan)}
        own = {
            "sample_weight": np.ones(len(real)),
            "log_quality": np.full(len(real), np.nan),
            "real_weight": self.real_weight * real.mean_one_weight,
        }
        return synthetic, own

    def compute_weights(self, X, y):
        """Weights of labelled rows under the quality checker and the trained model.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            Texts, or pairs of texts.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        weights : ndarray of shape (n_samples,)
            What the rows would weigh in a next step, dropout apart.
        """
        return _compute_weights(self, X, y, self)


def _compute_weights(classifier, X, y, denominator):
    check_is_fitted(classifier)
    rows = classifier._check_inputs(X)[0]
    quality = label_proba(classifier.quality_checker_, rows, y)
    return importance_weights(
        smooth_proba(quality, classifier.smoothing, len(classifier.quality_checker_.classes_)),
        None if denominator is None else label_proba(denominator, X if denominator is classifier else rows, y),
        gamma=classifier.gamma,
        clip=classifier.clip,
        normalize=None if classifier.normalize is None else "global",
    )
