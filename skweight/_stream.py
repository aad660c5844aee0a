"""Predicting files of any size: chunk by chunk, and after a kill from the last finished chunk on.

Until a run is done, its work lies in a folder beside the output:

==============================  ======================================================================================
file                            content
==============================  ======================================================================================
manifest.json                   what is being done: which input, columns, model, version of skweight
part-<first row>-<end row>.csv  finished rows of the output (or ``.parquet``)
lock                            held by the process at work; the system releases it when the process ends, however
==============================  ======================================================================================

Every file but the lock is written under another name, and renamed when it is complete: one that is there is whole.
Parts that follow each other from row 0 on are finished work; whatever else lies there is made again.
"""

import csv
import hashlib
import itertools
import json
import os
import re
import shutil
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

import skweight
from skweight._rows.values import name_rows

try:
    import fcntl
except ImportError:  # Windows: two runs at once on one output are not noticed there
    fcntl = None  # type: ignore[assignment]

_MANIFEST, _LOCK, _UNFINISHED = "manifest.json", "lock", ".unfinished"
_PART = re.compile(r"part-\d+-\d+\.(csv|parquet)")
# What decides on a prediction in a folder that save_pretrained wrote. The rest is about the training, or is output.
_MODEL_SUFFIXES = (".json", ".safetensors", ".model", ".txt")
_READ_BYTES = 1 << 20  # of a column of a Parquet file at a time


# -- input ------------------------------------------------------------------------------------------------------------


@dataclass
class Chunk:
    """Some rows of the input.

    Attributes
    ----------
    texts : list of str or list of (str, str)
    kept : list of list of str, or list of pyarrow.ChunkedArray
        The columns that are copied into the output.
    """

    texts: list
    kept: list


class _Input:
    """A file with a column of texts, or two.

    Parameters
    ----------
    path : Path
    text : list of str or None
        Columns of the texts. None takes ``text``, or else ``text_a`` and ``text_b``.
    keep : list of str
        Columns to copy into the output.
    """

    def __init__(self, path, text, keep):
        self.path = path
        columns = self._columns()
        self.text = list(text or (["text"] if "text" in columns else ["text_a", "text_b"]))
        self.keep = list(keep)
        absent = [name for name in (*self.text, *self.keep) if name not in columns]
        if absent:
            raise ValueError(f"{path} has no column {', '.join(map(repr, absent))}; its columns are {columns}.")
        double = [name for name in (*self.text, *self.keep) if columns.count(name) > 1]
        if double:
            raise ValueError(f"{path} has several columns {double[0]!r}; their names must differ.")
        if len(self.text) > 2:
            raise ValueError(f"A row holds one text or a pair of texts, not {len(self.text)}: {self.text}.")

    def state(self):
        """Return what changes when the file does."""
        stat = self.path.stat()
        return {"input": str(self.path.resolve()), "input size": stat.st_size, "input mtime_ns": stat.st_mtime_ns}

    def _columns(self):
        raise NotImplementedError

    def _texts(self, columns):
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


class CsvInput(_Input):
    """A CSV file with a header line, in UTF-8."""

    def _columns(self):
        return next(self._lines())

    def _lines(self):
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            try:
                header = next(reader, [])
                yield header
                for row in filter(None, reader):  # a blank line is no row
                    if len(row) != len(header):
                        raise ValueError(
                            f"{self.path}, line {reader.line_num}: expected {len(header)} fields as in the header."
                        )
                    yield row
            except csv.Error as error:
                raise ValueError(f"{self.path}, line {reader.line_num}: {error}.") from error

    def chunks(self, size, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows."""
        lines = self._lines()
        header = next(lines)
        text, keep = ([header.index(name) for name in names] for names in (self.text, self.keep))
        lines = itertools.islice(lines, skip, None)
        while rows := list(itertools.islice(lines, size)):
            yield Chunk(self._texts([[row[i] for row in rows] for i in text]), [[row[i] for row in rows] for i in keep])


class ParquetInput(_Input):
    """A Parquet file."""

    def __init__(self, path, text, keep):
        super().__init__(path, text, keep)
        with self._open() as file:
            self.schema = file.schema_arrow
        pa = _pyarrow()
        for name in self.text:
            of = self.schema.field(name).type
            plain = of.value_type if pa.types.is_dictionary(of) else of
            if str(plain) not in ("string", "large_string", "string_view"):
                raise TypeError(f"{path}: column {name!r} holds {of}, expected string.")

    def _open(self):
        _pyarrow()
        import pyarrow.parquet

        # Anything else holds a whole row group at a time, or even the whole file.
        return pyarrow.parquet.ParquetFile(self.path, buffer_size=_READ_BYTES, pre_buffer=False)

    def _columns(self):
        with self._open() as file:
            return file.schema_arrow.names

    def chunks(self, size, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows."""
        first = skip
        for table in self._tables(size, skip):
            texts = [self._column_of_texts(table, name, first) for name in self.text]
            yield Chunk(self._texts(texts), [table.column(name) for name in self.keep])
            first += len(table)

    def _tables(self, size, skip):
        pa = _pyarrow()
        batches: list = []
        n_rows = 0
        with self._open() as file:
            # Some batches have fewer rows than asked for, as row groups end where they want.
            for batch in file.iter_batches(size, columns=list({*self.text, *self.keep})):
                skipped = min(skip, len(batch))
                batch, skip = batch.slice(skipped), skip - skipped
                while n_rows + len(batch) >= size:
                    yield pa.Table.from_batches([*batches, batch.slice(0, size - n_rows)])
                    batch, batches, n_rows = batch.slice(size - n_rows), [], 0
                if len(batch):
                    batches.append(batch)
                    n_rows += len(batch)
        if batches:
            yield pa.Table.from_batches(batches)

    def _column_of_texts(self, table, name, first):
        texts = table.column(name).to_pylist()
        missing = [first + i for i, text in enumerate(texts) if text is None]
        if missing:
            raise ValueError(
                f"{self.path}: column {name!r} contains a missing value at {name_rows(missing)}; drop the row or "
                "replace it with an empty string."
            )
        return texts


def open_input(path, text=None, keep=()):
    """Open a file of texts of the kind that its name says; see :class:`_Input`."""
    return {".csv": CsvInput, ".parquet": ParquetInput}[_suffix(path)](path, text, keep)


def _suffix(path):
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: expected a name that ends in .csv or .parquet.")
    return suffix


def _pyarrow():
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('Parquet files need pyarrow. Run: pip install "skweight[parquet]"') from error
    return pyarrow


# -- output -----------------------------------------------------------------------------------------------------------


class CsvOutput:
    """Rows as CSV: the kept columns, the label, and the probability of each class.

    Parameters
    ----------
    source : _Input
    classes : ndarray of shape (n_classes,)
    """

    suffix = ".csv"

    def __init__(self, source, classes):
        self.classes = classes
        self.header = _header(source, classes)
        if isinstance(source, ParquetInput):
            pa = _pyarrow()
            for name in source.keep:
                of = source.schema.field(name).type
                try:
                    pa.nulls(0, of).cast(pa.string())
                except NotImplementedError as error:
                    raise TypeError(
                        f"Column {name!r} holds {of}, which has no place in CSV; write .parquet."
                    ) from error

    def open(self, path):
        return open(path, "w", encoding="utf-8", newline="")

    def write_header(self, file):
        csv.writer(file, lineterminator="\n").writerow(self.header)

    def write(self, file, chunk, proba):
        """Write the rows of a chunk."""
        labels = self.classes[proba.argmax(axis=1)]
        kept = zip(*map(_strings, chunk.kept), strict=True) if chunk.kept else [()] * len(proba)
        csv.writer(file, lineterminator="\n").writerows(
            [*cells, label, *(f"{p:.6f}" for p in row)] for cells, label, row in zip(kept, labels, proba, strict=True)
        )

    def join(self, file, parts):
        """Write all parts as one."""
        self.write_header(file)
        for path in parts:
            with open(path, encoding="utf-8", newline="") as part:
                shutil.copyfileobj(part, file)


class ParquetOutput:
    """The same as Parquet, each column in its own data type."""

    suffix = ".parquet"

    def __init__(self, source, classes):
        pa = _pyarrow()
        self.labels = pa.array(classes)
        types = [
            *(
                source.schema.field(name).type if isinstance(source, ParquetInput) else pa.string()
                for name in source.keep
            ),
            self.labels.type,
            *[pa.float64()] * len(classes),
        ]
        self.schema = pa.schema(list(zip(_header(source, classes), types, strict=True)))

    def open(self, path):
        return open(path, "wb")

    def write(self, file, chunk, proba):
        """Write the rows of a chunk."""
        pa = _pyarrow()
        columns = [*chunk.kept, self.labels.take(pa.array(proba.argmax(axis=1))), *proba.T]
        self._write(file, [pa.table(columns, schema=self.schema)])

    def join(self, file, parts):
        """Write all parts as one, with a row group for each."""
        self._write(file, map(self._read, parts))

    def _read(self, path):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            return file.read()

    def _write(self, file, tables):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(file, self.schema) as writer:
            for table in tables:
                writer.write_table(table)


def _header(source, classes):
    added = ["label", *(f"p({label})" for label in classes)]
    double = [name for name in source.keep if name in added or source.keep.count(name) > 1]
    if double:
        raise ValueError(f"The output would have two columns {double[0]!r}; do not keep that one.")
    return [*source.keep, *added]


def _strings(column):
    return column if isinstance(column, list) else column.cast("string").to_pylist()


# -- predicting -------------------------------------------------------------------------------------------------------


def load_model(folder):
    """Read a classifier of texts."""
    from skweight import _imp, baselines  # noqa: F401 - so that all classes are known
    from skweight._base import BaseTextClassifier

    classifier = BaseTextClassifier.from_pretrained(folder)
    if classifier._passthrough:
        raise ValueError(f"{folder} was fitted on rows of numbers; this command predicts texts.")
    return classifier


def write_csv(file, source, classifier, chunk_rows):
    """Write the predictions to an open file, chunk by chunk."""
    output = CsvOutput(source, classifier.classes_)
    output.write_header(file)
    for chunk, proba in _predicted(source.chunks(chunk_rows), classifier):
        output.write(file, chunk, proba)
        file.flush()


def predict_file(model, source, out, *, chunk_rows, restart, log):
    """Write the predictions into the file `out`, and begin where an earlier run of the same was stopped.

    Parameters
    ----------
    model : Path
        Folder that `save_pretrained` wrote.
    source : _Input
    out : Path
        Replaced when all is done, and untouched until then.
    chunk_rows : int
        May differ from what it was in the run that was stopped.
    restart : bool
        Whether finished rows of an earlier run are discarded.
    log : callable
        Takes a line to show.

    Returns
    -------
    n_rows : int
    """
    out = Path(os.path.realpath(out))  # renaming must not replace a link
    output_class: type[CsvOutput] | type[ParquetOutput] = CsvOutput if _suffix(out) == ".csv" else ParquetOutput
    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder.")
    if out.exists() and out.samefile(source.path):
        raise ValueError(f"{out} is the input. Write somewhere else.")
    folder = out.with_name(out.name + ".parts")
    with _locked(folder):
        classifier = load_model(model)
        output = output_class(source, classifier.classes_)
        state = source.state()
        manifest = {
            **state,
            "text columns": source.text,
            "kept columns": source.keep,
            "model": _fingerprint(model),
            "skweight": skweight.__version__,
        }
        parts, done = _finished(folder, manifest, restart)
        if parts:
            n_rows = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["rows"]
            log(f"resuming: {done} of {n_rows} rows done")
        else:
            # A row that cannot be read should be known of now, and not after the hours that the rows before it take.
            n_rows = sum(len(chunk.texts) for chunk in source.chunks(chunk_rows))
            with _complete(folder / _MANIFEST) as path:
                path.write_text(json.dumps({**manifest, "rows": n_rows}, indent=2) + "\n", encoding="utf-8")
        with tqdm(total=n_rows, initial=done, unit=" rows", mininterval=1) as progress:
            for chunk, proba in _predicted(source.chunks(chunk_rows, skip=done), classifier):
                end = done + len(proba)
                parts.append(folder / f"part-{done:012d}-{end:012d}{output.suffix}")
                with _complete(parts[-1]) as path, output.open(path) as file:
                    output.write(file, chunk, proba)
                progress.update(end - done)
                done = end
        if done != n_rows or source.state() != state:
            raise ValueError(f"{source.path} has changed while it was being read. Add --restart to begin anew.")
        with _complete(out, folder) as path, output.open(path) as file:
            output.join(file, parts)
        _discard(parts)
    return n_rows


def _predicted(chunks, classifier):
    """Pairs of a chunk and its probabilities."""
    read = []

    def texts():
        for chunk in chunks:
            read.append(chunk)
            yield chunk.texts

    for proba in classifier.predict_proba(texts()):
        yield read.pop(), proba


# -- the folder of a run ----------------------------------------------------------------------------------------------


def _finished(folder, manifest, restart):
    """Parts from row 0 on that an earlier run of the same has finished, and how many rows they hold."""
    parts: list[Path] = []
    done, others = 0, list(folder.glob(f"*{_UNFINISHED}"))
    for path in _parts(folder):
        first, end = map(int, path.stem.split("-")[1:])
        if first == done:
            parts, done = [*parts, path], end
        else:
            others.append(path)
    if restart:
        parts, done, others = [], 0, [*parts, *others]
    if parts:
        earlier = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        changes = [f"{key}: {earlier.get(key)} → {now}" for key, now in manifest.items() if earlier.get(key) != now]
        if changes:
            raise ValueError(
                f"{folder} holds {done} rows of another run ({'; '.join(changes)}). Repeat the command of that run to "
                "go on with it, or add --restart to discard its rows."
            )
    _discard(others)
    return parts, done


def _parts(folder):
    return sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name))


def _discard(paths):
    # The last rows first: if this is cut short, what is left are still the parts from row 0 on.
    for path in sorted(paths, reverse=True):
        path.unlink()


@contextmanager
def _complete(path, folder=None):
    """Path to write to in place of `path`, which gets the content when it is complete."""
    unfinished = (folder or path.parent) / f"{path.name}{_UNFINISHED}"
    yield unfinished
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    if os.name == "posix":  # a rename is on the disk when its folder is
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _locked(folder):
    """Make the folder, keep other processes out of it, and remove it at the end if no finished rows lie there."""
    folder.mkdir(exist_ok=True)
    with nullcontext() if fcntl is None else open(folder / _LOCK, "a") as lock:
        if lock is not None:
            _take(lock)
        try:
            yield
        finally:
            if not _parts(folder):
                for path in (*folder.glob(f"*{_UNFINISHED}"), folder / _MANIFEST, folder / _LOCK):
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # somebody else's file lies there, or the lock of the next run
                    folder.rmdir()


def _take(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have removed the file in the meantime, and the next process locked a new one.
        ours = os.path.exists(lock.name) and os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name))
    except BlockingIOError:
        ours = False
    except OSError:  # the file system has no locks
        ours = True
    if not ours:
        raise RuntimeError(f"Another process is at work in {Path(lock.name).parent}.")


def _fingerprint(folder):
    """Hash of the files that make up a saved model."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.glob("*") if path.suffix in _MODEL_SUFFIXES):
        with open(path, "rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
