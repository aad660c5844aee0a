"""What is done to the rows of a file: models are asked about them. What scores and predictions have in common."""

import importlib.metadata
import os
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skweight._saved import load_model, model_digest
from skweight._weights import class_proba

_PRECISIONS = ("fp32", "auto", "bf16", "fp16")


class Work:
    """Base of what is done to each file of a call: its models and columns, without a word on files.

    Models are loaded once in a process. A copy that is sent to another process has only the names of their folders.

    A subclass has

    - ``_doing``: what it is called while it goes on, as "scoring";
    - ``_summary``: class of what the output's metadata say of its rows. Without arguments it makes the summary of no
      rows; it has ``+``, ``n_rows``, ``to_dict()``, ``from_dict(content)``, and ``key``, its place in the metadata;
    - ``_remembered``: columns of the texts in the files that its model was fitted on, if that is known; see
      :class:`skweight.datasets._input.Input`;
    - ``_added(keep)``: names and data types of pyarrow of the columns that it adds to those that are kept;
    - ``_do(chunk)``: those columns for some rows of the input, as a list, and the rows' summary.

    Parameters
    ----------
    models : dict of str to (str, path or classifier)
        By their names in messages. None where there is none.
    text : str, sequence of str or None
        As for :class:`skweight.datasets._columns.Columns`.
    precision : {"fp32", "auto", "bf16", "fp16"}
        What the encoders of saved classifiers compute in. Other models have no say in it.

    Attributes
    ----------
    label : str or None
        Column of labels that it needs.
    """

    _doing: str
    _summary: Any
    label: str | None = None
    _remembered: Any = ()

    def __init__(self, models, text, precision):
        if precision not in _PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(map(repr, _PRECISIONS))}, got {precision!r}.")
        self.text = text
        self.precision = precision
        self._models = models
        self._loaded: dict[str, Any] | None = None
        self._digests: dict[str, str | None] | None = None

    def load(self):
        """Load the models now, and not at the first batch.

        Returns
        -------
        models : dict of str to classifier
        """
        if self._loaded is None:
            given = {name: model for name, model in self._models.items() if model is not None}
            loaded = {name: load_model(model) if is_folder(model) else model for name, model in given.items()}
            for name, model in given.items():
                if self._digests and is_folder(model) and _digest(model) != self._digests[name]:
                    raise ValueError(f"{model}, the {name}, has changed since the work began. Begin anew.")
            self._loaded = loaded
        return self._loaded

    def describe(self):
        """Describe what the added columns depend on, without loading a model.

        Returns
        -------
        description : dict
        """
        if self._digests is None:  # once, and then known to every copy
            self._digests = {name: None if model is None else _digest(model) for name, model in self._models.items()}
        return {
            **self._digests,
            "precision": self.precision,
            "text column": self.text if self.text is None or isinstance(self.text, str) else list(self.text),
            "skweight": importlib.metadata.version("skweight"),
        }

    def _proba(self, name, texts):
        """Class probabilities that a model gives, as float64."""
        model = self.load()[name]
        if not len(texts):  # of which many a classifier knows nothing to say
            return np.empty((0, len(model.classes_)))
        predict = None  # the model's own predict_proba, which a subclass may have changed
        if self.precision != "fp32" and hasattr(model, "_predict_proba_in"):
            predict = partial(model._predict_proba_in, precision=self.precision)
        return class_proba(model, texts, model.classes_, predict_proba=predict, name=name)

    def __getstate__(self):
        return {**vars(self), "_loaded": None}


def is_folder(model):
    """Whether a model is given by the folder that it was saved in."""
    return isinstance(model, str | os.PathLike)


def _digest(model):
    if not is_folder(model):
        from skweight._storage.cache import code_fingerprint, content_digest

        try:
            return content_digest((code_fingerprint(model), model))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                f"The classifier {type(model).__name__} cannot be pickled, so that it can neither be told from others "
                f"nor be sent to a worker ({str(error)[:200]}). Define its class and functions in a module."
            ) from error
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder, expected one that save_pretrained wrote.")
    return model_digest(folder)
