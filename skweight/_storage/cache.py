"""Results kept on disk by joblib, under a key of everything that they depend on."""

import hashlib
import importlib.metadata
import inspect
import os
import pickle
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType

from sklearn.utils.validation import check_memory

from skweight import _engine
from skweight.exceptions import warn

# A result of another version of one of these is another result.
_LIBRARIES = ("numpy", "scikit-learn", "skorch", "skweight", "torch", "transformers")


def cached(memory, compute, *content):
    """Return ``compute()``, from the cache if it was computed for the same content before.

    Parameters
    ----------
    memory : str, path or joblib.Memory
        Where results are kept.
    compute : callable
        Called without arguments if there is no result yet.
    *content : objects
        Everything the result depends on: compared by value, never by identity or name.
    """
    import joblib

    memory = check_memory(os.path.expanduser(memory) if isinstance(memory, str | os.PathLike) else memory)
    try:
        key = joblib.hash([content, _versions()], hash_name="sha1")
    except (pickle.PicklingError, AttributeError, TypeError) as error:  # what pickle raises for lambdas, locks, ...
        warn(f"SKW050: cannot be cached, since a part of it cannot be pickled ({error}).")
        return compute()
    return memory.cache(_call, ignore=["compute"])(key, compute)


def _call(key, compute):
    return compute()


def code_fingerprint(estimator):
    """Return what the parameters of an estimator do not show: its code, and the files behind its encoders.

    joblib tells functions and classes apart by name, so an edited one would be taken for the old one. Code that is
    called from there, in other functions, is not followed.
    """
    described = []
    for name, value in sorted({"": estimator, **estimator.get_params(deep=True)}.items()):
        if name.rpartition("__")[2] == "encoder" and isinstance(value, str | os.PathLike):
            described.append((name, encoder_fingerprint(value)))
        if callable(value):
            described.append((name, _code(value)))
        if hasattr(value, "get_params"):
            described.append((name, [_code(cls) for cls in type(value).__mro__[:-1]]))
    return described


def encoder_fingerprint(encoder):
    """Return what distinguishes encoders of one name: the content of their files."""
    if str(encoder) == "passthrough":
        return None
    try:
        folder = Path(_engine.encoder_folder(encoder))
    except OSError:  # a fitted checker does not need its encoder any more; one that does will say so itself
        return None
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [(path.name, _digest(path, path.stat().st_size, path.stat().st_mtime_ns)) for path in files]


def _code(value):
    """Value of a function's or class's code, with its constants, defaults and captured variables."""
    if isinstance(value, type):
        own = [getattr(part, "fget", part) for part in vars(value).values()]
        return value.__qualname__, [_code(part) for part in own if hasattr(inspect.unwrap(part), "__code__")]
    if isinstance(value, partial):
        return _code(value.func), repr(value.args), repr(value.keywords)
    function = inspect.unwrap(value) if inspect.isroutine(value) else type(value).__call__
    if not hasattr(function, "__code__"):
        return getattr(value, "__qualname__", repr(type(value)))
    captured = [repr(cell.cell_contents) for cell in function.__closure__ or ()]
    return _plain_code(function.__code__), repr(function.__defaults__), repr(function.__kwdefaults__), captured


def _plain_code(code):
    constants = [_plain_code(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return code.co_code, code.co_names, constants


@lru_cache(maxsize=256)
def _digest(path, size, modified):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@lru_cache(maxsize=1)
def _versions():
    return [(name, importlib.metadata.version(name)) for name in _LIBRARIES]
