"""Who does the work: processes on this machine, or actors of Ray. Both work on whole files, and load models once."""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import Counter, deque
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from skweight.exceptions import SkweightWarning
from skweight.scale._file import work_on

ATTEMPTS = 3  # at a file whose worker ends; whatever kills a worker for one file may kill every one


class Done:
    """A file that is finished.

    Attributes
    ----------
    n_rows : int
    said : dict of str to str
        Warnings, by their codes.
    """

    def __init__(self, n_rows, said):
        self.n_rows = n_rows
        self.said = said


class Failed:
    """A file that cannot be worked on, or with `fatal` no file at all."""

    def __init__(self, reason, *, fatal=False):
        self.reason = reason
        self.fatal = fatal


class Died:
    """A worker that ended with a file in its hands."""

    def __init__(self, reason):
        self.reason = reason


def run(engine, jobs, n_workers, told):
    """Let workers work on files; a file whose worker ends is given to another one.

    Parameters
    ----------
    engine : Local or Ray
    jobs : list of (Path, Path)
        Input and output.
    n_workers : int
    told : callable
        Called with a job and its :class:`Done`.

    Returns
    -------
    failed : dict of (Path, Path) to str
        Why a file could not be finished.
    """
    waiting, deaths = deque(jobs), _Deaths(n_workers)
    busy: dict[Any, tuple] = {}
    idle: list[Any] = []
    failed = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < n_workers:
                worker = idle.pop() if idle else engine.start()
                busy[worker] = waiting.popleft()
                worker.begin(*busy[worker])
            while idle:  # others, of this program or not, may wait for the room
                engine.stop(idle.pop())
            for worker, outcome in engine.wait(list(busy)):
                job = busy.pop(worker)
                if isinstance(outcome, Died):
                    engine.stop(worker)
                    if deaths.may_try_again(job, outcome.reason):
                        waiting.append(job)  # behind the others: it may be the file's fault
                    else:
                        failed[job] = f"{ATTEMPTS} workers have ended while they worked on it ({outcome.reason})."
                    continue
                idle.append(worker)
                if isinstance(outcome, Done):
                    deaths.forget()
                    told(job, outcome)
                elif outcome.fatal:
                    raise RuntimeError(outcome.reason)
                else:
                    failed[job] = outcome.reason
    finally:
        for worker in [*busy, *idle]:
            engine.stop(worker)
    return failed


class _Deaths:
    """How often workers have ended: with one file, and in a row, which no file explains."""

    def __init__(self, n_workers):
        self._in_a_row = 0
        self._most = ATTEMPTS * (n_workers + 1)
        self._of: Counter[tuple] = Counter()

    def forget(self):
        """Begin a new row, as a file was finished: workers as such can do it, and only much more tells otherwise."""
        self._in_a_row = 0
        self._most = max(self._most, 30)

    def may_try_again(self, job, reason):
        """Count one more; return whether the file is given to another worker."""
        self._of[job] += 1
        self._in_a_row += 1
        if self._in_a_row >= self._most:
            raise RuntimeError(
                f"{self._in_a_row} workers in a row have ended before they had finished a file ({reason}). Is there "
                'enough memory? A script must make this call under `if __name__ == "__main__":`.'
            )
        return self._of[job] < ATTEMPTS


# -- inside a worker --------------------------------------------------------------------------------------------------


def prepare(work, threads):
    """Load the models in a process of its own, and take no more than its share of the processor.

    Returns
    -------
    failed : Failed or None
    """
    from threadpoolctl import threadpool_limits

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        work.load()
    except Exception as error:
        return Failed(_spell(error), fatal=True)
    threadpool_limits(threads)
    if torch := sys.modules.get("torch"):  # a model need not have loaded it
        torch.set_num_threads(threads)
    return None


def attempt(work, settings, path, out):
    """Work on a file; return what has come of it, whatever that is."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            n_rows = work_on(path, out, work, settings).n_rows
        except Exception as error:
            return Failed(_spell(error))
    said: dict[str, str] = {}
    for warning in caught:
        if issubclass(warning.category, SkweightWarning):
            text = str(warning.message)
            said.setdefault(text.partition(":")[0], text)
    return Done(n_rows, said)


def _spell(error):
    notes = getattr(error, "__notes__", [])
    return " ".join([str(error) or type(error).__name__, *notes])


# -- processes --------------------------------------------------------------------------------------------------------


class Local:
    """Processes on this machine. They begin anew ("spawn"): threads and a GPU in use do not survive a fork."""

    def __init__(self, work, settings, threads):
        self._args = work, settings, threads
        self._context = multiprocessing.get_context("spawn")

    def start(self):
        """Start a worker."""
        return _Process(self._context, *self._args)

    def wait(self, workers):
        """Wait for at least one; return pairs of a worker and what has come of its file."""
        ready = set(wait([worker.connection for worker in workers]))
        return [(worker, worker.outcome()) for worker in workers if worker.connection in ready]

    def stop(self, worker):
        """End a worker."""
        worker.process.kill()
        worker.process.join()
        worker.connection.close()


class _Process:
    def __init__(self, context, work, settings, threads):
        self.connection, its_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(its_end, work, settings, threads), daemon=True)
        self.process.start()
        its_end.close()  # only then does the end of the process end the connection

    def begin(self, path, out):
        with suppress(OSError):  # it has ended while it had nothing to do; `outcome` will say so
            self.connection.send((path, out))

    def outcome(self):
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return Died(f"exit code {self.process.exitcode}")


def _serve(connection, work, settings, threads):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    failed = prepare(work, threads)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(failed or attempt(work, settings, *job))


def _end_with_parent():
    """End when the parent does, however that ends: its successor will want the processor."""
    multiprocessing.parent_process().join()  # type: ignore[union-attr]
    os._exit(1)


# -- Ray --------------------------------------------------------------------------------------------------------------


class Ray:
    """Actors of Ray, on one machine or on a cluster whose machines see the same folders.

    Restarts are this module's own: Ray would restart an actor, but not count how often one file has ended it.
    """

    def __init__(self, work, settings, threads, options):
        ray = import_ray()
        self._ray = ray
        self._args = ray.put((work, settings)), threads
        self._actor = ray.remote(_Actor).options(**{"num_cpus": threads, "max_restarts": 0, **(options or {})})

    def start(self):
        """Start a worker."""
        return _Handle(self._actor.remote(*self._args))

    def wait(self, workers):
        """Wait for at least one; return pairs of a worker and what has come of its file."""
        ready, _ = self._ray.wait([worker.pending for worker in workers], num_returns=1)
        return [(worker, self._outcome(worker)) for worker in workers if worker.pending in ready]

    def _outcome(self, worker):
        try:
            return self._ray.get(worker.pending)
        except self._ray.exceptions.RayError as error:
            return Died(" ".join(str(error).split())[-300:])

    def stop(self, worker):
        """End a worker."""
        self._ray.kill(worker.actor)


class _Handle:
    def __init__(self, actor):
        self.actor = actor
        self.pending = None

    def begin(self, path, out):
        self.pending = self.actor.attempt.remote(path, out)


class _Actor:
    def __init__(self, given, threads):
        self.work, self.settings = given
        self.failed = prepare(self.work, threads)

    def attempt(self, path, out):
        return self.failed or attempt(self.work, self.settings, path, out)


def import_ray():
    """Import Ray, or say which extra has it."""
    try:
        import ray
    except ImportError as error:
        raise ImportError('engine="ray" needs Ray. Run: pip install "skweight[ray]"') from error
    return ray
