"""Texts of anybody's making, as one line on a terminal shows them."""

import unicodedata


def visible(text):
    r"""Spell characters that a terminal would obey or hide: ``\x1b`` for an escape, ``\u202e`` for a bidi mark."""
    return "".join(map(_visible_character, text))


def _visible_character(character):
    # Spaces of other alphabets and of typographers are not "printable", though they do no harm.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def shorten(text, width):
    """Fit a text into `width` characters of one line, visible; cut between words where that loses little."""
    text = visible(" ".join(text[: 10 * width].split()))
    if len(text) <= width:
        return text
    words, word = text[: width - 1].rpartition(" ")[0], text[: width - 2]
    return f"{words if len(words) > width / 2 else word} …"


def joined(text):
    """Spell a text, or a pair of texts, in one."""
    return text if isinstance(text, str) else " || ".join(text)
