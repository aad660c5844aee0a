"""Two checkers that are asked about batches of rows: what every engine and every pipeline calls."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skweight._weights import log_ratios
from skweight.datasets._columns import Columns
from skweight.datasets._parquet import import_pyarrow
from skweight.scale._sketch import Sketch
from skweight.scale._work import Work

_NAMES = ("quality", "diversity", "log_ratio")


class Scorer(Work):
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
    precision : {"fp32", "auto", "bf16", "fp16"}, default="fp32"
        What the encoders of saved classifiers compute in. "auto" takes bfloat16 where the processor is made for it,
        several times as fast. Log ratios then differ by some thousandths, and from one kind of machine to another.

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

    _doing = "scoring"
    _summary = Sketch

    def __init__(self, quality, diversity=None, *, text=None, label="label", precision="fp32"):
        super().__init__({"quality checker": quality, "diversity checker": diversity}, text, precision)
        self.quality = quality
        self.diversity = diversity
        self.label = label

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
        own = {name.split()[0]: self._own_proba(name, texts, labels) for name in self.load()}
        with np.errstate(under="ignore"):
            scores = {name: proba.astype(np.float32) for name, proba in own.items()}
        return scores | {"log_ratio": log_ratios(own["quality"], own.get("diversity")).astype(np.float32)}

    def describe(self):
        """Describe what the scores depend on, without loading a model.

        Returns
        -------
        description : dict
        """
        return {**super().describe(), "label column": self.label}

    def _added(self, keep):
        """Names of the scores, and their data type in Parquet."""
        pa = import_pyarrow()
        return [(name, pa.float32()) for name in _NAMES if name != "diversity" or self.diversity is not None]

    def _do(self, chunk):
        """Scores of some rows of a file, and the sketch of their log ratios."""
        scores = self.scores(chunk.texts, chunk.labels)
        return list(scores.values()), Sketch.of(scores["log_ratio"], self._class_names(chunk.labels))

    def _own_proba(self, name, texts, labels):
        """Probability of each row's own label, NaN where it is missing or no class of the model."""
        proba = self._proba(name, texts)
        known = _columns_of(self.load()[name].classes_)
        columns = np.array([known.get(label, -1) for label in labels], dtype=np.intp)
        return np.where(columns >= 0, proba[np.arange(len(texts)), columns], np.nan)

    def _class_names(self, labels):
        """Names of the quality checker's classes that the labels stand for, None for those that are no class of it."""
        classes = self.load()["quality checker"].classes_
        known = _columns_of(classes)
        names = [str(name) for name in np.asarray(classes).tolist()]
        return [None if (i := known.get(label)) is None else names[i] for label in labels]


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
