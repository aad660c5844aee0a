"""CSV tables of texts: the one place that knows their rules."""

import csv
from contextlib import contextmanager
from pathlib import Path

from sklearn.utils import Bunch

# -- reading ----------------------------------------------------------------------------------------------------------


@contextmanager
def open_csv(path):
    """Open a CSV file in UTF-8, with or without a byte order mark, whose first line is a header.

    Parameters
    ----------
    path : str or path

    Yields
    ------
    columns : list of str
        The header.
    rows : iterator of list of str
        The lines after it without blank ones, each as long as the header.

    Raises
    ------
    ValueError
        If a line is not CSV, or has another number of fields than the header; while `rows` is read, not before.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = _lines(path, file)
        yield next(lines), lines


def _lines(path, file):
    reader = csv.reader(file)
    try:
        header = next(reader, [])
        yield header
        for row in filter(None, reader):  # a blank line is no row
            if len(row) != len(header):
                raise ValueError(f"{path}, line {reader.line_num}: expected {len(header)} fields as in the header.")
            yield row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error


def default_text_columns(columns):
    """Columns of the texts, if nobody names them."""
    return ["text"] if "text" in columns else ["text_a", "text_b"]


def check_columns(path, columns, wanted):
    """Check that a table has all columns of the names `wanted`."""
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise ValueError(f"{path} has no column {', '.join(map(repr, absent))}; its columns are {columns}.")


# -- loading ----------------------------------------------------------------------------------------------------------


def load_csv(path, *, text=None, label="label"):
    """Read texts and labels from a CSV file with a header line.

    Parameters
    ----------
    path : str or path
        UTF-8, with or without a byte order mark.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes ``text``, or else ``text_a`` and ``text_b``.
    label : str or None, default="label"
        Column of the label. None reads a file without labels.

    Returns
    -------
    texts : list of str or list of (str, str)
    labels : list of str, or None

    Raises
    ------
    ValueError
        If a column is missing, or a line is not CSV or has another number of fields than the header.
    """
    with open_csv(path) as (columns, rows):
        if text is None:
            text = default_text_columns(columns)
        text = [text] if isinstance(text, str) else list(text)
        check_columns(path, columns, [*text, *([label] if label else [])])
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
