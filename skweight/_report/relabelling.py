"""A list of labels to change: written as CSV, edited by somebody, read back."""

import numpy as np

from skweight._copies import plain_form
from skweight._rows.labels import check_labels
from skweight._rows.texts import to_rows
from skweight._rows.values import spell
from skweight.datasets._columns import check_columns
from skweight.datasets._formulas import defuse
from skweight.datasets._tables import open_table
from skweight.datasets._writer import csv_writer

_AFTER_TEXT = ["label", "suggested", "probability", "keep"]


def import_pandas():
    """Import pandas, or say which extra has it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError('Tables need pandas. Run: pip install "skweight[report]"') from error
    return pandas


def relabelling_table(evidence, path=None):
    """Make the table that ``report.relabelling(path)`` returns."""
    if evidence.proba is None:
        raise ValueError(
            f"{type(evidence.classifier).__name__} keeps nobody who could suggest labels: no quality checker and no "
            "pool. A classifier that was loaded has left its checkers behind."
        )
    pandas = import_pandas()
    rows = np.flatnonzero(evidence.suggested != evidence.target)
    rows = rows[np.argsort(-evidence.suggested_proba[rows], kind="stable")]
    texts = _text_columns([evidence.rows.X[i] for i in rows]) if evidence.holds_texts else {}
    table = pandas.DataFrame(
        {
            "row": evidence.rows.index[rows],
            **texts,
            "label": evidence.rows.y[rows],
            "suggested": evidence.classes[evidence.suggested[rows]],
            "probability": evidence.suggested_proba[rows],
            "keep": "",
        }
    )
    if path is not None:
        harmless = table.assign(probability=table["probability"].round(4))
        harmless = harmless.map(lambda cell: defuse(cell) if isinstance(cell, str) else cell)
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv_writer(file).writerows([list(harmless), *harmless.itertuples(index=False)])
    return table


def _text_columns(texts):
    if texts and not isinstance(texts[0], str):
        return {"text_a": [one for one, _ in texts], "text_b": [other for _, other in texts]}
    return {"text": texts}


def read_relabelling(path, X, y):
    r"""Read an edited list of labels to change, and change them.

    Parameters
    ----------
    path : str or path
        What ``report.relabelling(path)`` has written, edited: lines may be left out or sorted; a row with anything
        in the column ``keep`` keeps its label, as does one whose ``suggested`` is empty; another label in
        ``suggested`` counts.
    X : array-like of shape (n_samples,) or (n_samples, 2)
        The rows that the report was made of. Rows of numbers, of shape (n_samples, n_features), are not compared with
        the list.
    y : array-like of shape (n_samples,)
        Their labels.

    Returns
    -------
    y : ndarray of shape (n_samples,)
        A copy with the new labels.

    Raises
    ------
    ValueError
        If a line is about a row that `X` does not have, about one with another text or label, or suggests a label that
        `y` does not hold; the message names the line's row.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skweight import read_relabelling
    >>> lines = ["row,text,label,suggested,probability,keep", "1,dull,good,bad,0.93,", "0,odd,good,bad,0.71,yes"]
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.csv")
    ...     _ = path.write_text("\n".join(lines))
    ...     read_relabelling(path, ["odd", "dull", "slow"], ["good", "good", "bad"])
    array(['good', 'bad', 'bad'], dtype='<U4')
    """
    labels, missing = check_labels(y, drop_missing=True)
    new = labels.copy()
    if missing.size:
        new = new.astype(object)
        new[missing] = None
    spelled = {str(label): label for label in np.unique(labels).tolist()}
    seen: set[int] = set()
    with open_table(path) as table:
        columns = table.columns
        check_columns(path, columns, ["row", *(name for name in _AFTER_TEXT if name != "probability")], "its header")
        texts = [name for name in ("text", "text_a", "text_b") if name in columns]
        rows = to_rows(X) if texts else X
        if len(rows) != len(labels):
            raise ValueError(f"X has {len(rows)} rows but y has {len(labels)}.")
        for line in (line for chunk in table.chunks(columns) for line in zip(*chunk, strict=True)):
            cells = dict(zip(columns, line, strict=True))
            i = _row_number(path, cells["row"], len(labels))
            if i in seen:
                raise ValueError(f"{path} has row {i} twice. Leave one of them out.")
            seen.add(i)
            said = tuple(cells[name] for name in texts)
            if texts and plain_form(said) != plain_form(_as_tuple(rows[i])):
                raise ValueError(f"{path}, row {i}: its text is {spell(said)}, but X[{i}] is {spell(rows[i])}.")
            if cells["label"] != str(labels[i]):
                raise ValueError(f"{path}, row {i}: its label is {cells['label']!r}, but y[{i}] is {labels[i]!r}.")
            suggested = cells["suggested"]
            if cells["keep"].strip() or not suggested.strip():
                continue
            if suggested not in spelled:
                raise ValueError(
                    f"{path}, row {i}: suggested is {suggested!r}, which is no label of y; those are "
                    f"{spell(list(spelled))}."
                )
            new[i] = spelled[suggested]
    return new


def _row_number(path, cell, n_rows):
    if not cell.strip().isdecimal() or int(cell) >= n_rows:
        raise ValueError(f"{path}: row {cell!r} is none of the {n_rows} rows of X, which count from 0.")
    return int(cell)


def _as_tuple(row):
    return (row,) if isinstance(row, str) else tuple(row)
