"""Memory that a training leaves behind in the process: bounded, and given back."""

import ctypes
import functools
import os
import sys
from threading import Lock

import torch

_CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_MOST_KERNELS = 256
_lock = Lock()


def compiles_by_shape(dtype, device):
    """Whether matrix products are compiled anew for each shape, so that batches of few lengths save time and memory.

    oneDNN's in bfloat16 are. It keeps what it has compiled last, and parts of it for ever: hundreds of MiB after some
    trainings on texts of varied lengths. Where it is so, bound what it keeps, too.
    """
    if dtype != torch.bfloat16 or device.type != "cpu":
        return False
    bound_kernels()
    return True


@functools.cache
def bound_kernels():
    """Let oneDNN keep 256 of the kernels that it compiles, and not 1,024.

    Batches of up to 128 tokens, padded to few lengths, need fewer at a time. Only an environment variable of oneDNN's
    sets another number. It is read once, at the first product in bfloat16 in the process: if that has been, this has no
    effect. A number that the user has set stays.
    """
    with _lock:
        if _CAPACITY in os.environ or _CAPACITY.replace("ONEDNN", "DNNL") in os.environ:
            return
        os.environ[_CAPACITY] = str(_MOST_KERNELS)
        try:
            product = torch.ones(32, 32, dtype=torch.bfloat16)
            product @ product
        finally:
            del os.environ[_CAPACITY]


def give_back():
    """Return to the system what has been freed; glibc's allocator else keeps it for the process."""
    if (trim := _malloc_trim()) is not None:
        trim(0)


@functools.cache
def _malloc_trim():
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in musl
