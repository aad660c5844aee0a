"""Two checkers that are asked about batches of rows: what every engine and every pipeline calls."""

import importlib.metadata
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skweight._saved import load_model, model_digest
from skweight._weights import class_proba, log_ratios
from skweight.datasets._columns import Columns

_NAMES = ("quality", "diversity", "log_ratio")


class Scorer:
    """Adds to batches of labelled rows what the checkers say of each row.

    A callable object for the pipelines of others, such as ``ds.map_batches(Scorer, fn_constructor_args=["quality/"],
    batch_format="pyarrow", batch_size=8192)`` of Ray Data. Models are loaded at the first batch, once in a process;
    a copy that is sent to another process has only the names of their folders.

    Parameters
    ----------
    quality : str, path or classifier
        Quality checker P': the folder of a classifier that ``save_pretrained`` wrote, or any fitted classifier of texts
        with ``predict_proba``.
    diversity : str, path or classifier, default=None
        Diversity checker Q, likewise. None leaves it out: the ratio is then P'(y|x) alone.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes ``text``, or else ``text_a`` and ``text_b``.
    label : str, default="label"
        Column of the label. Labels are compared with the classes as they are and by their spelling, so that the class 1
        is found in CSV.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight.scale import Scorer
    >>> checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> checker = checker.fit(["warm", "funny", "dull", "poor"], ["good", "good", "bad", "bad"])
    >>> scored = Scorer(checker)({"text": ["warm", "warm", "cold"], "label": ["good", "bad", "so-so"]})
    >>> scored["quality"].round(2)
    array([0.6, 0.4, nan], dtype=float32)
    >>> list(scored)
    ['text', 'label', 'quality', 'log_ratio']
    """

    def __init__(self, quality, diversity=None, *, text=None, label="label"):
        self.quality = quality
        self.diversity = diversity
        self.text = text
        self.label = label
        self._loaded: dict[str, Any] | None = None
        self._digests: dict[str, str] | None = None

    def __call__(self, batch):
        """Add the columns ``quality``, ``diversity`` (if there is such a checker) and ``log_ratio``, all float32.

        Parameters
        ----------
        batch : pyarrow.Table, pyarrow.RecordBatch, pandas.DataFrame or dict of str to array-like
            With the columns of the texts and of the labels.

        Returns
        -------
        batch : pyarrow.Table, pandas.DataFrame or dict
            With NaN where a label is missing or no class of a checker. A record batch becomes a table.
        """
        names = list(batch if isinstance(batch, Mapping) else getattr(batch, "column_names", batch.columns))
        columns = Columns(text=self.text, label=self.label).find("the batch", names)
        if taken := [name for name in _NAMES if name in names]:
            raise ValueError(f"the batch has a column {taken[0]!r} already. Rename it.")
        texts = [_values(batch[name]) for name in columns]
        rows = texts[0] if len(texts) == 1 else list(zip(*texts, strict=True))
        return _with_columns(batch, self.scores(rows, _values(batch[self.label])))

    def scores(self, texts, labels):
        """Ask the checkers about rows.

        Parameters
        ----------
        texts : list of str or list of (str, str)
        labels : list
            None where one is missing.

        Returns
        -------
        scores : dict of str to ndarray of shape (n_rows,), float32
            By the name of the column.
        """
        proba = {name: _own_proba(model, name, texts, labels) for name, model in self._models().items()}
        with np.errstate(under="ignore"):
            scores = {name: own.astype(np.float32) for name, own in proba.items()}
        return scores | {"log_ratio": log_ratios(proba["quality"], proba.get("diversity")).astype(np.float32)}

    def class_names(self, labels):
        """Names of the quality checker's classes that the labels stand for, None for those that are no class of it."""
        classes = self._models()["quality"].classes_
        known = _columns_of(classes)
        names = [str(name) for name in np.asarray(classes).tolist()]
        return [None if (i := known.get(label)) is None else names[i] for label in labels]

    def load(self):
        """Load the models now, and not at the first batch."""
        self._models()

    def describe(self):
        """Describe what the scores depend on, without loading a model.

        Returns
        -------
        description : dict
        """
        if self._digests is None:  # once, and then known to every copy
            self._digests = {name: _digest(model) for name, model in self._given().items()}
        return {
            "quality checker": self._digests["quality"],
            "diversity checker": self._digests.get("diversity"),
            "text column": self.text if self.text is None or isinstance(self.text, str) else list(self.text),
            "label column": self.label,
            "skweight": importlib.metadata.version("skweight"),
        }

    def _given(self):
        given = {"quality": self.quality, "diversity": self.diversity}
        return {name: model for name, model in given.items() if model is not None}

    def _models(self):
        if self._loaded is None:
            given = self._given()
            loaded = {name: load_model(model) if _is_folder(model) else model for name, model in given.items()}
            for name, digest in (self._digests or {}).items():
                if _is_folder(model := given[name]) and _digest(model) != digest:
                    raise ValueError(f"{model}, the {name} checker, has changed since the work began. Begin anew.")
            self._loaded = loaded
        return self._loaded

    def __getstate__(self):
        return {**vars(self), "_loaded": None}


def _is_folder(model):
    return isinstance(model, str | os.PathLike)


def _digest(model):
    if not _is_folder(model):
        from skweight._storage.cache import code_fingerprint, content_digest

        try:
            return content_digest((code_fingerprint(model), model))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                f"The checker {type(model).__name__} cannot be pickled, so that it can neither be told from others nor "
                f"be sent to a worker ({str(error)[:200]}). Define its class and functions in a module."
            ) from error
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder, expected one that save_pretrained wrote.")
    return model_digest(folder)


def _own_proba(model, name, texts, labels):
    """Probability of each row's own label, NaN where it is missing or no class of the model."""
    if not len(texts):  # of which many a classifier knows nothing to say
        return np.empty(0)
    known = _columns_of(model.classes_)
    columns = np.array([known.get(label, -1) for label in labels], dtype=np.intp)
    proba = class_proba(model, texts, model.classes_, name=f"{name} checker")
    return np.where(columns >= 0, proba[np.arange(len(texts)), columns], np.nan)


def _columns_of(classes):
    """Columns of the classes, by all that a label may look like in a file."""
    found: dict[Any, int] = {}
    for i, label in enumerate(np.asarray(classes).tolist()):
        spelt = [str(label)]
        if isinstance(label, bool):
            spelt.append(str(label).lower())  # in Parquet
        elif isinstance(label, float) and label.is_integer():
            spelt.append(str(int(label)))
        found |= dict.fromkeys([label, *spelt], i)
    return found


def _values(column):
    """Return a column as a list."""
    for convert in ("to_pylist", "tolist"):
        if hasattr(column, convert):
            return getattr(column, convert)()
    return list(column)


def _with_columns(batch, scores):
    if isinstance(batch, Mapping):
        return {**batch, **scores}
    if hasattr(batch, "assign"):
        return batch.assign(**scores)
    import pyarrow as pa

    table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
    for name, values in scores.items():
        table = table.append_column(name, pa.array(values))
    return table
