"""Tables in delimited text: CSV, TSV and their like, read strictly."""

import csv
import itertools
import re
import threading

from skweight.datasets._formulas import restore

_LONGEST_FIELD = 2**31 - 1  # what a C long holds on every system
_field_size_limit = threading.Lock()
_SEPARATORS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}


class DelimitedTable:
    """Delimited text whose first line is a header; a line such as ``sep=;`` may stand before it.

    Parameters
    ----------
    path : str or path
    file : io.TextIOBase
        Its lines with their own ends.
    raw : bool
        Whether cells that :func:`skweight.datasets._formulas.defuse` has changed stay as they are.

    Attributes
    ----------
    columns : list of str

    Raises
    ------
    ValueError
        If a line is not CSV, or has another number of fields than the header; while it is read, not before.
    """

    def __init__(self, path, file, raw):
        self._path = path
        self._restore = str if raw else restore
        first = file.readline()
        said = re.fullmatch(r"\ufeff?sep=(.)\s*", first)
        self._n_skipped = int(said is not None)
        self._separator = said[1] if said else _separator(path, first)
        # Not strict, the reader takes a quote that is left open for the beginning of one long field.
        lines = itertools.chain([] if said else [first], file)
        self._rows = self._read(csv.reader(lines, delimiter=self._separator, strict=True))
        self.columns = next(self._rows)

    def chunks(self, names, size=None, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows, None for all; each is a list for each column."""
        at = [self.columns.index(name) for name in names]
        rows = itertools.islice(self._rows, skip, None)
        while chunk := list(itertools.islice(rows, size)):
            yield [[row[i] for row in chunk] for i in at]

    def check_texts(self, name):
        """Check that a column holds texts, as all do."""

    def texts(self, name, column, first):
        """Return a column of texts; a field that is empty is an empty text."""
        return column

    def strings(self, name, column):
        """Return the cells of a column as strings, None where one is missing."""
        return column

    def _read(self, reader):
        begin = 1
        try:
            header = _next_row(reader) or []
            yield list(map(self._restore, header))
            begin = self._line(reader) + 1
            while (row := _next_row(reader)) is not None:
                if row and len(row) != len(header):  # a blank line is no row
                    raise ValueError(
                        f"{self._path}, line {self._line(reader)}: expected {len(header)} fields as in the header, got "
                        f"{len(row)}; between two fields stands {_SEPARATORS.get(self._separator, self._separator)}."
                    )
                if row:
                    yield list(map(self._restore, row))
                begin = self._line(reader) + 1
        except csv.Error as error:
            raise ValueError(
                f"{self._path}: the row that begins in line {begin} is not CSV ({error}, line {self._line(reader)}). "
                "Is a quote in it left open, or not doubled?"
            ) from error

    def _line(self, reader):
        return reader.line_num + self._n_skipped


def _separator(path, header):
    """Find what stands between the fields: what is most frequent in the header, outside of quotes."""
    if str(path).lower().removesuffix(".gz").endswith((".tsv", ".tab")):
        return "\t"
    bare = re.sub(r'"[^"]*"', "", header)
    return max(_SEPARATORS, key=bare.count)  # the comma, if there is none


def _next_row(reader):
    # The limit is the interpreter's own: it is raised for one row, by one thread at a time.
    with _field_size_limit:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            return next(reader, None)
        finally:
            csv.field_size_limit(before)
