"""Ways to train on synthetic and real rows, compared by cross-validation over the real ones, on features."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from skweight._pools import OpinionPool, balanced_weight, cross_fit_proba, folds
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


def cross_validate(sources, splits, *, seed, n_folds=5):
    """Which real rows are predicted rightly by models that have not seen them.

    Parameters
    ----------
    sources : Sources
    splits : list of (ndarray of int, ndarray of int)
        Training and test rows of each fold, among the real ones.
    seed : int
        Of the folds inside the training rows, on which the pool is fitted.
    n_folds : int, default=5
        How many there are of those.

    Returns
    -------
    hits : dict of str to ndarray of shape (n_real,)
        1 or 0 for every real row, by way to train.
    """
    classes, y = np.arange(sources.n_classes), sources.real_y
    on_real = class_proba(sources.fit_synthetic(), sources.real_X, classes)  # it has seen no real row
    hits = {name: np.zeros(len(y)) for name in (REAL, SYNTHETIC, BOTH, POOL)}
    for train, test in splits:
        known = np.unique(y[train])
        inner = folds(y[train], n_folds, seed)
        oof = {
            REAL: cross_fit_proba(sources.expert, sources.real_X[train], y[train], cv=inner, classes=classes),
            SYNTHETIC: on_real[train],
            BOTH: np.empty((len(train), len(classes))),
        }
        for own, held_out in inner:
            rows = sources.real_X[train[held_out]]
            oof[BOTH][held_out] = class_proba(sources.fit_both(train[own]), rows, classes)
        said = {
            REAL: class_proba(sources.fit_real(train), sources.real_X[test], classes),
            SYNTHETIC: on_real[test],
            BOTH: class_proba(sources.fit_both(train), sources.real_X[test], classes),
        }
        _, pool, _, _ = choose_teacher(
            OpinionPool(sources.prior),
            {name: np.nan_to_num(proba[:, known]) for name, proba in oof.items()},
            np.searchsorted(known, y[train]),
            np.ones(len(train)),
            inner,
        )
        for name, proba in said.items():
            hits[name][test] = np.nan_to_num(proba).argmax(axis=1) == y[test]
        pooled = pool.predict_proba(np.stack([np.nan_to_num(proba[:, known]) for proba in said.values()]))
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
        self._seeds = seeds
        self._confidence, self._rope = confidence, rope
        y = sources.real_y
        self._row_weight = balanced_weight(y, np.ones(len(y))) if sources.prior == "balanced" else np.ones(len(y))
        self._splits = [folds(y, cv, seed) for seed in seeds]
        self.hits = self.run(sources)

    def run(self, sources, n_repeats=None):
        """Cross-validate other sources on the same folds, of so many repeats; returns hits."""
        runs = [
            cross_validate(sources, splits, seed=seed)
            for splits, seed in list(zip(self._splits, self._seeds, strict=True))[:n_repeats]
        ]
        return {name: np.stack([hits[name] for hits in runs]) for name in runs[0]}

    def judge(self, hits, others):
        """Judge by how much `hits` of shape (n_repeats, n_real) are more than those of another way to train."""
        return judge(hits - others, *self._rows(hits), confidence=self._confidence, rope=self._rope)

    def score(self, hits):
        """Score, and the ends of its interval."""
        return interval(hits, *self._rows(hits), confidence=self._confidence)

    def _rows(self, hits):
        return self._splits[: len(hits)], self.sources.real_y, self._row_weight
