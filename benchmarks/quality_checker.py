"""Find how long the default quality checker should train.

Fits it on the real rows of a task with several budgets and scores it on other real rows (``real_pool.csv``, never the
test set). The log-loss matters as much as the accuracy: weights are ratios of these probabilities.

    python benchmarks/quality_checker.py --data TASK_FOLDER [TASK_FOLDER ...] --encoder FOLDER --seeds 2
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, log_loss

from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_csv


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--lr", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pool", type=int, default=500, help="rows of real_pool.csv to score on")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    print(f"{'task':<18} {'epochs':>6} {'lr':>8} {'accuracy':>16} {'log-loss':>16}", flush=True)
    for folder in args.data:
        real_X, real_y = load_csv(Path(folder) / "real_train.csv")
        pool_X, pool_y = load_csv(Path(folder) / "real_pool.csv")
        pool_X, pool_y = pool_X[: args.pool], pool_y[: args.pool]
        for epochs, lr in itertools.product(args.epochs, args.lr):
            scores = []
            for seed in range(args.seeds):
                clf = CrossEntropyClassifier(
                    args.encoder, max_epochs=epochs, lr=lr, batch_size=args.batch_size, random_state=seed
                ).fit(real_X, real_y)
                proba = clf.predict_proba(pool_X)
                scores.append(
                    [
                        accuracy_score(pool_y, clf.classes_[proba.argmax(1)]),
                        log_loss(pool_y, proba, labels=clf.classes_),
                    ]
                )
            (accuracy, loss), (da, dl) = np.mean(scores, axis=0), np.std(scores, axis=0)
            print(
                f"{Path(folder).name:<18} {epochs:>6} {lr:>8.0e} {accuracy:>8.3f} ± {da:.3f} {loss:>8.3f} ± {dl:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
