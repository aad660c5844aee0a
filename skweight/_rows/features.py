"""Numeric rows in, for ``encoder="passthrough"``: validation, and batches as the engine wants them."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import validate_data


def check_features(estimator, X, name="X", *, reset=False, min_samples=1, drop_missing=False):
    """Turn any accepted container of numbers into a two-dimensional array.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set (``reset=True``) or compared with.
    X : array-like of shape (n_samples, n_features)
    name : str, default="X"
        Name used in messages.
    reset : bool, default=False
    min_samples : int, default=1
        Smallest number of rows allowed.
    drop_missing : bool, default=False
        Whether rows with NaN or infinity are left out rather than refused.

    Returns
    -------
    features : ndarray of shape (n_kept, n_features), float32
    kept : ndarray of int
        Which rows of `X` they are.
    """
    check_columns(estimator, X, name, reset=reset)
    try:
        X = validate_data(
            estimator,
            _plain_numbers(X),
            reset=reset,
            dtype=np.float32,
            order="C",  # checkers and sums give the same bits for every container
            ensure_all_finite=not drop_missing,
            ensure_min_samples=min_samples,
        )
    except ValueError as error:
        if name == "X":
            raise
        raise ValueError(f"{name}: {error}") from error  # scikit-learn speaks of X whatever the rows are called
    kept = np.flatnonzero(np.isfinite(X).all(axis=1))
    if len(kept) < min_samples:
        raise ValueError(f"{name} has {len(kept)} rows without missing values; at least {min_samples} are required.")
    return X if len(kept) == len(X) else X[kept], kept


def check_columns(estimator, X, name, *, reset=False):
    """Refuse a data frame whose columns have other names than those that an estimator was fitted on.

    scikit-learn does that too, but speaks of X whatever the rows are called.
    """
    fitted = getattr(estimator, "feature_names_in_", None)
    if reset or name == "X" or fitted is None or not hasattr(X, "columns"):
        return
    names = list(getattr(X, "column_names", X.columns))  # pyarrow's columns are no names
    if names != fitted.tolist():
        raise ValueError(f"{name} has the columns {names}, but X has {fitted.tolist()}. Give them the same names.")


def _plain_numbers(X):
    if hasattr(X, "detach"):  # torch; numpy reads no tensor that carries a gradient, is on a GPU, or in bfloat16
        return X.detach().cpu().float().numpy()
    return np.ma.filled(X.astype(np.float32), np.nan) if isinstance(X, np.ma.MaskedArray) else X


@dataclass(frozen=True)
class Features:
    """Numeric rows behind the interface of :class:`skweight._rows.tokens.TokenizedTexts`.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_features), float32
    """

    values: np.ndarray
    source = None  # all models read the same numbers
    n_truncated = 0

    def __len__(self):
        return len(self.values)

    @property
    def lengths(self):
        """What a row costs: the same for all."""
        return np.ones(len(self), dtype=np.int64)

    def take(self, rows):
        """Return the rows `rows` alone."""
        return Features(self.values[rows])

    def extend(self, other):
        """Return these rows and those of `other` in one."""
        return Features(np.concatenate([self.values, other.values]))

    def batch(self, rows, *, coarse=False):
        """Return the arrays for the model: ``features`` of shape (len(rows), n_features), whatever `coarse` is."""
        return {"features": self.values[rows]}
