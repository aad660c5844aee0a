"""Tables in JSON: an object on each line, a list of objects, or such a list under a key."""

import itertools
import json

from skweight._rows.values import spell

_FIRST_RECORDS = 100  # whose keys are the columns


class _Number(str):
    """A number as it is spelt in the file: 1.0 stays 1.0, and 10**30 keeps its digits."""


class JsonTable:
    """Records in JSON. Lines are read one by one; a list is read as a whole.

    Parameters
    ----------
    path : str or path
    file : io.TextIOBase

    Attributes
    ----------
    columns : list of str
        The keys of the first hundred records.

    Raises
    ------
    ValueError
        If a line is not a JSON object, or the file holds no list of records; while it is read, not before.
    """

    def __init__(self, path, file):
        self._path = path
        records = self._records(file)
        first = list(itertools.islice(records, _FIRST_RECORDS))
        if not first:
            raise ValueError(f"{path} holds no records.")
        self._rest = itertools.chain(first, records)
        self.columns = list(dict.fromkeys(key for record in first for key in record))

    def chunks(self, names, size=None, skip=0):
        """Cut the rows from row `skip` on into chunks of `size` rows, None for all; each is a list for each column."""
        records = itertools.islice(self._rest, skip, None)
        while chunk := list(itertools.islice(records, size)):
            yield [[record.get(name) for record in chunk] for name in names]

    def check_texts(self, name):
        """Check that a column holds texts; of JSON only its rows say so."""

    def texts(self, name, column, first):
        """Return a column of texts, None where one is missing."""
        for i, cell in enumerate(column):
            if cell is not None and type(cell) is not str:
                raise TypeError(
                    f"{self._path}: column {name!r} holds {_kind(cell)} in row {first + i} ({spell(cell)}), expected a "
                    "text."
                )
        return column

    def strings(self, name, column):
        """Return the cells of a column as strings, None where one is missing."""
        return [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in column]

    def _records(self, file):
        lines = enumerate(file, start=1)
        number, first = next((number, line) for number, line in lines if line.strip())
        record = self._whole_object(first, number)
        if record is None:
            yield from self._listed(self._parse(first + "".join(line for _, line in lines), number))
            return
        following = next(((number, line) for number, line in lines if line.strip()), None)
        if following is None and (_lists(record) or not any(map(_is_cell, record.values()))):
            yield from self._listed(record)
            return
        yield record
        for number, line in itertools.chain([following] if following else [], lines):
            if line.strip():
                yield self._record(self._parse(line.strip(), number), f"line {number}")

    def _whole_object(self, line, number):
        """Return the object that a line holds; None if it is only a part of something."""
        try:
            json.loads(line)
        except json.JSONDecodeError:
            return None
        except RecursionError:
            pass
        value = self._parse(line, number)
        return value if isinstance(value, dict) else None

    def _listed(self, value):
        lists = {"": value} if isinstance(value, list) else _lists(value)
        if not lists:
            raise ValueError(
                f"{self._path} holds one JSON object without a list of records; its keys are {spell(list(value))}. "
                "Write one object for each row: frame.to_json(path, orient='records', lines=True) in pandas."
            )
        if len(lists) > 1:
            raise ValueError(
                f"{self._path} holds several lists of records, under {', '.join(map(repr, lists))}. Write the one you "
                "mean into a file of its own."
            )
        for i, record in enumerate(*lists.values()):
            yield self._record(record, f"record {i}")

    def _record(self, value, where):
        if not isinstance(value, dict):
            raise ValueError(f"{self._path}, {where}: expected a JSON object, got {_kind(value)} ({spell(value)}).")
        return value

    def _parse(self, text, line=1):
        try:
            return _loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{self._path}, line {line + error.lineno - 1}: not JSON ({error.msg}).") from error
        except RecursionError:
            raise ValueError(f"{self._path}, line {line}: JSON that is nested too deep.") from None
        except ValueError as error:
            raise ValueError(f"{self._path}, line {line}: {error}") from None


def _loads(text):
    return json.loads(
        text, parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_without_doubles
    )


def _without_doubles(pairs):
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {double!r} twice.")
    return record


def _lists(value):
    """Return the lists of records under the keys of an object."""
    return {
        key: under
        for key, under in value.items()
        if isinstance(under, list) and under and all(isinstance(record, dict) for record in under)
    }


def _is_cell(value):
    return not isinstance(value, dict | list)


def _kind(cell):
    kinds = {_Number: "a number", bool: "a boolean", list: "a list", dict: "an object", str: "a text"}
    return kinds.get(type(cell), "null")
