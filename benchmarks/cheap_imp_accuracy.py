"""Is IMP with a cheap diversity checker as accurate as with a full one? Accuracy on held-out real rows, paired by seed.

    python benchmarks/cheap_imp_accuracy.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 5 --json LINES

The candidates are the best of ``cheap_imp.py``. All share the quality checker of their seed; accuracy is that on rows
of ``real_pool.csv``, which nothing was fitted on. Differences come with their standard error over seeds.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from cheap_imp import shallow
from sklearn.frozen import FrozenEstimator

from skweight import IMPClassifier
from skweight._checkers import QUALITY_CHECKER_BUDGET
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_csv, load_task


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--synthetic", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--pool", type=int, default=1000)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", required=True, help="one line for each seed and checker")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    task = load_task(args.data, args.synthetic)
    pool_X, pool_y = load_csv(Path(args.data) / "real_pool.csv")
    held = np.random.RandomState(0).permutation(len(pool_X))[: args.pool]
    held_X, held_y = [pool_X[i] for i in held], np.array(pool_y)[held]
    accuracy = {}
    with tempfile.TemporaryDirectory() as folder, open(args.json, "w") as lines:
        for seed in range(args.seeds):
            rows = np.random.RandomState(seed).permutation(len(task.synth_X))[: args.rows]
            X, y = [task.synth_X[i] for i in rows], np.array(task.synth_y)[rows]
            quality = CrossEntropyClassifier(args.encoder, **QUALITY_CHECKER_BUDGET, random_state=seed)
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
                lines.write(json.dumps({"seed": seed, "checker": name, "accuracy": score, "seconds": seconds}) + "\n")
                lines.flush()
    print("| diversity checker | accuracy | difference to the full one | seeds above it |\n|---|---|---|---|")
    full = np.array(accuracy["full"])
    for name, values in accuracy.items():
        difference = np.array(values) - full
        error = difference.std(ddof=1) / len(full) ** 0.5 if len(full) > 1 else np.nan
        cells = f"{np.mean(values):.1f} ± {np.std(values):.1f} | {difference.mean():+.1f} ± {error:.1f}"
        print(f"| {name} | {cells} | {int((difference > 0).sum())} of {len(full)} |")


if __name__ == "__main__":
    main()
