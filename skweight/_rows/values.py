"""Single values: which are missing, and how messages name rows."""

import numpy as np


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
