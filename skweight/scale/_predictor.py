"""A classifier that is asked for labels, and what predictions look like in a file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from skweight._saved import text_columns
from skweight.datasets._parquet import import_pyarrow
from skweight.scale._work import Work, is_folder


@dataclass
class Counts:
    """How many rows were predicted as each class, by the names of the classes."""

    key: ClassVar[str] = "counts"

    classes: dict = field(default_factory=dict)

    def __add__(self, other):
        names = [*self.classes, *(name for name in other.classes if name not in self.classes)]
        return Counts({name: self.classes.get(name, 0) + other.classes.get(name, 0) for name in names})

    @property
    def n_rows(self):
        """Number of rows."""
        return sum(self.classes.values())

    def to_dict(self):
        """Return what JSON can hold; :meth:`from_dict` is the way back."""
        return self.classes

    @classmethod
    def from_dict(cls, content):
        """Make counts of what :meth:`to_dict` returned."""
        return cls(content)


class Predictor(Work):
    """Adds the predicted label and the probability of each class.

    Parameters
    ----------
    model : str, path or classifier
        Folder of a saved classifier, or any fitted classifier of texts with ``predict_proba``.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes those that a saved model was fitted on in files, if
        an input has them, or else ``text``, or ``text_a`` and ``text_b``.
    precision : {"fp32", "auto", "bf16", "fp16"}, default="fp32"
        As of a :class:`Scorer`.
    """

    _doing = "predicting"
    _summary = Counts

    def __init__(self, model, *, text=None, precision="fp32"):
        super().__init__({"model": model}, text, precision)
        self._remembered = text_columns(Path(model).expanduser()) if is_folder(model) else []

    def _added(self, keep):
        """Names and data types of the columns of predictions."""
        return prediction_fields(self._classes(), keep)

    def _do(self, chunk):
        """Predictions of some rows of a file, and how many there are of each class."""
        classes, proba = self._classes(), self._proba("model", chunk.texts)
        counts = np.bincount(proba.argmax(axis=1), minlength=len(classes)).tolist()
        return prediction_columns(classes, proba), Counts(dict(zip(map(str, classes.tolist()), counts, strict=True)))

    def _classes(self):
        return np.asarray(self.load()["model"].classes_)


def prediction_names(classes, keep):
    """Names of the columns of predictions, beside the columns of the input that are kept."""
    label = "predicted_label" if "label" in keep else "label"  # gold and predicted labels stand side by side
    return [label, *(f"p({name})" for name in classes)]


def prediction_fields(classes, keep):
    """Names of the columns, and their data types in Parquet."""
    pa = import_pyarrow()
    types = [pa.array(classes).type, *[pa.float64()] * len(classes)]
    return list(zip(prediction_names(classes, keep), types, strict=True))


def prediction_columns(classes, proba):
    """Columns of predictions in Parquet: the most probable class, and the probability of each."""
    pa = import_pyarrow()
    return [pa.array(classes).take(pa.array(proba.argmax(axis=1))), *proba.T]
