"""Tables of texts: one reader for every kind of file, in Python and on the command line."""

from contextlib import contextmanager
from pathlib import Path

from sklearn.utils import Bunch

from skweight.datasets._columns import Columns
from skweight.datasets._delimited import DelimitedTable
from skweight.datasets._files import kind_of, open_bytes, open_text
from skweight.datasets._json import JsonTable
from skweight.datasets._parquet import open_parquet


@contextmanager
def open_table(path, *, raw=False, encoding=None, encoding_option="encoding="):
    """Open a table to read it once, from its first row to its last.

    Parameters
    ----------
    path : str or path
        Delimited text (CSV, TSV), JSON (an object on each line, a list of records, or such a list under a key) or
        Parquet, each also gzipped. What it is, its first bytes say.
    raw : bool, default=False
        Whether cells of delimited text that :func:`skweight.datasets._formulas.defuse` has changed stay as they are.
    encoding : str, default=None
        Of text. None is UTF-8, with or without a byte order mark.
    encoding_option : str
        How an encoding is named, for messages.

    Yields
    ------
    table : DelimitedTable, JsonTable or ParquetTable
        All have `columns`, `chunks`, `check_texts`, `texts` and `strings`.
    """
    with open_bytes(path) as file:
        kind = kind_of(path, file, encoding, encoding_option)
        if kind == "parquet":
            with open_parquet(path, file) as table:
                yield table
        else:
            with open_text(path, file, encoding, encoding_option) as text:
                yield JsonTable(path, text) if kind == "json" else DelimitedTable(path, text, raw)


def load_csv(path, *, text=None, label="label", raw=False, encoding=None):
    """Read texts and labels from a file.

    Parameters
    ----------
    path : str or path
        CSV with a header line. Whatever else the command line reads is read too: other delimiters (tab, semicolon,
        bar), JSON lines, JSON with a list of records, Parquet, each also gzipped.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes ``text``, or else ``text_a`` and ``text_b``.
    label : str or None, default="label"
        Column of the label. None reads a file without labels.
    raw : bool, default=False
        Whether the apostrophe that the command line puts before formulas, as in ``'=A1``, is read as part of the text.
    encoding : str, default=None
        Of the file. None is UTF-8, with or without a byte order mark.

    Returns
    -------
    texts : list of str or list of (str, str)
        None where JSON or Parquet has no text.
    labels : list of str, or None
        None where JSON or Parquet has no label.

    Raises
    ------
    ValueError
        If a column is missing or there twice, or a line is not CSV, cannot be decoded, or has another number of fields
        than the header.
    """
    columns = Columns(text=text, label=label)
    texts, labels, _, _ = read_rows(path, columns, raw=raw, encoding=encoding)
    return texts, labels


def read_rows(path, columns, *, raw=False, encoding=None, encoding_option="encoding="):
    """Read a whole table of texts.

    Parameters
    ----------
    path : str or path
    columns : Columns
    raw, encoding, encoding_option
        As for :func:`open_table`.

    Returns
    -------
    texts : list of str or list of (str, str)
    labels, groups : list of str, or None if no such column was asked for
        As texts, None where one is missing.
    names : list of str
        Columns of the texts.
    """
    with open_table(path, raw=raw, encoding=encoding, encoding_option=encoding_option) as table:
        names = columns.find(path, table.columns)
        for name in names:
            table.check_texts(name)
        others = [columns.label, columns.group]
        wanted = [*names, *filter(None, others)]
        parts: list = [[] for _ in names]
        strings: dict[str, list] = {name: [] for name in others if name}
        for read in table.chunks(wanted):
            parts = [table.texts(name, column, 0) for name, column in zip(names, read, strict=False)]
            strings = {name: table.strings(name, read[wanted.index(name)]) for name in strings}
    texts = parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))
    return texts, *(strings.get(name) for name in others), names


def load_task(folder, synthetic=None):
    """Read a folder with ``real_train.csv``, ``test.csv`` and files of synthetic rows.

    Parameters
    ----------
    folder : str or path
        Columns are ``text,label``, for pairs ``text_a,text_b,label``.
    synthetic : str, default=None
        Name of the file with the synthetic rows, as ``synthetic_gpt-4.csv`` or ``gpt-4``. None reads none.

    Returns
    -------
    task : Bunch
        ``real_X, real_y, test_X, test_y``, and ``synth_X, synth_y`` if asked for.
    """
    folder = Path(folder)
    task = Bunch()
    task.real_X, task.real_y = load_csv(folder / "real_train.csv")
    task.test_X, task.test_y = load_csv(folder / "test.csv")
    if synthetic is not None:
        name = synthetic if synthetic.endswith(".csv") else f"synthetic_{synthetic}.csv"
        if not (folder / name).exists():
            present = sorted(path.name for path in folder.glob("*synthetic*.csv"))
            raise FileNotFoundError(f"{folder} has no {name}; it has {', '.join(present) or 'no synthetic files'}.")
        task.synth_X, task.synth_y = load_csv(folder / name)
    return task
