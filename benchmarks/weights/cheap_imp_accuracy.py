r"""Is IMP as accurate with a cheap diversity checker as with a full one? On held-out real rows, paired by seed.

    python -m benchmarks.weights.cheap_imp_accuracy --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 5 \
        --json LINES

The candidates are the best of ``cheap_imp.py``. All share the quality checker of their seed; accuracy is that on rows
of ``real_pool.csv``, which nothing was fitted on. Differences come with their standard error over seeds.
"""

import tempfile
import time

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks.common import (
    STUDIED_CHECKER,
    add_training,
    draw,
    json_lines,
    load,
    load_pool,
    mean_and_deviation,
    new_parser,
    parse,
    shallow,
    table,
)
from skweight import IMPClassifier
from skweight.baselines import CrossEntropyClassifier


def checkers(args, seed, folder):
    """Diversity checkers by name; None is the default, with the classifier's own budget."""
    one_layer = CrossEntropyClassifier(shallow(args.encoder, 1 / 6, folder), max_epochs=5, lr=3e-4, random_state=seed)
    return {
        "full": None,
        "fast (logistic regression on TF-IDF)": "fast",
        "a sixth of the layers, 5 epochs, lr 3e-4": one_layer,
        "none": "drop",
    }


def main():
    parser = new_parser(__doc__)
    add_training(parser, rows=800, epochs=3, lr=1e-4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pool", type=int, default=1000, help="rows of real_pool.csv to score on")
    parser.add_argument("--json", required=True, help="one line for each seed and checker")
    args = parse(parser)
    held_X, held_y = draw(*load_pool(args.data), args.pool, seed=0)
    accuracy = {}
    with tempfile.TemporaryDirectory() as folder, json_lines(args.json) as write:
        for seed in range(args.seeds):
            task, X, y = load(args, seed)
            quality = CrossEntropyClassifier(args.encoder, **STUDIED_CHECKER, random_state=seed)
            quality = FrozenEstimator(quality.fit(task.real_X, task.real_y))
            for name, diversity in checkers(args, seed, folder).items():
                clf = IMPClassifier(
                    args.encoder,
                    quality_checker=quality,
                    diversity_checker=diversity,
                    max_epochs=args.epochs,
                    lr=args.lr,
                    random_state=seed,
                )
                started = time.perf_counter()
                score = clf.fit(X, y).score(held_X, held_y)
                accuracy.setdefault(name, []).append(100 * score)
                seconds = time.perf_counter() - started
                write({"seed": seed, "checker": name, "accuracy": score, "seconds": seconds})
    full = np.array(accuracy["full"])
    rows = []
    for name, values in accuracy.items():
        difference = np.array(values) - full
        error = difference.std(ddof=1) / len(full) ** 0.5 if len(full) > 1 else np.nan
        above = f"{int((difference > 0).sum())} of {len(full)}"
        rows.append([name, mean_and_deviation(values), f"{difference.mean():+.1f} ± {error:.1f}", above])
    print(table(["diversity checker", "accuracy", "difference to the full one", "seeds above it"], rows))


if __name__ == "__main__":
    main()
