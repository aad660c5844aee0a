"""What an answer says: JSON objects, wherever they stand in it. Nothing is guessed."""

import json
import unicodedata

_LONGEST = 200_000  # letters that are looked at
_MOST_STARTS = 2_000  # braces that are tried


def find_objects(text, fields):
    """Find the JSON objects of an answer that have one of the fields.

    Reads bare JSON, JSON among prose or in a code block, lists and lines of objects, and what is whole of an answer
    that was cut.

    Parameters
    ----------
    text : str
    fields : sequence of str

    Returns
    -------
    objects : list of dict
        In their order.
    """
    text = text[:_LONGEST]
    decoder, found, end, starts = json.JSONDecoder(strict=False), [], 0, 0  # with line breaks inside of texts
    while (start := text.find("{", end)) >= 0 and starts < _MOST_STARTS:
        starts += 1
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1  # cut, or no JSON: what is inside may be whole
            continue
        found += _objects_in(value, fields)
    return found


def _objects_in(value, fields, depth=0):
    if depth > 10:
        return []
    if isinstance(value, dict):
        if any(field in value for field in fields):
            return [value]
        value = list(value.values())
    if isinstance(value, list):
        return [found for item in value for found in _objects_in(item, fields, depth + 1)]
    return []


def row_of(found, fields, label, classes):
    """Read a row from an object.

    Parameters
    ----------
    found : dict
    fields : sequence of str
        Names of its texts.
    label : str
        The class that was asked for.
    classes : set of str

    Returns
    -------
    texts : tuple of str, or None
    reason : str or None
        Why there is no row.
    """
    texts = tuple(found.get(field) for field in fields)
    for field, text in zip(fields, texts, strict=True):
        if not isinstance(text, str):
            return None, f"no {field}"
        if not any(map(_says_something, text)):
            return None, f"{field} without a word"
        if any("\ud800" <= char <= "\udfff" for char in text):
            return None, f"{field} with half a character"  # which no file can hold
    said = found.get("label", label)
    if str(said) not in classes:
        return None, "label outside the classes"
    if str(said) != label:
        return None, "label of another class"
    return tuple(text.strip() for text in texts), None


def _says_something(char):
    kind = unicodedata.category(char)
    return kind[0] in "LN" or kind == "So"  # letters, digits, emoji: not "..." or "###"
