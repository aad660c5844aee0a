"""Any number of files are worked on: what there is to do, who does it, and what is there afterwards."""

import glob
import logging
import os
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from skweight import _progress
from skweight.datasets._input import file_state
from skweight.exceptions import warn
from skweight.scale._engines import Local, Ray, import_ray, run
from skweight.scale._file import UNFINISHED, describe, find_finished, read_finished

_LOCK = ".lock"


def work_on_all(inputs, out, work, settings, *, engine, n_workers, threads, ray_options, verbose):
    """Work on the rows of many files, each into a file of its own, but for those that are finished.

    :func:`skweight.scale.score` describes the arguments; `work` and `settings` are those of :func:`work_on`.

    Returns
    -------
    files : list of Path
        Outputs, in the order of the inputs.
    summary : object
        Of all their rows.
    n_found : int
        Files that an earlier call had finished.
    """
    if engine not in ("local", "ray"):
        raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}.")
    if threads < 1 or (n_workers is not None and n_workers < 1):
        raise ValueError(f"n_workers and threads must be at least 1, got {n_workers!r} and {threads!r}.")
    out = Path(out)
    jobs = _jobs(inputs, out)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        description = describe(work, settings)
        todo = [
            (path, target)
            for path, target in jobs
            if find_finished(target, {**description, **file_state(path)}, work, settings) is None
        ]
        if todo:
            with _started(engine, work, settings, threads, ray_options, n_workers) as (started, n_workers):
                failed = _run(started, todo, min(n_workers, len(todo)), work._doing, verbose)
            if failed:
                raise ValueError(_spell(failed, len(jobs)))
    files = [target for _, target in jobs]
    summary = sum((read_finished(path, work._summary)[1] for path in files), work._summary())
    return files, summary, len(jobs) - len(todo)


# -- what there is to do ----------------------------------------------------------------------------------------------


def _jobs(inputs, out):
    """Pairs of an input and its output."""
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    jobs: dict[Path, Path] = {}  # by output
    for each in given:
        base, paths = _expand(os.path.expanduser(each))
        if not paths:
            raise FileNotFoundError(f"{each}: there are no such files.")
        for path in paths:
            name = path.relative_to(base)
            target = out / (name if name.suffix == ".parquet" else name.with_name(f"{name.name}.parquet"))
            if jobs.setdefault(target, path) != path:
                raise ValueError(
                    f"{jobs[target]} and {path} would both be written to {target}. Write them to two folders, in two "
                    "calls."
                )
            if out.resolve() in path.resolve().parents:
                raise ValueError(f"{path}, an input, lies in {out}, where the outputs go. Write somewhere else.")
    return [(path, target) for target, path in jobs.items()]


def _expand(given):
    """Files that one input stands for, and the folder that their names in the output are relative to."""
    path = Path(given)
    if path.is_dir():
        return path, _visible(path.rglob("*"), path)
    if path.exists() or not glob.has_magic(given):
        return path.parent, [path] if path.exists() else []
    parts = path.parts
    base = Path(*parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))])
    return base, _visible(map(Path, glob.glob(given, recursive=True)), base)


def _visible(paths, base):
    """Files that are not hidden, sorted. A name that begins with an underscore is hidden for Spark and its like."""
    return sorted(
        path for path in paths if path.is_file() and not any(p[0] in "._" for p in path.relative_to(base).parts)
    )


@contextmanager
def _alone(out):
    """Keep other calls out of the folder, and remove what workers that were killed have left there."""
    lock = FileLock(out / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RuntimeError(f"Another process is at work in {out}.") from error
    try:
        _clear(out)
        yield
    finally:
        _clear(out)
        lock.release()


def _clear(out):
    for path in out.rglob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


# -- who does it ------------------------------------------------------------------------------------------------------


@contextmanager
def _started(engine, work, settings, threads, ray_options, n_workers):
    """Yield an engine, and how many workers it should have."""
    if engine == "local":
        n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        yield Local(work, settings, threads), n_workers or max(n_cpus // threads, 1)
        return
    ray = import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        local = {} if n_workers is None else {"num_cpus": n_workers * threads}
        own = {} if "RAY_ADDRESS" in os.environ else {**local, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level=logging.WARNING, **own)
    try:
        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        yield Ray(work, settings, threads, ray_options), n_workers or max(n_cpus // threads, 1)
    finally:
        if is_ours:
            ray.shutdown()


def _run(engine, jobs, n_workers, doing, verbose):
    """Let workers work on files; return those that failed, and give the workers' warnings, once for each code."""
    sizes = {job: job[0].stat().st_size for job in jobs}
    n_done = n_rows = 0
    said: dict[str, str] = {}
    with _progress.shown({doing: sum(sizes.values())}, enabled=bool(verbose)), _progress.stage(doing):

        def told(job, done):
            nonlocal n_done, n_rows
            n_done, n_rows = n_done + 1, n_rows + done.n_rows
            for code, message in done.said.items():
                said.setdefault(code, f"{message} In {job[0]}, perhaps in other files too.")
            _progress.advance(sizes[job])
            if (progress := _progress.current()) is not None:
                progress.note(file=f"{n_done}/{len(jobs)}", rows=n_rows)
                progress.say()

        failed = run(engine, jobs, n_workers, told)
    for message in said.values():
        warn(message)
    return failed


def _spell(failed, n_jobs):
    shown = [f"{path}: {reason.removeprefix(f'{path}: ')}" for (path, _), reason in list(failed.items())[:3]]
    more = f" And {len(failed) - 3} more." if len(failed) > 3 else ""
    return f"{len(failed)} of {n_jobs} files could not be finished; the others are. {' '.join(shown)}{more}"
