"""Files as they lie on the disk: gzipped or not, of one kind or another, in some encoding."""

import codecs
import gzip
import io
import itertools
import re
import zlib
from contextlib import contextmanager

_LOOK_AHEAD = 1 << 16  # bytes
_SAMPLE_LINES = 1000  # what an encoding is guessed from

# How files of other kinds begin, and what to do with them.
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook. Unpack it, or save the sheet as CSV.",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook. Save the sheet as CSV.",
    b"BZh": "compressed with bzip2. Unpack it with bunzip2.",
    b"\xfd7zXZ": "compressed with xz. Unpack it with unxz.",
    b"\x28\xb5\x2f\xfd": "compressed with zstd. Unpack it with unzstd.",
    b"ARROW1": "an Arrow file. Save the table as Parquet.",
    b"\xff\xff\xff\xff": "an Arrow stream. Save the table as Parquet.",
    b"\x89HDF": "an HDF5 file. Save the table as Parquet.",
    b"SQLite format 3": "an SQLite database. Save the table as CSV.",
    b"%PDF": "a PDF file. Save the table as CSV.",
}


@contextmanager
def open_bytes(path):
    """Open a file whose bytes can be looked at before they are read (`peek`), unpacked if it is gzipped.

    Raises
    ------
    OSError
        If it is not there or cannot be opened.
    ValueError
        If it is a damaged gzip file; while it is read, not before.
    """
    try:
        file = io.BufferedReader(io.FileIO(path), _LOOK_AHEAD)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path} is a folder, expected a file.") from None
    with file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked, _LOOK_AHEAD)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is a gzip file that is damaged or cut short ({error}).") from error


def kind_of(path, file, encoding, option):
    """Tell by its first bytes what a file is; its name decides only where they do not.

    Parameters
    ----------
    path : str or path
    file : io.BufferedReader
        At its beginning, where it stays.
    encoding, option : str
        As for :func:`open_text`.

    Returns
    -------
    kind : {"delimited", "json", "parquet"}

    Raises
    ------
    ValueError
        If it is empty, of no kind that can be read, or not what its name says.
    """
    start = file.peek(_LOOK_AHEAD)
    if not start:
        raise ValueError(f"{path} is empty.")
    if start.startswith(b"PAR1"):
        return "parquet"
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            raise ValueError(f"{path} is {what}")
    text = start.decode(_codec(encoding, option), errors="ignore").lstrip()
    if re.match(r"\{|\[\s*[{\]]", text):
        return "json"
    name = str(path).lower().removesuffix(".gz")
    for suffixes, kind in (((".json", ".jsonl", ".ndjson"), "JSON"), ((".parquet", ".pq"), "Parquet")):
        if name.endswith(suffixes):
            raise ValueError(f"{path} is not {kind}, as its name says: it begins with {text[:40]!r}.")
    return "delimited"


@contextmanager
def open_text(path, file, encoding, option):
    """Decode an open file; errors name the line, and the encoding that the file is likely to have.

    Parameters
    ----------
    path : str or path
    file : io.BufferedReader
    encoding : str or None
        None is UTF-8, with or without a byte order mark.
    option : str
        How an encoding is named, for messages.
    """
    start = file.peek(_LOOK_AHEAD)
    if encoding is None and _is_utf16(start):  # of which plain letters and zeros could be read as UTF-8
        raise ValueError(f"{path}, line 1: not UTF-8. {_advice(start, option)}")
    try:
        yield io.TextIOWrapper(file, encoding=_codec(encoding, option), newline="")
    except UnicodeDecodeError as error:
        number, sample = _undecodable(path, encoding)
        named = "UTF-8" if encoding is None else encoding
        raise ValueError(f"{path}, line {number}: not {named}. {_advice(sample, option)}") from error


def _codec(encoding, option="encoding="):
    try:
        name = codecs.lookup(encoding or "utf-8").name
    except LookupError:
        raise ValueError(f"{option}{encoding}: no such encoding. Common ones are utf-8, utf-16 and cp1252.") from None
    return "utf-8-sig" if name == "utf-8" else name


def _undecodable(path, encoding):
    """Find the number of the first line that cannot be decoded, and the bytes from there on."""
    decoder = codecs.getincrementaldecoder(_codec(encoding))()
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                decoder.decode(line)
            except UnicodeDecodeError:
                return number, line + b"".join(itertools.islice(file, _SAMPLE_LINES))
    return "unknown", b""  # a pipe, which cannot be read twice


def _advice(sample, option):
    likely = _likely_encoding(sample)
    if likely is None:
        return f"Name its encoding with {option.rstrip()} (gb18030, shift_jis, cp1251, …), or save the file as UTF-8."
    return f"It looks like {likely}: add {option}{likely}, or save the file as UTF-8."


def _is_utf16(sample):
    """Whether more than a fifth of the bytes are zeros, as they are where each letter takes two."""
    return sample[:1000].count(0) > 0.2 * len(sample[:1000])


def _likely_encoding(sample):
    """Guess the encoding of bytes that are not UTF-8; None if they could be in many."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _is_utf16(sample):
        even, odd = (sample[i:_LOOK_AHEAD:2].count(0) for i in (0, 1))
        return "utf-16-le" if odd > even else "utf-16-be"
    # Languages of Western Europe are mostly ASCII; of these bytes cp1252 has no letters.
    rare = sum(byte > 127 for byte in sample) < 0.3 * len(sample)
    return "cp1252" if sample and rare and not set(sample) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else None
