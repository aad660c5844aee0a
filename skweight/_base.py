"""The scikit-learn contract, once, for every text classifier of this package."""

import os
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from skweight._labels import check_labels
from skweight._text import TokenizedTexts, check_texts, concatenate, name_rows, tokenize, warn_if_unknown
from skweight._weights import effective_sample_size
from skweight.exceptions import warn

# torch and transformers take seconds to import: `_net` is imported inside the methods that need it, so that
# `import skweight` and building an estimator stay quick.


@dataclass
class FitData:
    """What `fit` was given, checked.

    Attributes
    ----------
    texts, real_texts : list of str or of (str, str); `real_texts` is None if there are none
    tokens, real_tokens : TokenizedTexts, filled in last
    labels, real_labels : ndarray in the labels' own data type
    target, real_target : ndarray of int64
        Indices into ``classes``.
    sample_weight : ndarray of shape (n_rows,), mean 1
    classes : ndarray of shape (n_classes,)
    kept : ndarray of int
        Which rows of X the texts are.
    n_rows : int
        Rows of X.
    """

    texts: list | TokenizedTexts
    labels: np.ndarray
    target: np.ndarray
    sample_weight: np.ndarray
    classes: np.ndarray
    kept: np.ndarray
    n_rows: int
    tokens: TokenizedTexts | None = None
    real_texts: list | None = None
    real_tokens: TokenizedTexts | None = None
    real_labels: np.ndarray | None = None
    real_target: np.ndarray | None = None


class BaseTextClassifier(ClassifierMixin, BaseEstimator):
    """Text classifier on a pretrained encoder, trained with one weight per row.

    A subclass says which loss (:meth:`_make_loss`) and which weights (:meth:`_weigh`) it trains with.
    """

    _parameter_constraints: dict = {
        "encoder": [str, os.PathLike],
        "real_weight": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 3, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup_ratio": [Interval(Real, 0, 1, closed="both")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "on_bad_rows": [StrOptions({"raise", "drop"})],
        "device": "no_validation",  # here; `_net.resolve_device` knows which devices there are
        "precision": [StrOptions({"auto", "fp32", "bf16", "fp16"})],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _title = None  # name on the progress bar, where it is not the class's

    def __init__(
        self,
        encoder="google-bert/bert-base-uncased",
        *,
        real_weight=0.0,
        max_epochs=5,
        lr=5e-5,
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
        self.encoder = encoder
        self.real_weight = real_weight
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.max_length = max_length
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.max_grad_norm = max_grad_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.on_bad_rows = on_bad_rows
        self.device = device
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    # -- what a subclass says ------------------------------------------------------------------------------------------

    def _make_loss(self):
        """Loss to train with, a :class:`skweight.losses.WeightedLoss`."""
        raise NotImplementedError

    def _weigh(self, data, rng):
        """Find what the loss wants to know of each synthetic row before training.

        Returns
        -------
        columns : dict of str to ndarray of shape (n_rows,)
            Arguments of the loss; ``sample_weight`` is always among them.
        """
        return {"sample_weight": data.sample_weight}

    def _weigh_real(self, columns, n_real):
        """Return the same columns for real rows that join the training, and the synthetic rows' own."""
        weight = self.real_weight * columns["sample_weight"].mean()
        return columns, {"sample_weight": np.full(n_real, weight)}

    def _needs_real(self):
        """Whether `fit` cannot do without real rows."""
        return False

    # -- fit -----------------------------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)  # checkers are estimators with parameters of their own
    def fit(self, X, y, *, real_X=None, real_y=None, sample_weight=None):
        """Train on synthetic rows, weighted with the help of real ones.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            Synthetic texts, or pairs of texts.
        y : array-like of shape (n_samples,)
            Their labels: strings, integers or booleans.
        real_X : array-like of shape (n_real,) or (n_real, 2), default=None
            Real texts.
        real_y : array-like of shape (n_real,), default=None
            Their labels, of the same kind as `y`.
        sample_weight : array-like of shape (n_samples,), default=None
            Multiplies the weights of the synthetic rows. Only ratios matter: it is scaled to mean 1.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError, TypeError
            If a text, label or weight cannot be used; the message names the row.
        FloatingPointError
            If the loss becomes infinite or NaN.
        """
        from skweight import _net

        device = _net.resolve_device(self.device)
        for name in [name for name in vars(self) if name.endswith("_") and not name.startswith("_")]:
            delattr(self, name)  # an interrupted fit must not leave half of an older one behind
        rng = check_random_state(self.random_state)
        # One seed for each use, drawn up front: what the checkers do does not change how the classifier itself trains.
        seed, holdout_seed, weights_seed = (int(s) for s in rng.randint(np.iinfo(np.int32).max, size=3))
        data = self._check_data(X, y, real_X, real_y, sample_weight)
        tokenizer = _net.load_tokenizer(self.encoder)
        self._check_max_length(tokenizer, _net.load_config(self.encoder))
        self._tokenize_data(data, tokenizer)
        data, valid = self._hold_out(data, np.random.RandomState(holdout_seed))
        columns = self._weigh(data, np.random.RandomState(weights_seed))

        train_set = _net.LabelledTexts(data.tokens, data.target, columns)
        if self.real_weight > 0:
            columns, real_columns = self._weigh_real(columns, len(data.real_tokens))
            train_set = _net.LabelledTexts(
                concatenate(data.tokens, data.real_tokens),
                np.concatenate([data.target, data.real_target]),
                {name: np.concatenate([column, real_columns[name]]) for name, column in columns.items()},
            )
        module = _net.load_module(
            self.encoder, [str(label) for label in data.classes.tolist()], seed, tokenizer.pad_token_id
        )
        training = _net.train(
            module.to(device),
            self._make_loss(),
            train_set,
            valid=None if valid is None else _net.LabelledTexts(*valid),
            seed=seed,
            device=device,
            callbacks=[clone(callback) for callback in self.callbacks or []],
            title=self._title or type(self).__name__,
            **{name: getattr(self, name) for name in _TRAIN_PARAMS},
        )
        self.classes_ = data.classes
        self.text_pairs_ = data.tokens.paired
        self.module_ = module
        self.tokenizer_ = tokenizer
        self.history_ = training.history
        self.n_iter_ = len(training.history)
        if training.best_epoch is not None:
            self.best_epoch_ = training.best_epoch
            self.validation_score_ = self.history_[self.best_epoch_ - 1]["valid_accuracy"]
        self.sample_weight_ = _spread(training.weights[: len(data.texts)], data, fill=0.0)
        self._warn_if_collapsed(training.weights[: len(data.texts)])
        return self

    def _check_data(self, X, y, real_X, real_y, sample_weight):
        texts, labels, kept, n_rows = self._check_rows(X, y, "X", "y")
        classes, target = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 classes in y, got 1: {classes.tolist()}.")
        data = FitData(
            texts=texts,
            labels=labels,
            target=target.astype(np.int64),
            sample_weight=_check_sample_weight(sample_weight, n_rows)[kept],
            classes=classes,
            kept=kept,
            n_rows=n_rows,
        )
        if data.sample_weight.sum() == 0:
            raise ValueError("sample_weight must not be zero for all rows.")
        data.sample_weight = data.sample_weight / data.sample_weight.mean()
        if (real_X is None) != (real_y is None):
            raise ValueError("Pass both real_X and real_y, or neither.")
        if real_X is None:
            uses = {"real_weight > 0": self.real_weight > 0, "early_stopping=True": self.early_stopping}
            if self._needs_real():
                raise ValueError(
                    f"{type(self).__name__}.fit needs real data: pass real_X and real_y, or a fitted quality_checker "
                    "as FrozenEstimator(checker)."
                )
            if any(uses.values()):
                use = " and ".join(name for name, used in uses.items() if used)
                raise ValueError(f"{use} needs real data: pass real_X and real_y.")
            return data
        real_texts, real_labels, _, _ = self._check_rows(real_X, real_y, "real_X", "real_y")
        code_of = {label: code for code, label in enumerate(classes.tolist())}
        unknown = sorted(set(real_labels.tolist()) - set(code_of), key=str)
        if unknown:
            raise ValueError(
                f"real_y holds labels that y does not: {unknown}; y holds {classes.tolist()}. If this fit ran inside a "
                "meta-estimator that re-encodes y (VotingClassifier, OneVsRestClassifier, …), fit it on its own."
            )
        data.real_texts = real_texts
        data.real_labels = real_labels
        data.real_target = np.array([code_of[label] for label in real_labels.tolist()], dtype=np.int64)
        if isinstance(real_texts[0], tuple) != isinstance(texts[0], tuple):
            raise ValueError("X and real_X must both hold single texts or both hold pairs of texts.")
        synthetic = set(texts)
        shared = [i for i, text in enumerate(real_texts) if text in synthetic]
        if shared:
            warn(
                f"SKW030: {len(shared)} of the {len(real_texts)} real texts ({name_rows(shared)}) are also among the "
                "synthetic ones, which makes those look better than they are."
            )
        return data

    def _tokenize_data(self, data, tokenizer):
        if isinstance(data.texts, TokenizedTexts):
            data.tokens = data.texts
        else:
            data.tokens = self._tokenize(data.texts, tokenizer, "X")
            warn_if_unknown(data.tokens, tokenizer)
        if data.real_texts is not None:
            data.real_tokens = self._tokenize(data.real_texts, tokenizer, "real_X")

    def _check_rows(self, X, y, X_name, y_name):
        drop = self.on_bad_rows == "drop"
        if isinstance(X, TokenizedTexts):  # from the estimator whose checker this is
            return X, check_labels(y, y_name)[0], np.arange(len(X)), len(X)
        texts, kept = check_texts(X, X_name, min_samples=2, drop_missing=drop)
        labels, unlabelled = check_labels(y, y_name, drop_missing=drop)
        n_rows = _n_rows(X)
        if n_rows != len(labels):
            raise ValueError(f"{X_name} has {n_rows} rows but {y_name} has {len(labels)}.")
        good = ~np.isin(kept, unlabelled)
        kept = kept[good]
        if len(kept) < n_rows:
            texts = [text for text, g in zip(texts, good, strict=True) if g]
            warn(f"SKW014: dropped {n_rows - len(kept)} of {n_rows} rows of {X_name} with a missing text or label.")
        return texts, labels[kept], kept, n_rows

    def _check_max_length(self, tokenizer, config):
        from skweight import _net

        limit = _net.length_limit(tokenizer, config)
        if limit is not None and self.max_length > limit:
            raise ValueError(
                f"max_length={self.max_length} is above the limit of {str(self.encoder)!r}, {limit} tokens."
            )

    def _tokenize(self, texts, tokenizer, name):
        return tokenize(texts, tokenizer, self.max_length, self._token_source(), name)

    def _token_source(self):
        return (str(self.encoder), self.max_length)

    def _hold_out(self, data, rng):
        """Take the rows for early stopping out of the real ones, before any checker sees them."""
        if not self.early_stopping:
            return data, None
        held_of_class = []
        for code in np.unique(data.real_target):
            rows = np.flatnonzero(data.real_target == code)
            # At least one row of each class stays, or the quality checker would not know the class.
            size = min(max(round(self.validation_fraction * len(rows)), 1), len(rows) - 1)
            if size == 0:
                warn(f"SKW023: class {data.classes.tolist()[code]!r} has one real row, which is not held out.")
            held_of_class.append(rng.permutation(rows)[:size])
        held = np.sort(np.concatenate(held_of_class))
        if not len(held):
            raise ValueError("early_stopping needs a class with at least 2 real rows, to hold one of them out.")
        rest = np.setdiff1d(np.arange(len(data.real_target)), held)
        valid = (data.real_tokens.take(held), data.real_target[held])
        data.real_texts = [data.real_texts[i] for i in rest]
        data.real_tokens = data.real_tokens.take(rest)
        data.real_labels, data.real_target = data.real_labels[rest], data.real_target[rest]
        self.real_validation_indices_ = held
        return data, valid

    def _warn_if_collapsed(self, weights, least=0.1):
        size = effective_sample_size(weights)
        if size < least * len(weights):
            warn(
                f"SKW041: the weights have collapsed: {len(weights)} rows count as {size:.1f} (effective sample size). "
                "Try clip=10, a smaller gamma, or look at the quality checker."
            )

    # -- predict -------------------------------------------------------------------------------------------------------

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            Texts, or pairs of texts.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float64
            Columns in the order of ``classes_``. Computed in float32 whatever `precision` the model was trained in.
        """
        check_is_fitted(self)
        from skweight import _net

        tokens = X if isinstance(X, TokenizedTexts) else self._tokenize(check_texts(X)[0], self.tokenizer_, "X")
        if tokens.paired != self.text_pairs_:
            kinds = ("pairs of texts", "single texts")
            fitted, given = kinds if self.text_pairs_ else kinds[::-1]
            raise ValueError(f"{type(self).__name__} was fitted on {fitted}, but X holds {given}.")
        logits = _net.predict_logits(self.module_, tokens).astype(np.float64)
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Most probable class of each text.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            Texts, or pairs of texts.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, in the data type of the `y` that the classifier was fitted on.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    # -- persistence ---------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder, *, training=True):
        """Save as a Hugging Face folder that also opens with ``transformers.pipeline``.

        Parameters
        ----------
        folder : str or path
            Made if it is not there.
        training : bool, default=True
            Whether the weights of the training rows are saved too.
        """
        from skweight import _persistence

        check_is_fitted(self)
        _persistence.save(self, folder, training=training)

    @classmethod
    def from_pretrained(cls, folder, *, device=None):
        """Load a classifier that :meth:`save_pretrained` saved.

        Parameters
        ----------
        folder : str or path
        device : str, default=None
            Where to put the model; None takes the saved ``device`` parameter.

        Returns
        -------
        classifier : object
            A fitted classifier that gives the same predictions as the one that was saved.

        Raises
        ------
        ValueError
            If the folder holds another class, or was written by a newer version.
        """
        from skweight import _persistence

        classifier = _persistence.load(folder, device=device)
        if not isinstance(classifier, cls):
            raise ValueError(f"{folder} holds a {type(classifier).__name__}, not a {cls.__name__}.")
        return classifier

    def __getstate__(self):
        state = super().__getstate__()
        if "module_" in state:
            # A pickle made on a GPU must open without one. Nothing else that lives on a device is kept after fit.
            module = state["module_"]
            if next(module.parameters()).device.type != "cpu":
                import copy

                state = {**state, "module_": copy.deepcopy(module).cpu()}
        return state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.non_deterministic = False
        return tags


_TRAIN_PARAMS = (
    "max_epochs",
    "lr",
    "batch_size",
    "weight_decay",
    "warmup_ratio",
    "max_grad_norm",
    "n_iter_no_change",
    "precision",
    "compile",
    "net_params",
    "verbose",
)


def _spread(values, data, fill):
    """One value per row of X: `fill` where the row was dropped."""
    spread = np.full(data.n_rows, fill)
    spread[data.kept] = values
    return spread


def _n_rows(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _check_sample_weight(sample_weight, n_rows):
    if sample_weight is None:
        return np.ones(n_rows)
    sample_weight = check_array(
        sample_weight, ensure_2d=False, ensure_min_samples=0, dtype=np.float64, input_name="sample_weight"
    )
    if sample_weight.shape != (n_rows,):
        raise ValueError(f"sample_weight.shape == {sample_weight.shape}, expected {(n_rows,)}.")
    if (sample_weight < 0).any():
        row = int(np.argmax(sample_weight < 0))
        raise ValueError(f"sample_weight must not be negative; sample_weight[{row}] is {sample_weight[row]}.")
    return sample_weight
