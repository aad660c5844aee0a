"""Texts as numbers, read by an encoder as it is, for experts that take seconds to fit."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skweight import _engine
from skweight._parameters import AUTO_MAX_LENGTH
from skweight._rows.features import Features
from skweight._rows.tokens import TokenizedTexts, tokenize


@dataclass(frozen=True)
class AskedRows:
    """Rows without labels, for experts to predict.

    Attributes
    ----------
    X : list of str or of (str, str), or ndarray of shape (n_rows, n_features)
    tokens : TokenizedTexts or Features
    """

    X: Any
    tokens: TokenizedTexts | Features

    def __len__(self):
        return len(self.X)

    @property
    def n_truncated(self):
        """How many texts were longer than allowed."""
        return self.tokens.n_truncated


class FrozenEncoder:
    """An encoder as it is, which turns texts into features.

    Parameters
    ----------
    encoder : str or path
        Hub id or folder.
    max_length : int or "auto", default="auto"
        Tokens of a text that are read, as in training.
    device, precision : str, default="auto"
        As in training.
    """

    def __init__(self, encoder, *, max_length="auto", device="auto", precision="auto"):
        self._tokenizer = _engine.load_tokenizer(encoder, max_length=max_length)
        longest = self._tokenizer.model_max_length
        self._max_tokens = min(AUTO_MAX_LENGTH, longest) if max_length == "auto" else max_length
        self._source = (str(encoder), max_length)
        self._module = _engine.load_encoder(encoder).to(_engine.resolve_device(device))
        self._precision = precision

    def tokenize(self, texts):
        """Tokenise texts or pairs of texts that have been checked."""
        return tokenize(texts, self._tokenizer, self._max_tokens, self._source)

    def features(self, texts):
        """Features of texts or of pairs of texts; see :func:`frozen_features`.

        Parameters
        ----------
        texts : list of str or list of (str, str)
            As returned by :func:`skweight._rows.texts.check_texts`.

        Returns
        -------
        features : ndarray of shape (n_texts, n_features), float32
        """
        rows = AskedRows(texts, self.tokenize(texts))
        return frozen_features(self._module, rows, self.tokenize, precision=self._precision)


def frozen_features(module, rows, tokenize, *, precision="fp32", shared=False):
    r"""Features of texts or of pairs of texts.

    A text is its embedding :math:`u`, the means of the hidden states in the middle layer and in the last one, each
    of length 1: a pretrained last layer has forgotten some of what a task may ask for. A pair is
    :math:`(|u - v|, u \circ v)`, from texts that are embedded apart [1]_, as the mean over both says little of how they
    compare.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        The encoder, without a head.
    rows : AskedRows or Rows
    tokenize : callable
        Takes a list of texts, returns what the encoder reads.
    precision : str, default="fp32"
        What the encoder computes in, as in training.
    shared : bool, default=False
        Whether each of several processes embeds its share.

    Returns
    -------
    features : ndarray of shape (n_rows, 2 * hidden_size) or (n_rows, 4 * hidden_size), float32

    References
    ----------
    .. [1] Reimers, Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP 2019.
    """

    def unit(tokens):
        embeddings = (_embed_shared if shared else _engine.embed)(module, tokens, precision)
        embeddings /= np.maximum(np.linalg.norm(embeddings, axis=2, keepdims=True), 1e-12)
        return embeddings.reshape(len(tokens), -1)

    if not rows.tokens.paired:
        return unit(rows.tokens)
    u, v = (unit(tokenize([pair[side] for pair in rows.X])) for side in (0, 1))
    return np.hstack([np.abs(u - v), u * v])


def _embed_shared(module, tokens, precision):
    world = _engine.world()
    if world.size == 1 or len(tokens) < world.size:
        return _engine.embed(module, tokens, precision)
    own = tokens.take(world.shard(np.arange(len(tokens))))
    return world.gather_array(_engine.embed(module, own, precision), len(tokens))
