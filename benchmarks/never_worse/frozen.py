"""Softmax regressions on features of the encoder as it is: seconds for a cell."""

from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from benchmarks.common import draw, encoder_name
from benchmarks.never_worse.rules import BASELINES, FIRST_DRAW, draw_rows, figures
from benchmarks.paper.lines import Lines
from skweight import OpinionPool, _engine, cross_fit_proba
from skweight._frozen import AskedRows, frozen_features
from skweight._pools import folds
from skweight._rows.tokens import tokenize
from skweight.datasets import load_csv

# The pool of two was fixed with the rules. The third expert was added after a run of all cells.
POOLS = {"opinion pool": BASELINES, "opinion pool of two": BASELINES[:2]}
MOST_ROWS = 3000  # of a file


class Embedder:
    """Embeddings of the rows of a file, kept on disk."""

    def __init__(self, encoder, cache):
        self.encoder, self.cache = encoder, Path(cache)
        self.cache.mkdir(parents=True, exist_ok=True)
        self.module = self.tokenizer = None

    def tokenize(self, texts):
        """Turn texts into what the encoder reads."""
        return tokenize(texts, self.tokenizer, 128, None)

    def load(self, path):
        """Embeddings and labels of a file, of 3,000 rows drawn from a longer one."""
        kept = self.cache / f"{encoder_name(self.encoder)}-{path.parent.name}-{path.stem}.npz"
        if not kept.exists():
            if self.module is None:
                self.module = _engine.load_encoder(self.encoder)
                self.tokenizer = _engine.load_tokenizer(self.encoder)
            X, y = draw(*load_csv(path), MOST_ROWS, seed=0)
            rows = AskedRows(X, self.tokenize(X))
            np.savez(kept, X=frozen_features(self.module, rows, self.tokenize).astype(np.float16), y=y)
        with np.load(kept) as file:
            return file["X"].astype(np.float32), file["y"]


def run(args):
    """Fit and score every method on every cell, with every seed."""
    lines, embedder = Lines(args.out), Embedder(args.encoder, args.cache)
    for path in sorted(Path(args.data).glob("*/synthetic_*.csv")):
        cell = f"{path.parent.name}:{path.stem}"
        for seed in range(args.seeds):
            config = {"cell": cell, "seed": seed, "encoder": encoder_name(args.encoder), "prior": args.prior}
            config |= {} if args.C == 1 else {"C": args.C}
            if not lines.has(config):
                lines.add(config, score_cell(embedder, path, seed, args.prior, args.C))
        print(cell, flush=True)


def score_cell(embedder, path, seed, prior, C=1.0):
    """Scores of all methods on one draw of the rows."""
    synth_X, synth_y = embedder.load(path)
    classes = np.unique(synth_y)
    files = [embedder.load(path.with_name(name)) for name in ("real_train.csv", "real_pool.csv")]
    X, y = (np.concatenate(parts) for parts in zip(*files, strict=True))
    rows, real, scored = draw_rows(len(synth_X), y, classes, FIRST_DRAW + seed)
    synth_X, synth_y = synth_X[rows], synth_y[rows]
    regression = LogisticRegression(C=C, max_iter=500)
    fitted = {
        "real only": fit(regression, X[real], y[real]),
        "synthetic only": fit(regression, synth_X, synth_y),
        "pooled": fit_pooled(regression, synth_X, synth_y, X[real], y[real]),
    }
    target = np.searchsorted(classes, y[real])
    about_real = {
        "real only": cross_fit_proba(regression, X[real], y[real], classes=classes, random_state=seed),
        "synthetic only": proba_of(fitted["synthetic only"], X[real], classes),
        "pooled": cross_fit_pooled(regression, synth_X, synth_y, X[real], y[real], classes, seed),
    }
    pools = {
        name: (experts, OpinionPool(prior).fit([about_real[expert] for expert in experts], target))
        for name, experts in POOLS.items()
    }
    fitted |= fit_weighted(regression, fitted, about_real, (synth_X, synth_y), (X[real], y[real]), classes)
    test_X, test_y = embedder.load(path.with_name("test.csv"))
    test = np.isin(test_y, classes)
    result = {"coef": {name: pool.coef_.round(4).tolist() for name, (_, pool) in pools.items()}}
    for side, own_X, own_y in (("pool", X[scored], y[scored]), ("test", test_X[test], test_y[test])):
        target = np.searchsorted(classes, own_y)
        probas = {name: proba_of(model, own_X, classes) for name, model in fitted.items()}
        for name, (experts, pool) in pools.items():
            probas[name] = pool.predict_proba([probas[expert] for expert in experts])
        result[side] = {name: figures(proba, target, seed) for name, proba in probas.items()}
    return result


def fit(regression, X, y, weight=None):
    return clone(regression).fit(X, y, sample_weight=weight)


def fit_pooled(regression, synth_X, synth_y, real_X, real_y, synth_weight=None):
    """Fit on all rows; the real ones weigh a quarter of the synthetic ones."""
    synth_weight = np.ones(len(synth_y)) if synth_weight is None else synth_weight
    weight = np.r_[synth_weight, np.full(len(real_y), len(synth_y) / 4 / len(real_y))]
    return fit(regression, np.r_[synth_X, real_X], np.r_[synth_y, real_y], weight)


def fit_weighted(regression, fitted, about_real, synthetic, real, classes):
    """Weight the synthetic rows by P'(y|x) / Q(y|x), the real ones left out or in; checkers as they are, or scaled.

    A scaled checker is a pool of one expert without class terms, which is temperature scaling.
    """
    (synth_X, synth_y), (real_X, real_y) = synthetic, real
    label, target = np.searchsorted(classes, synth_y), np.searchsorted(classes, real_y)
    models = {}
    for ending, scaled in (("", False), (", scaled checkers", True)):
        log_proba = {}
        for name in ("real only", "synthetic only"):
            proba = proba_of(fitted[name], synth_X, classes)
            if scaled:
                proba = OpinionPool(None).fit([about_real[name]], target).predict_proba([proba])
            log_proba[name] = np.log(np.maximum(proba[np.arange(len(label)), label], 1e-4))
        weight = np.exp(log_proba["real only"] - log_proba["synthetic only"])
        weight *= len(weight) / weight.sum()
        models[f"IMP{ending}"] = fit(regression, synth_X, synth_y, weight)
        models[f"pooled IMP{ending}"] = fit_pooled(regression, synth_X, synth_y, real_X, real_y, weight)
    return models


def cross_fit_pooled(regression, synth_X, synth_y, real_X, real_y, classes, seed):
    """Predict each real row by a pooled model that has not seen it."""
    proba = np.empty((len(real_y), len(classes)))
    for train, test in folds(real_y, 5, seed):
        model = fit_pooled(regression, synth_X, synth_y, real_X[train], real_y[train])
        proba[test] = proba_of(model, real_X[test], classes)
    return proba


def proba_of(model, X, classes):
    proba = np.zeros((len(X), len(classes)))
    proba[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
    return proba
