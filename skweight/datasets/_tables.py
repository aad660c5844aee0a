"""CSV tables of texts: the one place that knows their rules."""

import csv
import re
import threading
from contextlib import contextmanager
from pathlib import Path

from sklearn.utils import Bunch

# -- formulas ---------------------------------------------------------------------------------------------------------

# What a spreadsheet may run: a sign, or its full-width form, and something after it. White space before it is skipped.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]\s*\S")


def defuse(cell):
    """Put an apostrophe before what a spreadsheet would run as a formula.

    Also before a cell that looks as if that had been done, so that :func:`restore` gives back every cell as it was.
    """
    return f"'{cell}" if _is_formula(cell.lstrip("'")) else cell


def restore(cell):
    """Take away the apostrophe that :func:`defuse` put before a formula."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(cell):
    if not _FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False  # a number, as -1 or +3.5, is what a spreadsheet takes it for


# -- reading ----------------------------------------------------------------------------------------------------------

_LONGEST_FIELD = 2**31 - 1  # what a C long holds on every system
_field_size_limit = threading.Lock()


@contextmanager
def open_csv(path, *, raw=False):
    """Open a CSV file in UTF-8, with or without a byte order mark, whose first line is a header.

    Parameters
    ----------
    path : str or path
    raw : bool, default=False
        Whether cells that :func:`defuse` has changed stay as they are.

    Yields
    ------
    columns : list of str
        The header.
    rows : iterator of list of str
        The lines after it without blank ones, each as long as the header.

    Raises
    ------
    ValueError
        If a line is not CSV or not UTF-8, or has another number of fields than the header; while `rows` is read, not
        before.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = _read(path, file)
        if not raw:
            rows = (list(map(restore, row)) for row in rows)
        yield next(rows), rows


def _read(path, file):
    # Not strict, the reader takes a quote that is left open for the beginning of one long field.
    reader = csv.reader(file, strict=True)
    begin = 1
    try:
        header = _next_row(reader) or []
        yield header
        begin = reader.line_num + 1
        while (row := _next_row(reader)) is not None:
            if row and len(row) != len(header):  # a blank line is no row
                raise ValueError(f"{path}, line {reader.line_num}: expected {len(header)} fields as in the header.")
            if row:
                yield row
            begin = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}: the row that begins in line {begin} is not CSV ({error}, line {reader.line_num}). Is a quote in "
            "it left open, or not doubled?"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, line {_undecodable_line(path)}: not UTF-8. Save the file as UTF-8.") from error


def _next_row(reader):
    # The limit is the interpreter's own: it is raised for one row, by one thread at a time.
    with _field_size_limit:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            return next(reader, None)
        finally:
            csv.field_size_limit(before)


def _undecodable_line(path):
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return "unknown"  # a pipe, which cannot be read twice


def text_columns(path, columns, named, option="text="):
    """Columns of the texts: those that were named, or else ``text``, or ``text_a`` and ``text_b``.

    Parameters
    ----------
    path : str or path
    columns : list of str
        All columns of the table.
    named : str, sequence of str or None
    option : str, default="text="
        How the columns can be named, for messages.
    """
    if named is None:
        pair = ["text_a", "text_b"]
        if "text" not in columns and not set(pair) <= set(columns):
            raise ValueError(
                f"{path} has no column 'text', and no pair 'text_a', 'text_b'; its columns are {columns}. "
                f"Name the right ones with {option}."
            )
        named = ["text"] if "text" in columns else pair
    named = [named] if isinstance(named, str) else list(named)
    if len(named) > 2:
        raise ValueError(f"A row holds one text or a pair of texts, not {len(named)}: {named}.")
    check_columns(path, columns, named, option)
    return named


def check_columns(path, columns, wanted, option):
    """Check that a table has each column of the names `wanted`, once."""
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise ValueError(
            f"{path} has no column {', '.join(map(repr, absent))}; its columns are {columns}. "
            f"Name the right ones with {option}."
        )
    double = [name for name in wanted if columns.count(name) > 1]
    if double:
        raise ValueError(f"{path} has several columns {double[0]!r}; their names must differ.")


# -- loading ----------------------------------------------------------------------------------------------------------


def load_csv(path, *, text=None, label="label", raw=False):
    """Read texts and labels from a CSV file with a header line.

    Parameters
    ----------
    path : str or path
        UTF-8, with or without a byte order mark.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes ``text``, or else ``text_a`` and ``text_b``.
    label : str or None, default="label"
        Column of the label. None reads a file without labels.
    raw : bool, default=False
        Whether the apostrophe that the command line puts before formulas, as in ``'=A1``, is read as part of the text.

    Returns
    -------
    texts : list of str or list of (str, str)
    labels : list of str, or None

    Raises
    ------
    ValueError
        If a column is missing or there twice, or a line is not CSV, not UTF-8, or has another number of fields than
        the header.
    """
    return read_rows(path, text, label, raw=raw)


def read_rows(path, text, label, *, raw, text_option="text=", label_option="label="):
    """Read texts and labels as :func:`load_csv` does; messages name the columns' options in the caller's words."""
    with open_csv(path, raw=raw) as (columns, rows):
        text = text_columns(path, columns, text, text_option)
        if label:
            check_columns(path, columns, [label], label_option)
        position = {name: i for i, name in enumerate(columns)}
        at = [position[name] for name in text]
        texts, labels = [], []
        for row in rows:
            texts.append(row[at[0]] if len(at) == 1 else tuple(row[i] for i in at))
            if label:
                labels.append(row[position[label]])
    return texts, labels if label else None


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
