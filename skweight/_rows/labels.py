"""Labels in: one label per row, of one type, in the data type that they came in."""

import unicodedata
from collections.abc import Mapping

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skweight._rows.values import is_missing, name_rows, spell, unmasked
from skweight.exceptions import warn

_ALLOWED = (
    "Labels may be strings, booleans, integers of 64 bits, or whole numbers as floats; convert others with str(), for "
    "example, or the members of an Enum with .value."
)
_MISSING_AS_TEXT = {"", "nan", "nat", "<na>", "null"}  # "none" is a class of its own in many tasks


def check_labels(y, name="y", *, drop_missing=False):
    """Turn any accepted container of labels into a one-dimensional array.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        Strings, booleans, integers of 64 bits, or whole numbers as floats, in any sequence.
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
            raise ValueError(
                f"{name} contains a missing label at {name_rows(missing.tolist())}; drop the row.{_reader_hint(rows)}"
            )
        filler = next(label for label in rows if not is_missing(label))
        rows = [filler if is_missing(label) else label for label in rows]
        values = _from_list(rows, name)
    if values.dtype.kind not in "biu":  # those are of one type, and one that may be
        _check_types(rows, name)
    if values.dtype == object and not all(isinstance(label, str) for label in rows):
        values = np.array(rows)  # integers or booleans that came in an object array
    check_classification_targets(values)
    _warn_of_spelling(values, name)
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
    if not isinstance(y, np.ndarray):
        if not (hasattr(y, "__len__") and hasattr(y, "__getitem__")) or isinstance(y, str | bytes | Mapping):
            raise TypeError(f"{name} must be a sequence of labels, got {type(y).__name__}.")
        y = _from_list(list(y), name)  # a list, tuple, deque, range, Hugging Face data set column, ...
    y = unmasked(y)
    if y.dtype.kind == "T":  # numpy's variable-width strings, unknown to scikit-learn
        y = y.astype(object)
    if y.dtype.kind in "mMc":  # dates would turn into numbers below
        raise TypeError(f"{name} holds labels of type {y.dtype}. {_ALLOWED}")
    if y.ndim > 1 and not (y.ndim == 2 and y.shape[1] == 1):
        raise ValueError(
            f"{name} must hold one label per row, got an array of shape {y.shape}: multilabel is not supported."
        )
    return column_or_1d(y, warn=True)


def _from_list(rows, name):
    several = next((i for i, label in enumerate(rows) if isinstance(label, list | tuple | np.ndarray)), None)
    if several is not None:
        lengths = {len(label) if isinstance(label, list | tuple) else np.size(label) for label in rows}
        if lengths != {1}:
            raise ValueError(
                f"{name} must hold one label per row, got {spell(rows[several])} in row {several}: multilabel is not "
                f"supported. {_ALLOWED}"
            )
        return np.array(rows)
    if any(is_missing(label) for label in rows):
        return _objects(rows)
    _check_types(rows, name)  # numpy would turn ['a', 1] into strings without a word
    return np.array(rows)


def _objects(rows):
    values = np.empty(len(rows), dtype=object)
    values[:] = rows
    return values


def _check_types(rows, name):
    """Refuse labels of a type that may not be, and of several types."""
    first: dict[str, int] = {}
    for i, label in enumerate(rows):
        first.setdefault(_kind(label), i)
    for kind, i in first.items():
        if kind not in ("str", "bool", "int", "float"):
            raise TypeError(f"{name} holds {spell(rows[i])} in row {i}, of type {kind}. {_ALLOWED}")
    if len(first) > 1 and set(first) != {"int", "float"}:
        seen = ", ".join(f"{kind} (row {i}: {spell(rows[i])})" for kind, i in first.items())
        raise TypeError(f"{name} mixes label types: {seen}. Convert all labels to one type.")


def _kind(label):
    # numpy spells a member of a (str, Enum) by its name, and cuts that to the length of the value.
    if isinstance(label, str) and str(label) == label:
        return "str"
    if isinstance(label, bool | np.bool_):
        return "bool"
    if isinstance(label, int | np.integer):
        return "int" if -(2**63) <= label < 2**63 else f"int of {int(label).bit_length()} bits"
    if isinstance(label, float | np.floating):
        return "float"
    return type(label).__name__


def _reader_hint(rows):
    """Say what may have made labels missing: pandas marks what it takes for missing by NaN, among texts too."""
    if any(isinstance(label, str) for label in rows) and any(isinstance(label, float) for label in rows):
        return ' Of a class called "None", "NA" or "null" pandas makes missing labels unless keep_default_na=False.'
    return ""


def _warn_of_spelling(values, name):
    labels = [label for label in np.unique(values).tolist() if isinstance(label, str)]
    by_plain_form: dict[str, list[str]] = {}
    for label in labels:
        by_plain_form.setdefault(_plain_form(label), []).append(label)
    similar = [alike for alike in by_plain_form.values() if len(alike) > 1]
    if similar:
        warn(
            f"SKW012: labels in {name} differ only in case, white space or Unicode form and are kept apart: "
            f"{spell(similar)}."
        )
    missing = [label for label in labels if _plain_form(label) in _MISSING_AS_TEXT]
    if missing:
        count = int(np.isin(values, missing).sum())
        warn(f"SKW015: {count} labels in {name} look like missing ones, but are texts: {spell(missing)}.")


def _plain_form(label):
    """Spell a label without what the eye misses: case, white space, characters that format, and Unicode form."""
    visible = (char for char in unicodedata.normalize("NFKC", str(label)) if unicodedata.category(char) != "Cf")
    return " ".join("".join(visible).casefold().split())


def look_alikes(labels, others):
    """Pairs of a label and another one that is spelt almost like it, or is a number in one place and a text in another.

    Parameters
    ----------
    labels, others : list

    Returns
    -------
    pairs : list of tuple
    """
    by_plain_form = {_plain_form(other): other for other in others}
    return [(label, by_plain_form[form]) for label in labels if (form := _plain_form(label)) in by_plain_form]


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
    mask = np.asarray(is_real.to_list() if hasattr(is_real, "to_list") else unmasked(is_real))
    if mask.ndim != 1 or not (mask.dtype == bool or all(not is_missing(v) and v in (0, 1) for v in mask.tolist())):
        raise TypeError(
            f"is_real must hold one boolean per row, got an array of shape {mask.shape} and data type {mask.dtype}."
        )
    if len(mask) != n_rows:
        raise ValueError(f"is_real has {len(mask)} entries but X has {n_rows} rows.")
    return mask.astype(bool)
