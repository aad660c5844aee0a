"""Saving and loading: a plain Hugging Face folder, plus what scikit-learn needs in JSON. No pickle.

=====================  ==============================================================================
file                   content
=====================  ==============================================================================
config.json            the model, with the names of the classes
model.safetensors      encoder and head
tokenizer*.json        the tokenizer
skweight.json          format, class, parameters, classes and their data type, history, versions
training.npz           weights and probabilities of the training rows (optional)
README.md              the model card; one that somebody has written by hand is left alone
skweight.sha256        digest of each of them, but the card
=====================  ==============================================================================
"""

import io
import json
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from skweight import _engine
from skweight._storage import about as _about
from skweight._storage.files import ABOUT, CARD, CONFIG, MANIFEST, TRAINING, WEIGHTS, read, replaced
from skweight.exceptions import IntegrityError, warn

CARD_MARK = "<!-- Written by skweight with the model. Without this line, the next save leaves the file alone. -->"


def save(classifier, folder, *, training, card):
    """Write a fitted classifier into `folder`.

    Parameters
    ----------
    classifier : estimator
    folder : str or path
    training : bool
        Whether arrays with a value for each training row are kept.
    card : callable
        Makes the model card of the classifier and what ``skweight.json`` says of it.
    """
    folder = Path(folder).expanduser()
    about = _about.describe(classifier)
    arrays = {name: value for name, value in _about.fitted(classifier).items() if isinstance(value, np.ndarray)}
    with replaced(folder) as saving:
        with _engine.quiet_transformers():
            classifier.module_.save_pretrained(saving)
        if hasattr(classifier, "tokenizer_"):
            _engine.save_tokenizer(classifier.tokenizer_, saving, classifier._max_tokens(classifier.tokenizer_))
        if training and arrays:
            np.savez_compressed(saving / TRAINING, **arrays)  # type: ignore[arg-type]
        (saving / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        if not _is_handwritten(folder / CARD):
            # A lone surrogate in the name of a class, which JSON escapes, has no form in UTF-8.
            text = f"{card(classifier, about)}\n{CARD_MARK}\n"
            (saving / CARD).write_text(text, encoding="utf-8", errors="replace")


def _is_handwritten(card):
    return card.exists() and CARD_MARK not in card.read_text(encoding="utf-8", errors="replace")


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
    files = read(folder)
    about = _about.parse(folder / ABOUT, files[ABOUT])
    if about["written"] > 1 and MANIFEST not in files:
        raise IntegrityError(f"{folder / MANIFEST} is missing. Copy the folder again.")
    classifier = _with_parameters(folder, about, _find_class(folder, about["class"], cls, family))
    if device is not None:
        classifier.set_params(device=device)
    place = _place(folder, classifier.device)
    classifier.classes_ = _about.classes(folder / ABOUT, about)
    classifier.history_ = about["history"]
    if "feature_names" in about:
        classifier.feature_names_in_ = np.array(about["feature_names"], dtype=object)
    for name, value in {**about["fitted"], **_arrays(folder, files)}.items():
        if _about.is_fitted(name):
            setattr(classifier, name, value)
    _load_network(classifier, folder, files)
    classifier.module_.to(place)
    if about["dropped"]:
        warn(
            f"SKW051: {', '.join(map(str, about['dropped']))} of the saved {about['class']} could not be kept in "
            f"{folder}. It predicts as before; set them again before it is fitted again."
        )
    return classifier


def _find_class(folder, name, cls, family):
    kind = next((kind for kind in (cls, *_subclasses(family)) if kind.__name__ == name), None)
    if kind is None:
        raise ValueError(
            f"{folder / ABOUT} holds a {name!r}, which this version of skweight does not know. Install a newer "
            "skweight, or import the class first if it is your own."
        )
    if not issubclass(kind, cls):
        raise ValueError(f"{folder} holds a {kind.__name__}, not a {cls.__name__}.")
    return kind


def _place(folder, device):
    """Return the device to put the model on; one that the model was saved with need not exist here."""
    try:
        return _engine.resolve_device(device)
    except ValueError as error:
        raise ValueError(f"{folder}: {error} Choose one: from_pretrained({str(folder)!r}, device='cpu').") from error


def _subclasses(cls):
    """All subclasses, those of subclasses included."""
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _with_parameters(folder, about, kind):
    """Make a classifier that is not fitted yet."""
    if unknown := sorted(about["params"].keys() - kind().get_params(deep=False).keys()):
        raise ValueError(
            f"{folder / ABOUT} has the parameter {unknown[0]!r}, which the {kind.__name__} of this version of skweight "
            "does not know. Install a newer skweight to open it."
        )
    classifier = kind(**about["params"])
    try:
        classifier._validate_params()
    except InvalidParameterError as error:
        raise IntegrityError(f"{folder / ABOUT} is damaged: {error}") from error
    return classifier


def _arrays(folder, files):
    """Arrays with a value for each training row."""
    if TRAINING not in files:
        return {}
    try:
        with np.load(io.BytesIO(files[TRAINING]), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise IntegrityError(f"{folder / TRAINING} is damaged: {error}.") from error


def _load_network(classifier, folder, files):
    """Load the model and the tokenizer from what was read: transformers gets to see no other file of the folder."""
    weights = _tensors(folder, files)
    with TemporaryDirectory() as alone:
        for name, content in files.items():
            if name.endswith(".json"):
                _about.read_json(folder / name, content)  # says which file, should it be damaged
            Path(alone, name).write_bytes(content)
        try:
            kind = {"kind": _engine.Head} if classifier.encoder == "passthrough" else {}
            module = _engine.load_trained(alone, weights, **kind)
            if classifier.encoder != "passthrough":
                classifier.tokenizer_ = _engine.load_tokenizer(alone)
                classifier.tokenizer_.name_or_path = str(folder)
        except (ValueError, TypeError, KeyError, AttributeError, OSError, RuntimeError) as error:
            raise IntegrityError(f"{folder} is damaged: its files do not make a model ({error}).") from error
    if [str(label) for label in classifier.classes_.tolist()] != list(module.config.id2label.values()):
        raise IntegrityError(f"{folder / ABOUT} and {folder / CONFIG} name different classes: they are of two models.")
    classifier.module_ = module


def _tensors(folder, files):
    """Read the model's parameters from the bytes whose digest was compared."""
    import safetensors.torch

    if WEIGHTS not in files:
        raise IntegrityError(f"{folder / WEIGHTS} is missing. Copy the folder again.")
    try:
        return safetensors.torch.load(files.pop(WEIGHTS))
    except safetensors.SafetensorError as error:
        raise IntegrityError(f"{folder / WEIGHTS} is damaged: {error}.") from error
