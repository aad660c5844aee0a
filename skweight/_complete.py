"""Files that are there when they are complete, and not before."""

import os
from contextlib import contextmanager


@contextmanager
def complete(path, unfinished):
    """Let `path` get the content of the file `unfinished`, which the caller writes, when that is complete."""
    yield unfinished
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    if os.name == "posix":  # a rename is on the disk when its folder is
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
