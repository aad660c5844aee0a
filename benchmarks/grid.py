"""What the scripts that repeat the paper's comparison share: one cell of the grid, and its line in a JSON-lines file.

A cell is a task, a generator and a seed. Methods within a cell share the synthetic rows (drawn by the seed), the random
state, the quality checker (which is the row "real only") and the diversity checker (which is the row "cross-entropy",
as in the paper), so differences between methods are paired.
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import time
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score

from skweight._checkers import QUALITY_CHECKER_BUDGET
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_csv, load_task

# "paper": the published configuration (its gradient clipping is the default here, its weights are neither clipped nor
# normalised, which is the default too), for the checkers as well. "default": what the estimators do without arguments.
PRESETS = {
    "paper": {"max_epochs": 5, "lr": 6e-5, "batch_size": 32, "max_length": 128},
    "default": {"max_epochs": 5, "lr": 5e-5, "batch_size": 32, "max_length": 128},
}


def add_arguments(parser, *, rows=800, seeds=5):
    """Arguments that every script takes."""
    parser.add_argument("--data", required=True, help="folder of task folders")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[seeds], help="how many, or FIRST LAST")
    parser.add_argument("--rows", type=int, default=rows, help="synthetic rows, drawn anew for each seed")
    parser.add_argument("--real-rows", type=int, help="real rows; all by default")
    parser.add_argument("--scored", type=int, default=1000, help="rows of test.csv and of real_pool.csv to score on")
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--lr", type=float, help="instead of the preset's")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--cache", help="folder to keep the checkers that methods share, for a later call")
    parser.add_argument("--out", required=True, help="file of JSON lines; runs that it holds already are skipped")


def seeds(args):
    """Seeds of ``--seeds N`` or ``--seeds FIRST LAST``."""
    return range(*args.seeds) if len(args.seeds) == 1 else range(args.seeds[0], args.seeds[1] + 1)


def set_threads(args):
    """Apply ``--threads``."""
    if args.threads:
        torch.set_num_threads(args.threads)


def settings(args):
    """Training parameters of a run."""
    given = {"max_epochs": args.epochs, "lr": args.lr}
    return PRESETS[args.preset] | {name: value for name, value in given.items() if value is not None}


class Cell:
    """One task, one generator, one seed: its rows, and the models that methods share.

    Attributes
    ----------
    X, y, real_X, real_y : list or ndarray
        What ``fit`` is given.
    scored : dict of str to (list, ndarray)
        Texts and labels to score on: ``test`` for the tables, ``pool`` (of ``real_pool.csv``) for every choice.
    training : dict
        Training parameters, the random state included.
    """

    def __init__(self, args, task, synthetic, seed):
        self.args, self.seed, self.encoder = args, seed, args.encoder
        data = load_task(Path(args.data) / task, synthetic)
        if synthetic is not None:
            rows = np.random.RandomState(seed).permutation(len(data.synth_X))[: args.rows]
            self.X, self.y = take(data.synth_X, data.synth_y, rows)
        self.real_X, self.real_y = data.real_X, np.array(data.real_y)
        if args.real_rows is not None:
            self.real_X, self.real_y = stratified(self.real_X, self.real_y, args.real_rows, seed)
        # The same rows for every seed: what varies over seeds is the training, not what it is measured on.
        self.scored = {}
        for name, X, y in (
            ("test", data.test_X, data.test_y),
            ("pool", *load_csv(Path(args.data) / task / "real_pool.csv")),
        ):
            rows = np.random.RandomState(0).permutation(len(X))[: args.scored]
            self.scored[name] = take(X, y, rows)
        self.training = {**settings(args), "random_state": seed}
        self.seconds = {}

    @property
    def quality_settings(self):
        """Training parameters of the quality checker."""
        return self.training | ({} if self.args.preset == "paper" else QUALITY_CHECKER_BUDGET)

    @cached_property
    def quality_checker(self):
        """P'(y|x): fitted on the real rows alone."""
        return self._shared("quality_checker", self.quality_settings, self.real_X, self.real_y)

    @cached_property
    def cross_entropy(self):
        """Q(y|x): fitted on the synthetic rows alone."""
        return self._shared("cross_entropy", self.training, self.X, self.y)

    @property
    def quality(self):
        """The quality checker, not to be fitted again."""
        return FrozenEstimator(self.quality_checker)

    @property
    def diversity(self):
        """The diversity checker, not to be fitted again."""
        return FrozenEstimator(self.cross_entropy)

    def _shared(self, name, params, X, y):
        """Fit a model that several methods use, or find it where an earlier call left it."""
        folder = None
        if self.args.cache and "callbacks" not in params:
            content = json.dumps([encoder_name(self.encoder), params, list(X), list(y)])
            folder = Path(self.args.cache) / hashlib.sha256(content.encode()).hexdigest()[:16]
        if folder and (folder / "seconds").exists():
            self.seconds[name] = float((folder / "seconds").read_text())
            return CrossEntropyClassifier.from_pretrained(folder)
        started = time.perf_counter()
        model = CrossEntropyClassifier(self.encoder, **params).fit(X, y)
        self.seconds[name] = time.perf_counter() - started
        if folder:
            model.save_pretrained(folder)
            (folder / "seconds").write_text(str(self.seconds[name]))  # last: a folder without it is not looked at
        return model

    def fit(self, method):
        """Fit a method: the model, and its seconds by part as in the paper's table of computational time."""
        built = {name: getattr(self, attribute) and self.seconds[attribute] for name, attribute in method.uses.items()}
        started = time.perf_counter()
        model = method.fit(self)
        own = time.perf_counter() - started
        training = sum(epoch["seconds"] for epoch in model.history_) if own > 0.1 else 0.0  # else it was there already
        parts = {**built, "precalculate weights": own - training, "training": training}
        return model, {name: round(value, 3) for name, value in {**parts, "total": sum(parts.values())}.items()}

    def score(self, model):
        """Accuracy and macro-F1 on both sets; which test rows were right, as a hexadecimal bit mask."""
        result = {}
        for name, (X, y) in self.scored.items():
            predicted = model.predict(X)
            result[f"{name}_accuracy"] = float(np.mean(predicted == y))
            result[f"{name}_macro_f1"] = float(f1_score(y, predicted, average="macro", zero_division=0))
            if name == "test":
                result["test_correct"] = np.packbits(predicted == y).tobytes().hex()
                result["predicted_share"] = {k: float(np.mean(predicted == k)) for k in np.unique(y).tolist()}
        return result


def take(X, y, rows):
    return [X[i] for i in rows], np.array(y)[rows]


def stratified(X, y, n_rows, seed):
    """Draw `n_rows` rows, shares of the classes kept, at least one of each."""
    rng = np.random.RandomState(seed)
    rows = []
    for label in np.unique(y):
        own = rng.permutation(np.flatnonzero(y == label))
        rows.extend(own[: max(1, round(n_rows * len(own) / len(y)))])
    return take(X, y, np.sort(rows))


class Lines:
    """A file of JSON lines that grows; a run whose configuration it holds already is not made again."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.done = {key(line) for line in read_lines([path])} if self.path.exists() else set()

    def has(self, config):
        """Whether the run is in the file."""
        return key({"config": config}) in self.done

    def add(self, config, result):
        """Append a run."""
        line = {
            "config": config,
            **result,
            "versions": {
                name: importlib.metadata.version(name)
                for name in ("skweight", "scikit-learn", "skorch", "torch", "transformers")
            },
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
            "date": datetime.date.today().isoformat(),
        }
        # One write at the end of the file: several processes may share it. A kill may leave half of a line, which is
        # skipped when the file is read, and must not swallow the next one.
        half = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\n" * half + json.dumps(line) + "\n")
        self.done.add(key(line))


def read_lines(paths):
    """All whole lines of the files."""
    lines = []
    for path in paths:
        for text in Path(path).read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:  # cut off by a kill
                continue
    return lines


def key(line):
    return json.dumps(line["config"], sort_keys=True)


def configuration(args, task, synthetic, method, seed, **more):
    """Everything that a run depends on, as a dictionary that identifies it."""
    return {
        "task": task,
        "synthetic": synthetic,
        "method": method,
        "seed": seed,
        "encoder": encoder_name(args.encoder),
        "rows": args.rows,
        "real_rows": args.real_rows,
        "scored": args.scored,
        "preset": args.preset,
        "settings": settings(args),
        "quality_checker": settings(args) if args.preset == "paper" else QUALITY_CHECKER_BUDGET,
        **more,
    }


def encoder_name(folder):
    """Name a folder of weights, by the package around it if its own name says nothing."""
    folder = Path(folder)
    return folder.parent.name if folder.name == "model" else folder.name
