"""What a fit has done so far, kept on disk, so that one that was interrupted goes on where it was.

A fit is a sequence of stages: trainings, and arrays that take long to compute. When it is run again, a stage that was
finished is read, and a training that was not is taken up at its last checkpoint. Everything else is done again, which
gives the same: it is quick, and its seeds are.

A file holds tensors and plain values alone, and is read by what makes nothing else of it; a digest follows its content.
"""

import hashlib
import io
import os
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback

from skweight._engine.processes import world

_DIGEST = 32  # bytes of SHA-256

_active: ContextVar["Checkpoints | None"] = ContextVar("checkpoints", default=None)


class Checkpoints:
    """The stages of one fit, each in a file of a folder.

    Parameters
    ----------
    folder : Path
    steps : int
        Training steps from one checkpoint to the next.
    """

    def __init__(self, folder, steps):
        self.folder = Path(folder)
        self.steps = steps

    @contextmanager
    def active(self):
        """Let every stage inside the block be kept."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def stage(self, name, content):
        """Return the files of a stage, which is known by its name and by a digest of what its result depends on."""
        slug = "".join(letter if letter.isalnum() else "-" for letter in name)
        return Stage(self.folder / f"{slug}-{content[:16]}.pt", self.steps)


class Stage:
    """A stage of a fit: the file of its result, and for a training the file of its last checkpoint."""

    def __init__(self, path, steps):
        self.path = path
        self.steps = steps
        self.running = path.with_suffix(".running")

    def finished(self):
        """Return what :meth:`finish` wrote; None if it did not."""
        return _read(self.path)

    def finish(self, result):
        """Keep the result, and nothing of the way there."""
        _write(self.path, result)
        if world().rank == 0:
            self.running.unlink(missing_ok=True)


def active():
    """Return the checkpoints of the fit that is running; None if it keeps none."""
    return _active.get()


def has_checkpoints():
    """Whether the fit that is running keeps checkpoints."""
    return active() is not None


def kept(name, content, compute):
    """Return the array ``compute()``, from the checkpoints of the fit if it has been computed before.

    Parameters
    ----------
    name : str
    content : str
        A digest of what the array depends on.
    compute : callable
    """
    checkpoints = active()
    if checkpoints is None:
        return compute()
    stage = checkpoints.stage(name, content)
    found = stage.finished()
    if found is not None:
        return found["array"].numpy()
    array = compute()
    stage.finish({"array": torch.from_numpy(np.ascontiguousarray(array))})
    return array


def lacks_state(callback):
    """Whether a callback, in any form that skorch takes, cannot be put back where it was."""
    return not hasattr(callback[1] if isinstance(callback, tuple) else callback, "state_dict")


class Resuming(Callback):
    """Takes a training up where its last checkpoint was, and keeps where it is every so many steps.

    The last of the callbacks: what others do at the end of a step belongs to that step.
    """

    def __init__(self, stage, module):
        self.stage = stage
        self.module = module

    def on_train_begin(self, net, **kwargs):
        self.found_ = _read(self.stage.running)
        self.step_ = 0
        if self.found_ is None:
            return
        self.step_ = net.n_before_ = self.found_["step"]
        self.module.load_state_dict(self.found_["module"])
        net.optimizer_.load_state_dict(self.found_["optimizer"])
        net.scaler_.load_state_dict(self.found_["scaler"])
        net.history.extend(self.found_["epochs"])
        for name, state in self.found_["callbacks"].items():
            dict(net.callbacks_)[name].load_state_dict(state)
        if net.step_weights is not None:
            net.step_weights.load_state_dict(self.found_["step_weights"])
        net.draws.load_state_dict(self.found_["draws"][world().rank])

    def on_epoch_begin(self, net, **kwargs):
        if self.found_ is None:
            return
        net.history[-1]["batches"] = self.found_["batches"]
        net.weights_.copy_(self.found_["weights"])
        load_rng_state(net.rng, self.found_["order"])  # as the epoch began: the same batches are drawn again
        net.n_done_ = len(self.found_["batches"])
        self.found_ = None

    def on_batch_end(self, net, training=False, **kwargs):
        if not training:
            return
        self.step_ += 1
        if self.step_ % self.stage.steps == 0:
            _write(self.stage.running, self._state(net))

    def _state(self, net):
        *epochs, epoch = net.history
        return {
            "step": self.step_,
            "module": self.module.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "scaler": net.scaler_.state_dict(),
            "epochs": [{**epoch, "batches": []} for epoch in epochs],
            "batches": epoch["batches"],
            "callbacks": {name: part.state_dict() for name, part in net.callbacks_ if hasattr(part, "state_dict")},
            "step_weights": None if net.step_weights is None else net.step_weights.state_dict(),
            "weights": net.weights_,
            "order": net.order_,
            "draws": world().collect(net.draws.state_dict()),
        }


def rng_state(rng):
    """State of a numpy generator in plain values."""
    kind, keys, *rest = rng.get_state()
    return [kind, keys.tolist(), *rest]


def load_rng_state(rng, state):
    """Put a numpy generator where :func:`rng_state` found it."""
    rng.set_state(tuple(state))


def _plain(value):
    """Without numpy's scalars, which a file of tensors and plain values does not hold."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _read(path):
    """Return what :func:`_write` wrote, in every process; None if there is no such file."""
    return world().broadcast(_load(path) if world().rank == 0 and path.exists() else None)


def _load(path):
    content = path.read_bytes()
    state, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.sha256(state).digest() != digest:
        raise ValueError(f"The checkpoint {path} is damaged. Delete it: what it holds is then computed again.")
    return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)


def _write(path, state):
    """Write a file whole or not at all, whatever happens meanwhile."""
    if world().rank > 0:
        return
    unfinished = path.with_suffix(".tmp")
    try:
        with open(unfinished, "wb") as file:
            hashed: Any = _Hashed(file)
            torch.save(_plain(state), hashed)
            file.write(hashed.digest())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of what goes wrong while it writes
        unfinished.unlink(missing_ok=True)
        reason = error if isinstance(error, OSError) else error.__context__ or error
        raise OSError(
            f"The checkpoint {path} cannot be written ({reason}). What was kept before is still there: when there is "
            "room, the same fit goes on from it."
        ) from error


class _Hashed(io.RawIOBase):
    """A file that is written from its beginning to its end, with the digest of what was written."""

    def __init__(self, file):
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self):
        return True

    def write(self, content):
        self._hash.update(content)
        return self._file.write(content)

    def digest(self):
        return self._hash.digest()
