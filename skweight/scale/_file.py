"""One file is worked on, into one file that is finished or not there: the unit of every engine."""

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skweight._complete import complete
from skweight.datasets._input import PYTHON, Input, Options, file_state
from skweight.datasets._parquet import import_pyarrow

_KEY = b"skweight.scale"
_HELD = {"sketch": "scores", "counts": "predictions"}  # in an output with such a summary
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Settings:
    """How the files of a call are read and written; :func:`skweight.scale.score_file` describes the arguments."""

    keep: Sequence[str]
    batch_rows: int
    fill_missing: bool
    raw: bool
    encoding: str | None
    overwrite: bool
    options: Options = PYTHON

    def __post_init__(self):
        if self.batch_rows < 1:
            raise ValueError(f"batch_rows must be at least 1, got {self.batch_rows}.")

    def describe(self):
        """Describe what rows depend on."""
        return {
            "kept columns": list(self.keep),
            "batch_rows": self.batch_rows,
            "fill_missing": self.fill_missing,
            "raw": self.raw,
            "encoding": self.encoding,
        }


def work_on(path, out, work, settings):
    """Work on the rows of one file, unless that is done.

    Parameters
    ----------
    path : str or path
    out : str or path
        Parquet file to write. It is there when it is whole, and not before; in its metadata are what it was made of,
        and the summary of its rows.
    work : Work
    settings : Settings

    Returns
    -------
    summary : object
        Of the file's rows, newly made or found.
    """
    path, out = Path(path), Path(out)
    made_of = {**describe(work, settings), **file_state(path)}
    if (found := find_finished(out, made_of, work, settings)) is not None:
        return found
    source = Input(
        path,
        work.text,
        settings.keep,
        label=work.label,
        remembered=work._remembered,
        raw=settings.raw,
        encoding=settings.encoding,
        fill=settings.fill_missing,
        options=settings.options,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    # Of each attempt its own: two that meet each write a whole file, and the later one stays.
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with _naming(out), complete(out, unfinished):
            summary = _write(source, unfinished, work, made_of, settings.batch_rows)
            if {**made_of, **file_state(path)} != made_of:
                raise ValueError(f"{path} has changed while it was being read. Repeat the call.")
    finally:
        unfinished.unlink(missing_ok=True)
    return summary


def _naming(out):
    from skweight._storage.files import naming

    return naming(out)


def _write(source, unfinished, work, made_of, batch_rows):
    pa = import_pyarrow()
    import pyarrow.parquet

    schema = source.output_schema(work._added(source.keep))
    summary = work._summary()
    with pyarrow.parquet.ParquetWriter(unfinished, schema) as writer:
        for chunk in source.chunks(batch_rows):
            added, of_chunk = work._do(chunk)
            summary += of_chunk
            writer.write_table(pa.table([*chunk.kept, *added], schema=schema))
        note = {"made of": made_of, work._summary.key: summary.to_dict()}
        writer.add_key_value_metadata({_KEY: json.dumps(note, separators=(",", ":"))})
    return summary


# -- what a finished file says of itself ------------------------------------------------------------------------------


def describe(work, settings):
    """Describe what outputs depend on, but for the input."""
    return {**work.describe(), **settings.describe()}


def find_finished(out, made_of, work, settings):
    """Return the summary of an output that was made of the same; None if there is none, or one to replace.

    Raises
    ------
    FileExistsError
        If there is another one, unless it may be overwritten.
    """
    if not os.path.lexists(out):
        return None
    note = _read_note(out)
    if note is not None and note["made of"] == made_of:
        return work._summary.from_dict(note[work._summary.key])
    if settings.overwrite:
        return None
    way_out = settings.options.overwrite
    if note is None:
        raise FileExistsError(f"{out} is there and was not written by skweight.scale. Move it, or pass {way_out}.")
    before = {"what it holds": _held(note), **note["made of"]}
    now = {"what it holds": _HELD[work._summary.key], **made_of}
    changes = [f"{key}: {before.get(key)} → {value}" for key, value in now.items() if before.get(key) != value]
    raise FileExistsError(
        f"{out} was made of something else ({'; '.join(changes)}). Write to another folder, or pass {way_out}."
    )


def read_finished(out, summary):
    """Return what an output was made of, and the summary of its rows, which must be of the class `summary`."""
    note = _read_note(out)
    if note is None:
        raise ValueError(f"{out} was not written by skweight.scale.")
    if summary.key not in note:
        raise ValueError(f"{out} holds {_held(note)}, and no {_HELD[summary.key]}.")
    return note["made of"], summary.from_dict(note[summary.key])


def _held(note):
    return next(held for key, held in _HELD.items() if key in note)


def _read_note(path):
    pa = import_pyarrow()
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_metadata(path).metadata or {}
    except (pa.ArrowInvalid, IsADirectoryError):
        return None
    return json.loads(metadata[_KEY]) if _KEY in metadata else None
