"""Compare opinion pools with the best of real only, synthetic only and both pooled.

    python -m benchmarks.never_worse run --data DATA --encoder MINILM --cache cache --out results/frozen.jsonl
    python -m benchmarks.never_worse report results/frozen.jsonl

Every method is a softmax regression on embeddings of the encoder as it is. The rules were fixed before the run:

- 300 real rows are drawn for each seed from real_train.csv and real_pool.csv; 1,000 further ones are scored, and apart
  from them the rows of test.csv, some of which are of another distribution. 1,200 synthetic rows.
- The comparator of a cell, a pair of task and generator, is the most accurate of real only, synthetic only and pooled
  on one half of the scored rows; it is compared on the other half.
- A cell is not inferior if the pool's loss against it is significantly below 1 point (one-sided, Holm over the cells).
- The interval of the mean gain is a bootstrap of cells, then seeds; rows by the normal approximation.
- Constants were chosen on the five cells of TUNED, on the same kind of rows with seeds of their own.

"opinion pool of two" was fixed with these rules. The third expert was added after a run of all cells.
"""

import argparse
import base64
from pathlib import Path

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from benchmarks.common import draw, encoder_name, table
from benchmarks.paper.lines import Lines, read_lines
from skweight import OpinionPool, _engine, cross_fit_proba
from skweight._pools import folds
from skweight._rows.tokens import tokenize
from skweight.datasets import load_csv

TUNED = {
    "tweet_sentiment:synthetic_gpt-4",
    "ag_news:synthetic_mistral-7b",
    "tweet_sarcasm:synthetic_gpt-3.5_grounded",
    "mrpc:synthetic_ctrl-supergen",
    "sst2:synthetic_ctrl-supergen",
}
BASELINES = ("real only", "synthetic only", "pooled")
POOLS = {"opinion pool": BASELINES, "opinion pool of two": BASELINES[:2]}
MARGIN = 0.01
N_REAL, N_SCORED, N_SYNTHETIC, MOST_ROWS = 300, 1000, 1200, 3000


# The run


class Embedder:
    """Embeddings of the rows of a file, kept on disk."""

    def __init__(self, encoder, cache):
        self.encoder, self.cache = encoder, Path(cache)
        self.cache.mkdir(parents=True, exist_ok=True)
        self.module = self.tokenizer = None

    def load(self, path):
        """Embeddings and labels of a file, of 3,000 rows drawn from a longer one."""
        kept = self.cache / f"{encoder_name(self.encoder)}-{path.parent.name}-{path.stem}.npz"
        if not kept.exists():
            if self.module is None:
                self.module = _engine.load_encoder(self.encoder)
                self.tokenizer = _engine.load_tokenizer(self.encoder)
            X, y = draw(*load_csv(path), MOST_ROWS, seed=0)
            tokens = tokenize(X, self.tokenizer, 128, None)
            np.savez(kept, X=_engine.embed(self.module, tokens).astype(np.float16), y=y)
        with np.load(kept) as file:
            return file["X"].astype(np.float32), file["y"]


def run(args):
    """Fit and score every method on every cell, with every seed."""
    lines, embedder = Lines(args.out), Embedder(args.encoder, args.cache)
    for path in sorted(Path(args.data).glob("*/synthetic_*.csv")):
        cell = f"{path.parent.name}:{path.stem}"
        for seed in range(args.seeds):
            config = {"cell": cell, "seed": seed, "encoder": encoder_name(args.encoder), "prior": args.prior}
            if not lines.has(config):
                lines.add(config, score_cell(embedder, path, seed, args.prior))
        print(cell, flush=True)


def score_cell(embedder, path, seed, prior):
    """Scores of all methods on one draw of the rows."""
    rng = np.random.RandomState(100 + seed)  # constants were chosen with other draws
    synth_X, synth_y = embedder.load(path)
    classes = np.unique(synth_y)
    files = [embedder.load(path.with_name(name)) for name in ("real_train.csv", "real_pool.csv")]
    X, y = (np.concatenate(parts) for parts in zip(*files, strict=True))
    known = np.isin(y, classes)
    order = rng.permutation(np.flatnonzero(known))
    real, scored = order[:N_REAL], order[N_REAL : N_REAL + N_SCORED]
    rows = rng.permutation(len(synth_X))[:N_SYNTHETIC]
    synth_X, synth_y = synth_X[rows], synth_y[rows]
    fitted = {
        "real only": fit(X[real], y[real]),
        "synthetic only": fit(synth_X, synth_y),
        "pooled": fit_pooled(synth_X, synth_y, X[real], y[real]),
    }
    target = np.searchsorted(classes, y[real])
    about_real = {
        "real only": cross_fit_proba(make_regression(), X[real], y[real], classes=classes, random_state=seed),
        "synthetic only": proba_of(fitted["synthetic only"], X[real], classes),
        "pooled": cross_fit_pooled(synth_X, synth_y, X[real], y[real], classes, seed),
    }
    pools = {
        name: (experts, OpinionPool(prior).fit([about_real[expert] for expert in experts], target))
        for name, experts in POOLS.items()
    }
    test_X, test_y = embedder.load(path.with_name("test.csv"))
    test = np.isin(test_y, classes)
    result = {"coef": {name: pool.coef_.round(4).tolist() for name, (_, pool) in pools.items()}}
    for side, own_X, own_y in (("pool", X[scored], y[scored]), ("test", test_X[test], test_y[test])):
        target = np.searchsorted(classes, own_y)
        probas = {name: proba_of(model, own_X, classes) for name, model in fitted.items()}
        for name, (experts, pool) in pools.items():
            probas[name] = pool.predict_proba([probas[expert] for expert in experts])
        result[side] = {name: figures(proba, target) for name, proba in probas.items()}
    return result


def make_regression():
    return make_pipeline(Normalizer(), LogisticRegression(max_iter=500))


def fit(X, y, weight=None):
    return make_regression().fit(X, y, logisticregression__sample_weight=weight)


def fit_pooled(synth_X, synth_y, real_X, real_y):
    """Fit on all rows; the real ones weigh a quarter of the synthetic ones."""
    weight = np.r_[np.ones(len(synth_y)), np.full(len(real_y), len(synth_y) / 4 / len(real_y))]
    return fit(np.r_[synth_X, real_X], np.r_[synth_y, real_y], weight)


def cross_fit_pooled(synth_X, synth_y, real_X, real_y, classes, seed):
    """Predict each real row by a pooled model that has not seen it."""
    proba = np.empty((len(real_y), len(classes)))
    for train, test in folds(real_y, 5, seed):
        proba[test] = proba_of(fit_pooled(synth_X, synth_y, real_X[train], real_y[train]), real_X[test], classes)
    return proba


def proba_of(model, X, classes):
    proba = np.zeros((len(X), len(classes)))
    proba[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
    return proba


def figures(proba, target):
    """Which rows are right, and other scores."""
    right, sure = proba.argmax(axis=1) == target, proba.max(axis=1)
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = [abs(right[bins == i].sum() - sure[bins == i].sum()) for i in range(15)]
    return {
        "right": base64.b85encode(np.packbits(right).tobytes()).decode(),
        "n": len(target),
        "macro_f1": round(float(f1_score(target, proba.argmax(axis=1), average="macro")), 5),
        "log_loss": round(float(-np.log(np.maximum(proba[np.arange(len(target)), target], 1e-4)).mean()), 5),
        "calibration_error": round(float(sum(gaps) / len(target)), 5),
    }


# The report


def right_rows(score):
    return np.unpackbits(np.frombuffer(base64.b85decode(score["right"]), dtype=np.uint8), count=score["n"]).astype(
        float
    )


def compare(lines, side, method):
    """Choose the comparator of a cell on one half of each seed's rows; return it, and differences on the other half."""
    halves = []
    for line in lines:
        right = {name: right_rows(score) for name, score in line[side].items()}
        first = np.random.RandomState(line["config"]["seed"]).permutation(line[side]["pooled"]["n"]) % 2 == 0
        halves.append((right, first))
    chosen = max(BASELINES, key=lambda name: np.mean([right[name][first].mean() for right, first in halves]))
    return chosen, [(right[method] - right[chosen])[~first] for right, first in halves]


def holm(p_values):
    """p-values adjusted for their number."""
    order = np.argsort(p_values)
    adjusted = np.maximum.accumulate(np.sort(p_values) * np.arange(len(p_values), 0, -1)).clip(max=1)
    return adjusted[np.argsort(order)]


def interval(differences, resamples=2000):
    """95 % interval of the mean gain, in points: cells and seeds are drawn again, rows by the normal approximation."""
    rng = np.random.default_rng(0)
    means = []
    for _ in range(resamples):
        cells = [differences[i] for i in rng.integers(len(differences), size=len(differences))]
        drawn = [cell[i] for cell in cells for i in rng.integers(len(cell), size=len(cell))]
        noise = [rng.normal(d.mean(), d.std() / np.sqrt(len(d))) for d in drawn]
        means.append(np.mean(noise))
    return np.percentile(means, [2.5, 97.5]) * 100


def report(args):
    """Print a table for each side, and the means over the cells."""
    lines = read_lines([args.lines])
    cells = sorted({line["config"]["cell"] for line in lines})
    of_cell = {cell: [line for line in lines if line["config"]["cell"] == cell] for cell in cells}
    for side, name in (("pool", "further rows of real_pool.csv"), ("test", "rows of test.csv")):
        found = {cell: compare(of_cell[cell], side, args.method) for cell in cells}
        gains = np.array([np.mean([d.mean() for d in found[cell][1]]) for cell in cells])
        errors = np.array(
            [np.std([d.mean() for d in found[cell][1]], ddof=1) / np.sqrt(len(found[cell][1])) for cell in cells]
        )
        p_values = holm(norm.sf((gains + MARGIN) / np.maximum(errors, 1e-9)))
        rows = []
        for cell, gain, error, p in zip(cells, gains, errors, p_values, strict=True):
            accuracies = [
                100 * np.mean([right_rows(line[side][method]).mean() for line in of_cell[cell]])
                for method in (*BASELINES, args.method)
            ]
            rows.append([
                cell.replace("synthetic_", "") + " (tuned)" * (cell in TUNED), *(f"{a:.1f}" for a in accuracies),
                found[cell][0], f"{100 * gain:+.1f} ± {100 * error:.1f}", f"{p:.3f}",
            ])  # fmt: skip
        print(f"\n### Scored on {name}\n")
        print(table(["cell", *BASELINES, args.method, "comparator", "gain", "p (not inferior)"], rows))
        for kind, kept in (("all cells", cells), ("cells not tuned on", [cell for cell in cells if cell not in TUNED])):
            own = [found[cell][1] for cell in kept]
            mean, worst = (f([np.mean([d.mean() for d in cell]) for cell in own]) * 100 for f in (np.mean, np.min))
            low, high = interval(own)
            print(f"\n{kind}: {len(kept)}, mean gain {mean:+.2f} ({low:+.2f} to {high:+.2f}), worst cell {worst:+.2f}.")
        for score in ("macro_f1", "log_loss", "calibration_error"):
            means = {
                method: np.mean([np.mean([line[side][method][score] for line in of_cell[cell]]) for cell in cells])
                for method in (*BASELINES, *POOLS)
            }
            print(f"\nmean {score}: " + ", ".join(f"{method} {value:.3f}" for method, value in means.items()))


def main():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.add_argument("--data", required=True, help="folder of task folders")
    command.add_argument("--encoder", required=True, help="folder of an encoder")
    command.add_argument("--cache", required=True, help="folder for the embeddings")
    command.add_argument("--out", required=True, help="JSON lines; runs that it holds are skipped")
    command.add_argument("--seeds", type=int, default=10)
    command.add_argument("--prior", choices=["real", "balanced"], default="real")
    command.set_defaults(run=run)
    command = commands.add_parser("report")
    command.add_argument("lines", help="what run wrote")
    command.add_argument("--method", choices=POOLS, default="opinion pool")
    command.set_defaults(run=report)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
