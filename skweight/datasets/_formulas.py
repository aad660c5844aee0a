"""Cells that a spreadsheet would run as formulas: made harmless when they are written, and read as what they were."""

import re

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
