"""The scikit-learn contract, once, for every text classifier of this package."""

import dataclasses
from functools import partial
from typing import ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state

from skweight import _engine, _progress, _storage
from skweight._parameters import AUTO_LR, TrainingParameters, estimator
from skweight._predicting import BasePredictor, plain_numpy
from skweight._rows.features import Features
from skweight._rows.rows import check_data, encode_data, few_of_each_class, own_data, raise_real_needed
from skweight._rows.tokens import warn_if_truncated, warn_if_unknown
from skweight._weights import effective_sample_size
from skweight.exceptions import warn


@dataclasses.dataclass(frozen=True)
class Weighting:
    """What a classifier finds out about the synthetic rows before it trains on them.

    Attributes
    ----------
    columns : dict of str to ndarray of shape (n_synthetic, ...)
        Arguments of the loss; ``sample_weight`` is always among them.
    learnt : dict of str to object
        Fitted attributes that come with it, as ``quality_checker_``.
    real_columns : dict of str to ndarray of shape (n_real, ...), or None
        The same arguments for the real rows, where those of the synthetic rows do not say them (`_real_columns`).
    """

    columns: dict
    learnt: dict = dataclasses.field(default_factory=dict)
    real_columns: dict | None = None


@estimator
class BaseTextClassifier(BasePredictor):
    """Text classifier on a pretrained encoder, trained with one weight per row.

    A subclass overrides one or more of

    ====================  ==========================================================================================
    `_make_loss`          which loss it trains with
    `_weight_rows`        what the loss reads of each synthetic row, found before training
    `_real_columns`       the same for real rows that join the training
    `_step_weights`       what finds weights inside every step
    `_needs_real`         whether `fit` needs real rows
    ====================  ==========================================================================================

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the data type of `y`.
    sample_weight_ : ndarray of shape (n_samples,)
        The weight of each row in the last epoch, including its ``sample_weight``. With `is_real`, real rows are 0
        unless they joined the training.
    module_ : transformers.PreTrainedModel
        The trained model.
    tokenizer_ : transformers tokenizer
        Not available with ``encoder="passthrough"``.
    text_pairs_ : bool
        Whether it was fitted on pairs of texts. Not available with ``encoder="passthrough"``.
    history_ : list of dict
        One dictionary per epoch: losses, seconds, mean and largest weight, effective sample size.
    n_iter_ : int
        Epochs trained.
    n_real_ : int
        Real rows that `fit` was given and could use, those held out included.
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
    """

    _listed_last = True  # its attributes, after those that methods add

    # Whoever passes these to a search or a pipeline means this classifier. sample_weight stays a matter of
    # set_fit_request, as in scikit-learn.
    __metadata_request__fit = {"real_X": True, "real_y": True, "is_real": True}

    _doc_link_module = "skweight"
    _doc_link_template = "https://skweight.readthedocs.io/en/latest/generated/{estimator_module}.{estimator_name}.html"

    _public_module: ClassVar[str | None] = None  # which a class is imported from, if not from its file's package

    def _doc_link_url_param_generator(self):
        package = self._public_module or type(self).__module__.rpartition(".")[0]
        return {"estimator_module": package, "estimator_name": type(self).__name__}

    # -- what a subclass says ------------------------------------------------------------------------------------------

    def _make_loss(self):
        """Loss to train with, a :class:`skweight.losses.WeightedLoss`."""
        from skweight.losses import WeightedCrossEntropy

        return WeightedCrossEntropy()

    def _weight_rows(self, data, rng):
        """Find what the loss reads of each synthetic row; returns a :class:`Weighting`."""
        return Weighting({"sample_weight": data.synthetic.mean_one_weight})

    def _real_columns(self, columns, real):
        """Loss columns of real rows that join the training, from those of the synthetic rows."""
        return {"sample_weight": self.real_weight * columns["sample_weight"].mean() * real.mean_one_weight}

    def _step_weights(self, data, rng):
        """Return what weights the rows of a batch inside every step, a `StepWeights` of the engine, or None."""

    def _needs_real(self):
        """Whether `fit` cannot do without real rows."""
        return False

    _instead_of_real = ""  # what could replace real rows, for a message

    # -- fit -----------------------------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)  # checkers are estimators with parameters of their own
    @plain_numpy
    def fit(self, X, y, *, real_X=None, real_y=None, is_real=None, sample_weight=None):
        """Train on synthetic rows, weighted with the help of real ones.

        Real rows come as `real_X` and `real_y`, or, for searches and cross-validation, among the rows of `X`, marked by
        `is_real`.

        Parameters
        ----------
        X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features)
            Synthetic texts, pairs of texts, or with ``encoder="passthrough"`` rows of numbers. Texts come in a list, an
            array, a column of pandas, polars, pyarrow or a Hugging Face data set, or a frame or data set of nothing but
            one column of texts, or two for pairs.
        y : array-like of shape (n_samples,)
            Their labels: strings, booleans, integers of 64 bits, or whole numbers as floats, in any sequence.
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
            If the loss or the parameters become infinite or NaN; the message names the epoch and the step.
        """
        seeds = self._begin()
        given = (X, y, real_X, real_y, is_real, sample_weight)
        checked = check_data(
            *given,
            check=self._check_inputs,
            drop=self.on_bad_rows == "drop",
            what="value" if self._passthrough else "text",
            owner=type(self).__name__,
        )
        if checked.real is None:
            self._check_real_needed()
        n_real = 0 if checked.real is None else len(checked.real)
        with (
            self._shown(len(checked.synthetic), n_real),
            _storage.interruptible(self, checked, seeds) as seeds,
        ):
            with _progress.stage("reading"):
                tokenizer = self._load_tokenizer()
                held_out = self.validation_fraction if self.early_stopping else 0.0
                rng = np.random.RandomState(seeds["validation"])
                data = encode_data(checked, partial(self._encode, tokenizer=tokenizer), held_out, rng)
            return self._fit_data(data, tokenizer, seeds, stacked=is_real is not None)

    def _fit_rows(self, rows, *, title):
        """Fit on rows that another classifier has checked and encoded, as its checker of the name `title`."""
        self._validate_params()
        seeds = self._begin()
        self._check_real_needed()
        if self._passthrough:
            self._check_inputs(rows.X, reset=True)  # sets n_features_in_
        with self._shown(len(rows), 0):
            return self._fit_data(own_data(rows), self._load_tokenizer(), seeds, title=title)

    def _shown(self, n_synthetic, n_real):
        """Show how the fit goes on, if `verbose` asks for it."""
        enabled = bool(self.verbose) and _engine.world().rank == 0
        return _progress.shown(self._plan(n_synthetic, n_real) if enabled else {}, enabled=enabled)

    def _plan(self, n_synthetic, n_real):
        """Estimate the work of each stage of a fit, in order; a unit is to train on one row once."""
        joined = n_real if self.real_weight > 0 else 0
        return {"reading": 0.02 * (n_synthetic + n_real), "training": float(self.max_epochs * (n_synthetic + joined))}

    def _begin(self):
        """Join the other processes, forget an earlier fit, and return a seed for each use of randomness."""
        world = _engine.join(self.device)
        _engine.resolve_device(self.device)  # one that does not exist is reported before any work
        for name in [name for name in vars(self) if name.endswith("_") and not name.startswith("_")]:
            delattr(self, name)  # an interrupted fit must not leave half of an older one behind
        # Drawn up front: what the checkers do does not change how the classifier itself trains.
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=4)
        return dict(zip(("training", "validation", "weights", "steps"), world.broadcast(seeds.tolist()), strict=True))

    def _fit_data(self, data, tokenizer, seeds, *, title=None, stacked=False):
        """Weight the rows, train on them, and keep what was learnt."""
        weighting = self._weight_rows(data, np.random.RandomState(seeds["weights"]))
        module = self._make_module(data, seeds["training"])
        training = self._train(
            module,
            self._training_rows(data, weighting),
            seed=seeds["training"],
            title=title,
            valid=None if data.validation is None else _engine.LabelledRows.of(data.validation),
            step_weights=self._step_weights(data, np.random.RandomState(seeds["steps"])),
            callbacks=self.callbacks,
        )
        self._keep(data, weighting, module, tokenizer, training, stacked=stacked)
        if title is None and training.history:  # a checker is judged by what it says of the rows that it is asked about
            self._warn_if_one_class(data, module)
        return self

    def _keep(self, data, weighting, module, tokenizer, training, *, stacked):
        """Set the fitted attributes. Only now: a fit that fails sets none."""
        self.classes_ = data.classes
        self.module_ = module
        if tokenizer is not None:
            self.text_pairs_ = data.synthetic.tokens.paired
            self.tokenizer_ = tokenizer
        self.history_ = training.history
        self.n_iter_ = len(training.history)
        self.n_real_ = sum(len(rows) for rows in (data.real, data.validation) if rows is not None)
        if data.validation is not None:
            self.real_validation_indices_ = data.validation.index
            self.best_epoch_ = training.best_epoch
            self.validation_score_ = self.history_[self.best_epoch_ - 1]["valid_accuracy"]
        weights, real_weights = np.split(training.weights, [len(data.synthetic)])
        self.sample_weight_ = data.scatter(weights, fill=0.0)
        if stacked and len(real_weights):
            self.sample_weight_[data.real.index] = real_weights
        for name, value in weighting.learnt.items():
            setattr(self, name, value)
        self._warn_of_weights(weights, data.synthetic.index)

    def _make_module(self, data, seed):
        """Load the encoder with a new head, or make a head for numbers, on the device to train on."""
        names = [str(label) for label in data.classes.tolist()]
        if self._passthrough:
            module = _engine.make_head(data.synthetic.X, names, seed)
        else:
            module = _engine.load_module(self.encoder, names, seed, data.synthetic.tokens.pad_id)
        return module.to(_engine.resolve_device(self.device))

    def _train(self, module, rows, *, seed, title=None, valid=None, step_weights=None, **changes):
        """Train a module in place with this classifier's loss and parameters, but for `changes` of those."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(TrainingParameters)}
        own |= {"lr": AUTO_LR[self._passthrough] if self.lr == "auto" else self.lr, "callbacks": None}
        with _progress.stage(title or "training"):
            return _engine.train(
                module,
                self._make_loss(),
                rows,
                TrainingParameters(**{**own, **changes}),
                seed=seed,
                title=title or type(self).__name__,
                valid=valid,
                step_weights=step_weights,
            )

    def _training_rows(self, data, weighting):
        """Synthetic rows with the columns of the loss, and behind them the real rows if they join the training."""
        rows, target, columns = data.synthetic.tokens, data.synthetic.target, weighting.columns
        if self.real_weight > 0:
            rows, target = rows.extend(data.real.tokens), np.concatenate([target, data.real.target])
            real_columns = weighting.real_columns or self._real_columns(columns, data.real)
            if columns.keys() != real_columns.keys():
                raise TypeError(f"{type(self).__name__}._real_columns must give {list(columns)} for real rows too.")
            columns = {name: np.concatenate([column, real_columns[name]]) for name, column in columns.items()}
            columns["is_real"] = np.repeat([False, True], [len(data.synthetic), len(data.real)])
        return _engine.LabelledRows(rows, target, columns)

    def _check_real_needed(self):
        if self._needs_real():
            raise_real_needed(f"{type(self).__name__}.fit", instead=self._instead_of_real)
        uses = {"real_weight > 0": self.real_weight > 0, "early_stopping=True": self.early_stopping}
        if any(uses.values()):
            raise_real_needed(" and ".join(name for name, used in uses.items() if used))

    def _load_tokenizer(self):
        """Load the encoder's tokenizer; None for numbers."""
        return None if self._passthrough else _engine.load_tokenizer(self.encoder, max_length=self.max_length)

    def _encode(self, rows, name, tokenizer):
        """Turn checked rows into what the network reads."""
        if tokenizer is None:
            return Features(rows)
        tokens = self._tokenize(rows, tokenizer)
        warn_if_truncated(tokens, self._max_tokens(tokenizer), name)
        if name == "X":
            warn_if_unknown(tokens, tokenizer, rows)
        return tokens

    def _warn_of_weights(self, weights, index):
        """Warn where one row, or few, carry the weight of all; `index` says what the rows are called."""
        row, least = int(weights.argmax()), 0.1
        share = weights[row] / weights.sum() if weights.any() else 0.0
        others = np.delete(weights, row)
        if share > max(least, 10 / len(weights)) and effective_sample_size(others) >= least * len(others):
            warn(
                f"SKW042: row {index[row]} carries {share:.0%} of the weight of all {len(weights)} rows. Try clip=10, "
                "a smaller gamma, or look at the row."
            )
        elif (size := effective_sample_size(weights)) < least * len(weights):
            warn(
                f"SKW041: the weights have collapsed: {len(weights)} rows count as {size:.1f} (effective sample size). "
                "Try clip=10, a smaller gamma, or look at the quality checker."
            )

    def _warn_if_one_class(self, data, module, most=200):
        """Warn if rows of every class are predicted as one; `most` of them cost no more than a fiftieth of a fit."""
        rows = few_of_each_class(data.synthetic.target, most)
        logits = _engine.predict_logits(module, data.synthetic.tokens.take(rows), self.precision)
        predicted = np.unique(logits.argmax(axis=1))
        if len(predicted) == 1:
            warn(
                f"SKW045: {len(rows)} training rows of {len(data.classes)} classes are all predicted as "
                f"{data.classes.tolist()[predicted[0]]!r}: too little was learnt. Train longer (max_epochs), with "
                "another lr, or look at what the rows of each class weigh."
            )
