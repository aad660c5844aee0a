"""Tables in Parquet."""

import io
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from typing import Any

_READ_BYTES = 1 << 20  # of a column at a time


@contextmanager
def open_parquet(path, file):
    """Open a Parquet file as a :class:`ParquetTable`.

    Parameters
    ----------
    path : str or path
    file : io.BufferedReader
        Its bytes. Parquet is not read from its beginning to its end: what a gzip file or a pipe holds is unpacked into
        a temporary file first.
    """
    pa = import_pyarrow()
    import pyarrow.parquet

    with ExitStack() as stack:
        source: Any = str(path)
        if not (isinstance(file.raw, io.FileIO) and file.seekable()):
            source = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, source)
        try:
            # Anything else holds a whole row group at a time, or even the whole file.
            parquet = pyarrow.parquet.ParquetFile(source, buffer_size=_READ_BYTES, pre_buffer=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{path} is a Parquet file that is damaged or cut short ({error}).") from error
        yield ParquetTable(path, stack.enter_context(parquet))


class ParquetTable:
    """A Parquet file, never in memory as a whole unless that is asked for.

    Parameters
    ----------
    path : str or path
    file : pyarrow.parquet.ParquetFile

    Attributes
    ----------
    columns : list of str
    schema : pyarrow.Schema
    """

    def __init__(self, path, file):
        self._path = path
        self._file = file
        self.schema = file.schema_arrow
        self.columns = self.schema.names

    def check_texts(self, name):
        """Check that a column holds texts."""
        of = self.schema.field(name).type
        plain = of.value_type if import_pyarrow().types.is_dictionary(of) else of
        if str(plain) not in ("string", "large_string", "string_view"):
            raise TypeError(f"{self._path}: column {name!r} holds {of}, expected string.")

    def chunks(self, names, size=None, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows, None for all: an array for each column."""
        size = size or max(self._file.metadata.num_rows, 1)
        for table in self._tables(list(dict.fromkeys(names)), size, skip):
            yield [table.column(name) for name in names]

    def texts(self, name, column, first):
        """Return a column of texts, None where one is missing."""
        return column.to_pylist()

    def strings(self, name, column):
        """Return the cells of a column as strings, None where one is missing."""
        try:
            return column.cast("string").to_pylist()
        except NotImplementedError:
            raise TypeError(f"{self._path}: column {name!r} holds {column.type}, which has no form as text.") from None

    def _tables(self, names, size, skip):
        pa = import_pyarrow()
        batches: list = []
        n_rows = 0
        # Some batches have fewer rows than asked for, as row groups end where they want.
        for batch in self._file.iter_batches(size, columns=names):
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


def import_pyarrow():
    """Import pyarrow, or say which extra has it."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('Parquet files need pyarrow. Run: pip install "skweight[parquet]"') from error
    return pyarrow
