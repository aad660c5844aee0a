"""Ways to train on synthetic and real rows, compared by cross-validation over the real ones, on features."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skweight._pools import OpinionPool, balanced_weight, folds
from skweight._teachers import choose_teacher
from skweight._verdict import interval, judge
from skweight._weights import class_proba

REAL, SYNTHETIC, BOTH, POOL = "real rows only", "synthetic rows only", "both, as one data set", "both, opinion pool"
_REAL_SHARE = 0.25  # of the real rows' weight to the synthetic ones', as OpinionPoolClassifier's real_weight


@dataclass(frozen=True)
class Sources:
    """Features and classes of synthetic and of real rows, and what is fitted on them.

    Attributes
    ----------
    X : ndarray of shape (n_synthetic, n_features)
    y : ndarray of int of shape (n_synthetic,)
        Indices into the classes.
    real_X : ndarray of shape (n_real, n_features)
    real_y : ndarray of int of shape (n_real,)
    n_classes : int
    expert : classifier
        Unfitted.
    prior : {"real", "balanced"}
        Of the opinion pool.
    """

    X: np.ndarray
    y: np.ndarray
    real_X: np.ndarray  # noqa: N815
    real_y: np.ndarray
    n_classes: int
    expert: Any
    prior: str = "real"

    def with_synthetic(self, rows):
        """Return the same with the synthetic rows `rows` alone."""
        return replace(self, X=self.X[rows], y=self.y[rows])

    def fit_synthetic(self):
        """Fit an expert on the synthetic rows."""
        return clone(self.expert).fit(self.X, self.y)

    def fit_real(self, real):
        """Fit an expert on the real rows `real`."""
        return clone(self.expert).fit(self.real_X[real], self.real_y[real])

    def fit_both(self, real):
        """Fit an expert on the synthetic rows and the real rows `real`, which have their share of the weight."""
        weight = np.repeat([1.0, _REAL_SHARE * len(self.y) / len(real)], [len(self.y), len(real)])
        own = {"sample_weight": weight}
        if hasattr(self.expert, "steps"):
            own = {f"{self.expert.steps[-1][0]}__sample_weight": weight}
        X, y = np.vstack([self.X, self.real_X[real]]), np.concatenate([self.y, self.real_y[real]])
        return clone(self.expert).fit(X, y, **own)


def cross_validate(sources, tests, scored=None):
    """Which real rows are predicted rightly by models that have not seen them.

    For each fold the opinion pool is fitted on predictions of the other folds, by models that have seen neither these
    nor that fold. Models without two folds serve both of these, so that there are half as many as in a cross-validation
    inside a cross-validation.

    Parameters
    ----------
    sources : Sources
    tests : list of ndarray of int
        Folds of the real rows, three at least, which together are all of them.
    scored : list of int, default=None
        The folds whose rows are predicted; None predicts all.

    Returns
    -------
    hits : dict of str to ndarray of shape (n_real,)
        1 or 0 for every real row, by way to train; 0 for rows that are not predicted.
    """
    classes, y = np.arange(sources.n_classes), sources.real_y
    fold_of = np.empty(len(y), dtype=np.intp)
    for fold, test in enumerate(tests):
        fold_of[test] = fold
    on_synthetic = class_proba(sources.fit_synthetic(), sources.real_X, classes)  # it has seen no real row
    said: dict[frozenset, dict] = {}

    def proba_without(*left_out):
        """Probabilities of all real rows, by way to train without the real rows of some folds."""
        key = frozenset(left_out)
        if key not in said:
            real = np.flatnonzero(~np.isin(fold_of, left_out))
            # Where only one class is left to learn from, it seems certain.
            alone = np.broadcast_to(classes == y[real[0]], (len(y), len(classes)))
            if len(np.unique(y[real])) > 1:
                alone = class_proba(sources.fit_real(real), sources.real_X, classes)
            both = class_proba(sources.fit_both(real), sources.real_X, classes)
            said[key] = {REAL: alone, SYNTHETIC: on_synthetic, BOTH: both}
        return {name: np.nan_to_num(proba) for name, proba in said[key].items()}

    hits = {name: np.zeros(len(y)) for name in (REAL, SYNTHETIC, BOTH, POOL)}
    for fold in range(len(tests)) if scored is None else scored:
        test, train = tests[fold], np.flatnonzero(fold_of != fold)
        known = np.unique(y[train])
        oof = {name: np.empty((len(train), len(known))) for name in (REAL, SYNTHETIC, BOTH)}
        inner = []
        for other in sorted(set(range(len(tests))) - {fold}):
            held_out = fold_of[train] == other
            inner.append((np.flatnonzero(~held_out), np.flatnonzero(held_out)))
            for name, proba in proba_without(fold, other).items():
                oof[name][held_out] = proba[np.ix_(train[held_out], known)]
        target = np.searchsorted(known, y[train])
        _, pool, _, _ = choose_teacher(OpinionPool(sources.prior), oof, target, np.ones(len(train)), inner)
        on_test = {name: proba[test] for name, proba in proba_without(fold).items()}
        for name, proba in on_test.items():
            hits[name][test] = proba.argmax(axis=1) == y[test]
        pooled = pool.predict_proba(np.stack([proba[:, known] for proba in on_test.values()]))
        hits[POOL][test] = known[pooled.argmax(axis=1)] == y[test]
    return hits


class Trial:
    """A repeated cross-validation over the real rows, and what it says of each way to train.

    Parameters
    ----------
    sources : Sources
    cv : int
        Folds of a repeat.
    seeds : sequence of int
        One for each repeat.
    confidence, rope : float
        See :func:`skweight._verdict.judge`.

    Attributes
    ----------
    hits : dict of str to ndarray of shape (n_repeats, n_real)
    """

    def __init__(self, sources, *, cv, seeds, confidence, rope):
        self.sources = sources
        self._confidence, self._rope = confidence, rope
        y = sources.real_y
        self._rows = y, balanced_weight(y, np.ones(len(y))) if sources.prior == "balanced" else np.ones(len(y))
        self._splits = [folds(y, cv, seed) for seed in seeds]
        self.hits = self.run(sources)

    def run(self, sources, n_repeats=None):
        """Cross-validate other sources on the same folds, of so many repeats; returns hits."""
        # Products of small matrices take several times as long in threads that wait for each other.
        with threadpool_limits(1, user_api="blas"):
            runs = [cross_validate(sources, [test for _, test in split]) for split in self._splits[:n_repeats]]
        return {name: np.stack([hits[name] for hits in runs]) for name in runs[0]}

    def judge(self, hits, others):
        """Judge by how much `hits` of shape (n_repeats, n_real) are more than those of another way to train."""
        return judge(hits - others, *self._rows, confidence=self._confidence, rope=self._rope)

    def score(self, hits):
        """Score, and the ends of its interval."""
        return interval(hits, *self._rows, confidence=self._confidence)
