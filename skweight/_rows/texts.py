"""Texts: any accepted container, checked, as a list."""

import unicodedata
from collections.abc import Mapping

import numpy as np

from skweight._rows.values import is_missing, name_rows
from skweight.exceptions import warn


def check_texts(X, name="X", *, min_samples=1, drop_missing=False, batch=False):
    """Turn any accepted container into a list of texts, or of pairs of texts.

    Parameters
    ----------
    X : array-like of shape (n_samples,), (n_samples, 1) or (n_samples, 2)
        A list, tuple, numpy array, pandas, polars or pyarrow column, Hugging Face data set column, or a frame or data
        set of one (texts) or two (pairs of texts) columns.
    name : str, default="X"
        Name used in messages.
    min_samples : int, default=1
        Smallest number of rows allowed.
    drop_missing : bool, default=False
        Whether rows with a missing text are left out rather than refused.
    batch : bool, default=False
        Whether `X` is one batch of many. Then it may hold no rows, or empty texts only, and the caller warns once, of
        the empty texts in all batches.

    Returns
    -------
    texts : list of str or list of (str, str)
    kept : ndarray of int
        Which rows of `X` the texts are; all of them unless rows were dropped.
    """
    rows = to_rows(X, name)
    paired = _is_pair(next((row for row in rows if not is_missing(row)), None))
    texts, kept, missing = [], [], []
    for i, row in enumerate(rows):
        if _is_pair(row) is not paired and not is_missing(row):
            raise ValueError(f"{name} mixes single texts and pairs (row {i}).")
        parts = tuple(row) if _is_pair(row) else (row,)
        if _is_pair(row) and len(parts) != 2:
            hint = "; pass a list, not a tuple" if isinstance(X, tuple) else ""
            raise ValueError(f"{name}[{i}] has {len(parts)} texts; expected one text or a pair{hint}.")
        if any(is_missing(part) for part in parts):
            missing.append(i)
            continue
        for part in parts:
            if isinstance(part, bytes | bytearray):
                raise TypeError(f"{name}[{i}] is {type(part).__name__}, expected str; decode it first: text.decode().")
            if not isinstance(part, str):
                raise TypeError(f"{name}[{i}] is {type(part).__name__}, expected str.")
        texts.append((str(parts[0]), str(parts[1])) if paired else str(parts[0]))
        kept.append(i)
    if missing and not drop_missing:
        raise ValueError(
            f"{name} contains a missing value at {name_rows(missing)}; drop the row or replace it with an empty string."
        )
    if batch:
        return texts, np.array(kept, dtype=np.intp)
    min_samples = max(min_samples, 1)
    if len(texts) < min_samples:
        raise ValueError(
            f"Found array with {len(texts)} sample(s) (shape=({len(texts)},)) in {name} while a minimum of "
            f"{min_samples} is required."
        )
    empty = count_empty(texts)
    if empty == len(texts):
        raise ValueError(f"All {empty} texts in {name} are empty.")
    warn_if_empty(empty, len(texts), name)
    return texts, np.array(kept, dtype=np.intp)


def count_empty(texts):
    """How many texts, or pairs of texts, are empty or hold nothing that can be seen."""
    return sum(not any(map(_is_visible, "".join(text).strip())) for text in texts)


def _is_visible(char):
    return not char.isspace() and unicodedata.category(char) not in ("Cc", "Cf")  # Cf: zero-width spaces, for example


def warn_if_empty(n_empty, n_texts, name="X"):
    """Warn if texts are empty."""
    if n_empty:
        warn(f"SKW010: {n_empty} of {n_texts} texts in {name} are empty.")


def to_rows(X, name="X"):
    """Turn any accepted container into a list of its rows, by position, whatever they hold."""
    if isinstance(X, str):
        raise ValueError(f"{name} must be an iterable of texts, got a single string. Wrap it in a list: [{name}].")
    if isinstance(X, bytes | bytearray):
        raise TypeError(f"{name} must be an iterable of texts, got {type(X).__name__}; decode it first: text.decode().")
    if type(X).__name__ == "Dataset" and hasattr(X, "column_names"):  # of Hugging Face
        if len(X.column_names) > 2 or {"label", "labels"} & set(X.column_names):
            column = next((column for column in X.column_names if column not in ("label", "labels")), "text")
            raise TypeError(f'{name} is a whole data set: pass a column of it, e.g. {name}["{column}"].')
        columns = [list(X[column]) for column in X.column_names]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    if isinstance(X, Mapping) and hasattr(X, "column_names"):
        raise TypeError(f"{name} is a dictionary of data sets: pass one of them, e.g. {name}[{next(iter(X))!r}].")
    if isinstance(X, Mapping | set | frozenset):
        raise TypeError(f"{name} must be an ordered collection of texts, got {type(X).__name__}.")
    if isinstance(X, list | tuple):
        return list(X)
    if hasattr(X, "to_pylist"):  # pyarrow
        if not hasattr(X, "column_names"):
            return X.to_pylist()
        X = np.array([column.to_pylist() for column in X.columns], dtype=object).T
    if hasattr(X, "columns") and hasattr(X, "shape"):  # a pandas or polars frame
        return _columns_to_rows(X.to_numpy(), name)
    if isinstance(X, np.ndarray):
        return _columns_to_rows(X, name)
    if hasattr(X, "to_list"):  # pandas and polars columns
        return X.to_list()
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):  # a Hugging Face data set column and its like
        return list(X)
    if hasattr(X, "__iter__"):
        raise TypeError(f"{name} must be a sequence of texts, got {type(X).__name__}: wrap it in list().")
    raise TypeError(f"{name} must be a sequence of texts, got {type(X).__name__}.")


def _columns_to_rows(values, name):
    if values.ndim == 1:
        return values.tolist()
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0].tolist()
    if values.ndim == 2 and values.shape[1] == 2:
        return [tuple(row) for row in values.tolist()]
    raise ValueError(
        f"{name} must hold one text (or one pair of texts) per row, got an array of shape {values.shape}. "
        f'Select the text column first, e.g. {name}["text"].'
    )


def _is_pair(row):
    return isinstance(row, list | tuple | np.ndarray)
