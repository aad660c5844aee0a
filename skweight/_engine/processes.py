"""Several processes, one fit: each takes a shard of every batch, and all end with the same model.

``torchrun`` and ``accelerate launch`` start a script several times and tell each copy its number through the
environment; :func:`join` makes them one group. All copies hold all rows (a row is a few hundred bytes) and draw the
same batches; of a batch each computes its share, and the logits, a few numbers a row, are gathered. So every process
knows the whole batch's weights and loss, with any loss and any normalisation, and only gradients have to be summed.
"""

import atexit
import hashlib
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import distributed

_BUCKET = 2**23  # gradients summed in one go


@dataclass(frozen=True)
class World:
    """The processes of a group, and which of them this is; alone by default."""

    rank: int = 0
    size: int = 1

    def shard(self, rows):
        """Return this process's share of `rows`: every `size`-th one."""
        return rows[self.rank :: self.size]

    def broadcast(self, value):
        """Return the first process's `value`, any object that can be pickled."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def collect(self, value):
        """Return the `value` of every process, any objects that can be pickled, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def check_same(self, *arrays):
        """Raise a ValueError if the processes were not given the same arrays."""
        if self.size == 1:
            return
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(array.tobytes())
        if len(set(self.collect(digest.hexdigest()))) > 1:
            raise ValueError(
                "The processes were given different rows, or the same in another order. Each needs all rows: fit takes "
                "the shards itself."
            )

    def gather(self, own, n_rows):
        """Put the shards of a tensor together again; gradients flow to this process's own rows only.

        Parameters
        ----------
        own : Tensor of shape (n_own_rows or more, ...)
            What this process computed for ``shard(rows)``; what is beyond is not used.
        n_rows : int
            Number of rows of all processes.

        Returns
        -------
        values : Tensor of shape (n_rows, ...)
        """
        if self.size == 1:
            return own
        count, most = len(range(self.rank, n_rows, self.size)), -(-n_rows // self.size)
        padded = own.new_zeros((most, *own.shape[1:]))
        padded[:count] = own[:count].detach()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        values = torch.stack(parts, dim=1).flatten(0, 1)[:n_rows]
        values[self.rank :: self.size] = own[:count]
        return values

    def gather_array(self, own, n_rows):
        """Put the shards of an array of shape (n_own_rows, ...) together again, in every process."""
        if self.size == 1:
            return own
        values = np.empty((n_rows, *own.shape[1:]), dtype=own.dtype)
        for rank, part in enumerate(self.collect(own)):
            values[rank :: self.size] = part
        return values

    def sum_gradients(self, parameters):
        """Replace every gradient by its sum over the processes."""
        if self.size == 1:
            return
        moved = [parameter for parameter in parameters if parameter.grad is not None]
        for parameter, gradient in zip(moved, self.sum([p.grad for p in moved]), strict=True):
            parameter.grad = gradient

    def sum(self, tensors):
        """Sum of every tensor over the processes."""
        if self.size == 1:
            return tensors
        buckets: list[list] = [[]]
        size = 0
        for tensor in tensors:
            if size > _BUCKET:
                buckets, size = [*buckets, []], 0
            buckets[-1].append(tensor)
            size += tensor.numel()
        totals = [torch.cat([tensor.flatten() for tensor in bucket]) for bucket in buckets]
        waiting = [distributed.all_reduce(total, async_op=True) for total in totals]
        sums = []
        for bucket, total, work in zip(buckets, totals, waiting, strict=True):
            work.wait()
            parts = total.split([tensor.numel() for tensor in bucket])
            sums += [part.view_as(tensor) for part, tensor in zip(parts, bucket, strict=True)]
        return sums


def world():
    """Return the group that this process has joined."""
    if distributed.is_available() and distributed.is_initialized():
        return World(distributed.get_rank(), distributed.get_world_size())
    return World()


def join(device):
    """Join the group that a launcher started, if one did.

    Parameters
    ----------
    device : str or torch.device
        The estimator's ``device`` parameter. On CUDA, this process's own device becomes the current one.

    Returns
    -------
    world : World
    """
    launched = int(os.environ.get("WORLD_SIZE", 1)) > 1 and "RANK" in os.environ and "MASTER_ADDR" in os.environ
    if launched and not distributed.is_initialized():
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise ImportError(
                f"This is one of {os.environ['WORLD_SIZE']} processes (WORLD_SIZE), which need accelerate to work "
                'together: pip install "skweight[distributed]"'
            ) from error
        PartialState(cpu=str(device).startswith("cpu") or not torch.cuda.is_available())
        atexit.register(_leave)
    return world()


def _leave():
    if distributed.is_initialized():
        distributed.destroy_process_group()
