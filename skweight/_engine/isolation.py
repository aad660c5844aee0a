"""What torch and transformers hold for a whole process or thread: kept from disturbing us, and left as it was."""

import threading
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from transformers.utils import logging as transformers_logging


@contextmanager
def plain_torch():
    """Compute as if the caller had set nothing: no ``no_grad``, ``inference_mode``, ``autocast`` or default device.

    The default data type is not among them: it belongs to all threads, so that it cannot be changed for one. The engine
    names the type of all that it makes.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":  # only then: it slows every operation down
            stack.enter_context(torch.device("cpu"))
        yield


# torch's generators and transformers' settings while it loads belong to the whole process: one thread at a time.
_process_wide = threading.RLock()


@contextmanager
def private_rng(seed):
    """Seed torch inside the block, and restore the state of its global generators after it."""
    with GlobalGenerators(seed).lent():
        yield


class GlobalGenerators:
    """A random stream that is drawn from torch's global generators, by a block at a time.

    For what takes no generator of its own: initial values, and dropout other than ours.
    """

    def __init__(self, seed):
        with _process_wide:
            before = self._get()
            torch.manual_seed(int(seed))
            self._state = self._get()
            self._set(before)

    @contextmanager
    def lent(self):
        """Go on with the stream inside the block; other threads' blocks wait for it to end."""
        with _process_wide:
            before = self._get()
            self._set(self._state)
            try:
                yield
            finally:
                self._state = self._get()
                self._set(before)

    def state_dict(self):
        """Return where the stream is."""
        return {"state": self._state}

    def load_state_dict(self, state):
        """Go on from what :meth:`state_dict` returned."""
        self._state = state["state"]

    @staticmethod
    def _get():
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
        mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
        return torch.get_rng_state(), cuda, mps

    @staticmethod
    def _set(state):
        cpu, cuda, mps = state
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)


class Draws:
    """Where the dropout of one training draws from.

    Parameters
    ----------
    own : torch.Generator or None
        Of the layers that can be given one.
    shared : GlobalGenerators or None
        For the other layers; None if there are none.
    """

    def __init__(self, own, shared):
        self.own = own
        self.shared = shared

    def step(self):
        """Return the context that a training step is taken in."""
        return nullcontext() if self.shared is None else self.shared.lent()

    def state_dict(self):
        """Return where the streams are."""
        return {
            "own": None if self.own is None else self.own.get_state(),
            "shared": None if self.shared is None else self.shared.state_dict(),
        }

    def load_state_dict(self, state):
        """Go on from what :meth:`state_dict` returned."""
        if self.own is not None:
            self.own.set_state(state["own"])
        if self.shared is not None:
            self.shared.load_state_dict(state["shared"])


@contextmanager
def quiet_transformers():
    """Silence the bar and the report that every load prints; the user's own settings come back after it."""
    with _process_wide:
        verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            transformers_logging.set_verbosity(verbosity)
            if bar:
                transformers_logging.enable_progress_bar()
