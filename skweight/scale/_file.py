"""One file is scored: the unit of work of every engine, and a function that needs none."""

import json
import os
import uuid
from pathlib import Path

from skweight._complete import complete
from skweight.datasets._input import PYTHON, Input, file_state
from skweight.datasets._parquet import import_pyarrow
from skweight.scale._sketch import Sketch

_KEY = b"skweight.scale"
UNFINISHED = ".unfinished"


def score_file(
    path,
    out,
    scorer,
    *,
    keep=(),
    batch_rows=8192,
    fill_missing=False,
    raw=False,
    encoding=None,
    overwrite=False,
    _options=PYTHON,
):
    r"""Score the rows of one file, unless that is done.

    Parameters
    ----------
    path : str or path
        CSV, TSV, JSON lines, JSON or Parquet, also gzipped.
    out : str or path
        Parquet file to write. It has the rows of the input in their order: the columns of `keep`, ``quality``,
        ``diversity`` (if there is such a checker) and ``log_ratio``, in float32. In its metadata are what it was made
        of, and the :class:`Sketch` of its log ratios. It is there when it is whole, and not before.
    scorer : Scorer
    keep : sequence of str, default=()
        Columns of the input to copy.
    batch_rows : int, default=8192
        Rows in memory at a time, and predicted at a time: with another number the last bits of probabilities differ.
    fill_missing : bool, default=False
        Whether a missing text is taken for an empty one.
    raw, encoding
        As for :func:`skweight.datasets.load_csv`.
    overwrite : bool, default=False
        Whether an output that was made of something else is replaced.

    Returns
    -------
    sketch : Sketch
        Of the file's log ratios, newly made or found.

    Raises
    ------
    FileExistsError
        If `out` is there and was made of something else: other models, columns or settings, another version of
        skweight, or an input of another size or time. The message says which.
    ValueError
        If the input cannot be read, or changes meanwhile.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight.scale import Scorer, score_file
    >>> checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> checker = checker.fit(["warm", "funny", "dull", "poor"], ["good", "good", "bad", "bad"])
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "rows.csv").write_text("text,label\nwarm and funny,good\ndull,good\n")
    >>> score_file(folder / "rows.csv", folder / "scores.parquet", Scorer(checker)).n_rows
    2
    """
    path, out = Path(path), Path(out)
    how = {"keep": keep, "batch_rows": batch_rows, "fill_missing": fill_missing, "raw": raw, "encoding": encoding}
    made_of = {**describe(scorer, **how), **file_state(path)}
    if found := find_finished(out, made_of, overwrite=overwrite):
        return found
    source = Input(
        path,
        scorer.text,
        keep,
        label=scorer.label,
        raw=raw,
        encoding=encoding,
        fill=fill_missing,
        options=_options,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    # Of each attempt its own: two that meet each write a whole file, and the later one stays.
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with _naming(out), complete(out, unfinished):
            sketch = _write(source, unfinished, scorer, made_of, batch_rows)
            if {**made_of, **file_state(path)} != made_of:
                raise ValueError(f"{path} has changed while it was being read. Score it again.")
    finally:
        unfinished.unlink(missing_ok=True)
    return sketch


def _naming(out):
    from skweight._storage.files import naming

    return naming(out)


def _write(source, unfinished, scorer, made_of, batch_rows):
    pa = import_pyarrow()
    import pyarrow.parquet

    schema = _schema(source, scorer)
    sketch = Sketch()
    with pyarrow.parquet.ParquetWriter(unfinished, schema) as writer:
        for chunk in source.chunks(batch_rows):
            scores = scorer.scores(chunk.texts, chunk.labels)
            sketch += Sketch.of(scores["log_ratio"], scorer.class_names(chunk.labels))
            writer.write_table(pa.table([*chunk.kept, *scores.values()], schema=schema))
        note = {"made of": made_of, "sketch": sketch.to_dict()}
        writer.add_key_value_metadata({_KEY: json.dumps(note, separators=(",", ":"))})
    return sketch


def _schema(source, scorer):
    pa = import_pyarrow()
    added = ["quality", *([] if scorer.diversity is None else ["diversity"]), "log_ratio"]
    if double := [name for name in source.keep if name in added or source.keep.count(name) > 1]:
        raise ValueError(f"The output would have two columns {double[0]!r}; do not keep that one.")
    of = {name: pa.string() if source.schema is None else source.schema.field(name).type for name in source.keep}
    return pa.schema([*of.items(), *((name, pa.float32()) for name in added)])


# -- what a finished file says of itself ------------------------------------------------------------------------------


def describe(scorer, *, keep, batch_rows, fill_missing, raw, encoding):
    """Describe what scores depend on, but for the input."""
    if batch_rows < 1:
        raise ValueError(f"batch_rows must be at least 1, got {batch_rows}.")
    return {
        **scorer.describe(),
        "kept columns": list(keep),
        "batch_rows": batch_rows,
        "fill_missing": fill_missing,
        "raw": raw,
        "encoding": encoding,
    }


def find_finished(out, made_of, *, overwrite):
    """Return the sketch of an output that was made of the same; None if there is none, or one to replace.

    Raises
    ------
    FileExistsError
        If there is another one, unless `overwrite`.
    """
    if not os.path.lexists(out):
        return None
    note = _read_note(out)
    if note is not None and note["made of"] == made_of:
        return Sketch.from_dict(note["sketch"])
    if overwrite:
        return None
    if note is None:
        raise FileExistsError(f"{out} is there and was not written by skweight.scale. Move it, or pass overwrite=True.")
    before = note["made of"]
    changes = [f"{key}: {before.get(key)} → {now}" for key, now in made_of.items() if before.get(key) != now]
    raise FileExistsError(
        f"{out} was made of something else ({'; '.join(changes)}). Write to another folder, or pass overwrite=True."
    )


def read_finished(out):
    """Return what an output was made of, and the sketch of its log ratios."""
    note = _read_note(out)
    if note is None:
        raise ValueError(f"{out} was not written by skweight.scale.")
    return note["made of"], Sketch.from_dict(note["sketch"])


def _read_note(path):
    pa = import_pyarrow()
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_metadata(path).metadata or {}
    except (pa.ArrowInvalid, IsADirectoryError):
        return None
    return json.loads(metadata[_KEY]) if _KEY in metadata else None
