"""How little may IMP's diversity checker cost? Its response to noise, by training budget, depth and source.

    python benchmarks/cheap_imp.py --data TASK_FOLDER --unrelated OTHER_FOLDER --encoder FOLDER --seeds 3 --json LINES

The rows are those of ``noise.py``: rows of ``real_pool.csv`` with 20 % swapped labels, 20 % exact duplicates and 20 %
unrelated text. One quality checker, then one diversity checker after another. Printed for each: the mean weight by
kind of row; how often a random original outweighs a random duplicate, and a random row with a swapped label (AUC); the
rank correlation of its Q with that of the full checker; and seconds for training and for its pass over the rows, which
"recorded" does without: there Q is what the checker, still training, gave to each row in its last epoch.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from noise import KINDS, noisy_rows
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback
from transformers import AutoModel, AutoTokenizer

from skweight import importance_weights, label_proba
from skweight._checkers import QUALITY_CHECKER_BUDGET, _fast_checker
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
            proba = y_pred.detach().float().softmax(1).gather(1, batch[1][:, None])[:, 0]
            type(self).proba[batch[0]["row"].cpu().numpy()] = proba.cpu().numpy()


def shallow(encoder, share, folder):
    """Folder of the encoder's first layers."""
    if share == 1:
        return encoder
    path = Path(folder) / f"{share:.2f}"
    if not path.exists():
        model = AutoModel.from_pretrained(encoder)
        depth = max(1, round(share * len(model.encoder.layer)))
        model.encoder.layer = model.encoder.layer[:depth]
        model.config.num_hidden_layers = depth
        model.save_pretrained(path)
        AutoTokenizer.from_pretrained(encoder).save_pretrained(path)
    return str(path)


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
    words = _fast_checker(passthrough=False)
    yield "fast: logistic regression on TF-IDF", label_proba(words.fit(X, y), X, y), time.perf_counter() - started


def describe(quality, diversity, full, kind):
    weight = importance_weights(quality, diversity)
    original = kind == "original"

    def auc(other):
        rows = original | (kind == other)
        return roc_auc_score(original[rows], weight[rows])

    return {
        **{k: weight[kind == k].mean() for k in KINDS},
        "AUC duplicate": auc("duplicate"),
        "AUC swapped": auc("swapped"),
        "rank correlation with full": spearmanr(diversity, full).statistic,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--unrelated", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", required=True, help="one line for each seed and checker")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    real_X, real_y = load_csv(Path(args.data) / "real_train.csv")
    results = {}
    with tempfile.TemporaryDirectory() as folder, open(args.json, "w") as lines:
        for seed in range(args.seeds):
            X, y, kind = noisy_rows(args.data, args.unrelated, args.rows, seed)
            checker = CrossEntropyClassifier(args.encoder, **QUALITY_CHECKER_BUDGET, random_state=seed)
            quality, full = label_proba(checker.fit(real_X, real_y), X, y), None
            for name, proba, seconds in diversity(args, seed, X, y, folder):
                full = proba if full is None else full
                result = {**describe(quality, proba, full, kind), "seconds": seconds}
                results.setdefault(name, []).append(result)
                lines.write(json.dumps({"seed": seed, "checker": name, **result}) + "\n")
                lines.flush()
    columns = list(next(iter(results.values()))[0])
    print("| diversity checker | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|")
    for name, of_seeds in results.items():
        values = {column: np.array([result[column] for result in of_seeds]) for column in columns}
        cells = [f"{v.mean():.1f}" if c == "seconds" else f"{v.mean():.2f} ± {v.std():.2f}" for c, v in values.items()]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
