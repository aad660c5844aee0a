"""One cell of the grid of runs: a task, a generator and a seed.

Methods within a cell share the synthetic rows (drawn by the seed), the random state, the quality checker (which is the
row "real only") and the diversity checker (which is the row "cross-entropy", as in the paper), so differences between
methods are paired.
"""

import hashlib
import json
import time
from functools import cached_property
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score

from benchmarks.common import STUDIED_CHECKER, draw, encoder_name, load_pool, take
from benchmarks.paper.configuration import settings
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_task


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
            self.X, self.y = draw(data.synth_X, data.synth_y, args.rows, seed)
        self.real_X, self.real_y = data.real_X, np.array(data.real_y)
        if args.real_rows is not None:
            self.real_X, self.real_y = stratified(self.real_X, self.real_y, args.real_rows, seed)
        # The same rows for every seed: what varies over seeds is the training, not what it is measured on.
        sets = {"test": (data.test_X, data.test_y), "pool": load_pool(Path(args.data) / task)}
        self.scored = {name: draw(X, y, args.scored, seed=0) for name, (X, y) in sets.items()}
        self.training = {**settings(args), "random_state": seed}
        self.seconds = {}

    @property
    def quality_settings(self):
        """Training parameters of the quality checker."""
        return self.training | ({} if self.args.preset == "paper" else STUDIED_CHECKER)

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

    def measure(self, method):
        """Fit a method: what stands in its line of the file."""
        model, seconds = self.fit(method)
        return {**self.score(model), "seconds": seconds}

    def summary(self, result):
        """Describe a result on the screen."""
        accuracy = (f"{name} {result[f'{name}_accuracy']:.3f}" for name in self.scored)
        return f"{', '.join(accuracy)}, {result['seconds']['total']:.0f} s"


def stratified(X, y, n_rows, seed):
    """Draw `n_rows` rows, shares of the classes kept, at least one of each."""
    rng = np.random.RandomState(seed)
    rows = []
    for label in np.unique(y):
        own = rng.permutation(np.flatnonzero(y == label))
        rows.extend(own[: max(1, round(n_rows * len(own) / len(y)))])
    return take(X, y, np.sort(rows))
