"""The scikit-learn contract, once, for every text classifier of this package."""

import itertools
import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _num_samples, check_array, check_is_fitted, validate_data

from skweight._features import Features, check_features
from skweight._labels import check_is_real, check_labels
from skweight._text import (
    Tally,
    TokenizedTexts,
    check_texts,
    count_empty,
    name_rows,
    tokenize,
    warn_if_truncated,
    warn_if_unknown,
)
from skweight._weights import effective_sample_size
from skweight.exceptions import RealDataSlicedWarning, warn

# torch and transformers take seconds to import: `_net` is imported inside the methods that need it, so that
# `import skweight` and building an estimator stay quick.


# Peak learning rates for lr="auto", by whether the encoder is "passthrough": within the usual range for fine-tuning a
# pretrained encoder, and for a head that starts from random values on standardised features.
AUTO_LR = {False: 5e-5, True: 3e-3}


@dataclass
class Rows:
    """Labelled rows of one kind, checked.

    Attributes
    ----------
    X : list of str or of (str, str), or ndarray of shape (n_rows, n_features)
        What a checker is given.
    y : ndarray of shape (n_rows,), in the labels' own data type
    weight : ndarray of shape (n_rows,), mean 1, or None
        The user's ``sample_weight``.
    index : ndarray of int
        Which rows of the data set that was passed to `fit` they are.
    target : ndarray of int64
        Indices into ``classes``.
    tokens : TokenizedTexts or Features
        `X` as the network reads it.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    index: np.ndarray
    target: np.ndarray | None = None
    tokens: TokenizedTexts | Features | None = None

    def __len__(self):
        return len(self.index)

    def take(self, rows):
        """Return the rows `rows` alone."""
        return Rows(
            X=_safe_indexing(self.X, rows),
            y=self.y[rows],
            weight=None if self.weight is None else self.weight[rows],
            index=self.index[rows],
            target=None if self.target is None else self.target[rows],
            tokens=None if self.tokens is None else self.tokens.take(rows),
        )

    @property
    def mean_one_weight(self):
        return np.ones(len(self)) if self.weight is None else self.weight


@dataclass
class FitData:
    """What `fit` was given.

    Attributes
    ----------
    synthetic : Rows
    real : Rows or None
    classes : ndarray of shape (n_classes,)
    n_rows : int
        Rows of X.
    """

    synthetic: Rows
    real: Rows | None
    classes: np.ndarray
    n_rows: int

    def spread(self, values, fill):
        """One value per row of X from one per synthetic row: `fill` where a row is real or was dropped."""
        spread = np.full(self.n_rows, fill)
        spread[self.synthetic.index] = values
        return spread


class BaseTextClassifier(ClassifierMixin, BaseEstimator):
    """Text classifier on a pretrained encoder, trained with one weight per row.

    A subclass says which loss (:meth:`_make_loss`) and which weights (:meth:`_weigh`) it trains with.
    """

    # Whoever passes these to a search or a pipeline means this classifier. sample_weight stays a matter of
    # set_fit_request, as in scikit-learn.
    __metadata_request__fit = {"real_X": True, "real_y": True, "is_real": True}

    _doc_link_module = "skweight"
    _doc_link_template = "https://skweight.readthedocs.io/en/latest/generated/{estimator_module}.{estimator_name}.html"

    def _doc_link_url_param_generator(self):
        # Pages are named after where a class is imported from, not after the file that holds it.
        module = type(self).__module__.rpartition(".")[0]
        return {"estimator_module": module, "estimator_name": type(self).__name__}

    _parameter_constraints: dict = {
        "encoder": [str, os.PathLike],
        "real_weight": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
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
        return {"sample_weight": data.synthetic.mean_one_weight}

    def _step_weights(self, data, rng):
        """Return what weighs the rows of a batch inside every step (see :func:`skweight._net.train`), or None."""

    def _weigh_real(self, columns, real):
        """Return the synthetic rows' columns, and the same for real rows that join the training."""
        weight = self.real_weight * columns["sample_weight"].mean()
        return columns, {"sample_weight": weight * real.mean_one_weight}

    def _needs_real(self):
        """Whether `fit` cannot do without real rows."""
        return False

    def _tokenize(self, texts, tokenizer):
        """Tokenise what `fit` was given; a subclass may look it up."""
        return tokenize(texts, tokenizer, self.max_length, self._token_source())

    # -- fit -----------------------------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)  # checkers are estimators with parameters of their own
    def fit(self, X, y, *, real_X=None, real_y=None, is_real=None, sample_weight=None):
        """Train on synthetic rows, weighted with the help of real ones.

        Real rows come as `real_X` and `real_y`, or, for searches and cross-validation, among the rows of `X`, marked by
        `is_real`.

        Parameters
        ----------
        X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features)
            Synthetic texts, pairs of texts, or with ``encoder="passthrough"`` rows of numbers.
        y : array-like of shape (n_samples,)
            Their labels: strings, integers or booleans.
        real_X : array-like of shape (n_real,), (n_real, 2) or (n_real, n_features), default=None
            Real rows. In a cross-validation that is to leave them whole although they are as many as the synthetic
            ones: a tuple with the data set as its only element, ``(real_X,)``.
        real_y : array-like of shape (n_real,), default=None
            Their labels, of the same kind as `y`; ``(real_y,)`` where `real_X` is a tuple.
        is_real : array-like of shape (n_samples,), default=None
            True for the rows of `X` that are real; see :func:`skweight.model_selection.stack_real`.
        sample_weight : array-like of shape (n_samples,), default=None
            Multiplies the weights of the rows of `X`. Only ratios matter: it is scaled to mean 1, for synthetic and
            real rows apart. Weights of real rows are given to the quality checker.

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
        from skweight import _net, _processes

        world = _processes.join(self.device)
        device = _net.resolve_device(self.device)
        for name in [name for name in vars(self) if name.endswith("_") and not name.startswith("_")]:
            delattr(self, name)  # an interrupted fit must not leave half of an older one behind
        rng = check_random_state(self.random_state)
        # One seed for each use, drawn up front: what the checkers do does not change how the classifier itself trains.
        seeds = world.agree(rng.randint(np.iinfo(np.int32).max, size=4).tolist())
        seed, holdout_seed, weights_seed, step_seed = seeds
        data = self._check_data(X, y, real_X, real_y, is_real, sample_weight)
        tokenizer: Any = None if self._passthrough else self._load_tokenizer()
        self._encode_data(data, tokenizer)
        valid = self._hold_out(data, np.random.RandomState(holdout_seed)) if self.early_stopping else None
        columns = self._weigh(data, np.random.RandomState(weights_seed))

        module = self._make_module(data, seed).to(device)
        training = self._train(
            module,
            self._make_train_set(data, columns),
            seed=seed,
            valid=None if valid is None else _net.LabelledRows(valid.tokens, valid.target),
            step_weights=self._step_weights(data, np.random.RandomState(step_seed)),
            callbacks=[clone(callback) for callback in self.callbacks or []],
        )
        self.classes_ = data.classes
        self.module_ = module
        if tokenizer is not None:
            self.text_pairs_ = data.synthetic.tokens.paired
            self.tokenizer_ = tokenizer
        self.history_ = training.history
        self.n_iter_ = len(training.history)
        if training.best_epoch is not None:
            self.best_epoch_ = training.best_epoch
            self.validation_score_ = self.history_[self.best_epoch_ - 1]["valid_accuracy"]
        weights, real_weights = np.split(training.weights, [len(data.synthetic)])
        self.sample_weight_ = data.spread(weights, fill=0.0)
        if is_real is not None and len(real_weights):
            self.sample_weight_[data.real.index] = real_weights
        self._warn_if_collapsed(weights)
        return self

    def _make_module(self, data, seed):
        from skweight import _net

        names = [str(label) for label in data.classes.tolist()]
        if self._passthrough:
            return _net.make_head(data.synthetic.X, names, seed)
        return _net.load_module(self.encoder, names, seed, data.synthetic.tokens.pad_id)

    def _train(self, module, rows, *, seed, **settings):
        """Train a module in place with this classifier's loss and parameters, but for `settings`."""
        from skweight import _net

        own = {name: getattr(self, name) for name in _TRAIN_PARAMS}
        own["lr"] = AUTO_LR[self._passthrough] if self.lr == "auto" else self.lr
        own |= {"title": self._title or type(self).__name__, "callbacks": None}
        device = _net.resolve_device(self.device)
        return _net.train(module, self._make_loss(), rows, seed=seed, device=device, **{**own, **settings})

    def _make_train_set(self, data, columns):
        from skweight import _net

        rows, target = data.synthetic.tokens, data.synthetic.target
        if self.real_weight > 0:
            rows, target = rows.extend(data.real.tokens), np.concatenate([target, data.real.target])
            columns, real_columns = self._weigh_real(columns, data.real)
            columns = {name: np.concatenate([column, real_columns[name]]) for name, column in columns.items()}
        return _net.LabelledRows(rows, target, columns)

    def _check_data(self, X, y, real_X, real_y, is_real, sample_weight):
        rows, n_rows = self._check_rows(X, y, sample_weight, reset=True)
        real = None
        if is_real is not None:
            if real_X is not None or real_y is not None:
                raise ValueError("Pass real_X and real_y, or is_real, not both.")
            marked = check_is_real(is_real, n_rows)[rows.index]
            if marked.all() or not marked.any():
                raise ValueError(
                    f"is_real must mark some rows as real and leave some synthetic; it marks {marked.sum()} of "
                    f"{len(marked)}. Was the data split by a splitter that does not know about is_real? Use RealKFold."
                )
            rows, real = rows.take(np.flatnonzero(~marked)), rows.take(np.flatnonzero(marked))
        elif (real_X is None) != (real_y is None):
            raise ValueError("Pass both real_X and real_y, or neither.")
        elif real_X is not None:
            real, n_real = self._check_rows(_unwrap(real_X), _unwrap(real_y), None, X_name="real_X", y_name="real_y")
            if n_real == n_rows and _unwrap(real_X) is real_X:
                _warn_of_slicing(n_rows)

        for kind in (rows, real):
            if kind is not None and kind.weight is not None:
                if kind.weight.sum() == 0:
                    raise ValueError(f"sample_weight must not be zero for all {'real ' * (kind is real)}rows.")
                kind.weight = kind.weight / kind.weight.mean()
        classes, rows.target = np.unique(rows.y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 classes in y, got 1: {classes.tolist()}.")
        if real is None:
            self._check_real_needed()
        else:
            self._check_real(rows, real, classes, "real_y" if is_real is None else "y")
        return FitData(rows, real, classes, n_rows)

    def _check_real_needed(self):
        if self._needs_real():
            instead = ", or a fitted quality_checker as FrozenEstimator(checker)" * hasattr(self, "quality_checker")
            raise ValueError(f"{type(self).__name__}.fit needs real data: pass real_X and real_y, or is_real{instead}.")
        uses = {"real_weight > 0": self.real_weight > 0, "early_stopping=True": self.early_stopping}
        if any(uses.values()):
            use = " and ".join(name for name, used in uses.items() if used)
            raise ValueError(f"{use} needs real data: pass real_X and real_y, or is_real.")

    def _check_real(self, synthetic, real, classes, y_name):
        code_of = {label: code for code, label in enumerate(classes.tolist())}
        unknown = sorted(set(real.y.tolist()) - set(code_of), key=str)
        if unknown and y_name == "real_y":
            raise ValueError(
                f"real_y holds labels that y does not: {unknown}; y holds {classes.tolist()}. If this fit ran inside a "
                "meta-estimator that re-encodes y (VotingClassifier, OneVsRestClassifier, …), stack the rows "
                "(skweight.model_selection.stack_real) and pass is_real instead."
            )
        if unknown:
            raise ValueError(
                f"The real rows hold labels that the synthetic rows do not: {unknown}; those hold {classes.tolist()}."
            )
        real.target = np.array([code_of[label] for label in real.y.tolist()], dtype=np.int64)
        if not self._passthrough and isinstance(real.X[0], tuple) != isinstance(synthetic.X[0], tuple):
            raise ValueError("X and real_X must both hold single texts or both hold pairs of texts.")
        known = set(map(_hashable, synthetic.X))
        shared = [i for i, row in zip(real.index.tolist(), real.X, strict=True) if _hashable(row) in known]
        if shared:
            warn(
                f"SKW030: {len(shared)} of the {len(real)} real rows ({name_rows(shared)}) are also among the "
                "synthetic ones, which makes those look better than they are."
            )

    def _check_rows(self, X, y, sample_weight, X_name="X", y_name="y", reset=False):
        drop = self.on_bad_rows == "drop"
        if isinstance(X, TokenizedTexts):  # from the estimator whose checker this is
            rows, kept, labels, unlabelled = X, np.arange(len(X)), check_labels(y, y_name)[0], []
        else:
            rows, kept = self._check_inputs(X, X_name, reset=reset, min_samples=2, drop_missing=drop)
            labels, unlabelled = check_labels(y, y_name, drop_missing=drop)
        n_rows = _num_samples(X)
        if n_rows != len(labels):
            raise ValueError(f"{X_name} has {n_rows} rows but {y_name} has {len(labels)}.")
        good = ~np.isin(kept, unlabelled)
        if not good.all():
            rows, kept = _safe_indexing(rows, np.flatnonzero(good)), kept[good]
        if len(kept) < n_rows:
            what = "value" if self._passthrough else "text"
            warn(f"SKW014: dropped {n_rows - len(kept)} of {n_rows} rows of {X_name} with a missing {what} or label.")
        weight = _check_sample_weight(sample_weight, n_rows)
        return Rows(rows, labels[kept], None if weight is None else weight[kept], kept), n_rows

    def _check_inputs(self, X, name="X", *, reset=False, min_samples=1, drop_missing=False, batch=False):
        """Rows of X in the form that checkers read, and which rows of X they are."""
        if self._passthrough:
            min_samples = 0 if batch else min_samples
            return check_features(self, X, name, reset=reset, min_samples=min_samples, drop_missing=drop_missing)
        rows = check_texts(X, name, min_samples=min_samples, drop_missing=drop_missing, batch=batch)
        if hasattr(X, "columns") and (reset or hasattr(self, "feature_names_in_")):
            validate_data(self, X, reset=reset, skip_check_array=True)  # keeps, or compares, the names of the columns
        return rows

    @property
    def _passthrough(self):
        return isinstance(self.encoder, str) and self.encoder == "passthrough"

    def _load_tokenizer(self):
        from skweight import _net

        tokenizer = _net.load_tokenizer(self.encoder)
        limit = _net.length_limit(tokenizer, _net.load_config(self.encoder))
        if limit is not None and self.max_length > limit:
            raise ValueError(
                f"max_length={self.max_length} is above the limit of {str(self.encoder)!r}, {limit} tokens."
            )
        return tokenizer

    def _encode_data(self, data, tokenizer):
        for rows, name in ((data.synthetic, "X"), (data.real, "real_X")):
            if rows is None:
                continue
            if isinstance(rows.X, TokenizedTexts):
                rows.tokens = rows.X
            elif self._passthrough:
                rows.tokens = Features(rows.X)
            else:
                rows.tokens = self._tokenize(rows.X, tokenizer)
                warn_if_truncated(rows.tokens, self.max_length, name)
                if rows is data.synthetic:
                    warn_if_unknown(rows.tokens, tokenizer)

    def _token_source(self):
        return (str(self.encoder), self.max_length)

    def _hold_out(self, data, rng):
        """Take the rows for early stopping out of the real ones, before any checker sees them."""
        held_of_class = []
        for code in np.unique(data.real.target):
            rows = np.flatnonzero(data.real.target == code)
            # At least one row of each class stays, or the quality checker would not know the class.
            size = min(max(round(self.validation_fraction * len(rows)), 1), len(rows) - 1)
            if size == 0:
                warn(f"SKW023: class {data.classes.tolist()[code]!r} has one real row, which is not held out.")
            held_of_class.append(rng.permutation(rows)[:size])
        held = np.sort(np.concatenate(held_of_class))
        if not len(held):
            raise ValueError("early_stopping needs a class with at least 2 real rows, to hold one of them out.")
        valid = data.real.take(held)
        data.real = data.real.take(np.setdiff1d(np.arange(len(data.real)), held))
        self.real_validation_indices_ = valid.index
        return valid

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
        X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features), or iterator of such batches
            Texts, pairs of texts, or rows of numbers, as in :meth:`fit`. Each item of an iterator (whatever has
            ``__next__``, as a generator does) is a batch of rows, which may be empty.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), float64, or generator of such arrays
            Columns in the order of ``classes_``. Computed in float32 whatever `precision` the model was trained in.
            For an iterator, yields one array for each batch, in order. A batch is read when its array is asked for, and
            forgotten before the next; warnings come once, after the last batch, and speak of all of them.

        Examples
        --------
        >>> import numpy as np
        >>> from skweight.baselines import CrossEntropyClassifier
        >>> X = np.random.RandomState(0).randn(50, 2)
        >>> clf = CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0).fit(X, X[:, 0] > 0)
        >>> [proba.shape for proba in clf.predict_proba(X[i : i + 20] for i in range(0, 50, 20))]
        [(20, 2), (20, 2), (10, 2)]
        """
        check_is_fitted(self)
        if hasattr(X, "__next__"):
            return self._predict_proba_of_batches(X)
        tokens = self._encode_rows(X if isinstance(X, TokenizedTexts) else self._check_inputs(X)[0])
        if not self._passthrough:
            warn_if_truncated(tokens, self.max_length)
        return self._predict_proba_of_tokens(tokens)

    def _predict_proba_of_batches(self, batches):
        tally = Tally()

        def predict_proba(batch, i):
            name = f"batch {i}"
            if isinstance(batch, str):
                raise TypeError(
                    f"{name} is a single text. Each item of an iterator must be a batch, e.g. a list of texts; for an "
                    "iterator of single texts, pass list(X), or cut it into batches with itertools.batched."
                )
            # scikit-learn's checks would miss the second dimension of an empty list.
            empty_list = isinstance(batch, list | tuple) and not batch
            rows = batch if empty_list else self._check_inputs(batch, name, batch=True)[0]
            if not len(rows):
                return np.empty((0, len(self.classes_)))
            tokens = self._encode_rows(rows, name)
            if not self._passthrough:
                tally.n_texts += len(tokens)
                tally.n_empty += count_empty(rows)
                tally.n_truncated += tokens.n_truncated
            return self._predict_proba_of_tokens(tokens)

        # Unlike a loop, map holds no batch while it asks for the next.
        yield from map(predict_proba, batches, itertools.count())
        tally.warn(self.max_length)

    def _encode_rows(self, rows, name="X"):
        if self._passthrough:
            return Features(rows)
        if isinstance(rows, TokenizedTexts):
            tokens = rows
        else:
            tokens = tokenize(rows, self.tokenizer_, self.max_length, self._token_source())
        if tokens.paired != self.text_pairs_:
            kinds = ("pairs of texts", "single texts")
            fitted, given = kinds if self.text_pairs_ else kinds[::-1]
            raise ValueError(f"{type(self).__name__} was fitted on {fitted}, but {name} holds {given}.")
        return tokens

    def _predict_proba_of_tokens(self, tokens):
        from skweight import _net

        logits = _net.predict_logits(self.module_, tokens).astype(np.float64)
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features), or iterator of such batches
            As in :meth:`predict_proba`.

        Returns
        -------
        y : ndarray of shape (n_samples,), or generator of such arrays
            Labels, in the data type of the `y` that the classifier was fitted on. For an iterator, yields one array for
            each batch, as in :meth:`predict_proba`.
        """
        proba = self.predict_proba(X)
        if hasattr(X, "__next__"):
            return (self.classes_[batch.argmax(axis=1)] for batch in proba)
        return self.classes_[proba.argmax(axis=1)]

    # -- persistence ---------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder, *, training=True):
        """Save as a Hugging Face folder that also opens with ``transformers.pipeline``.

        With ``encoder="passthrough"`` there is no such pipeline; :meth:`from_pretrained` opens the folder.

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
        tags.input_tags.string = not self._passthrough
        tags.input_tags.one_d_array = not self._passthrough
        tags.input_tags.two_d_array = self._passthrough
        tags.non_deterministic = False
        return tags


_TRAIN_PARAMS = (
    "max_epochs",
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


def _unwrap(data):
    """Take a data set out of the tuple that keeps cross-validation from slicing it."""
    wrapped = (
        isinstance(data, tuple)
        and len(data) == 1
        and (hasattr(data[0], "__len__") or hasattr(data[0], "__array__"))
        and not isinstance(data[0], str)
    )
    return data[0] if wrapped else data


def _warn_of_slicing(n_rows):
    # A sliced real_X always has as many rows as X, so this misses none.
    warn(
        f"SKW032: real_X and X both have {n_rows} rows. In a search or cross-validation that means that scikit-learn "
        "has sliced real_X by the indices of the synthetic rows: stack the rows (skweight.model_selection.stack_real) "
        "and pass is_real, or wrap the real rows as real_X=(real_X,), real_y=(real_y,). The latter also says that all "
        "is well where the numbers are equal by chance.",
        RealDataSlicedWarning,
    )


def _hashable(row):
    return row.tobytes() if isinstance(row, np.ndarray) else row


def _check_sample_weight(sample_weight, n_rows):
    if sample_weight is None:
        return None
    sample_weight = check_array(
        sample_weight, ensure_2d=False, ensure_min_samples=0, dtype=np.float64, input_name="sample_weight"
    )
    if sample_weight.shape != (n_rows,):
        raise ValueError(f"sample_weight.shape == {sample_weight.shape}, expected {(n_rows,)}.")
    if (sample_weight < 0).any():
        row = int(np.argmax(sample_weight < 0))
        raise ValueError(f"sample_weight must not be negative; sample_weight[{row}] is {sample_weight[row]}.")
    return sample_weight
