"""Memory that a training leaves behind in the process: bounded, and given back."""

import ctypes
import functools
import os
import sys
from threading import Lock

import torch

_CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_MOST_KERNELS = 128
_lock = Lock()


@functools.cache
def bound_kernels():
    """Let oneDNN keep few of the kernels that it compiles for products in bfloat16.

    It compiles one for each shape and keeps 1,024: hundreds of MiB after some trainings on texts of varied lengths.
    Only its environment variable sets another number. It is read once, at the first such product in the process: if
    that has been, this has no effect. A number that the user has set stays.
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
