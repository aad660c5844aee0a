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


def spare_kernels(dtype, device):
    """Spare the kernels that oneDNN compiles anew for each shape of a product in bfloat16, where it is to compute.

    It keeps those that it compiled last, and parts of all for ever: hundreds of MiB after some trainings on texts of
    varied lengths.

    Returns
    -------
    coarse : bool
        Whether batches should be padded to one of few lengths.
    """
    if dtype != torch.bfloat16 or device.type != "cpu":
        return False
    bound_kernels()
    return True


@functools.cache
def bound_kernels():
    """Let oneDNN keep 256 of the kernels that it compiles, and not 1,024.

    A training needs about 15 for each length of its batches, and up to 64 tokens there are 16 lengths. Only an
    environment variable of oneDNN's sets another number. It is read once, at the first product in bfloat16 in the
    process: if that has been, this has no effect. A number that the user has set stays.
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
