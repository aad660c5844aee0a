"""Do IMP weights see noise? The paper's noise study: swapped labels, exact duplicates and unrelated text.

    python benchmarks/noise.py --data TASK_FOLDER --unrelated OTHER_FOLDER --encoder FOLDER --seeds 3

Rows of ``real_pool.csv`` are spoilt: 20 % get another label, 20 % are added a second time, and 20 % of unrelated rows
of the other task are added. The quality checker is fitted on ``real_train.csv``, the diversity checker on the spoilt
rows. Prints the mean weight by kind of row, without training the classifier itself (IMP weights are fixed before that).
"""

import argparse
from pathlib import Path

import numpy as np

from skweight import importance_weights, label_proba
from skweight._imp import QUALITY_CHECKER_BUDGET
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import inject_noise, load_csv

KINDS = ("original", "duplicate", "unrelated", "swapped")


def noisy_rows(data, unrelated, n_rows, seed):
    """Texts, labels and kinds of rows of `data` spoilt in three ways; `unrelated` is the folder of another task."""
    pool_X, pool_y = load_csv(Path(data) / "real_pool.csv")
    strange_X, _ = load_csv(Path(unrelated) / "real_train.csv")
    rng = np.random.RandomState(seed)
    rows = rng.permutation(len(pool_X))[:n_rows]
    strange = [strange_X[i] for i in rng.permutation(len(strange_X))[: round(0.2 * n_rows)]]
    return inject_noise([pool_X[i] for i in rows], np.array(pool_y)[rows], unrelated=strange, random_state=seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--unrelated", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    real_X, real_y = load_csv(Path(args.data) / "real_train.csv")
    means = {"weight": [], "quality": [], "diversity": []}
    for seed in range(args.seeds):
        X, y, kind = noisy_rows(args.data, args.unrelated, args.rows, seed)
        # What IMPClassifier does by default, without the training that follows.
        quality = CrossEntropyClassifier(args.encoder, **QUALITY_CHECKER_BUDGET, random_state=seed)
        diversity = CrossEntropyClassifier(args.encoder, max_epochs=args.epochs, lr=args.lr, random_state=seed)
        q = label_proba(quality.fit(real_X, real_y), X, y)
        d = label_proba(diversity.fit(X, y), X, y)
        for name, values in (("weight", importance_weights(q, d)), ("quality", q), ("diversity", d)):
            means[name].append([values[kind == k].mean() for k in KINDS])
        print(
            f"seed {seed}: " + "  ".join(f"{k} {m:.3f}" for k, m in zip(KINDS, means["weight"][-1], strict=True)),
            flush=True,
        )
    print(f"\n{Path(args.data).name}: {args.rows} rows before noise, {args.epochs} epochs, {args.seeds} seeds\n")
    print("| kind of row | mean weight | mean quality P' | mean diversity Q |\n|---|---|---|---|")
    for i, k in enumerate(KINDS):
        cells = []
        for name in means:
            values = np.array(means[name])[:, i]
            cells.append(f"{values.mean():.2f} ± {values.std():.2f}")
        print(f"| {k} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
