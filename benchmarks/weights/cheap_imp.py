r"""How little may IMP's diversity checker cost? Its response to noise, by training budget, depth and source.

    python -m benchmarks.weights.cheap_imp --data TASK_FOLDER --unrelated OTHER_FOLDER --encoder FOLDER --seeds 3 \
        --json LINES

The rows are those of ``benchmarks/paper/noise.py``: rows of ``real_pool.csv`` with 20 % swapped labels, 20 % exact
duplicates and 20 % unrelated text. One quality checker, then one diversity checker after another. Printed for each: the
mean weight by kind of row; how often a random original outweighs a random duplicate, and a random row with a swapped
label (AUC); the rank correlation of its Q with that of the full checker; and seconds for training and for its pass over
the rows. "Recorded" does without that pass: Q is what the checker, still training, gave to each row in its last epoch.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from skorch.callbacks import Callback

from benchmarks.common import STUDIED_CHECKER, json_lines, mean_and_deviation, new_parser, parse, shallow, table
from benchmarks.paper.noise import noisy_rows, response
from skweight import importance_weights, label_proba
from skweight._checkers import fast_checker
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_csv

# Name, share of the encoder's layers, training parameters.
CHECKERS = [
    ("full: 5 epochs, lr 1e-4", 1, {"max_epochs": 5, "lr": 1e-4}),
    ("3 epochs, lr 1e-4", 1, {"max_epochs": 3, "lr": 1e-4}),
    ("3 epochs, lr 2e-4", 1, {"max_epochs": 3, "lr": 2e-4}),
    ("2 epochs, lr 1e-4", 1, {"max_epochs": 2, "lr": 1e-4}),
    ("2 epochs, lr 3e-4", 1, {"max_epochs": 2, "lr": 3e-4}),
    ("2 epochs, lr 1e-4, batches of 8", 1, {"max_epochs": 2, "lr": 1e-4, "batch_size": 8}),
    ("1 epoch, lr 3e-4", 1, {"max_epochs": 1, "lr": 3e-4}),
    ("half of the layers, 5 epochs, lr 1e-4", 1 / 2, {"max_epochs": 5, "lr": 1e-4}),
    ("half of the layers, 3 epochs, lr 3e-4", 1 / 2, {"max_epochs": 3, "lr": 3e-4}),
    ("a sixth of the layers, 5 epochs, lr 3e-4", 1 / 6, {"max_epochs": 5, "lr": 3e-4}),
]


class Record(Callback):
    """Keeps what the model in training gives to each row's label. On the class, because callbacks are cloned."""

    proba: np.ndarray

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
        """Keep the probabilities of a batch."""
        if training:
            proba = y_pred.detach().float().softmax(1).gather(1, batch.target[:, None])[:, 0]
            type(self).proba[batch.rows.cpu().numpy()] = proba.cpu().numpy()


def diversity(args, seed, X, y, folder):
    """Yield name, Q of every row and seconds of each checker."""
    for name, share, params in CHECKERS:
        Record.proba = np.full(len(X), np.nan)
        encoder = shallow(args.encoder, share, folder)
        started = time.perf_counter()
        checker = CrossEntropyClassifier(encoder, **params, random_state=seed, callbacks=[Record()]).fit(X, y)
        trained = time.perf_counter()
        proba = label_proba(checker, X, y)
        yield name, proba, time.perf_counter() - started
        if share == 1:
            yield f"{name}, recorded", Record.proba, trained - started
    started = time.perf_counter()
    words = fast_checker(passthrough=False)
    yield "fast: logistic regression on TF-IDF", label_proba(words.fit(X, y), X, y), time.perf_counter() - started


def describe(quality, diversity, full, kind):
    found = response(importance_weights(quality, diversity), kind)
    return {
        **found["mean_weight"],
        "AUC duplicate": found["auc_duplicate"],
        "AUC swapped": found["auc_swapped"],
        "rank correlation with full": spearmanr(diversity, full).statistic,
    }


def main():
    parser = new_parser(__doc__)
    parser.add_argument("--unrelated", required=True, help="folder of another task, for its texts")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--json", required=True, help="one line for each seed and checker")
    args = parse(parser)
    real_X, real_y = load_csv(Path(args.data) / "real_train.csv")
    results = {}
    with tempfile.TemporaryDirectory() as folder, json_lines(args.json) as write:
        for seed in range(args.seeds):
            X, y, kind = noisy_rows(args.data, args.unrelated, args.rows, seed)
            checker = CrossEntropyClassifier(args.encoder, **STUDIED_CHECKER, random_state=seed)
            quality, full = label_proba(checker.fit(real_X, real_y), X, y), None
            for name, proba, seconds in diversity(args, seed, X, y, folder):
                full = proba if full is None else full
                result = {**describe(quality, proba, full, kind), "seconds": seconds}
                results.setdefault(name, []).append(result)
                write({"seed": seed, "checker": name, **result})
    rows = []
    for name, of_seeds in results.items():
        values = {column: [result[column] for result in of_seeds] for column in of_seeds[0]}
        seconds = values.pop("seconds")
        rows.append([name, *(mean_and_deviation(own, 2) for own in values.values()), f"{np.mean(seconds):.1f}"])
    print(table(["diversity checker", *values, "seconds"], rows))


if __name__ == "__main__":
    main()
