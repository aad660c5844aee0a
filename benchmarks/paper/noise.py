r"""The paper's noise study: swapped labels, exact duplicates and unrelated text among real rows.

    python -m benchmarks.paper.noise --data DIR --task tweet_sentiment --unrelated ag_news --encoder FOLDER \
        --seeds 3 --methods IMP DIMP --out benchmarks/results/noise.jsonl

Rows of ``real_pool.csv`` are spoilt: 20 % get another label, 20 % are added a second time, and 20 % of unrelated rows
of another task are added. The quality checker is fitted on ``real_train.csv``. Each run is a line: accuracy on
``test.csv``, the mean weight by kind of row, and how often a random original outweighs a random row with a swapped
label, or a random duplicate (AUC).
"""

from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.common import load_pool, parse, take
from benchmarks.paper.cell import Cell
from benchmarks.paper.grid import run_grid, study_parser
from skweight.datasets import inject_noise, load_csv

KINDS = ("original", "duplicate", "unrelated", "swapped")


def noisy_rows(data, unrelated, n_rows, seed):
    """Texts, labels and kinds of rows of `data` spoilt in three ways; `unrelated` is the folder of another task."""
    pool_X, pool_y = load_pool(data)
    strange_X, _ = load_csv(Path(unrelated) / "real_train.csv")
    # One generator for both draws: the rows of the published results depend on it.
    rng = np.random.RandomState(seed)
    X, y = take(pool_X, pool_y, rng.permutation(len(pool_X))[:n_rows])
    strange = [strange_X[i] for i in rng.permutation(len(strange_X))[: round(0.2 * n_rows)]]
    return inject_noise(X, y, unrelated=strange, random_state=seed)


class NoisyCell(Cell):
    """A cell whose rows to weigh are spoilt real ones."""

    def __init__(self, args, task, synthetic, seed):
        super().__init__(args, task, synthetic, seed)
        data = Path(args.data)
        self.X, self.y, self.kind = noisy_rows(data / task, data / args.unrelated, args.rows, seed)
        del self.scored["pool"]  # these rows are trained on

    def fit(self, method):
        """Fit a method, and keep its weights."""
        model, seconds = super().fit(method)
        self.weight = model.sample_weight_ if len(model.sample_weight_) == len(self.X) else np.ones(len(self.X))
        return model, seconds

    def measure(self, method):
        """Fit a method: its scores, and how its weights respond to the noise."""
        result = super().measure(method)
        return result | (response(self.weight, self.kind) if np.ptp(self.weight) > 0 else {})

    def summary(self, result):
        """Describe a result on the screen."""
        auc = f", AUC swapped {result['auc_swapped']:.2f}" if "auc_swapped" in result else ""
        return super().summary(result) + auc


def response(weight, kind):
    """Mean weight by kind of row, and AUC of originals against two of the kinds."""
    result = {"mean_weight": {k: float(weight[kind == k].mean()) for k in KINDS}}
    for other in ("swapped", "duplicate"):
        rows = (kind == "original") | (kind == other)
        result[f"auc_{other}"] = float(roc_auc_score(kind[rows] == "original", weight[rows]))
    return result


if __name__ == "__main__":
    parser = study_parser(__doc__, tasks=False)
    parser.add_argument("--task", dest="tasks", nargs=1, required=True)
    parser.add_argument("--unrelated", required=True, help="another task, for its texts")
    args = parse(parser)
    run_grid(args, NoisyCell, study="noise", unrelated=args.unrelated)
