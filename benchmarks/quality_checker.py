"""Find how long the default quality checker should train.

Fits it on the real rows of a task with several budgets, and scores on other real rows (``real_pool.csv``, never the
test set) the checker itself (accuracy and log-loss: weights are ratios of its probabilities) and the classifiers that
use it.

    python benchmarks/quality_checker.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 2
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, log_loss

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_csv, load_task


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--synthetic", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--budgets", nargs="+", default=["3:2e-4", "5:1e-4", "10:1e-4"], help="EPOCHS:LR")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rows", type=int, default=1000, help="synthetic rows")
    parser.add_argument("--epochs", type=int, default=3, help="of the classifiers")
    parser.add_argument("--lr", type=float, default=1e-4, help="of the classifiers")
    parser.add_argument("--pool", type=int, default=1000, help="rows of real_pool.csv to score on")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    task = load_task(args.data, args.synthetic)
    pool_X, pool_y = load_csv(Path(args.data) / "real_pool.csv")
    pool_X, pool_y = pool_X[: args.pool], pool_y[: args.pool]
    scores = {budget: [] for budget in args.budgets}
    plain = []
    for seed in range(args.seeds):
        rows = np.random.RandomState(seed).permutation(len(task.synth_X))[: args.rows]
        X, y = [task.synth_X[i] for i in rows], np.array(task.synth_y)[rows]
        training = {"max_epochs": args.epochs, "lr": args.lr, "random_state": seed}
        ce = CrossEntropyClassifier(args.encoder, **training).fit(X, y)
        plain.append(ce.score(pool_X, pool_y))
        for budget in args.budgets:
            epochs, lr = budget.split(":")
            checker = CrossEntropyClassifier(
                args.encoder, max_epochs=int(epochs), lr=float(lr), batch_size=args.batch_size, random_state=seed
            ).fit(task.real_X, task.real_y)
            proba = checker.predict_proba(pool_X)
            frozen = {"quality_checker": FrozenEstimator(checker)}
            imp = IMPClassifier(args.encoder, diversity_checker=FrozenEstimator(ce), **frozen, **training).fit(X, y)
            dimp = DIMPClassifier(args.encoder, **frozen, **training).fit(X, y)
            scores[budget].append(
                [
                    accuracy_score(pool_y, checker.classes_[proba.argmax(1)]),
                    log_loss(pool_y, proba, labels=checker.classes_),
                    imp.score(pool_X, pool_y),
                    dimp.score(pool_X, pool_y),
                ]
            )
            print(f"seed {seed} {budget}: {np.round(scores[budget][-1], 3)}", flush=True)
    print(f"\n{Path(args.data).name} ({args.synthetic}), {len(X)} synthetic rows, {args.seeds} seeds; ", end="")
    print(f"cross-entropy on synthetic rows: {np.mean(plain):.3f}\n")
    print("| checker's epochs:lr | accuracy | log-loss | IMP | DIMP |\n|---|---|---|---|---|")
    for budget, values in scores.items():
        cells = (f"{m:.3f} ± {s:.3f}" for m, s in zip(np.mean(values, 0), np.std(values, 0), strict=True))
        print(f"| {budget} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
