"""Scoring many files with two workers: rows per second beside the bare model, memory of the driver, and kills.

    python -m benchmarks.scale --encoder FOLDER --scratch FOLDER --files 20 --rows 500
    python -m benchmarks.scale --quality SAVED --diversity SAVED --scratch FOLDER --files 100 --rows 10000

Rows are the demo's film reviews, or those of ``--texts FILE``, repeated with some of their words moved, so that all
differ; the same for the same arguments. Without ``--quality`` the encoder is fine-tuned for a moment on film
reviews and saved in the scratch folder. Each engine runs in a process of its own, whose resident memory is watched. The
bare model is `predict_proba` on the same texts in as many processes of one thread, its loading not counted. Rows per
second of an engine are those between the time when each worker has finished a file and the end; the seconds before
that, with the start of the processes and the model, are in a column of their own. Linux only.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import table, write_json
from skweight.datasets import load_csv, load_film_reviews
from skweight.scale import Scorer, score, weights
from skweight.scale._weights import output_files

WORKERS = 2
TARGET = {"files": 1000, "rows": 100_000}  # 10^8 rows
HEADER = [
    "engine",
    "rows/s of a core",
    "of the bare model",
    "seconds until each worker has a file",
    "driver at first, at most, at last, MiB",
]


# -- rows and models --------------------------------------------------------------------------------------------------


def make_files(folder, texts, labels, n_files, n_rows):
    """Write files of rows that all differ."""
    folder.mkdir(parents=True)
    for i in range(n_files):
        rng = np.random.default_rng(i)
        rows = rng.integers(len(texts), size=n_rows)
        moved = []
        for row in rows:
            words = texts[row].split()
            words.insert(int(rng.integers(len(words) + 1)), words.pop(int(rng.integers(len(words)))))
            moved.append(" ".join(words))
        ids = np.arange(i * n_rows, (i + 1) * n_rows)
        columns = {"id": ids, "text": moved, "label": [labels[row] for row in rows]}
        pq.write_table(pa.table(columns), folder / f"{i:05d}.parquet")


def rows_of(args):
    if args.texts:
        return load_csv(args.texts)
    films = load_film_reviews()
    return films.X, films.y.tolist()


def saved_model(args):
    if args.quality:
        return args.quality
    from skweight.baselines import CrossEntropyClassifier

    folder = args.scratch / "quality"
    if not folder.exists():
        films = load_film_reviews()
        clf = CrossEntropyClassifier(args.encoder, max_epochs=1, lr=1e-4, random_state=0)
        clf.fit(films.X[:300], films.y[:300]).save_pretrained(folder)
    return folder


# -- the bare model ---------------------------------------------------------------------------------------------------


def bare(models, paths, barrier, rates):
    """Time `predict_proba` alone, in one of several processes that begin together."""
    import torch

    torch.set_num_threads(1)
    loaded = Scorer(*models).load().values()
    texts = [pq.read_table(path)["text"].to_pylist() for path in paths]
    for model in loaded:
        model.predict_proba(texts[0][:64])
    barrier.wait()
    started = time.perf_counter()
    for batch in texts:
        for model in loaded:
            for first in range(0, len(batch), 8192):
                model.predict_proba(batch[first : first + 8192])
    rates.put(sum(map(len, texts)) / (time.perf_counter() - started))


def bare_rate(models, paths):
    """Rows per second of a process."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(WORKERS), context.Queue()
    processes = [context.Process(target=bare, args=(models, paths[i::WORKERS], barrier, rates)) for i in range(WORKERS)]
    for process in processes:
        process.start()
    found = [rates.get() for _ in processes]
    for process in processes:
        process.join()
    return float(np.mean(found))


# -- engines ----------------------------------------------------------------------------------------------------------


def begin(args, engine, out):
    """Start a driver."""
    command = [sys.executable, "-m", "benchmarks.scale", "--drive", engine, "--scratch", str(args.scratch)]
    command += ["--out", str(out), "--quality", str(args.quality)]
    command += ["--diversity", str(args.diversity)] if args.diversity else []
    return subprocess.Popen(command)


def drive(args):
    """Score all files, in the process of a driver."""
    models = {"quality": args.quality, "diversity": args.diversity}
    score(args.scratch / "in", args.out, **models, keep=["id"], engine=args.drive, n_workers=WORKERS)


def workers_of(driver):
    """Find the processes that score files: children of the driver, or of Ray's own."""
    found = []
    for process in psutil.Process(driver.pid).children(recursive=True):
        try:
            said = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if said.startswith("ray::_Actor") or "spawn_main" in said:
            found.append(process)
    return found


def watch(driver, out, *, until=None):
    """Resident memory of a driver in MiB, twice a second, until it ends or there are so many files."""
    memory = []
    while driver.poll() is None and (until is None or len(output_files(out)) < until):
        try:
            memory.append(psutil.Process(driver.pid).memory_info().rss / 2**20)
        except psutil.Error:
            break
        time.sleep(0.5)
    return memory


def measure(args, engine):
    out = fresh(args.scratch / f"out-{engine}")
    started = time.time()
    driver = begin(args, engine, out)
    memory = watch(driver, out)
    assert driver.wait() == 0
    ends = sorted(path.stat().st_mtime for path in output_files(out))
    rows = (len(ends) - WORKERS) * args.rows
    begun = memory[: len(memory) // 4] or memory
    return {
        "engine": engine,
        "rate": rows / (ends[-1] - ends[WORKERS - 1]) / WORKERS,
        "seconds_to_first": ends[WORKERS - 1] - started,
        "driver_mib": [max(begun), max(memory), memory[-1]],
        "memory": memory,
    }


def kills(args, engine):
    """Kill a worker, then the driver, then let another one finish; return whether all is as it should be."""
    out = fresh(args.scratch / f"killed-{engine}")
    driver = begin(args, engine, out)
    watch(driver, out, until=args.files // 4)
    worker = workers_of(driver)[0]
    worker.send_signal(signal.SIGKILL)
    watch(driver, out, until=args.files // 2)
    assert driver.poll() is None, "the driver has ended with its worker"
    orphans = workers_of(driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    psutil.wait_procs(orphans, timeout=60)
    n_found = len(output_files(out))
    half = len(list(out.rglob(".*.unfinished")))
    assert begin(args, engine, out).wait() == 0
    return {
        "engine": engine,
        "found_after_the_kill": n_found,
        "unfinished_after_the_kill": half,
        "workers_that_outlived_it": sum(process.is_running() for process in orphans),
        "unfinished_at_the_end": len(list(out.rglob(".*.unfinished"))),
    }


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def content(out):
    """All rows of a folder, in the order of their files, as one table."""
    return pa.concat_tables([pq.read_table(path) for path in output_files(out)])


# -- what a file costs besides its rows -------------------------------------------------------------------------------


def seconds(function, times=5):
    started = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - started) / times


def parts(args, out):
    """Seconds of what is not prediction."""
    source, scores = next((args.scratch / "in").iterdir()), output_files(out)

    def load():
        Scorer(args.quality, args.diversity).load()

    def rewrite():
        found = pq.read_table(scores[0])
        started = time.perf_counter()
        with open(args.scratch / "written", "wb") as file:
            pq.write_table(found, file)
            file.flush()
            os.fsync(file.fileno())
        return time.perf_counter() - started

    return {
        "load": seconds(load, 2),
        "describe": seconds(lambda: Scorer(args.quality, args.diversity).describe()),
        "read_file": seconds(lambda: pq.read_table(source)["text"].to_pylist()),
        "write_file": float(np.mean([rewrite() for _ in range(5)])),
        "merge_file": seconds(lambda: weights(out)) / len(scores),
        "bytes_of_footer": int(np.mean([pq.read_metadata(path).serialized_size for path in scores])),
        "bytes_of_file": int(np.mean([path.stat().st_size for path in scores])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", help="folder of an encoder to fine-tune, without --quality")
    parser.add_argument("--quality", type=Path, help="folder of a saved classifier")
    parser.add_argument("--diversity", type=Path, help="folder of another one")
    parser.add_argument("--texts", help="file of labelled rows to make others from")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for rows and scores")
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rows", type=int, default=500, help="of each file")
    parser.add_argument("--engines", nargs="+", default=["local", "ray"])
    parser.add_argument("--json", help="also write the figures here")
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.drive:
        drive(args)
        return
    if not (args.quality or args.encoder):
        parser.error("name an --encoder, or a saved --quality")
    make_files(fresh(args.scratch / "in"), *rows_of(args), args.files, args.rows)
    args.quality = saved_model(args)
    paths = sorted((args.scratch / "in").iterdir())
    rate = bare_rate((args.quality, args.diversity), paths)
    measured = [measure(args, engine) for engine in args.engines]
    lines = [["bare model", f"{rate:.0f}", "", "", ""]]
    for one in measured:
        memory = ", ".join(f"{mib:.0f}" for mib in one["driver_mib"])
        cells = [one["engine"], f"{one['rate']:.0f}", f"{one['rate'] / rate:.1%}", f"{one['seconds_to_first']:.1f}"]
        lines.append([*cells, memory])
    print(f"{args.files} files of {args.rows} rows, {WORKERS} workers of one thread\n")
    print(table(HEADER, lines))
    killed = [kills(args, engine) for engine in args.engines]
    reference = content(args.scratch / f"out-{args.engines[0]}")
    assert sorted(reference["id"].to_pylist()) == list(range(args.files * args.rows))
    print()
    for one in killed:
        same = [content(args.scratch / f"{kind}-{one['engine']}").equals(reference) for kind in ("out", "killed")]
        print(f"{one}; same bits as {args.engines[0]}: {same[0]}, after the kills: {same[1]}")
        one["same_bits"] = same
    cost = parts(args, args.scratch / f"out-{args.engines[0]}")
    print("\n" + json.dumps(cost))
    n, rows = TARGET["files"], TARGET["rows"]
    predicted = n * rows / measured[0]["rate"] / 3600
    merged = n * cost["merge_file"]
    print(
        f"{n} files of {rows} rows, from this: {predicted:.0f} hours of a core, {merged:.1f} s for the second pass, "
        f"{n * cost['bytes_of_footer'] / 1e6:.0f} MB of footers."
    )
    write_json(args.json, bare=rate, engines=measured, kills=killed, parts=cost)


if __name__ == "__main__":
    main()
