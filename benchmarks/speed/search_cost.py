"""What a search costs: network and checker fits with and without ``memory=``, resident memory, and ``n_jobs``.

    python -m benchmarks.speed.search_cost --data TASK_FOLDER --synthetic NAME --encoder FOLDER

Three parts, each on its own with ``--part``: "memory" times a grid of 8 loss settings on 3 folds with and without the
cache and counts what was trained; "growth" follows the resident memory over 16 candidates; "jobs" compares the scores
of ``n_jobs=1`` and ``n_jobs=2``.
"""

import collections
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV

import skweight._engine
from benchmarks.common import add_training, load, machine, new_parser, parse, task_name
from skweight import DIMPClassifier
from skweight.model_selection import RealKFold, stack_real

GRID = {"gamma": [0.5, 1.0], "clip": [None, 5.0], "normalize": [None, "batch"]}


def count_trainings():
    """Counter of the networks trained from here on, by what they are for."""
    counts, train = collections.Counter(), skweight._engine.train

    def counted(*args, title, **kwargs):
        counts[title] += 1
        return train(*args, title=title, **kwargs)

    skweight._engine.train = counted
    return counts


def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def memory(args, clf, data, is_real):
    counts = count_trainings()
    seconds = {}
    for name in ("without", "with"):
        with tempfile.TemporaryDirectory() as folder:
            clf.set_params(memory=folder if name == "with" else None)
            counts.clear()
            started = time.perf_counter()
            folds = RealKFold(3, is_real=is_real)
            search = GridSearchCV(clf, GRID, cv=folds, refit=False, error_score="raise").fit(*data, is_real=is_real)
            seconds[name] = time.perf_counter() - started
            size = sum(path.stat().st_size for path in Path(folder).rglob("*")) / 2**20
        scores = search.cv_results_["mean_test_score"]
        print(f"{name:>7} memory: {seconds[name]:6.1f} s, {dict(counts)}, {size:.0f} MiB on disk, ", end="")
        print(f"mean scores {scores.round(4).tolist()}", flush=True)
    print(f"ratio: {seconds['without'] / seconds['with']:.2f}")


def growth(args, clf, data, is_real):
    resident = []

    def score(estimator, X, y):
        resident.append(resident_mib())
        return estimator.score(X, y)

    folds = list(RealKFold(3, is_real=is_real).split(*data))[:1]  # one fit for each candidate
    grid = {"gamma": np.linspace(0, 2, 16).tolist()}
    with tempfile.TemporaryDirectory() as folder:
        clf.set_params(memory=folder if args.cache else None)
        GridSearchCV(clf, grid, cv=folds, scoring=score, refit=False, error_score="raise").fit(*data, is_real=is_real)
    print(f"resident MiB after each of {len(resident)} fits: {np.round(resident).astype(int).tolist()}")
    print(f"growth from the 4th to the 16th fit: {100 * (resident[15] / resident[3] - 1):+.1f} %")


def jobs(args, clf, data, is_real):
    scores = {}
    for n_jobs in (1, 2):
        started = time.perf_counter()
        search = GridSearchCV(
            clf,
            {"gamma": [0.5, 1.0]},
            cv=RealKFold(3, is_real=is_real),
            scoring=["accuracy", "neg_log_loss"],
            refit=False,
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(*data, is_real=is_real)
        scores[n_jobs] = {
            key: value for key, value in search.cv_results_.items() if "test_" in key and "rank" not in key
        }
        print(f"n_jobs={n_jobs}: {time.perf_counter() - started:.1f} s, accuracy ", end="")
        print(search.cv_results_["mean_test_accuracy"].tolist(), flush=True)
    differ = {key: np.abs(scores[1][key] - scores[2][key]).max() for key in scores[1]}
    print(f"largest difference of any score: {max(differ.values())}")


def main():
    parser = new_parser(__doc__)
    add_training(parser, rows=400, epochs=1)
    parser.add_argument("--part", choices=["memory", "growth", "jobs"])
    parser.add_argument("--real-rows", type=int, default=100)
    parser.add_argument("--cache", action="store_true", help='let part "growth" use memory= too')
    args = parse(parser)
    task, X, y = load(args)
    X, y, is_real = stack_real(X, y, task.real_X[: args.real_rows], task.real_y[: args.real_rows])
    print(f"{task_name(args)}: {args.rows} synthetic, {is_real.sum()} real rows; {args.epochs} epochs; {machine()}")
    for part in (memory, growth, jobs):
        if args.part in (None, part.__name__):
            clf = DIMPClassifier(args.encoder, max_epochs=args.epochs, lr=1e-4, random_state=0)
            part(args, clf, (X, y), is_real)


if __name__ == "__main__":
    main()
