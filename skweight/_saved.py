"""Saved models of any class: loaded, told apart by their content, and asked for the columns of their texts."""

import hashlib
import json

# What decides on a prediction in a folder that save_pretrained wrote. The rest is about the training, or is output.
_MODEL_SUFFIXES = (".json", ".safetensors", ".model", ".txt")


def load_model(folder):
    """Load a classifier of texts."""
    from skweight import _imp, _opinion_pool, baselines  # noqa: F401  a saved class is found once it is imported
    from skweight._base import BaseTextClassifier

    classifier = BaseTextClassifier.from_pretrained(folder)
    if classifier._passthrough:
        raise ValueError(f"{folder} was fitted on rows of numbers, and not on texts.")
    return classifier


def model_digest(folder):
    """Digest of the files that make up a saved model; it changes when a prediction might.

    Parameters
    ----------
    folder : Path
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.glob("*") if path.suffix in _MODEL_SUFFIXES):
        with open(path, "rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def text_columns(folder):
    """Columns of the texts in the files that a saved model was fitted on; none if that is not known.

    Read without the model, which takes seconds to load: a wrong column should be known of at once.
    """
    from skweight._storage.files import ABOUT

    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        remembered = about["fitted"].get("text_columns_") or [about["feature_names"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # loading the model says what is wrong
        return []
    return [names for names in remembered if isinstance(names, list) and all(isinstance(name, str) for name in names)]
