"""Which columns of a table hold texts, labels and groups; and what to say where that cannot be told."""

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

# What public files call them, the likeliest first. They are offered, never taken: a guess would be trained on.
_TEXTS = (
    "text sentence review content body comment message tweet post utterance document article question query "
    "passage abstract description headline title prompt input"
)
_LABELS = "label labels class category sentiment intent target topic emotion rating stars score y output answer gold"
_PAIR = ["text_a", "text_b"]


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read, and how a user gives them.

    Attributes
    ----------
    text : str, sequence of str or None
        Column of the text, or the two columns of a pair, of which the names may stand in one string with a comma. None
        takes ``text``, or else ``text_a`` and ``text_b``.
    label, group : str or None
        None reads none.
    text_option, label_option, group_option : str
        What they are called where the user gives them: arguments such as ``text=``, or options.
    """

    text: str | Sequence[str] | None = None
    label: str | None = "label"
    group: str | None = None
    text_option: str = "text="
    label_option: str = "label="
    group_option: str = "group="

    def find(self, path, columns):
        """Find them among the columns of a table.

        Returns
        -------
        text : list of str
            One name, or two.

        Raises
        ------
        ValueError
            If one is missing or there twice; the message offers others.
        """
        text = self._named(columns) or ["text"]
        if self.text is None and "text" not in columns:
            text = _PAIR
            if not set(_PAIR) <= set(columns):
                _raise_absent(path, columns, "'text', and no pair 'text_a', 'text_b'", self._offers(columns))
        if len(text) > 2:
            raise ValueError(f"A row holds one text or a pair of texts, not {len(text)}: {text}.")
        check_columns(path, columns, text, self.text_option, _TEXTS)
        if self.label:
            check_columns(path, columns, [self.label], self.label_option, _LABELS)
        if self.group:
            check_columns(path, columns, [self.group], self.group_option)
        return text

    def _named(self, columns):
        if self.text is None:
            return None
        given = [self.text] if isinstance(self.text, str) else list(self.text)
        return [name for part in given for name in ([part] if part in columns else part.split(","))]

    def _offers(self, columns):
        """Options that may be what the user wants, instead of the names that are not there."""
        text = _best(columns, _TEXTS.split())
        offers = [(self.text_option, text)]
        if text and self.label and self.label not in columns:
            others = [name for name in columns if name != text]
            offers.append((self.label_option, _best(others, [self.label, *_LABELS.split()])))
        return offers


def check_columns(path, columns, wanted, option, known=""):
    """Check that a table has each column of the names `wanted`, once.

    Parameters
    ----------
    path : str or path
    columns, wanted : list of str
    option : str
        How the columns can be named, for messages.
    known : str, default=""
        Other names for them, which are offered where the table has one.
    """
    absent = [name for name in wanted if name not in columns]
    if absent:
        nearest = _best(columns, absent[:1]) or _nearest(columns, absent[0]) or _best(columns, known.split())
        _raise_absent(path, columns, ", ".join(map(repr, absent)), [(option, nearest)])
    double = [name for name in wanted if columns.count(name) > 1]
    if double:
        raise ValueError(f"{path} has several columns {double[0]!r}; their names must differ.")


def _raise_absent(path, columns, absent, offers):
    """Say which columns are not there, and offer others, as pairs of an option and a column or None."""
    option = offers[0][0]
    between = " " if option.startswith("--") else ", "
    example = between.join(_spell(*offer) for offer in offers if offer[1])
    advice = f"Name the right ones with {option}" + (f", perhaps {example}." if example else ".")
    if _is_data(columns):
        advice = "The first line looks like data: put a line with the names of the columns before it."
    raise ValueError(f"{path} has no column {absent}; its columns are {columns}. {advice}")


def _spell(option, value):
    return f"{option} {shlex.quote(value)}" if option.startswith("--") else f"{option}{value!r}"


def _best(columns, wanted):
    """Find the first of the names `wanted`, whatever its case and the white space around it."""
    plain = {name.strip().casefold(): name for name in reversed(columns)}
    return next((plain[name] for name in (each.strip().casefold() for each in wanted) if name in plain), None)


def _nearest(columns, name):
    return next(iter(difflib.get_close_matches(name, columns, n=1)), None)


def _is_data(columns):
    """Whether what stands in the place of a header is a row: a number, a sentence, or nothing at all."""
    return any(not name.strip() or len(name.split()) > 4 or _is_number(name) for name in columns)


def _is_number(name):
    try:
        float(name)
    except ValueError:
        return False
    return True
