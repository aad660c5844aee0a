"""Fine-tuned encoders: minutes for a cell. Each method of a cell and a draw is a line; seeds come first."""

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common import encoder_name, take
from benchmarks.never_worse.rules import FIRST_DRAW, draw_rows, figures, right_rows
from benchmarks.paper.cell import Cell
from benchmarks.paper.configuration import settings
from benchmarks.paper.lines import Lines
from benchmarks.paper.methods import METHODS, Method, imp, pooled, pooled_weight
from skweight import OpinionPoolClassifier, _engine
from skweight._weights import class_proba
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_csv


def student(cell, **params):
    """Teach an opinion pool to the encoder."""
    model = OpinionPoolClassifier(cell.encoder, **params, **cell.training)
    return model.fit(cell.X, cell.y, real_X=cell.real_X, real_y=cell.real_y)


class FittedHead(CrossEntropyClassifier):
    """Plain fine-tuning whose last layer is fitted first, as the student's is."""

    def _train(self, module, rows, *, seed, **settings):
        targets = np.eye(module.config.num_labels)[rows.target]
        soft = _engine.LabelledRows(rows.tokens, rows.target, {**rows.columns, "target_proba": targets})
        _engine.fit_last_layer(module, soft, seed, precision=self.precision)
        return super()._train(module, rows, seed=seed, **settings)


STUDIED = {
    **{name: METHODS[name] for name in ("real only", "cross-entropy", "pooled")},
    "student": Method(student),
    **{name: METHODS[name] for name in ("IMP", "DIMP", "pooled IMP", "pooled DIMP")},
}
DEFAULT = list(STUDIED)
STUDIED["pooled, fitted head"] = Method(partial(pooled, kind=FittedHead))
for share in (0.05, 1.0, 4.0):  # of the real rows, in the mass of the synthetic ones; 0.25 everywhere else
    STUDIED |= {
        f"pooled, {share:g}": Method(partial(pooled, share=share)),
        f"pooled IMP, {share:g}": Method(
            lambda cell, share=share: imp(cell, cell.diversity, real_weight=pooled_weight(cell, share))
        ),
        f"student, {share:g}": Method(partial(student, real_weight=share)),
    }


class Draw(Cell):
    """Task, generator and draw: rows drawn by the rules, models shared as in every cell."""

    def __init__(self, args, cell, draw):
        self.args, self.encoder, self.seed, self.seconds = args, args.encoder, draw, {}
        self.training = {**settings(args), "precision": args.precision, "random_state": draw}
        task, generator = cell.split(":")
        folder = Path(args.data) / task
        synthetic = load_csv(folder / f"{generator}.csv")
        files = [load_csv(folder / name) for name in ("real_train.csv", "real_pool.csv")]
        X, y = files[0][0] + files[1][0], np.r_[files[0][1], files[1][1]]
        self.classes = np.unique(synthetic[1])
        rows, real, further = draw_rows(len(synthetic[0]), y, self.classes, draw)
        self.X, self.y = take(*synthetic, rows)
        self.real_X, self.real_y = take(X, y, real)
        test_X, test_y = load_csv(folder / "test.csv")
        test = np.random.RandomState(0).permutation(np.flatnonzero(np.isin(test_y, self.classes)))[: args.scored]
        self.scored = {"pool": take(X, y, further), "test": take(test_X, test_y, test)}

    def measure(self, method):
        """Fit and score a method: what stands in its line of the file, and the probabilities behind it."""
        model, seconds = self.fit(method)
        probas = {side: np.nan_to_num(class_proba(model, X, self.classes)) for side, (X, _) in self.scored.items()}
        result = {
            side: figures(proba, np.searchsorted(self.classes, self.scored[side][1]), self.seed)
            for side, proba in probas.items()
        }
        if isinstance(model, OpinionPoolClassifier):
            result |= {"teacher": model.teacher_, "coef": model.coef_.round(4).tolist()}
            probas["oof"] = model.oof_proba_
        return {**result, "seconds": seconds}, probas


def run(args):
    """Fit and score the chosen methods on the chosen cells, with every seed."""
    lines, kept = Lines(args.out), Path(args.probabilities)
    kept.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seeds):
        for name in args.cells:
            draw, cell = seed + (0 if args.tuning else FIRST_DRAW), None
            for method in args.methods:
                config = {
                    "cell": name, "draw": draw, "method": method, "encoder": encoder_name(args.encoder),
                    "settings": settings(args), "precision": args.precision, "scored": args.scored,
                }  # fmt: skip
                if lines.has(config):
                    continue
                cell = cell or Draw(args, name, draw)
                result, probas = cell.measure(STUDIED[method])
                halves = {side: proba.astype(np.float16) for side, proba in probas.items()}
                np.savez_compressed(kept / f"{name}-{draw}-{method}-{encoder_name(args.encoder)}.npz", **halves)
                lines.add(config, result)
                accuracy = ", ".join(f"{side} {right_rows(result[side]).mean():.3f}" for side in cell.scored)
                print(name, draw, f"{method}: {accuracy}, {result['seconds']['total']:.0f} s", flush=True)
