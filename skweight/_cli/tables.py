"""Tables of labelled rows, as the commands read them."""

from dataclasses import dataclass
from pathlib import Path

from skweight._rows.values import name_rows
from skweight.datasets._input import COMMAND_LINE
from skweight.datasets._tables import read_rows


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
    how = {"raw": raw, "encoding": encoding, "encoding_option": COMMAND_LINE.encoding}
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
