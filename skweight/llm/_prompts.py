"""Prompts: templates that a user can replace, filled with data that is quoted as JSON."""

import hashlib
import json
from itertools import product
from pathlib import Path
from string import Template

import numpy as np

TEMPLATES = Path(__file__).parent / "templates"
_SINGLE, _PAIR = ("text",), ("text_a", "text_b")


def fields_of(row):
    """Names of the texts of a row: one text, or the two of a pair."""
    return _SINGLE if isinstance(row, str) else _PAIR


def quote(row, **more):
    """Write a row as one line of JSON: whatever a text says, it stays inside the quotes."""
    texts = (row,) if isinstance(row, str) else row
    return json.dumps(dict(zip(fields_of(row), texts, strict=True)) | more, ensure_ascii=False)


def read_template(template, default, allowed):
    """Read a template, and check its placeholders.

    Parameters
    ----------
    template : str, path or None
        A path, or the text itself, which has a line break or a placeholder; None takes `default`.
    default : str
        Name of a file of this package.
    allowed : set of str
        Placeholders that are filled.

    Returns
    -------
    template : string.Template
    """
    if template is None:
        template = TEMPLATES / default
    text = template if isinstance(template, str) and ("$" in template or "\n" in template) else None
    if text is None:
        text = Path(template).read_text(encoding="utf-8")
    result = Template(text)
    if not result.is_valid():
        raise ValueError("The template has a $ that begins no placeholder; write $$ for a dollar sign.")
    if unknown := set(result.get_identifiers()) - allowed:
        raise ValueError(
            f"The template has unknown placeholders: {', '.join(sorted(unknown))}. "
            f"There are {', '.join(sorted(allowed))}."
        )
    return result


def fingerprint(*parts):
    """Short hash of what makes one prompt differ from another."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


class Turns:
    """Takes `size` items at a time in random order; each is taken once before any is taken again.

    Parameters
    ----------
    items : sequence
    seed : int
    """

    def __init__(self, items, seed):
        self._items, self._rng, self._order = list(items), np.random.RandomState(seed), []

    def take(self, size):
        """Take so many, or all if there are fewer."""
        size = min(size, len(self._items))
        taken: list = []
        while len(taken) < size:
            if not self._order:
                self._order = self._rng.permutation(len(self._items)).tolist()
            # At the end of a round one that has been taken a moment ago waits for the next.
            i = next((i for i in self._order if i not in taken), None)
            if i is None:
                self._order = []
                continue
            self._order.remove(i)
            taken.append(i)
        return [self._items[i] for i in taken]


def combinations(attributes, label):
    """All combinations of the values of attributes for one class.

    Parameters
    ----------
    attributes : dict or None
        Values of each attribute: a list, or for values that depend on the class a dictionary of lists by label.
    label : str

    Returns
    -------
    combinations : list of dict
    """
    names = list(attributes or ())
    values = []
    for name in names:
        of = attributes[name]
        of = of.get(label, ()) if isinstance(of, dict) else of
        if isinstance(of, str) or not len(of):
            raise ValueError(f"attributes[{name!r}] has no list of values for the class {label!r}.")
        values.append(list(of))
    return [dict(zip(names, chosen, strict=True)) for chosen in product(*values)]
