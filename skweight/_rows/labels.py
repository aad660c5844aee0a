"""Labels in: one label per row, of one type, in the data type that they came in."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skweight._rows.values import is_missing, name_rows
from skweight.exceptions import warn


def check_labels(y, name="y", *, drop_missing=False):
    """Turn any accepted container of labels into a one-dimensional array.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        Strings, integers, booleans or integral floats.
    name : str, default="y"
        Name used in messages.
    drop_missing : bool, default=False
        Whether missing labels are allowed here, for the caller to drop.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        The labels, in their own data type. Missing labels, if allowed, hold the label of another row.
    missing : ndarray of int
        Rows without a label.
    """
    values = _to_array(y, name)
    rows = values.tolist()
    missing = np.array([i for i, label in enumerate(rows) if is_missing(label)], dtype=np.intp)
    if missing.size:
        if not drop_missing or missing.size == len(rows):
            raise ValueError(f"{name} contains a missing label at {name_rows(missing.tolist())}; drop the row.")
        filler = next(label for label in rows if not is_missing(label))
        rows = [filler if is_missing(label) else label for label in rows]
        values = _from_list(rows, name)
    _check_one_type(rows, name)
    if values.dtype == object and not all(isinstance(label, str) for label in rows):
        values = np.array(rows)  # integers or booleans that came in an object array
    check_classification_targets(values)
    _warn_if_nearly_equal(values, name)
    return values, missing


def _to_array(y, name):
    if y is None:
        raise ValueError(f"This estimator requires {name} to be passed, but the target {name} is None.")
    if hasattr(y, "detach"):  # torch
        y = y.detach().cpu().numpy()
    elif hasattr(y, "to_pylist"):  # pyarrow
        y = y.to_pylist()
    elif hasattr(y, "columns") and hasattr(y, "to_numpy"):  # a pandas or polars frame
        y = y.to_numpy()
    elif hasattr(y, "to_list") and not isinstance(y, np.ndarray):  # pandas and polars columns
        plain = isinstance(getattr(y, "dtype", None), np.dtype)
        # Nullable and categorical columns turn into floats or lose their type in numpy's own conversion.
        y = y.to_numpy() if plain else _objects(y.to_list())
    elif hasattr(y, "__array__") and not isinstance(y, np.ndarray):
        # pandas arrays without an index lose their type in numpy's own conversion
        y = _objects(list(y)) if hasattr(y, "__iter__") else np.asarray(y)
    if isinstance(y, np.ndarray) and y.dtype.kind == "T":  # numpy's variable-width strings, unknown to scikit-learn
        y = y.astype(object)
    if isinstance(y, list | tuple):
        y = _from_list(list(y), name)
    if not isinstance(y, np.ndarray):
        raise TypeError(f"{name} must be an array-like of labels, got {type(y).__name__}.")
    if y.ndim > 1 and not (y.ndim == 2 and y.shape[1] == 1):
        raise ValueError(
            f"{name} must hold one label per row, got an array of shape {y.shape}: multilabel is not supported."
        )
    return column_or_1d(y, warn=True)


def _from_list(rows, name):
    if any(isinstance(label, list | tuple | np.ndarray) for label in rows):
        lengths = {len(label) if isinstance(label, list | tuple) else np.size(label) for label in rows}
        if lengths != {1}:
            raise ValueError(f"{name} must hold one label per row, got several: multilabel is not supported.")
        return np.array(rows)
    if any(is_missing(label) for label in rows):
        return _objects(rows)
    _check_one_type(rows, name)  # numpy would turn ['a', 1] into strings without a word
    return np.array(rows)


def _objects(rows):
    values = np.empty(len(rows), dtype=object)
    values[:] = rows
    return values


def _check_one_type(rows, name):
    first: dict[str, int] = {}
    for i, label in enumerate(rows):
        first.setdefault(_kind(label), i)
    if len(first) > 1 and set(first) != {"int", "float"}:
        seen = ", ".join(f"{kind} (row {i}: {rows[i]!r})" for kind, i in first.items())
        raise TypeError(f"{name} mixes label types: {seen}. Convert all labels to one type.")


def _kind(label):
    if isinstance(label, str):
        return "str"
    if isinstance(label, bool | np.bool_):
        return "bool"
    if isinstance(label, int | np.integer):
        return "int"
    if isinstance(label, float | np.floating):
        return "float"
    return type(label).__name__


def _warn_if_nearly_equal(values, name):
    by_plain_form: dict[str, list[str]] = {}
    for label in np.unique(values).tolist():
        if isinstance(label, str):
            by_plain_form.setdefault(label.strip().casefold(), []).append(label)
    similar = [labels for labels in by_plain_form.values() if len(labels) > 1]
    if similar:
        warn(f"SKW012: labels in {name} differ only in case or white space and are kept apart: {similar}.")


def check_is_real(is_real, n_rows):
    """Turn a mask of the real rows into a boolean array.

    Parameters
    ----------
    is_real : array-like of shape (n_rows,), bool
        True where a row is real. Zeros and ones are taken as well.
    n_rows : int
        Rows that it must have.

    Returns
    -------
    is_real : ndarray of shape (n_rows,), bool
    """
    mask = np.asarray(is_real.to_list() if hasattr(is_real, "to_list") else is_real)
    if mask.ndim != 1 or not (mask.dtype == bool or all(not is_missing(v) and v in (0, 1) for v in mask.tolist())):
        raise TypeError(
            f"is_real must hold one boolean per row, got an array of shape {mask.shape} and data type {mask.dtype}."
        )
    if len(mask) != n_rows:
        raise ValueError(f"is_real has {len(mask)} entries but X has {n_rows} rows.")
    return mask.astype(bool)
