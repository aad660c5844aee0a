"""The folder of an unfinished run: what a run that was killed leaves for the next one.

Until a run is done, its work lies in a folder next to the output:

==============================  ======================================================================================
file                            content
==============================  ======================================================================================
manifest.json                   what is being done: which input, columns, model, version of skweight
part-<first row>-<end row>.csv  finished rows of the output (or ``.parquet``)
lock                            held by the process at work; the system releases it when the process ends, however
==============================  ======================================================================================

Every file but the lock is written under another name, and renamed when it is complete: one that is there is whole.
Parts that follow each other from row 0 on are finished work; whatever else lies there is made again.
"""

import json
import os
import re
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import skweight
from skweight._complete import complete
from skweight._saved import model_digest

try:
    import fcntl
except ImportError:  # Windows: two runs at once on one output are not noticed there
    fcntl = None  # type: ignore[assignment]

_MANIFEST, _LOCK, _UNFINISHED = "manifest.json", "lock", ".unfinished"
_PART = re.compile(r"part-\d+-\d+\.(csv|parquet)")


def describe(source, state, model):
    """Describe what the rows of a run depend on. If any of it changes, finished rows are of no use.

    Parameters
    ----------
    source : Input
    state : dict
        Of the input when the run begins.
    model : Path
        Folder of the saved model.

    Returns
    -------
    manifest : dict
    """
    return {
        **state,
        "text columns": source.text,
        "kept columns": source.keep,
        "raw": source.raw,
        "encoding": source.encoding,
        "model": model_digest(model),
        "skweight": skweight.__version__,
    }


@contextmanager
def open_run_folder(out):
    """Make the folder of a run, keep other processes out of it, and remove it at the end if it has no finished rows.

    Parameters
    ----------
    out : Path
        The output. The folder lies next to it.

    Yields
    ------
    folder : RunFolder
    """
    folder = out.with_name(out.name + ".parts")
    folder.mkdir(exist_ok=True)
    with nullcontext() if fcntl is None else open(folder / _LOCK, "a") as lock:
        if lock is not None:
            _take(lock)
        try:
            yield RunFolder(folder, out)
        finally:
            if not _parts(folder):
                for path in (*folder.glob(f"*{_UNFINISHED}"), folder / _MANIFEST, folder / _LOCK):
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # somebody else's file lies there, or the lock of the next run
                    folder.rmdir()


class RunFolder:
    """Folder of a run that is at work, new or left by an earlier run; see :func:`open_run_folder`.

    Attributes
    ----------
    parts : list of Path
        Finished rows, in order.
    n_done : int
        How many rows they hold.
    n_rows : int
        How many rows the input has; known after :meth:`resume` has found finished rows, or after :meth:`start`.
    """

    def __init__(self, path, out):
        self.path = path
        self.out = out
        self.parts: list[Path] = []
        self.n_done = 0
        self.n_rows = 0

    def is_begun(self):
        """Whether an earlier run has left finished rows here."""
        return bool(_parts(self.path))

    def resume(self, manifest, *, restart):
        """Take over the finished rows of an earlier run of the same, and remove all other files of it.

        Parameters
        ----------
        manifest : dict
            See :func:`describe`.
        restart : bool
            Whether finished rows are removed too.

        Returns
        -------
        resumed : bool
            Whether there were any.
        """
        parts: list[Path] = []
        done, others = 0, list(self.path.glob(f"*{_UNFINISHED}"))
        for path in _parts(self.path):
            first, end = map(int, path.stem.split("-")[1:])
            if first == done:
                parts, done = [*parts, path], end
            else:
                others.append(path)
        if restart:
            parts, done, others = [], 0, [*parts, *others]
        if parts:
            earlier = json.loads((self.path / _MANIFEST).read_text(encoding="utf-8"))
            changes = [f"{key}: {earlier.get(key)} → {now}" for key, now in manifest.items() if earlier.get(key) != now]
            if changes:
                raise ValueError(
                    f"{self.path} holds {done} rows of another run ({'; '.join(changes)}). Repeat the command of "
                    "that run to go on with it, or add --restart to discard its rows."
                )
            self.n_rows = earlier["rows"]
        _discard(others)
        self.parts, self.n_done = parts, done
        return bool(parts)

    def start(self, manifest, n_rows):
        """Note down what the rows of this run depend on, and how many there will be."""
        with _complete(self.path / _MANIFEST) as path:
            path.write_text(json.dumps({**manifest, "rows": n_rows}, indent=2) + "\n", encoding="utf-8")
        self.n_rows = n_rows

    @contextmanager
    def next_part(self, n_rows, suffix):
        """Path to write the next `n_rows` rows to."""
        end = self.n_done + n_rows
        part = self.path / f"part-{self.n_done:012d}-{end:012d}{suffix}"
        with _complete(part) as path:
            yield path
        self.parts.append(part)
        self.n_done = end

    @contextmanager
    def result(self):
        """Path to write the joined parts to. They are removed when the result has become the output."""
        with _complete(self.out, self.path) as path:
            yield path
        _discard(self.parts)


def _parts(folder):
    return sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name))


def _discard(paths):
    # The last rows first: if this is cut short, what is left are still the parts from row 0 on.
    for path in sorted(paths, reverse=True):
        path.unlink()


def _complete(path, folder=None):
    return complete(path, (folder or path.parent) / f"{path.name}{_UNFINISHED}")


def _take(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed the file in the meantime, and the next process locked a new one.
        ours = os.path.exists(lock.name) and os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name))
    except BlockingIOError:
        ours = False
    except OSError:  # the file system has no locks
        ours = True
    if not ours:
        raise RuntimeError(f"Another process is at work in {Path(lock.name).parent}.")
