r"""The paper's noise study: swapped labels, exact duplicates and unrelated text among real rows.

    python benchmarks/noise.py --data DIR --task tweet_sentiment --unrelated ag_news --encoder FOLDER --seeds 3 \
        --out results/noise.jsonl

Rows of ``real_pool.csv`` are spoilt: 20 % get another label, 20 % are added a second time, and 20 % of unrelated rows
of another task are added. The quality checker is fitted on ``real_train.csv``. Each run is a line: accuracy on
``test.csv``, the mean weight by kind of row, and how often a random original outweighs a random row with a swapped
label, or a random duplicate (AUC).
"""

import argparse
from pathlib import Path

import numpy as np
from grid import Cell, Lines, add_arguments, configuration, seeds, set_threads
from paper import METHODS
from sklearn.metrics import roc_auc_score

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


class NoisyCell(Cell):
    """A cell whose rows to weigh are spoilt real ones."""

    def __init__(self, args, seed):
        super().__init__(args, args.task, None, seed)
        data = Path(args.data)
        self.X, self.y, self.kind = noisy_rows(data / args.task, data / args.unrelated, args.rows, seed)
        del self.scored["pool"]  # these rows are trained on


def response(weight, kind):
    """Mean weight by kind of row, and AUC of originals against two of the kinds."""
    result = {"mean_weight": {k: float(weight[kind == k].mean()) for k in KINDS}}
    for other in ("swapped", "duplicate"):
        rows = (kind == "original") | (kind == other)
        result[f"auc_{other}"] = float(roc_auc_score(kind[rows] == "original", weight[rows]))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, seeds=3)
    parser.add_argument("--task", required=True)
    parser.add_argument("--unrelated", required=True, help="another task, for its texts")
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="METHOD", required=True)
    args = parser.parse_args()
    set_threads(args)
    lines = Lines(args.out)
    for seed in seeds(args):
        cell = None
        for method in args.methods:
            config = configuration(args, args.task, None, method, seed, study="noise", unrelated=args.unrelated)
            if lines.has(config):
                continue
            cell = cell or NoisyCell(args, seed)
            model, seconds = cell.fit(METHODS[method])
            weight = model.sample_weight_ if len(model.sample_weight_) == len(cell.X) else np.ones(len(cell.X))
            result = {**cell.score(model), "seconds": seconds}
            if np.ptp(weight) > 0:
                result |= response(weight, cell.kind)
            lines.add(config, result)
            print(seed, method, round(result["test_accuracy"], 3), result.get("auc_swapped"), flush=True)


if __name__ == "__main__":
    main()
