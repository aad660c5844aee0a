"""Token ids: a set of texts is tokenised once, into flat arrays.

All token ids stand in a row, with the offset at which each text begins (:class:`TokenizedTexts`). Memory is linear in
tokens, and a batch is cut out of the arrays without a Python loop.
"""

import copy
import re
import unicodedata
from array import array
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from skweight.exceptions import warn

_CHUNK = 1024  # texts handed to the tokenizer at once: bounds the memory of its rich output
_CHARACTERS_PER_TOKEN = 16  # first guess for how much of a long text fills `max_length` tokens
_MOST_CHARACTERS_PER_TOKEN = 1024  # where the guessing ends: a text of blanks would go on for megabytes
_SMALL_VOCABULARY = 1000  # of one that is made of letters, or for tests
_MOST_PIECES_PER_LETTER = 0.7
_SURROGATES = re.compile("[\ud800-\udfff]")


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

    def batch(self, rows, *, coarse=False):
        """Arrays for the model: the texts `rows`, padded to the longest of them.

        Parameters
        ----------
        rows : ndarray of int
        coarse : bool, default=False
            Whether they are padded further, to one of few lengths: a multiple of 4, above 64 tokens of 8, above 128 of
            16, and so on, but no further than the longest of all texts.

        Returns
        -------
        batch : dict of ndarray of shape (len(rows), longest)
            ``input_ids``, ``attention_mask`` and, where the model expects them, ``token_type_ids``, all int64.
        """
        start = self.offsets[rows]
        length = self.offsets[np.asarray(rows) + 1] - start
        longest = int(length.max())
        if coarse:
            step = max(4, 2 ** (longest.bit_length() - 4))
            longest = min(-(-longest // step) * step, int(self.lengths.max()))
        position = np.arange(longest)
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
    encoder = _own_encoder(tokenizer, max_length)
    paired = isinstance(texts[0], tuple)
    wants_type_ids = "token_type_ids" in tokenizer.model_input_names
    # array grows in place: the flat ids are never held twice, unlike a list of chunks that is concatenated.
    ids, types, lengths, truncated = array("i"), array("B"), array("q"), 0
    for start in range(0, len(texts), _CHUNK):
        chunk, cut = [], []
        for text in texts[start : start + _CHUNK]:
            parts = [_fit_for_tokenizer(part, encoder, max_length) for part in (text if paired else (text,))]
            chunk.append(tuple(part for part, _ in parts) if paired else parts[0][0])
            cut.append(any(given_up for _, given_up in parts))
        for row, given_up in zip(encoder.encode(chunk), cut, strict=True):
            ids.extend(row.ids)
            lengths.append(len(row.ids))
            truncated += given_up or row.truncated
            if paired and wants_type_ids:
                types.extend(row.type_ids)
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


def check_paired(tokenized, paired, owner, name):
    """Refuse pairs where a classifier was fitted on single texts, and single texts where it was fitted on pairs."""
    if tokenized.paired != paired:
        kinds = ("pairs of texts", "single texts")
        fitted, given = kinds if paired else kinds[::-1]
        raise ValueError(f"{owner} was fitted on {fitted}, but {name} holds {given}.")


def warn_if_truncated(tokenized, max_length, name="X"):
    """Warn if texts were longer than allowed."""
    if tokenized.n_truncated:
        warn(
            f"SKW011: {tokenized.n_truncated} of {len(tokenized)} texts in {name} are longer than "
            f"max_length={max_length} tokens and were truncated."
        )


def warn_if_unknown(tokenized, tokenizer, texts=()):
    """Warn of the wrong tokenizer for these texts: it does not know most tokens, or cuts words into single letters.

    Parameters
    ----------
    tokenized : TokenizedTexts
    tokenizer : transformers tokenizer
    texts : list of str or list of (str, str), default=()
        What was tokenised. Without them only unknown tokens are looked at.
    """
    special = tokenizer.num_special_tokens_to_add(pair=tokenized.paired)
    if tokenizer.unk_token_id is not None:
        content = len(tokenized.ids) - len(tokenized) * special
        unknown = int((tokenized.ids == tokenizer.unk_token_id).sum())
        if unknown > 0.5 * max(content, 1):
            warn(
                f"SKW013: the tokenizer does not know {unknown} of {content} tokens. Is it the right one for these "
                "texts?"
            )
            return
    if len(tokenizer) < _SMALL_VOCABULARY:
        return
    pieces, letters = _count_pieces(tokenized.lengths, special, texts)
    if pieces > _MOST_PIECES_PER_LETTER * max(letters, 1):
        warn(
            f"SKW054: the tokenizer cuts these texts into {pieces / max(letters, 1):.1f} pieces for each letter; in a "
            "language that it knows it is about 0.25. The encoder knows little of them: try one for their language, or "
            "a multilingual one."
        )


def _count_pieces(lengths, special, texts, most=500):
    """Tokens and letters of some texts that fit whole.

    Wide characters, as those of Chinese, do not count: there one is a word.
    """
    pieces = letters = 0
    longest = lengths.max() if len(lengths) else 0
    for i in range(0, len(texts), max(len(texts) // most, 1)):
        text = texts[i] if isinstance(texts[i], str) else " ".join(texts[i])
        narrow = sum(not c.isspace() and unicodedata.east_asian_width(c) not in "WF" for c in text)
        if lengths[i] < longest and narrow == len("".join(text.split())):
            pieces, letters = pieces + int(lengths[i]) - special, letters + narrow
    return pieces, letters


@dataclass(frozen=True)
class _Encoded:
    ids: list
    type_ids: list | None
    truncated: bool


class _FastEncoder:
    """The tokenizer's Rust core, in copies of its own.

    Where to truncate is state of a core. Each call of a transformers tokenizer sets it anew, and would change it under
    another thread's call.
    """

    def __init__(self, tokenizer, max_length):
        self._max_length = max_length
        self._whole = copy.deepcopy(tokenizer.backend_tokenizer)
        self._whole.encode_special_tokens = tokenizer.split_special_tokens
        self._whole.no_padding()
        self._whole.no_truncation()
        self._truncating = copy.deepcopy(self._whole)
        self._truncating.enable_truncation(max_length, direction=tokenizer.truncation_side)

    def encode(self, texts):
        rows = self._truncating.encode_batch(texts)
        return (_Encoded(row.ids, row.type_ids, self._was_cut(row)) for row in rows)

    def _was_cut(self, row):
        return len(row.ids) >= self._max_length and bool(row.overflowing)

    def count(self, text):
        return len(self._whole.encode(text, add_special_tokens=False).ids)


class _SlowEncoder:
    """A tokenizer written in Python, which keeps no such state, nor says what it has cut off."""

    def __init__(self, tokenizer, max_length):
        self._tokenizer = tokenizer
        self._settings = {"truncation": True, "max_length": max_length, "return_attention_mask": False}
        self._max_length = max_length

    def encode(self, texts):
        columns = zip(*texts, strict=True) if isinstance(texts[0], tuple) else [texts]
        rows = self._tokenizer(*(list(column) for column in columns), **self._settings)
        types = rows.get("token_type_ids", [None] * len(texts))
        return (
            _Encoded(ids, type_ids, len(ids) >= self._max_length)
            for ids, type_ids in zip(rows["input_ids"], types, strict=True)
        )

    def count(self, text):
        return len(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


_encoders: WeakKeyDictionary = WeakKeyDictionary()  # a core is copied once, not for every call


def _own_encoder(tokenizer, max_length):
    """Make the encoder of a tokenizer, or find the one that was made before."""
    if not tokenizer.is_fast:  # holds the tokenizer itself, which would never be forgotten
        return _SlowEncoder(tokenizer, max_length)
    of_tokenizer = _encoders.setdefault(tokenizer, {})
    if max_length not in of_tokenizer:
        of_tokenizer[max_length] = _FastEncoder(tokenizer, max_length)
    return of_tokenizer[max_length]


def _fit_for_tokenizer(text, encoder, max_length):
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
        if encoder.count(head) > max_length:
            return head, False  # more tokens than needed: the tokenizer itself still truncates, and says so
        size *= 4
    return text, False
