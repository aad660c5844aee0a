"""The folder of a fit's checkpoints: whose they are, who may use them now, and when they go.

``checkpoint_dir`` has a folder for each unfinished fit, named after what the fit depends on. Fits at the same time, as
those of a search, have one each; one that finds the unfinished work of another is told how they differ.
"""

import json
import os
import pickle
import shutil
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from skweight import _engine
from skweight._storage.cache import code_fingerprint, content_digest, encoder_fingerprint, versions

_ABOUT = "fit.json"
_LOCK = ".lock"
# What changes neither weights nor model.
_NO_MATTER = {"checkpoint_dir", "checkpoint_steps", "memory", "verbose"}

_outlives: ContextVar[list | None] = ContextVar("outlives", default=None)


@contextmanager
def interruptible(classifier, data, seeds):
    """Keep checkpoints of the fit inside the block, if `classifier` has a ``checkpoint_dir``, and remove them after it.

    A fit inside another one, as that of a checker, is part of that one's checkpoints.

    Parameters
    ----------
    classifier : estimator
    data : CheckedData
    seeds : dict of str to int

    Yields
    ------
    seeds : dict of str to int
        Those of the interrupted fit if its seed was left to chance, with ``random_state=None``.

    Raises
    ------
    ValueError
        If `checkpoint_dir` holds an unfinished fit of other rows, parameters or versions.
    BlockingIOError
        If another process is at this fit.
    """
    if classifier.checkpoint_dir is None or _engine.has_checkpoints():
        yield seeds
        return
    for callback in classifier.callbacks or []:
        if _engine.lacks_state(callback):
            raise ValueError(
                f"checkpoint_dir cannot keep the state of the callback {callback!r}: give it state_dict() and "
                "load_state_dict(state), or leave one of the two out."
            )
    world = _engine.world()
    about = _describe(classifier, data, seeds)
    with _claimed(Path(classifier.checkpoint_dir).expanduser(), about, world) as (folder, seeds):
        with _engine.Checkpoints(folder, classifier.checkpoint_steps).active():
            yield seeds
        if world.rank == 0:
            if (waiting := _outlives.get()) is None:
                _remove(folder)
            else:
                waiting.append(folder)


@contextmanager
def kept_until_done():
    """Keep the checkpoints of finished fits until the block ends without an error: their result must be saved first."""
    waiting: list[Path] = []
    token = _outlives.set(waiting)
    try:
        yield
    finally:
        _outlives.reset(token)
    for folder in waiting:
        _remove(folder)


def _remove(folder):
    """Remove the folder of a fit, and that of all fits if it was the last."""
    shutil.rmtree(folder)
    with suppress(OSError):  # other fits are not done, or it holds something else
        folder.parent.rmdir()


@contextmanager
def _claimed(home, about, world):
    """Hold the folder of the fit `about`; the first process does so for all."""
    from filelock import FileLock, Timeout

    folder = home / f"fit-{content_digest(_compared(about))[:16]}"
    lock = None
    refusal: Exception | None = None
    if world.rank == 0:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / _LOCK, timeout=0)
            lock.acquire()
            about = _agreed(home, folder, about)
        except Timeout:
            refusal = BlockingIOError(
                f"Another process is at the same fit in {folder}. Let it finish, or set another checkpoint_dir."
            )
        except ValueError as error:
            _discard(folder, lock)
            refusal = error
    about, refusal = world.broadcast((about, refusal))
    if refusal is not None:
        raise refusal
    try:
        yield folder, about["seeds"]
    finally:
        if lock is not None:
            lock.release()


def _discard(folder, lock):
    lock.release()
    _remove(folder)


def _agreed(home, folder, about):
    """Return what the fit in `folder` is about, with the seeds that it began with."""
    path = folder / _ABOUT
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    for other in sorted(home.glob("fit-*")):
        if other != folder and (found := _unfinished(other)):
            raise ValueError(
                f"checkpoint_dir holds an unfinished fit, {other}, that differs from this one: "
                f"{'; '.join(_differences(found, about))}. Finish it as it was begun, delete that folder, or set "
                "another checkpoint_dir."
            )
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(about), encoding="utf-8")
    unfinished.replace(path)
    return about


def _unfinished(folder):
    """Return what the fit in a folder is about, if it was interrupted; None if it is running, or had not begun."""
    from filelock import FileLock, Timeout

    path = folder / _ABOUT
    if not path.exists():
        return None
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return json.loads(path.read_text(encoding="utf-8"))
    except Timeout:
        return None


def _describe(classifier, data, seeds):
    """Return what a fit depends on, part by part, in JSON."""
    params = {name: value for name, value in classifier.get_params(deep=False).items() if name not in _NO_MATTER}
    random_state = params.pop("random_state")
    # Not what they have noted in an earlier fit: that is theirs.
    callbacks = [_callback(part) for part in classifier.callbacks or []]
    kinds = {"synthetic": data.synthetic, "real": data.real}
    return {
        "class": type(classifier).__name__,
        "parameters": {name: _value(value) for name, value in params.items()} | {"callbacks": callbacks},
        "data": {
            f"{kind} {name}": None if getattr(rows, name) is None else _content(getattr(rows, name))
            for kind, rows in kinds.items()
            if rows is not None
            for name in ("X", "y", "sample_weight", "index")
        },
        "encoder": content_digest(encoder_fingerprint(classifier.encoder)),
        "code": content_digest(code_fingerprint(classifier)),
        "versions": dict(versions()),
        "seed": None if random_state is None else seeds,
        "seeds": seeds,
    }


def _callback(callback):
    part = callback[1] if isinstance(callback, tuple) else callback
    kind = part if isinstance(part, type) else type(part)
    return kind.__name__ if part is kind else f"{kind.__name__} ({content_digest(part.get_params())[:8]})"


def _value(value):
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return str(value)
    try:
        digest = content_digest(value)[:8]
    except (pickle.PicklingError, AttributeError, TypeError):  # of a lambda, for example; its code is in "code"
        digest = "not compared"
    return f"{type(value).__name__} ({digest})"


def _content(values):
    return f"{len(values):,} rows ({content_digest(values)[:8]})"


def _compared(about):
    """All of it but for seeds that nobody has chosen."""
    return {part: value for part, value in about.items() if part != "seeds"}


def _differences(found, about):
    """In which parts two fits differ, in words."""
    for part, value in _compared(about).items():
        was = found.get(part)
        if was == value:
            continue
        if not (isinstance(value, dict) and isinstance(was, dict)):
            yield f"{part} was {was}, is {value}"
            continue
        for name in value.keys() | was.keys():
            if value.get(name) != was.get(name):
                yield f"{name} was {was.get(name)}, is {value.get(name)}"
