"""Saving and loading: a plain Hugging Face folder, plus what scikit-learn needs in JSON. No pickle.

=====================  ==============================================================================
file                   content
=====================  ==============================================================================
config.json            the model, with the names of the classes
model.safetensors      encoder and head
tokenizer*.json        the tokenizer
skweight.json          format, class, parameters, classes and their data type, history, versions
training.npz           weights and probabilities of the training rows (optional)
=====================  ==============================================================================
"""

import importlib.metadata
import json
import os
from pathlib import Path

import numpy as np

from skweight import _engine

FORMAT = 1
_FILE = "skweight.json"
_TRAINING_FILE = "training.npz"


def save(classifier, folder, *, training):
    """Write a fitted classifier into `folder`."""
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    params, dropped = {}, []
    for name, value in classifier.get_params(deep=False).items():
        if isinstance(value, os.PathLike):
            value = str(value)
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, str | int | float | bool):
            params[name] = value
        else:
            dropped.append(name)  # checkers, callbacks and their like have no JSON form
    classes = classifier.classes_
    about = {
        "format": f"skweight/{FORMAT}",
        "class": type(classifier).__name__,
        "params": params,
        "dropped": dropped,
        "classes": classes.tolist(),
        "classes_dtype": classes.dtype.str,
        "history": classifier.history_,
        **_fitted(classifier, _is_plain),
        **(
            {"feature_names": names.tolist()}
            if (names := getattr(classifier, "feature_names_in_", None)) is not None
            else {}
        ),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("skweight", "scikit-learn", "skorch", "torch", "transformers")
        },
    }
    with _engine.quiet_transformers():
        classifier.module_.save_pretrained(folder)
    if hasattr(classifier, "tokenizer_"):
        classifier.tokenizer_.save_pretrained(folder)
    arrays = _fitted(classifier, lambda value: isinstance(value, np.ndarray))
    if training and arrays:
        np.savez_compressed(folder / _TRAINING_FILE, **arrays)
    else:
        (folder / _TRAINING_FILE).unlink(missing_ok=True)  # of another model saved here before
    # Last: a folder without this file was not saved to the end, and does not load.
    (folder / _FILE).write_text(json.dumps(about, indent=2, default=_plain) + "\n", encoding="utf-8")


def _fitted(classifier, is_kept):
    """Fitted attributes of some kind, but for those with a form of their own in the file."""
    return {
        name: value
        for name, value in vars(classifier).items()
        if _is_fitted(name) and is_kept(value) and name not in ("classes_", "feature_names_in_")
    }


def _is_plain(value):
    """Whether it is a number, a text, or a dictionary of such."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, str | int | float | bool | np.generic)


def _is_fitted(name):
    return name.endswith("_") and not name.startswith("_")


def load(folder, cls, *, family, device=None):
    """Read a classifier that :func:`save` wrote.

    Parameters
    ----------
    folder : str or path
    cls : type
        What is expected; an instance of a subclass is returned as well.
    family : type
        Base of all classes that can be told by their names. A name from a file is looked up, and never imported.
    device : str, default=None
        Replaces the saved ``device``.
    """
    folder = Path(folder).expanduser()
    if not (folder / _FILE).exists():
        raise FileNotFoundError(f"{folder} has no {_FILE}: it was not saved by save_pretrained, or not to the end.")
    about = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    prefix, _, version = str(about.get("format", "")).partition("/")
    if prefix != "skweight" or not version.isdigit() or int(version) > FORMAT:
        raise ValueError(
            f"{folder} has the format {about.get('format')!r}; this version of skweight reads up to "
            f"'skweight/{FORMAT}'. Install a newer skweight to open it."
        )
    kind = next((kind for kind in (cls, *_subclasses(family)) if kind.__name__ == about["class"]), None)
    if kind is None:
        raise ValueError(
            f"{folder} holds a {about['class']!r}, which this version of skweight does not know, or which has not been "
            "imported."
        )
    if not issubclass(kind, cls):
        raise ValueError(f"{folder} holds a {kind.__name__}, not a {cls.__name__}.")
    classifier = kind(**about["params"])
    if device is not None:
        classifier.set_params(device=device)
    classifier.classes_ = np.array(about["classes"], dtype=np.dtype(about["classes_dtype"]))
    classifier.history_ = about["history"]
    if "feature_names" in about:
        classifier.feature_names_in_ = np.array(about["feature_names"], dtype=object)
    learnt = {name: value for name, value in about.items() if _is_fitted(name)}
    if (folder / _TRAINING_FILE).exists():
        with np.load(folder / _TRAINING_FILE, allow_pickle=False) as arrays:
            learnt |= {name: arrays[name] for name in arrays if _is_fitted(name)}
    for name, value in learnt.items():
        setattr(classifier, name, value)
    if classifier.encoder == "passthrough":
        module = _engine.load_trained(folder, _engine.Head)
    else:
        module = _engine.load_trained(folder)
        classifier.tokenizer_ = _engine.load_tokenizer(folder)
    classifier.module_ = module.to(_engine.resolve_device(classifier.device))
    return classifier


def _subclasses(cls):
    """All subclasses, those of subclasses included."""
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")
