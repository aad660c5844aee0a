"""Text in: validation, tokenising once, batches of similar length.

A set of texts is tokenised once into flat arrays (:class:`TokenizedTexts`): all token ids in a row, and the offset at
which each text begins. Memory is linear in tokens, and a batch is cut out of the arrays without a Python loop.
"""

import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from skweight.exceptions import warn

_CHUNK = 1024  # texts handed to the tokenizer at once: bounds the memory of its rich output
_CHARACTERS_PER_TOKEN = 16  # first guess for how much of a long text fills `max_length` tokens
_MOST_CHARACTERS_PER_TOKEN = 1024  # where the guessing ends: a text of blanks would go on for megabytes
_SURROGATES = re.compile("[\ud800-\udfff]")


# -- validation -------------------------------------------------------------------------------------------------------


def check_texts(X, name="X", *, min_samples=1, drop_missing=False, batch=False):
    """Turn any accepted container into a list of texts, or of pairs of texts.

    Parameters
    ----------
    X : array-like of shape (n_samples,), (n_samples, 1) or (n_samples, 2)
        A list, tuple, numpy array, pandas, polars or pyarrow column, Hugging Face data set column, or a frame of one
        (texts) or two (pairs of texts) columns.
    name : str, default="X"
        Name used in messages.
    min_samples : int, default=1
        Smallest number of rows allowed.
    drop_missing : bool, default=False
        Whether rows with a missing text are left out rather than refused.
    batch : bool, default=False
        Whether `X` is one batch of many. Then it may hold no rows, or empty texts only, and the caller warns once, of
        the empty texts in all batches.

    Returns
    -------
    texts : list of str or list of (str, str)
    kept : ndarray of int
        Which rows of `X` the texts are; all of them unless rows were dropped.
    """
    rows = _to_rows(X, name)
    paired = _is_pair(next((row for row in rows if not is_missing(row)), None))
    texts, kept, missing = [], [], []
    for i, row in enumerate(rows):
        if _is_pair(row) is not paired and not is_missing(row):
            raise ValueError(f"{name} mixes single texts and pairs (row {i}).")
        parts = tuple(row) if _is_pair(row) else (row,)
        if _is_pair(row) and len(parts) != 2:
            hint = "; pass a list, not a tuple" if isinstance(X, tuple) else ""
            raise ValueError(f"{name}[{i}] has {len(parts)} texts; expected one text or a pair{hint}.")
        if any(is_missing(part) for part in parts):
            missing.append(i)
            continue
        for part in parts:
            if isinstance(part, bytes | bytearray):
                raise TypeError(f"{name}[{i}] is {type(part).__name__}, expected str; decode it first: text.decode().")
            if not isinstance(part, str):
                raise TypeError(f"{name}[{i}] is {type(part).__name__}, expected str.")
        texts.append((str(parts[0]), str(parts[1])) if paired else str(parts[0]))
        kept.append(i)
    if missing and not drop_missing:
        raise ValueError(
            f"{name} contains a missing value at {name_rows(missing)}; drop the row or replace it with an empty string."
        )
    if batch:
        return texts, np.array(kept, dtype=np.intp)
    min_samples = max(min_samples, 1)
    if len(texts) < min_samples:
        raise ValueError(
            f"Found array with {len(texts)} sample(s) (shape=({len(texts)},)) in {name} while a minimum of "
            f"{min_samples} is required."
        )
    empty = count_empty(texts)
    if empty == len(texts):
        raise ValueError(f"All {empty} texts in {name} are empty.")
    warn_if_empty(empty, len(texts), name)
    return texts, np.array(kept, dtype=np.intp)


def count_empty(texts):
    """How many texts, or pairs of texts, are empty or hold white space only."""
    return sum(not "".join(text).strip() for text in texts)


def warn_if_empty(n_empty, n_texts, name="X"):
    """Warn if texts are empty."""
    if n_empty:
        warn(f"SKW010: {n_empty} of {n_texts} texts in {name} are empty.")


def name_rows(rows, limit=10):
    """Spell row numbers for a message: ``row 3``, ``rows 3, 17`` or ``rows 3, 17, ... (+12 more)``."""
    shown = ", ".join(str(row) for row in rows[:limit])
    if len(rows) > limit:
        return f"rows {shown}, … (+{len(rows) - limit} more)"
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}"


def _to_rows(X, name):
    if isinstance(X, str):
        raise ValueError(f"{name} must be an iterable of texts, got a single string. Wrap it in a list: [{name}].")
    if isinstance(X, bytes | bytearray):
        raise TypeError(f"{name} must be an iterable of texts, got {type(X).__name__}; decode it first: text.decode().")
    if type(X).__name__ == "Dataset" and hasattr(X, "column_names"):
        raise TypeError(f'{name} is a whole data set: pass a column of it, e.g. {name}["text"].')
    if isinstance(X, Mapping | set | frozenset):
        raise TypeError(f"{name} must be an ordered collection of texts, got {type(X).__name__}.")
    if isinstance(X, list | tuple):
        return list(X)
    if hasattr(X, "to_pylist"):  # pyarrow
        if not hasattr(X, "column_names"):
            return X.to_pylist()
        X = np.array([column.to_pylist() for column in X.columns], dtype=object).T
    if hasattr(X, "columns") and hasattr(X, "shape"):  # a pandas or polars frame
        return _columns_to_rows(X.to_numpy(), name)
    if isinstance(X, np.ndarray):
        return _columns_to_rows(X, name)
    if hasattr(X, "to_list"):  # pandas and polars columns
        return X.to_list()
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):  # a Hugging Face data set column and its like
        return list(X)
    if hasattr(X, "__iter__"):
        raise TypeError(f"{name} must be a sequence of texts, got {type(X).__name__}: wrap it in list().")
    raise TypeError(f"{name} must be a sequence of texts, got {type(X).__name__}.")


def _columns_to_rows(values, name):
    if values.ndim == 1:
        return values.tolist()
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0].tolist()
    if values.ndim == 2 and values.shape[1] == 2:
        return [tuple(row) for row in values.tolist()]
    raise ValueError(
        f"{name} must hold one text (or one pair of texts) per row, got an array of shape {values.shape}. "
        f'Select the text column first, e.g. {name}["text"].'
    )


def _is_pair(row):
    return isinstance(row, list | tuple | np.ndarray)


def is_missing(value):
    """Whether a value is None, NaN or one of pandas' markers."""
    # pandas' NA must be recognised by name: comparing it raises, and pandas need not be installed.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


# -- tokenising -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids of many texts in flat arrays.

    Attributes
    ----------
    ids : ndarray of shape (n_tokens,), int32
        Token ids of all texts, special tokens included.
    offsets : ndarray of shape (n_texts + 1,), int64
        Text ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.
    type_ids : ndarray of shape (n_tokens,), uint8, or None
        Which text of a pair a token belongs to; None where the model has no use for it or all texts are single.
    pad_id : int
        Token id that fills a batch up.
    wants_type_ids : bool
        Whether the model expects token type ids.
    paired : bool
        Whether the texts are pairs.
    source : tuple
        What the texts were tokenised with; arrays are interchangeable between models of equal source.
    n_truncated : int
        How many texts were longer than allowed.
    """

    ids: np.ndarray
    offsets: np.ndarray
    type_ids: np.ndarray | None
    pad_id: int
    wants_type_ids: bool
    paired: bool
    source: tuple
    n_truncated: int = 0

    def __len__(self):
        return len(self.offsets) - 1

    @property
    def lengths(self):
        """Number of tokens of each text."""
        return np.diff(self.offsets)

    def take(self, rows):
        """Return the texts `rows` alone."""
        pieces = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in rows]
        index = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
        return replace(
            self,
            ids=self.ids[index],
            offsets=np.concatenate([[0], np.cumsum(self.lengths[rows])]).astype(np.int64),
            type_ids=None if self.type_ids is None else self.type_ids[index],
            n_truncated=0,
        )

    def extend(self, other):
        """Return these texts and those of `other` in one."""
        return replace(
            self,
            ids=np.concatenate([self.ids, other.ids]),
            offsets=np.concatenate([self.offsets, other.offsets[1:] + self.offsets[-1]]),
            type_ids=None if self.type_ids is None else np.concatenate([self.type_ids, other.type_ids]),
        )

    def batch(self, rows):
        """Arrays for the model: the texts `rows`, padded to the longest of them.

        Returns
        -------
        batch : dict of ndarray of shape (len(rows), longest)
            ``input_ids``, ``attention_mask`` and, where the model expects them, ``token_type_ids``, all int64.
        """
        start = self.offsets[rows]
        length = self.offsets[np.asarray(rows) + 1] - start
        position = np.arange(length.max())
        mask = position < length[:, None]
        # Padding positions may point past the end; they are overwritten below.
        index = np.minimum(start[:, None] + position, len(self.ids) - 1)
        batch = {
            "input_ids": np.where(mask, self.ids[index], self.pad_id).astype(np.int64),
            "attention_mask": mask.astype(np.int64),
        }
        if self.wants_type_ids:
            types = np.zeros_like(mask) if self.type_ids is None else np.where(mask, self.type_ids[index], 0)
            batch["token_type_ids"] = types.astype(np.int64)
        return batch


def tokenize(texts, tokenizer, max_length, source):
    """Tokenise texts once, in chunks.

    Parameters
    ----------
    texts : list of str or list of (str, str)
        As returned by :func:`check_texts`.
    tokenizer : transformers tokenizer
    max_length : int
        Longer texts are truncated.
    source : tuple
        Stored in the result; see :class:`TokenizedTexts`.

    Returns
    -------
    tokenized : TokenizedTexts
    """
    if tokenizer.pad_token_id is None:
        raise ValueError("The tokenizer has no padding token; set tokenizer.pad_token in the encoder's folder.")
    paired = isinstance(texts[0], tuple)
    wants_type_ids = "token_type_ids" in tokenizer.model_input_names
    # array grows in place: the flat ids are never held twice, unlike a list of chunks that is concatenated.
    ids, types, lengths, truncated = array("i"), array("B"), array("q"), 0
    for start in range(0, len(texts), _CHUNK):
        chunk, cut = [], []
        for text in texts[start : start + _CHUNK]:
            parts = [_fit_for_tokenizer(part, tokenizer, max_length) for part in (text if paired else (text,))]
            chunk.append([part for part, _ in parts])
            cut.append(any(given_up for _, given_up in parts))
        encoded = tokenizer(
            *(list(part) for part in zip(*chunk, strict=True)),
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
        )
        for i, row in enumerate(encoded["input_ids"]):
            ids.extend(row)
            lengths.append(len(row))
            full = len(row) >= max_length and bool(not encoded.is_fast or encoded.encodings[i].overflowing)
            truncated += full or cut[i]
        if paired and wants_type_ids:
            for row in encoded["token_type_ids"]:
                types.extend(row)
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return TokenizedTexts(
        ids=np.frombuffer(ids, dtype=np.int32),
        offsets=offsets,
        type_ids=np.frombuffer(types, dtype=np.uint8) if paired and wants_type_ids else None,
        pad_id=tokenizer.pad_token_id,
        wants_type_ids=wants_type_ids,
        paired=paired,
        source=source,
        n_truncated=truncated,
    )


def warn_if_truncated(tokenized, max_length, name="X"):
    """Warn if texts were longer than allowed."""
    if tokenized.n_truncated:
        warn(
            f"SKW011: {tokenized.n_truncated} of {len(tokenized)} texts in {name} are longer than "
            f"max_length={max_length} tokens and were truncated."
        )


def warn_if_unknown(tokenized, tokenizer):
    """Warn if the tokenizer maps most tokens to its unknown token: the wrong tokenizer for these texts."""
    if tokenizer.unk_token_id is None:
        return
    content = len(tokenized.ids) - len(tokenized) * tokenizer.num_special_tokens_to_add()
    unknown = int((tokenized.ids == tokenizer.unk_token_id).sum())
    if unknown > 0.5 * max(content, 1):
        warn(f"SKW013: the tokenizer does not know {unknown} of {content} tokens. Is it the right one for these texts?")


def _fit_for_tokenizer(text, tokenizer, max_length):
    """Make a text digestible; also say whether something that may matter was cut off."""
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)  # a lone surrogate has no UTF-8 form and would stop the tokenizer
    # Of a long text, tokenise only as much as fills max_length tokens: the rest would be cut off anyway, after taking
    # the time and memory of megabytes. (Of a pair of long texts, which one keeps the odd token may differ by that.)
    size = _CHARACTERS_PER_TOKEN * max_length
    while len(text) > size:
        head = text[:size]
        blank = max(head.rfind(" "), head.rfind("\n"))
        head = head[:blank] if blank > size // 2 else head
        if size >= _MOST_CHARACTERS_PER_TOKEN * max_length:
            return head, True
        if len(tokenizer(head, add_special_tokens=False, verbose=False)["input_ids"]) > max_length:
            return head, False  # more tokens than needed: the tokenizer itself still truncates, and says so
        size *= 4
    return text, False


@dataclass
class Tally:
    """What there is to warn of, once, when all batches of a stream have been read.

    Attributes
    ----------
    n_texts, n_empty, n_truncated : int
    """

    n_texts: int = 0
    n_empty: int = 0
    n_truncated: int = 0

    def __len__(self):
        return self.n_texts

    def warn(self, max_length):
        """Give the warnings that one array of all the texts would have given."""
        warn_if_empty(self.n_empty, self.n_texts)
        warn_if_truncated(self, max_length)


# -- batches ----------------------------------------------------------------------------------------------------------


def bucketed_batches(lengths, batch_size, rng):
    """Shuffled batches of texts of similar length, for training.

    Rows are shuffled, sorted by length within pools of fifty batches, cut into batches, and the batches shuffled:
    little padding, while which rows meet in a batch still changes from epoch to epoch.

    Parameters
    ----------
    lengths : ndarray of shape (n_rows,)
    batch_size : int
    rng : numpy.random.RandomState

    Returns
    -------
    batches : list of ndarray of int
        Every row once, ``ceil(n_rows / batch_size)`` batches.
    """
    order = rng.permutation(len(lengths))
    pools = [order[i : i + 50 * batch_size] for i in range(0, len(order), 50 * batch_size)]
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths, max_tokens=4096):
    """Batches of texts of similar length for prediction, each at most `max_tokens` tokens with its padding.

    Returns
    -------
    batches : list of ndarray of int
        Every row once; longest rows first, so that memory runs out at once or not at all.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, max_tokens // int(lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches
