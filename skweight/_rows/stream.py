"""Rows that come as a stream of batches: predicted in constant memory, with the warnings of one array."""

import itertools
from dataclasses import dataclass

import numpy as np

from skweight._rows.features import Features
from skweight._rows.texts import count_empty, warn_if_empty
from skweight._rows.tokens import warn_if_truncated


@dataclass
class StreamWarnings:
    """What to warn of, once, after all batches of a stream have been read.

    Attributes
    ----------
    n_texts, n_empty, n_truncated : int
    """

    n_texts: int = 0
    n_empty: int = 0
    n_truncated: int = 0

    def __len__(self):
        return self.n_texts

    def count(self, texts, tokens):
        """Add a batch of texts, and what they were tokenised into."""
        self.n_texts += len(tokens)
        self.n_empty += count_empty(texts)
        self.n_truncated += tokens.n_truncated

    def warn(self, max_length):
        """Give the warnings that one array of all the texts would have given."""
        warn_if_empty(self.n_empty, self.n_texts)
        warn_if_truncated(self, max_length)


def predict_stream(batches, *, check, encode, predict, n_classes, max_length):
    """Yield what is predicted of each batch; warn once, after the last.

    Parameters
    ----------
    batches : iterator
        Of batches of rows, each of which may be empty.
    check : callable
        Takes a batch, its name in messages and ``batch=True``; returns the rows in checked form, and which they are.
    encode : callable
        Takes checked rows, returns what the network reads.
    predict : callable
        Takes what the network reads and the batch's name, returns an array of shape (n_rows, n_classes).
    n_classes : int
    max_length : int, or None for rows of numbers
        Tokens that a text is truncated to.

    Yields
    ------
    predicted : ndarray of shape (n_rows, n_classes)
    """
    stream = StreamWarnings()

    def of_batch(batch, i):
        name = f"batch {i}"
        if isinstance(batch, str):
            raise TypeError(
                f"{name} is a single text. Each item of an iterator must be a batch, e.g. a list of texts; for an "
                "iterator of single texts, pass list(X), or cut it into batches with itertools.batched."
            )
        # scikit-learn's checks would miss the second dimension of an empty list.
        empty_list = isinstance(batch, list | tuple) and not batch
        rows = batch if empty_list else check(batch, name, batch=True)[0]
        if not len(rows):
            return np.empty((0, n_classes))
        tokens = encode(rows)
        if not isinstance(tokens, Features):
            stream.count(rows, tokens)
        return predict(tokens, name)

    # Unlike a loop, map holds no batch while it asks for the next.
    yield from map(of_batch, batches, itertools.count())
    stream.warn(max_length)
