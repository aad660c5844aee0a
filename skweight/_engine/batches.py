"""Batches: which rows are trained on or predicted together, and their arrays on the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from skweight._engine.processes import World
from skweight._rows.features import Features
from skweight._rows.tokens import TokenizedTexts


@dataclass(frozen=True)
class Batch:
    """Some rows on the device: what the module reads of them, what the loss reads, and their classes.

    Attributes
    ----------
    rows : Tensor of shape (n_rows,)
        Which rows of the data set they are.
    inputs : dict of str to Tensor
        Arguments of the module; of several processes, for this one's share of the rows.
    columns : dict of str to Tensor of shape (n_rows, ...)
        Arguments of the loss, by name.
    target : Tensor of shape (n_rows,), int64
        Indices of the classes.
    """

    rows: torch.Tensor
    inputs: dict[str, torch.Tensor]
    columns: dict[str, torch.Tensor]
    target: torch.Tensor

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        """Unpack into what the module is given and the classes, as skorch's callbacks do."""
        return iter((self, self.target))


@dataclass(frozen=True)
class LabelledRows(torch.utils.data.Dataset):
    """Tokenised texts or numeric rows, their classes, and what the loss reads of each row.

    Attributes
    ----------
    tokens : TokenizedTexts or Features
    target : ndarray of shape (n_rows,), int64
    columns : dict of str to ndarray of shape (n_rows, ...)
        Arguments of the loss, by name.
    """

    tokens: TokenizedTexts | Features
    target: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, rows, columns=None):
        """Take the tokens and targets of checked and encoded rows."""
        return cls(rows.tokens, rows.target, columns or {})

    def __len__(self):
        return len(self.tokens)

    def batch(self, rows, device, own=None, *, coarse=False):
        """Return the rows `rows` as a :class:`Batch`, with the inputs of the rows `own`, by default the same.

        With `coarse`, texts are padded to one of few lengths.
        """
        inputs = self.tokens.batch(rows if own is None else own, coarse=coarse)
        return Batch(
            rows=to_device(rows, device),
            inputs={name: to_device(values, device) for name, values in inputs.items()},
            columns={name: to_device(_for_torch(column[rows]), device) for name, column in self.columns.items()},
            target=to_device(self.target[rows], device),
        )


def _for_torch(column):
    return column if column.dtype == bool else column.astype(np.float32)


def to_device(values, device):
    """Copy an array to a device; to a GPU without waiting for it."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@dataclass(frozen=True)
class Batches:
    """What skorch iterates over: batches that are drawn again in every epoch."""

    data: LabelledRows
    draw: Callable[[], list[np.ndarray]]
    device: torch.device
    world: World
    coarse: bool = False

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.draw():
            own = self.world.shard(rows)
            # All processes must take part in every step, so one without rows of a small batch computes the first.
            yield self.data.batch(rows, self.device, own if len(own) else rows[:1], coarse=self.coarse)


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


@contextmanager
def advice_on_memory(advice):
    """Add to torch's error about a device that has no memory left what the user can do: nothing is done silently."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        error.add_note(advice)
        raise
