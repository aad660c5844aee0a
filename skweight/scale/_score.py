"""Any number of files are scored: what there is to do, who does it, and what is there afterwards."""

import glob
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from skweight import _progress
from skweight.datasets._input import PYTHON, file_state
from skweight.exceptions import warn
from skweight.scale._engines import Local, Ray, import_ray, run
from skweight.scale._file import UNFINISHED, describe, find_finished, read_finished
from skweight.scale._scorer import Scorer

_LOCK = ".lock"


@dataclass(frozen=True)
class Scored:
    """What :func:`score` has left.

    Attributes
    ----------
    files : list of Path
        Files of scores, in the order of the inputs.
    n_rows : int
        Their rows.
    n_unknown : int
        Rows whose ratio is not known, as their label is missing or no class of the checkers.
    n_found : int
        Files that an earlier call had finished.
    """

    files: list
    n_rows: int
    n_unknown: int
    n_found: int


def score(
    inputs,
    out,
    *,
    quality,
    diversity=None,
    text=None,
    label="label",
    keep=(),
    engine="local",
    n_workers=None,
    threads=1,
    batch_rows=8192,
    fill_missing=False,
    raw=False,
    encoding=None,
    overwrite=False,
    ray_options=None,
    verbose=0,
    _options=PYTHON,
):
    """Score the rows of many files, each into a file of its own.

    Whatever ends a worker, its file is scored again by another one, three times at most. Whatever ends the call, the
    same call goes on with the files that are not finished. Probabilities are the same to the last bit with any engine
    and any number of workers, on machines of one kind.

    Parameters
    ----------
    inputs : str, path or list of them
        A file, a folder (all files in it that are not hidden), or a pattern such as ``"in/**/*.parquet"``. Files are
        the unit of work: some hundreds of thousands of rows are a good size.
    out : str or path
        Folder for the scores. The file of ``in/a/b.csv`` is ``a/b.csv.parquet``, relative to the folder or to the part
        of the pattern before the first wildcard; :func:`score_file` says what it holds. It must not lie inside the
        inputs.
    quality, diversity, text, label
        As for :class:`Scorer`.
    keep, batch_rows, fill_missing, raw, encoding
        As for :func:`score_file`.
    engine : {"local", "ray"}, default="local"
        Processes on this machine, or actors of Ray: on a local instance that ends with the call, or on the cluster that
        the program, or ``RAY_ADDRESS`` in the environment, is connected to. Its machines must see the folders.
    n_workers : int, default=None
        None takes one for each processor, or for each `threads` of them.
    threads : int, default=1
        Threads of a worker. More workers of one thread each are faster; another number may change last bits.
    overwrite : bool, default=False
        Whether files of scores that were made of something else are replaced.
    ray_options : dict, default=None
        Of Ray's actors, as ``{"num_gpus": 1}``.
    verbose : int, default=0
        Whether to show how far it has come.

    Returns
    -------
    scored : Scored

    Raises
    ------
    FileExistsError
        If an output was made of something else, as for :func:`score_file`; before any work.
    ValueError
        If a file cannot be scored. The others are scored first.
    RuntimeError
        If another process is at work in `out`, if a model cannot be loaded, or if workers end again and again.

    Warns
    -----
    SkweightWarning
        SKW060 if rows have no known ratio. Warnings of the workers come once for each code.
    """
    if engine not in ("local", "ray"):
        raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}.")
    if threads < 1 or (n_workers is not None and n_workers < 1):
        raise ValueError(f"n_workers and threads must be at least 1, got {n_workers!r} and {threads!r}.")
    out = Path(out)
    scorer = Scorer(quality, diversity, text=text, label=label)
    how = {"keep": list(keep), "batch_rows": batch_rows, "fill_missing": fill_missing, "raw": raw, "encoding": encoding}
    jobs = _jobs(inputs, out)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        description = describe(scorer, **how)
        found = [
            find_finished(target, {**description, **file_state(path)}, overwrite=overwrite) is not None
            for path, target in jobs
        ]
        todo = [job for job, is_done in zip(jobs, found, strict=True) if not is_done]
        settings = {**how, "overwrite": overwrite, "_options": _options}
        if todo:
            with _started(engine, scorer, settings, threads, ray_options, n_workers) as (started, n_workers):
                failed = _run(started, todo, min(n_workers, len(todo)), verbose)
            if failed:
                raise ValueError(_spell(failed, len(jobs)))
    return _summary(jobs, sum(found))


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
                raise ValueError(f"{jobs[target]} and {path} would both be written to {target}. Score them apart.")
            if out.resolve() in path.resolve().parents:
                raise ValueError(f"{path}, an input, lies in {out}, where the scores go. Write somewhere else.")
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
def _started(engine, scorer, settings, threads, ray_options, n_workers):
    """Yield an engine, and how many workers it should have."""
    if engine == "local":
        n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        yield Local(scorer, settings, threads), n_workers or max(n_cpus // threads, 1)
        return
    ray = import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        local = {} if n_workers is None else {"num_cpus": n_workers * threads}
        own = {} if "RAY_ADDRESS" in os.environ else {**local, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level=logging.WARNING, **own)
    try:
        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        yield Ray(scorer, settings, threads, ray_options), n_workers or max(n_cpus // threads, 1)
    finally:
        if is_ours:
            ray.shutdown()


def _run(engine, jobs, n_workers, verbose):
    """Score files; return those that failed, and give the warnings of the workers, once for each code."""
    sizes = {job: job[0].stat().st_size for job in jobs}
    n_done = n_rows = 0
    said: dict[str, str] = {}
    with _progress.shown({"scoring": sum(sizes.values())}, enabled=bool(verbose)), _progress.stage("scoring"):

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


# -- what is there afterwards -----------------------------------------------------------------------------------------


def _summary(jobs, n_found):
    files = [target for _, target in jobs]
    n_rows = n_unknown = 0
    for path in files:
        sketch = read_finished(path)[1]
        n_rows, n_unknown = n_rows + sketch.n_rows, n_unknown + sketch.n_unknown
    if n_unknown:
        what = "All" if n_unknown == n_rows else f"{n_unknown} of"
        warn(
            f"SKW060: {what} {n_rows} rows have a label that is missing or no class of the checkers; their ratio is "
            "not known, and they get the neutral weight 1."
        )
    return Scored(files, n_rows, n_unknown, n_found)


def _spell(failed, n_jobs):
    shown = [f"{path}: {reason.removeprefix(f'{path}: ')}" for (path, _), reason in list(failed.items())[:3]]
    more = f" And {len(failed) - 3} more." if len(failed) > 3 else ""
    return f"{len(failed)} of {n_jobs} files could not be scored; the others are. {' '.join(shown)}{more}"
