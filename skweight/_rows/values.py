"""Single values: which are missing, and how messages name values and rows."""

import reprlib

import numpy as np

_short = reprlib.Repr()
_short.maxlist, _short.maxstring, _short.maxother = 10, 80, 80


def spell(value):
    """Spell a value, or a list of values, for a message, which must fit on a screen whatever the value is."""
    return _short.repr(value)


def unmasked(array):
    """Return an array with None in the place of what its mask hides; anything else as it is."""
    return np.array(array.tolist(), dtype=object) if isinstance(array, np.ma.MaskedArray) else array


def is_missing(value):
    """Whether a value is None, NaN or one of pandas' markers."""
    # pandas' NA must be recognised by name: comparing it raises, and pandas need not be installed.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def name_rows(rows, limit=10):
    """Spell row numbers for a message: ``row 3``, ``rows 3, 17`` or ``rows 3, 17, ... (+12 more)``."""
    shown = ", ".join(str(row) for row in rows[:limit])
    if len(rows) > limit:
        return f"rows {shown}, … (+{len(rows) - limit} more)"
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}"
