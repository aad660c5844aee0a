"""Results kept on disk, under a key of everything that they depend on."""

import hashlib
import importlib.metadata
import inspect
import os
import pickle
import sys
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from filelock import FileLock
from joblib.hashing import NumpyHasher

from skweight import _engine
from skweight.exceptions import warn

# A result of another version of one of these is another result.
_LIBRARIES = ("numpy", "scikit-learn", "scipy", "skorch", "skweight", "tokenizers", "torch", "transformers")
_UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError)  # what pickle raises for lambdas, locks, ...
_DIGEST_SIZE = hashlib.sha256().digest_size


class Cache:
    """Results in a folder, for one fit.

    Each result has a folder of its own, named by its key, as joblib has it: ``joblib.Memory`` can clear them and limit
    their number. In the file, a digest comes before the pickle: what a full disk or a fault has left there is not
    unpickled but computed again. Against an attacker a digest is no help; whoever can write to the folder can run code.

    Parameters
    ----------
    memory : str, path or joblib.Memory
        Where results are kept. A Memory without a location keeps nothing.

    Raises
    ------
    NotADirectoryError
        If it is a file.
    """

    def __init__(self, memory):
        location = memory if isinstance(memory, str | os.PathLike) else _location(memory)
        self._folder = None if location is None else Path(location).expanduser()
        if self._folder is not None and os.path.isfile(self._folder):
            raise NotADirectoryError(f"memory={str(location)!r} is a file; it must be a folder, or one to be made.")

    def get(self, compute, *content):
        """Return ``compute()``, from the folder if it was computed for the same content before.

        Several processes that ask for one result wait for the first of them to compute it. A folder that cannot be
        written to costs a warning, and the time to compute what it does not hold.

        Parameters
        ----------
        compute : callable
            Called without arguments if there is no result yet.
        *content : objects
            Everything the result depends on: compared by value, never by identity or name.
        """
        if self._folder is None:
            return compute()
        try:
            key = content_digest([content, versions()])
        except _UNPICKLABLE as error:
            _warn_unpicklable(error)
            return compute()
        path = self._folder / "skweight" / key / "output.pkl"
        if found := _read(path):
            return found[0]
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(path.with_name("lock")))
            except (OSError, NotImplementedError) as error:
                self._give_up(error)
                return compute()
            if found := _read(path):  # another process has computed it meanwhile
                return found[0]
            result = compute()
            self._write(path, result)
            return result

    def _write(self, path, result):
        unfinished = path.with_suffix(".tmp")
        try:
            with open(unfinished, "w+b") as file:
                file.write(bytes(_DIGEST_SIZE))
                pickle.dump(result, file, protocol=pickle.HIGHEST_PROTOCOL)
                file.seek(_DIGEST_SIZE)
                digest = hashlib.file_digest(file, "sha256").digest()
                file.seek(0)
                file.write(digest)
            os.replace(unfinished, path)
        except OSError as error:
            self._give_up(error)
        except _UNPICKLABLE as error:
            _warn_unpicklable(error)
        finally:
            unfinished.unlink(missing_ok=True)

    def _give_up(self, error):
        """Go on without the folder. It is reported once: what is true of one result is true of all."""
        warn(f"SKW052: nothing is kept in memory={str(self._folder)!r}, which cannot be written to: {error}.")
        self._folder = None


def _warn_unpicklable(error):
    warn(f"SKW050: cannot be kept in memory, since a part of it cannot be pickled ({error.args[0]}).")


def _location(memory):
    if not hasattr(memory, "location"):
        raise TypeError(f"memory must be a folder or a joblib.Memory, got {type(memory).__name__}.")
    return memory.location


def _read(path):
    """Return the result in a file, as a tuple of one; nothing if there is none that is whole."""
    try:
        with open(path, "rb") as file:
            digest = file.read(_DIGEST_SIZE)
            if hashlib.file_digest(file, "sha256").digest() != digest:
                return ()
            file.seek(_DIGEST_SIZE)
            return (pickle.load(file),)
    except Exception:  # whatever unpickling raises, where a class of the user's has moved, for example
        return ()


# -- keys -------------------------------------------------------------------------------------------------------------


def code_fingerprint(estimator):
    """Return what the parameters of an estimator do not show: its code, and the files behind its encoders.

    Code that is called from there, in other functions, is not followed.
    """
    described: list[Any] = []
    for name, value in sorted({"": estimator, **estimator.get_params(deep=True)}.items()):
        if name.rpartition("__")[2] == "encoder" and isinstance(value, str | os.PathLike):
            described.append((name, encoder_fingerprint(value)))
        if callable(value) or hasattr(value, "get_params"):
            classes = inspect.getmro(value if isinstance(value, type) else type(value))
            described.append((name, getattr(value, "__wrapped__", None), [_functions(cls) for cls in classes]))
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


def _functions(cls):
    """Functions that a class defines, as methods or properties."""
    parts = {name: inspect.unwrap(getattr(part, "fget", part)) for name, part in vars(cls).items()}
    return cls.__qualname__, {name: part for name, part in parts.items() if isinstance(part, FunctionType)}


class _Hasher(NumpyHasher):
    """joblib's, by value: the same in every process, and another for functions of one name and other code."""

    def save(self, obj):
        if isinstance(obj, FunctionType) and id(obj) not in self.memo:
            self.memoize(obj)  # it may be one of its own captured variables
            captured = [_content_of(cell) for cell in obj.__closure__ or ()]
            obj = (obj.__code__, obj.__defaults__, obj.__kwdefaults__, captured)
        elif isinstance(obj, CodeType):
            obj = (obj.co_code, obj.co_names, obj.co_consts)
        elif isinstance(obj, MethodType):
            obj = (obj.__func__, obj.__self__)
        elif isinstance(obj, ModuleType):
            obj = obj.__name__
        elif isinstance(obj, set | frozenset):
            obj = (type(obj), sorted(obj, key=None if _are_ordered(obj) else content_digest))
        elif type(obj) is dict and not _are_ordered(obj):
            obj = sorted(obj.items(), key=lambda item: content_digest(item[0]))
        elif _is_tensor(obj):
            obj = (str(obj.dtype), tuple(obj.shape), _bytes_of(obj))  # torch's own pickle has addresses in it
        elif isinstance(obj, np.ndarray) and not obj.dtype.hasobject:
            # Neither its layout nor whether it is mapped from a file is content.
            self._hash.update(np.ascontiguousarray(obj).reshape(-1).view(np.uint8))
            obj = ("array", obj.dtype, obj.shape)
        super().save(obj)


def content_digest(value):
    """Return a digest of an object by its value, the same in every process."""
    return _Hasher("sha1").hash(value)


def _are_ordered(values):
    """Whether sorting puts values in the same order in every process: some cannot be compared, and some only partly."""
    return {*map(type, values)} in (set(), {str}, {int})


def _content_of(cell):
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has not been assigned yet
        return None


def _is_tensor(obj):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.Tensor)


def _bytes_of(tensor):
    import torch

    return tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy()


@lru_cache(maxsize=256)
def _digest(path, size, modified):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@lru_cache(maxsize=1)
def versions():
    """Return the name and the version of each library that a result may depend on."""
    return [(name, importlib.metadata.version(name)) for name in _LIBRARIES]
