"""Noise to inject into a data set."""

import numpy as np
from sklearn.utils import check_random_state

from skweight._rows.labels import check_labels
from skweight._rows.texts import check_texts


def inject_noise(X, y, *, swapped=0.2, duplicated=0.2, unrelated=(), random_state=None):
    """Spoil a data set in the three ways of the paper's noise study.

    Parameters
    ----------
    X : array-like of shape (n_samples,) or (n_samples, 2)
        Texts, or pairs of texts.
    y : array-like of shape (n_samples,)
        Their labels.
    swapped : float, default=0.2
        Share of the rows whose label is replaced by another one, drawn uniformly.
    duplicated : float, default=0.2
        Share of the rows that are added a second time, unchanged. They are drawn from the rows not swapped.
    unrelated : sequence of str or of (str, str), default=()
        Texts of another task, added with labels drawn from `y`.
    random_state : int, RandomState instance or None, default=None
        Which rows, and which labels.

    Returns
    -------
    X : list
    y : ndarray
    kind : ndarray of str
        "original", "swapped", "duplicate" (both copies) or "unrelated".

    Examples
    --------
    >>> from skweight.datasets import inject_noise
    >>> X, y, kind = inject_noise(list("abcdefghij"), [0, 1] * 5, unrelated=["x"], random_state=0)
    >>> len(X), (kind == "swapped").sum(), (kind == "duplicate").sum(), (kind == "unrelated").sum()
    (13, np.int64(2), np.int64(4), np.int64(1))
    """
    rng = check_random_state(random_state)
    X, y = check_texts(X)[0], check_labels(y)[0]
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} rows but y has {len(y)}.")
    n, labels = len(y), np.unique(y)
    order = rng.permutation(n)
    swap = order[: round(swapped * n)]
    double = order[len(swap) : len(swap) + round(duplicated * n)]
    kind = np.full(n, "original", dtype="<U9")
    kind[swap], kind[double] = "swapped", "duplicate"
    noisy = y.copy()
    for i in swap:
        noisy[i] = rng.choice(labels[labels != y[i]])
    strange = rng.choice(y, size=len(unrelated))
    return (
        [*X, *(X[i] for i in double), *unrelated],
        np.concatenate([noisy, noisy[double], strange]) if len(unrelated) else np.concatenate([noisy, noisy[double]]),
        np.concatenate([kind, kind[double], np.full(len(unrelated), "unrelated", dtype="<U9")]),
    )
