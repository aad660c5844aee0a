"""Distillation: a teacher's probabilities in place of the labels of synthetic rows."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skweight._checkers import BaseCheckedClassifier, own_label
from skweight._weights import product_of_experts


class DistilledClassifier(BaseCheckedClassifier):
    r"""Text classifier trained on synthetic texts with the quality checker's probabilities in place of their labels.

    The loss of a row is :math:`-\sum_k t_k(x) \log P_\theta(k|x)`. Without a diversity checker the target :math:`t` is
    :math:`P'(k|x)`, as in distillation [1]_: the labels of the synthetic rows are not used at all. With one it is the
    product of experts :math:`t_k \propto (P'(k|x) Q(k|x))^{exponent}`, where labels come in through :math:`Q`.

    These are the targets that weighing rows aims at, without the noise of single labels: on average over the labels,
    IMP-Loss is the first where its :math:`Q` is the true one, and DIMP-Loss ends at the second. A weighted classifier
    that is no better than distillation has been taught nothing by the labels of the synthetic rows.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. A head that comes with it is drawn anew. "passthrough":
        rows are numbers, precomputed embeddings for example, and a network with one hidden layer is trained on them.
    quality_checker : classifier, default=None
        The teacher: any classifier with ``predict_proba`` on texts, fitted on the real rows. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` on the same encoder with a budget for a few hundred rows;
        its parameters can be set, as ``quality_checker__max_epochs``. ``FrozenEstimator(fitted)`` is used as it is, and
        no real rows are needed.
    diversity_checker : classifier, "fast", "drop" or None, default="drop"
        The second expert, fitted on the synthetic rows. "drop" does without. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` with this classifier's own training parameters; "fast" is a
        logistic regression on words and pairs of words (TF-IDF), on numbers one on standardised features.
    exponent : float, default=0.5
        Exponent of both experts: 1/2 is where DIMP-Loss ends, 1 where IMP-Loss without its diversity checker does. Not
        used without a second expert.
    smoothing : float, default=0.0
        Share of the uniform distribution that is mixed into :math:`P'`.
    real_weight : float, default=0.0
        If positive, the real rows join the training with their labels, each at this multiple of the mean weight.
    missing_real : {"raise", "warn"}, default="raise"
        What to do about a class without real rows. "warn" lets its synthetic rows keep their labels; the targets of the
        other rows give it no probability.
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
        Where to keep tokens, fitted checkers and their probabilities, so that a search over `exponent` or options of
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
    target_proba_ : ndarray of shape (n_samples, n_classes)
        Targets of the training, columns in the order of ``classes_``. A row whose label a checker does not know has
        probability 1 for it. NaN on real rows and dropped ones.
    sample_weight_ : ndarray of shape (n_samples,)
        What each row weighed: 1, or its share of the ``sample_weight`` passed to `fit`. With `is_real`, real rows are 0
        unless they joined the training.
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
    skweight.IMPClassifier : Weights for the labels, from the same two checkers.
    skweight.DIMPClassifier : Weights that follow the model as it trains.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight.baselines import DistilledClassifier
    >>> from skweight.datasets import minilm_folder
    >>> synth_X = ["a warm film", "a dull, lifeless film", "a film of great charm", "boring", "charming and funny"]
    >>> synth_y = ["fresh", "rotten", "fresh", "rotten", "rotten"]
    >>> real_X, real_y = ["funny and warm", "great charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"]
    >>> teacher = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> clf = DistilledClassifier(minilm_folder(), quality_checker=teacher, max_epochs=1)
    >>> clf = clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
    >>> clf.target_proba_[:, 0].round(2)  # fresh, whatever the label says
    array([0.56, 0.36, 0.6 , 0.5 , 0.58])
    """

    _parameter_constraints: dict = {
        **BaseCheckedClassifier._parameter_constraints,
        "diversity_checker": [HasMethods(["fit"]), StrOptions({"drop", "fast"}), None],
        "exponent": [Interval(Real, 0, None, closed="neither")],
    }

    _missing_real_means = "keep their labels"

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        quality_checker=None,
        diversity_checker="drop",
        exponent=0.5,
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
        self.diversity_checker = diversity_checker
        self.exponent = exponent

    def _make_loss(self):
        from skweight.losses import DistillationLoss

        return DistillationLoss()

    def _weigh(self, data, rng):
        quality_seed, diversity_seed = self._checker_rng(rng).randint(np.iinfo(np.int32).max, size=2)
        quality = self._fit_quality_checker(data, quality_seed)
        if self.diversity_checker == "drop":
            target = product_of_experts(quality)
        else:
            target = product_of_experts(
                quality, self._fit_diversity_checker(data, diversity_seed), exponent=self.exponent
            )
        unknown = np.isnan(own_label(target, data.synthetic))
        target = np.nan_to_num(target, nan=0.0)
        target[unknown] = np.eye(len(data.classes))[data.synthetic.target[unknown]]
        self.target_proba_ = np.full((data.n_rows, len(data.classes)), np.nan)
        self.target_proba_[data.synthetic.index] = target
        return {**super()._weigh(data, rng), "target_proba": target}

    def _weigh_real(self, columns, real):
        columns, own = super()._weigh_real(columns, real)
        # The loss takes the label of a row without probabilities.
        return columns, {**own, "target_proba": np.full((len(real), columns["target_proba"].shape[1]), np.nan)}
