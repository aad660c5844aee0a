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

import importlib
import importlib.metadata
import json
import os
from pathlib import Path

import numpy as np

FORMAT = 1
_FILE = "skweight.json"
_TRAINING_FILE = "training.npz"

# Where the classes that can be loaded live. A name from a file is looked up here and never imported.
_HOME = {
    "CrossEntropyClassifier": "skweight.baselines.cross_entropy",
    "DIMPClassifier": "skweight._imp",
    "DistilledClassifier": "skweight.baselines.distilled",
    "FocalClassifier": "skweight.baselines.focal",
    "HuClassifier": "skweight.baselines.hu",
    "IMPClassifier": "skweight._imp",
    "SunGenClassifier": "skweight.baselines.sungen",
}
_ARRAYS = ("sample_weight_", "quality_proba_", "diversity_proba_", "target_proba_", "real_validation_indices_")
_SCALARS = ("text_pairs_", "n_features_in_", "n_iter_", "best_epoch_", "validation_score_")


def save(classifier, folder, *, training):
    """Write a fitted classifier into `folder`."""
    folder = Path(folder)
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
        **{name: getattr(classifier, name) for name in _SCALARS if hasattr(classifier, name)},
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
    _quietly_save(classifier.module_, folder)
    if hasattr(classifier, "tokenizer_"):
        classifier.tokenizer_.save_pretrained(folder)
    arrays = {name: getattr(classifier, name) for name in _ARRAYS if hasattr(classifier, name)}
    if training and arrays:
        np.savez_compressed(folder / _TRAINING_FILE, **arrays)
    else:
        (folder / _TRAINING_FILE).unlink(missing_ok=True)  # of another model saved here before
    # Last: a folder without this file was not saved to the end, and does not load.
    (folder / _FILE).write_text(json.dumps(about, indent=2, default=_plain) + "\n", encoding="utf-8")


def load(folder, *, device=None):
    """Read a classifier of whatever class `folder` holds."""
    from skweight import _net

    folder = Path(folder)
    if not (folder / _FILE).exists():
        raise FileNotFoundError(f"{folder} has no {_FILE}: it was not saved by save_pretrained, or not to the end.")
    about = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    family, _, version = str(about.get("format", "")).partition("/")
    if family != "skweight" or not version.isdigit() or int(version) > FORMAT:
        raise ValueError(
            f"{folder} has the format {about.get('format')!r}; this version of skweight reads up to "
            f"'skweight/{FORMAT}'. Install a newer skweight to open it."
        )
    if about["class"] not in _HOME:
        raise ValueError(f"{folder} holds a {about['class']!r}, which this version of skweight does not know.")
    cls = getattr(importlib.import_module(_HOME[about["class"]]), about["class"])
    classifier = cls(**about["params"])
    if device is not None:
        classifier.set_params(device=device)
    classifier.classes_ = np.array(about["classes"], dtype=np.dtype(about["classes_dtype"]))
    classifier.history_ = about["history"]
    for name in _SCALARS:
        if name in about:
            setattr(classifier, name, about[name])
    if "feature_names" in about:
        classifier.feature_names_in_ = np.array(about["feature_names"], dtype=object)
    if (folder / _TRAINING_FILE).exists():
        with np.load(folder / _TRAINING_FILE, allow_pickle=False) as arrays:
            for name in _ARRAYS:
                if name in arrays:
                    setattr(classifier, name, arrays[name])
    if classifier._passthrough:
        module = _net.load_trained(folder, _net.Head)
    else:
        module = _net.load_trained(folder)
        classifier.tokenizer_ = _net.load_tokenizer(folder, local_files_only=True)
    classifier.module_ = module.to(_net.resolve_device(classifier.device))
    return classifier


def _quietly_save(module, folder):
    from skweight._net import quiet_transformers

    with quiet_transformers():
        module.save_pretrained(folder)


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")
