"""Tables of texts in CSV or Parquet files of any size, read in chunks."""

import itertools
from dataclasses import dataclass

from skweight._cli.arguments import TEXT_OPTION
from skweight._rows.values import name_rows
from skweight.datasets._tables import check_columns, open_csv, text_columns

_READ_BYTES = 1 << 20  # of a column of a Parquet file at a time


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
    raw : bool
        Whether cells of CSV are read and written as they are.
    """

    def __init__(self, path, text, keep, raw):
        self.path = path
        self.raw = raw
        columns = self._columns()
        self.text = text_columns(path, columns, text, TEXT_OPTION)
        self.keep = list(keep)
        check_columns(path, columns, self.keep, "--keep")

    def state(self):
        """Return what changes when the file does."""
        stat = self.path.stat()
        return {"input": str(self.path.resolve()), "input size": stat.st_size, "input mtime_ns": stat.st_mtime_ns}

    def _columns(self):
        raise NotImplementedError

    def _texts(self, columns):
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


class CsvInput(_Input):
    """A CSV file; see :func:`skweight.datasets._tables.open_csv`."""

    def _columns(self):
        with open_csv(self.path, raw=self.raw) as (columns, _):
            return columns

    def chunks(self, size, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows."""
        with open_csv(self.path, raw=self.raw) as (columns, rows):
            text, keep = ([columns.index(name) for name in names] for names in (self.text, self.keep))
            rows = itertools.islice(rows, skip, None)
            while chunk := list(itertools.islice(rows, size)):
                texts = self._texts([[row[i] for row in chunk] for i in text])
                yield Chunk(texts, [[row[i] for row in chunk] for i in keep])


class ParquetInput(_Input):
    """A Parquet file."""

    def __init__(self, path, text, keep, raw):
        super().__init__(path, text, keep, raw)
        with self._open() as file:
            self.schema = file.schema_arrow
        pa = import_pyarrow()
        for name in self.text:
            of = self.schema.field(name).type
            plain = of.value_type if pa.types.is_dictionary(of) else of
            if str(plain) not in ("string", "large_string", "string_view"):
                raise TypeError(f"{path}: column {name!r} holds {of}, expected string.")

    def _open(self):
        import_pyarrow()
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
        pa = import_pyarrow()
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


def open_input(path, text=None, keep=(), *, raw=False):
    """Open a file of texts of the kind that its name says; see :class:`_Input`."""
    return {".csv": CsvInput, ".parquet": ParquetInput}[check_suffix(path)](path, text, keep, raw)


def check_suffix(path):
    """Return the ending of a file's name, which says its kind."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: expected a name that ends in .csv or .parquet.")
    return suffix


def import_pyarrow():
    """Import pyarrow, or say which extra has it."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('Parquet files need pyarrow. Run: pip install "skweight[parquet]"') from error
    return pyarrow
