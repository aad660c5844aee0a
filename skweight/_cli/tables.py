"""Tables that the commands read: whole ones with labels, and files of any size in chunks."""

from dataclasses import dataclass
from pathlib import Path

from skweight._rows.values import name_rows
from skweight.datasets._columns import Columns, check_columns
from skweight.datasets._tables import open_table, read_rows

ENCODING_OPTION = "--encoding "

# -- labelled rows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelledTable:
    """Rows of a file, as they are there; what is missing is an empty string.

    Attributes
    ----------
    path : Path
    X : list of str or list of (str, str)
    y : list of str
    groups : list of str or None
        What ``--group-column`` holds.
    text_columns : list of str
        Names of the columns that X comes from.
    renamed : set of str
        Labels of the file that ``--label-map`` calls by another name.
    """

    path: Path
    X: list
    y: list
    groups: list | None
    text_columns: list
    renamed: set

    @property
    def complete(self):
        """Which rows have all their texts and a label."""
        return [i for i, row in enumerate(zip(self.X, self.y, strict=True)) if all(map(_is_filled, row))]

    @property
    def labels(self):
        """The labels that occur, sorted."""
        return sorted({self.y[i] for i in self.complete})

    @property
    def is_paired(self):
        """Whether a row holds two texts."""
        return len(self.text_columns) == 2

    def arguments(self):
        """Return texts and labels as `fit` takes them, where an empty text in a list would be allowed."""
        return tuple([value if _is_filled(value) else None for value in column] for column in (self.X, self.y))

    def whole_rows(self):
        """Return texts, labels and groups of the complete rows alone; None for groups if there are none."""
        columns = (self.X, self.y, self.groups)
        return tuple(column and [column[i] for i in self.complete] for column in columns)


def read_table(path, columns, *, label_map=None, drop=False, raw=False, encoding=None):
    """Read a file of labelled rows, and check that it has some.

    Parameters
    ----------
    path : Path
    columns : Columns
    label_map : dict of str to str, default=None
        What labels are called instead; others stay.
    drop : bool, default=False
        Whether rows without a text or a label are allowed, for the caller to leave out.
    raw, encoding
        As for :func:`skweight.datasets._tables.open_table`.

    Returns
    -------
    table : LabelledTable
    """
    how = {"raw": raw, "encoding": encoding, "encoding_option": ENCODING_OPTION}
    X, y, groups, names = read_rows(path, columns, **how)
    if not X:
        raise ValueError(f"{path} has no rows.")
    names_of = label_map or {}
    renamed = names_of.keys() & set(y)
    y = [names_of.get(label, label) or "" for label in y]
    X = [tuple(part or "" for part in row) if isinstance(row, tuple) else row or "" for row in X]
    table = LabelledTable(path, X, y, groups, names, renamed)
    missing = sorted(set(range(len(X))) - set(table.complete))
    if len(missing) == len(X) or (missing and not drop):
        raise ValueError(
            f"{path}: {name_rows(missing)} of {len(X)} without a text or a label. Fill them in, or leave such rows out "
            "with --drop-bad-rows."
        )
    return table


def _is_filled(value):
    return "" not in value if isinstance(value, tuple) else bool(value)


# -- files of any size ------------------------------------------------------------------------------------------------


@dataclass
class Chunk:
    """Some rows of the input.

    Attributes
    ----------
    texts : list of str or list of (str, str)
    kept : list of list of (str or None), or list of pyarrow.ChunkedArray
        The columns that are copied into the output.
    """

    texts: list
    kept: list


class Input:
    """A file with a column of texts, or two, that is read as often as it must be.

    Parameters
    ----------
    path : Path
    text : list of str or None
        Columns of the texts, as ``--text-column`` names them.
    keep : list of str
        Columns to copy into the output.
    remembered : list of list of str
        Columns of the texts in the files that the model was fitted on. Taken if the file has them and `text` is None.
    raw, encoding
        As for :func:`skweight.datasets._tables.open_table`.
    fill : bool
        Whether a missing text counts as an empty one.

    Attributes
    ----------
    schema : pyarrow.Schema or None
        Data types of the columns, where the file knows them.
    """

    def __init__(self, path, text=None, keep=(), *, remembered=(), raw=False, encoding=None, fill=False):
        self.path = path
        self.keep = list(keep)
        self.raw = raw
        self.encoding = encoding
        self._fill = fill
        with self._open() as table:
            known = (names for names in remembered if set(names) <= set(table.columns))
            if text is None:
                text = next(known, None)
            if text is None and remembered and not {"text", "text_a"} & set(table.columns):
                text = remembered[0]  # which the message then names
            self.text = Columns(text=text, label=None, text_option="--text-column").find(path, table.columns)
            check_columns(path, table.columns, self.keep, "--keep")
            for name in self.text:
                table.check_texts(name)
            self.schema = getattr(table, "schema", None)

    def state(self):
        """Return what changes when the file does."""
        stat = self.path.stat()
        return {"input": str(self.path.resolve()), "input size": stat.st_size, "input mtime_ns": stat.st_mtime_ns}

    def chunks(self, size, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows."""
        first = skip
        with self._open() as table:
            for columns in table.chunks([*self.text, *self.keep], size, skip):
                texts, kept = columns[: len(self.text)], columns[len(self.text) :]
                texts = [self._texts(table, *named, first) for named in zip(self.text, texts, strict=True)]
                if self.schema is None:
                    kept = [table.strings(*named) for named in zip(self.keep, kept, strict=True)]
                yield Chunk(texts[0] if len(texts) == 1 else list(zip(*texts, strict=True)), kept)
                first += len(texts[0])

    def _open(self):
        return open_table(self.path, raw=self.raw, encoding=self.encoding, encoding_option=ENCODING_OPTION)

    def _texts(self, table, name, column, first):
        texts = table.texts(name, column, first)
        missing = [first + i for i, text in enumerate(texts) if text is None]
        if missing and not self._fill:
            raise ValueError(
                f"{self.path}: column {name!r} contains a missing value at {name_rows(missing)}. Fill it in, or take "
                "missing texts for empty ones with --fill-missing."
            )
        return ["" if text is None else text for text in texts] if missing else texts
