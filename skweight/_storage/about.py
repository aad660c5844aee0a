"""What `skweight.json` says of a classifier: all that has a form in JSON."""

import importlib.metadata
import json
import os
from pathlib import Path

import numpy as np

from skweight.exceptions import IntegrityError

FORMAT = 2
# Read from a file, `memory` would name a folder of pickles, which run code when they are read.
_NEVER_SAVED = {"memory", "callbacks"}
_OF_THIS_FIT = {"checkpoint_dir"}  # a folder on one machine: neither saved nor missed
_KEYS = {
    "class": str,
    "params": dict,
    "dropped": list,
    "classes": list,
    "classes_dtype": str,
    "history": list,
    "fitted": dict,
}


def describe(classifier):
    """Describe a fitted classifier, in what JSON can say."""
    params, dropped = _plain_params(classifier.get_params(deep=False))
    names = getattr(classifier, "feature_names_in_", None)
    return {
        "format": f"skweight/{FORMAT}",
        "class": type(classifier).__name__,
        "params": params,
        "dropped": dropped,
        "classes": classifier.classes_.tolist(),
        "classes_dtype": classifier.classes_.dtype.str,
        **({} if names is None else {"feature_names": names.tolist()}),
        "history": _plain(classifier.history_),
        "fitted": _plain_only(fitted(classifier)),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("skweight", "scikit-learn", "skorch", "torch", "transformers")
        },
    }


def fitted(classifier):
    """Fitted attributes by name, but for those that every folder has a place for."""
    return {name: value for name, value in vars(classifier).items() if is_fitted(name)}


def is_fitted(name):
    """Whether it is a name of such an attribute."""
    elsewhere = ("classes_", "feature_names_in_", "history_", "module_", "tokenizer_")
    return name.isidentifier() and name.endswith("_") and not name.startswith("_") and name not in elsewhere


def _plain_params(values):
    """Split parameters into those with a form in JSON, and the names of those without."""
    values = {name: value for name, value in values.items() if name not in _OF_THIS_FIT}
    given = {name: value for name, value in values.items() if name not in _NEVER_SAVED}
    params = _plain_only({**given, "encoder": travelling_name(values["encoder"])})
    return params, [name for name, value in values.items() if name not in params and value is not None]


def travelling_name(encoder):
    """Name of an encoder for others to read: a hub id, or for a folder "./" and the last part of its path.

    The path would say whose machine it was, and mean nothing on another one.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        if not os.path.isdir(encoder):
            validate_repo_id(encoder)
            return encoder
    except HFValidationError:  # the path of a folder that is gone
        pass
    return f"./{Path(os.path.abspath(encoder)).name}"


def _plain_only(values):
    """Leave out of a dictionary what JSON cannot say."""
    kept = {}
    for name, value in values.items():
        try:
            kept[name] = _plain(value)
        except TypeError:
            continue
    return kept


def _plain(value):
    """Convert a value to the types of JSON; TypeError if it has no such form."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


def read_json(path, content):
    """Read the dictionary that a file of the folder holds."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} is damaged: {error}.") from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{path} is damaged: it holds a {type(value).__name__}, not an object.")
    return value


def parse(path, content):
    """Read a description in the present format, whatever format it was written in.

    Returns
    -------
    about : dict
        As :func:`describe` makes it, with ``written``, the number of the format in the file.

    Raises
    ------
    IntegrityError
        If it is damaged.
    ValueError
        If it was written by a newer version of skweight.
    """
    about = read_json(path, content)
    prefix, _, version = str(about.get("format")).partition("/")
    if prefix != "skweight" or not version.isdecimal():
        raise IntegrityError(f"{path} is damaged: it has the format {about.get('format')!r}.")
    if int(version) > FORMAT:
        raise ValueError(
            f"{path} has the format {about['format']!r}; this version of skweight reads up to 'skweight/{FORMAT}'. "
            "Install a newer skweight to open it."
        )
    if int(version) == 1:
        about = _from_format_1(about)
    for key, kind in _KEYS.items():
        if not isinstance(about.get(key), kind):
            raise IntegrityError(f"{path} is damaged: {key!r} is missing, or not of the type {kind.__name__}.")
    for name in _OF_THIS_FIT:
        about["params"].pop(name, None)
    dropped = [name for name in sorted(_NEVER_SAVED) if about["params"].pop(name, None) is not None]
    return {**about, "dropped": [*about["dropped"], *dropped], "written": int(version)}


def _from_format_1(about):
    # Fitted attributes stood among the other keys.
    own = {name: value for name, value in about.items() if is_fitted(name)}
    return {**{name: value for name, value in about.items() if name not in own}, "fitted": own}


def classes(path, about):
    """Return the classes, in the data type that the labels had."""
    try:
        dtype = np.dtype(about["classes_dtype"])
        if dtype.kind not in "biufUO" or dtype.itemsize > 1 << 20:
            raise TypeError(f"{dtype} is not a data type of labels")
        return np.array(about["classes"], dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise IntegrityError(
            f"{path} is damaged: no labels of the type {about['classes_dtype']!r} ({error})."
        ) from error
