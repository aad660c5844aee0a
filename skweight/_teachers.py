"""Who teaches: an opinion pool, or its best expert if the pool is no better."""

import numpy as np
from sklearn.base import clone

from skweight._pools import balanced_weight


def choose_teacher(pool, opinions, y, weight, splits):
    """Fit the pool on cross-fitted probabilities; its best expert takes its place unless the pool is better.

    Returns
    -------
    teacher : str
    pool : OpinionPool
        Fitted; of an expert in its place with exponent 1, and no class terms.
    proba : ndarray of shape (n_real, n_classes)
        What the teacher says of the real rows, cross-fitted.
    scores : dict
    """
    oof = np.stack(list(opinions.values()))
    pooled = np.empty(oof.shape[1:])
    for train, test in splits:
        part = clone(pool).fit(oof[:, train], y[train], weight[train])
        pooled[test] = part.predict_proba(oof[:, test])
    # Judged by what the pool is fitted to be right about.
    count = balanced_weight(y, weight) if pool.prior == "balanced" else weight
    losses = {
        name: np.average(_log_losses(proba, y, pool.floor), weights=count)
        for name, proba in {**opinions, "pool": pooled}.items()
    }
    best = min(opinions, key=lambda name: losses[name])
    scores = {name: _score(proba, y, pool.floor) for name, proba in {**opinions, "pool": pooled}.items()}
    pool.fit(oof, y, weight)
    if losses["pool"] < losses[best]:
        return "pool", pool, pooled, scores
    pool.coef_ = np.array([float(name == best) for name in opinions])
    pool.intercept_ = np.zeros(oof.shape[2])
    return best, pool, opinions[best], scores


def _log_losses(proba, y, floor):
    proba = np.maximum(proba, floor)
    return -np.log(proba[np.arange(len(y)), y] / proba.sum(axis=1))


def _score(proba, y, floor):
    """Accuracy, macro-F1 and log-loss, with standard errors; that of macro-F1 from 200 bootstrap samples."""
    losses = _log_losses(proba, y, floor)
    predicted = proba.argmax(axis=1)
    hits = (predicted == y).astype(float)
    resamples = np.random.RandomState(0).multinomial(len(y), np.full(len(y), 1 / len(y)), size=200)
    f1 = _macro_f1(y, predicted, np.vstack([np.ones(len(y)), resamples]))
    return {
        "accuracy": float(hits.mean()),
        "accuracy_se": float(hits.std() / np.sqrt(len(y))),
        "macro_f1": float(f1[0]),
        "macro_f1_se": float(f1[1:].std()),
        "log_loss": float(losses.mean()),
        "log_loss_se": float(losses.std() / np.sqrt(len(y))),
    }


def _macro_f1(y, predicted, counts):
    """Macro-F1 of several samples of the rows at once; `counts` says how often each row is in each of them."""
    own, said = (values[:, None] == np.union1d(y, predicted) for values in (y, predicted))
    size = counts @ own + counts @ said  # of a class that is in neither, nothing is said
    f1 = np.divide(2 * (counts @ (own & said)), size, out=np.full(size.shape, np.nan), where=size > 0)
    return np.nanmean(f1, axis=1)
