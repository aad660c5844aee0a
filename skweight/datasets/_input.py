"""A file of any size, read in chunks of rows: texts, perhaps labels, and columns to copy."""

from dataclasses import dataclass
from pathlib import Path

from skweight._rows.values import name_rows
from skweight.datasets._columns import Columns, check_columns
from skweight.datasets._parquet import import_pyarrow
from skweight.datasets._tables import open_table


@dataclass(frozen=True)
class Options:
    """How a user names what says how a file is read, for messages."""

    text: str
    label: str
    keep: str
    encoding: str
    fill: str
    overwrite: str


COMMAND_LINE = Options("--text-column", "--label-column", "--keep", "--encoding ", "--fill-missing", "--overwrite")
PYTHON = Options("text=", "label=", "keep=", "encoding=", "fill_missing=True", "overwrite=True")


@dataclass
class Chunk:
    """Some rows of the input.

    Attributes
    ----------
    texts : list of str or list of (str, str)
    labels : list of str or None
        None if no column of labels was asked for; in it None where one is missing.
    kept : list of list of (str or None), or list of pyarrow.ChunkedArray
        The columns that are copied into the output.
    """

    texts: list
    labels: list | None
    kept: list


class Input:
    """A file with a column of texts, or two, that is read as often as it must be.

    Parameters
    ----------
    path : Path
    text : list of str or None
        Columns of the texts, as the user names them.
    keep : list of str
        Columns to copy into the output.
    label : str, default=None
        Column of the labels.
    remembered : list of list of str
        Columns of the texts in the files that the model was fitted on. Taken if the file has them and `text` is None.
    raw, encoding
        As for :func:`skweight.datasets._tables.open_table`.
    fill : bool
        Whether a missing text counts as an empty one.
    options : Options
        How all that is named in messages.

    Attributes
    ----------
    text : list of str
        Columns of the texts.
    schema : pyarrow.Schema or None
        Data types of the columns, where the file knows them.
    """

    def __init__(
        self,
        path,
        text=None,
        keep=(),
        *,
        label=None,
        remembered=(),
        raw=False,
        encoding=None,
        fill=False,
        options=COMMAND_LINE,
    ):
        self.path = path
        self.keep = list(keep)
        self.label = label
        self.raw = raw
        self.encoding = encoding
        self._fill = fill
        self._options = options
        with self._open() as table:
            known = (names for names in remembered if set(names) <= set(table.columns))
            if text is None:
                text = next(known, None)
            if text is None and remembered and not {"text", "text_a"} & set(table.columns):
                text = remembered[0]  # which the message then names
            named = {"text_option": options.text, "label_option": options.label}
            self.text = Columns(text=text, label=label, **named).find(path, table.columns)
            check_columns(path, table.columns, self.keep, options.keep)
            for name in self.text:
                table.check_texts(name)
            self.schema = getattr(table, "schema", None)

    def state(self):
        """Return what changes when the file does."""
        return {"input": str(self.path.resolve()), **file_state(self.path)}

    def chunks(self, size, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows."""
        first = skip
        labels = [] if self.label is None else [self.label]
        names = [*self.text, *labels, *self.keep]
        with self._open() as table:
            for columns in table.chunks(names, size, skip):
                n_texts = len(self.text)
                texts, kept = columns[:n_texts], columns[n_texts + len(labels) :]
                texts = [self._texts(table, *named, first) for named in zip(self.text, texts, strict=True)]
                if self.schema is None:
                    kept = [table.strings(*named) for named in zip(self.keep, kept, strict=True)]
                yield Chunk(
                    texts[0] if len(texts) == 1 else list(zip(*texts, strict=True)),
                    table.strings(self.label, columns[n_texts]) if labels else None,
                    kept,
                )
                first += len(texts[0])

    def output_names(self, added):
        """Name the columns of an output: those that are kept, then those that are added. Each must be there once."""
        if double := [name for name in self.keep if name in added or self.keep.count(name) > 1]:
            raise ValueError(f"The output would have two columns {double[0]!r}; do not keep that one.")
        return [*self.keep, *added]

    def output_schema(self, added):
        """Tell the data types of an output in Parquet. What is kept from a file without data types is text.

        Parameters
        ----------
        added : list of (str, pyarrow.DataType)
            Columns beside those that are kept.

        Returns
        -------
        schema : pyarrow.Schema
        """
        pa = import_pyarrow()
        kept = [pa.string() if self.schema is None else self.schema.field(name).type for name in self.keep]
        names = self.output_names([name for name, _ in added])
        return pa.schema(list(zip(names, [*kept, *(of for _, of in added)], strict=True)))

    def _open(self):
        how = {"raw": self.raw, "encoding": self.encoding, "encoding_option": self._options.encoding}
        return open_table(self.path, **how)

    def _texts(self, table, name, column, first):
        texts = table.texts(name, column, first)
        missing = [first + i for i, text in enumerate(texts) if text is None]
        if missing and not self._fill:
            raise ValueError(
                f"{self.path}: column {name!r} contains a missing value at {name_rows(missing)}. Fill it in, or take "
                f"missing texts for empty ones with {self._options.fill}."
            )
        return ["" if text is None else text for text in texts] if missing else texts


def file_state(path):
    """Return what changes when a file does, wherever it lies."""
    stat = Path(path).stat()
    return {"input size": stat.st_size, "input mtime_ns": stat.st_mtime_ns}
