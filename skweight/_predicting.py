"""What a text classifier does once it is fitted: predict, save and load."""

import copy
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skweight import _engine, _storage
from skweight._card import model_card
from skweight._parameters import AUTO_MAX_LENGTH, TrainingParameters, did_you_mean
from skweight._rows.features import Features, check_columns, check_features
from skweight._rows.stream import predict_stream
from skweight._rows.texts import check_texts
from skweight._rows.tokens import check_paired, tokenize, warn_if_truncated

# numpy as it is by itself, whatever the caller has set: the exponential of a small logit underflows, and may.
plain_numpy = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


class BasePredictor(TrainingParameters, ClassifierMixin, BaseEstimator):
    """What every classifier does with what `fit` learnt; :class:`skweight._base.BaseTextClassifier` adds `fit`."""

    classes_: np.ndarray
    module_: Any
    tokenizer_: Any
    text_pairs_: bool

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
        return self._predict_rows(X, self._predict_proba_of_tokens)

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities; of a probability that underflows too, as they come from the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features), or iterator of such batches
            As in :meth:`predict_proba`.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes), float64, or generator of such arrays
            Finite. Columns in the order of ``classes_``.
        """
        return self._predict_rows(X, self._predict_log_proba_of_tokens)

    def _predict_proba_in(self, X, precision):
        """As :meth:`predict_proba`, in another precision: weights need no more, and there may be very many of them."""
        return self._predict_rows(X, partial(self._predict_proba_of_tokens, precision=precision))

    def _predict_rows(self, X, predict_tokens):
        check_is_fitted(self)
        if hasattr(X, "__next__"):
            return predict_stream(
                X,
                check=self._check_inputs,
                encode=self._encode_rows,
                predict=predict_tokens,
                n_classes=len(self.classes_),
                max_length=None if self._passthrough else self._max_tokens(self.tokenizer_),
            )
        tokens = self._encode_rows(self._check_inputs(X)[0])
        if not self._passthrough:
            warn_if_truncated(tokens, self._max_tokens(self.tokenizer_))
        return predict_tokens(tokens)

    def _encode_rows(self, rows):
        if self._passthrough:
            return Features(rows)
        return tokenize(rows, self.tokenizer_, self._max_tokens(self.tokenizer_), self._token_source)

    @plain_numpy
    def _predict_proba_of_tokens(self, tokens, name="X", precision="fp32"):
        proba = np.exp(self._shifted_logits(tokens, name, precision))
        return proba / proba.sum(axis=1, keepdims=True)

    def _predict_log_proba_of_tokens(self, tokens, name="X"):
        logits = self._shifted_logits(tokens, name)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def _shifted_logits(self, tokens, name, precision="fp32"):
        if not self._passthrough:
            check_paired(tokens, self.text_pairs_, type(self).__name__, name)
        logits = _engine.predict_logits(self.module_, tokens, precision).astype(np.float64)
        return logits - logits.max(axis=1, keepdims=True)

    def predict(self, X):
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features), or iterator of such batches
            As in :meth:`predict_proba`.

        Returns
        -------
        y : ndarray of shape (n_samples,), or generator of such arrays
            Labels, in the data type of the `y` that the classifier was fitted on. As in scikit-learn always an array of
            numpy: of a categorical or nullable column its values. For an iterator, yields one array for each batch, as
            in :meth:`predict_proba`.
        """
        proba = self.predict_proba(X)
        if hasattr(X, "__next__"):
            return (self.classes_[batch.argmax(axis=1)] for batch in proba)
        return self.classes_[proba.argmax(axis=1)]

    # -- parameters ----------------------------------------------------------------------------------------------------

    def set_params(self, **params):
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Those of an estimator among the parameters as ``parameter__its_parameter``.

        Returns
        -------
        self : object
        """
        names = self._get_param_names()
        for key in params:
            name, nested, _ = key.partition("__")
            if name not in names:
                raise ValueError(f"Invalid parameter {name!r} for {type(self).__name__}. {did_you_mean(name, names)}")
            value = params.get(name, getattr(self, name))
            if nested and not hasattr(value, "set_params"):
                raise ValueError(f"Invalid parameter {key!r}: {name}={value!r} has no parameters of its own.")
        return super().set_params(**params)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _check_inputs(self, X, name="X", *, reset=False, min_samples=1, drop_missing=False, batch=False):
        """Rows of X in the form that checkers read, and which rows of X they are."""
        if self._passthrough:
            min_samples = 0 if batch else min_samples
            return check_features(self, X, name, reset=reset, min_samples=min_samples, drop_missing=drop_missing)
        rows = check_texts(X, name, min_samples=min_samples, drop_missing=drop_missing, batch=batch)
        check_columns(self, X, name, reset=reset)
        if hasattr(X, "columns") and (reset or hasattr(self, "feature_names_in_")):
            validate_data(self, X, reset=reset, skip_check_array=True)  # keeps, or compares, the names of the columns
        return rows

    @property
    def _passthrough(self):
        return isinstance(self.encoder, str) and self.encoder == "passthrough"

    def _tokenize(self, texts, tokenizer):
        return tokenize(texts, tokenizer, self._max_tokens(tokenizer), self._token_source)

    def _max_tokens(self, tokenizer):
        """Tokens that a text is truncated to."""
        return min(AUTO_MAX_LENGTH, tokenizer.model_max_length) if self.max_length == "auto" else self.max_length

    @property
    def _token_source(self):
        """What texts are tokenised with: token ids are interchangeable between classifiers of equal source."""
        if self._passthrough:
            return None
        # A loaded classifier has the tokenizer of its folder, whatever now goes by the name of its encoder.
        own = getattr(self, "tokenizer_", None)
        return (str(self.encoder) if own is None else own.name_or_path, self.max_length)

    # -- persistence ---------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder, *, training=True):
        """Save as a Hugging Face folder that also opens with ``transformers.pipeline``.

        With ``encoder="passthrough"`` there is no such pipeline; :meth:`from_pretrained` opens the folder.

        A save that is cut short at any moment leaves the model that was there before, or the new one.

        Parameters
        ----------
        folder : str or path
            Created if it does not exist. A classifier that was saved there before is replaced, and all other files
            stay.
        training : bool, default=True
            Whether the weights of the training rows are saved too.

        Raises
        ------
        FileExistsError
            If the folder holds a model that was not saved by this method, as an encoder.
        ValueError
            Of an opinion pool with ``student=False``: its experts have no form as a folder.
        OSError
            If the files cannot be written; what was there before is still there. `TimeoutError` if another process has
            been saving there for a minute.
        """
        check_is_fitted(self)
        self._check_can_be_saved()
        _storage.save(self, folder, training=training, card=model_card)

    def _check_can_be_saved(self):
        """Raise a ValueError if what was fitted has no form as a folder."""

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
            A fitted classifier that gives the same predictions as the one that was saved. Its ``encoder`` is the hub
            id, or "./" and the name of the folder that it was trained from: set it before you fit it again.

        Raises
        ------
        IntegrityError
            If a file is not what was saved, is missing, or does not belong there (a `ValueError`).
        ValueError
            If the folder holds another class, or was written by a newer version.
        """
        return _storage.load(folder, cls, family=BasePredictor, device=device)

    def __getstate__(self):
        state = super().__getstate__()
        module = state.get("module_")
        if module is not None and next(module.parameters()).device.type != "cpu":
            # A pickle made on a GPU must open without one. Nothing else that lives on a device is kept after fit.
            state = {**state, "module_": copy.deepcopy(module).cpu()}
        return state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "module_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = not self._passthrough
        tags.input_tags.one_d_array = not self._passthrough
        tags.input_tags.two_d_array = self._passthrough
        return tags
