"""Importance weights of labelled rows, for any classifier and any model: numpy only.

The weight of a row is a ratio of two probabilities of its label, ``P'(y|x) / Q(y|x)``. Everything here works on the
logarithm of that ratio, so that a denominator near zero costs neither an overflow nor a NaN.
"""

import numpy as np
from sklearn.utils.validation import _num_samples, check_array, check_consistent_length, column_or_1d

from skweight._limits import MAX_LOG_WEIGHT


def label_proba(classifier, X, y):
    """Probability that a fitted classifier gives to each row's own label.

    Columns of ``predict_proba`` are matched by the names in ``classifier.classes_``, never by position.

    Parameters
    ----------
    classifier : fitted classifier with ``predict_proba`` and ``classes_``
        Any scikit-learn classifier, pipeline or search.
    X : array-like of shape (n_samples,) or (n_samples, n_features)
        Rows in the form that the classifier expects.
    y : array-like of shape (n_samples,)
        Labels, of the same kind as those the classifier was fitted on.

    Returns
    -------
    proba : ndarray of shape (n_samples,)
        ``P(y_i | x_i)`` as float64. NaN where the classifier does not know the label.

    Raises
    ------
    TypeError
        If the classifier has no ``predict_proba``.
    ValueError
        If none of the labels is known to the classifier, or if what it says of a row are no probabilities.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skweight import label_proba
    >>> checker = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["bad", "bad", "good", "good"])
    >>> label_proba(checker, [[0.0], [0.0]], ["bad", "good"]).round(2)
    array([0.81, 0.19])
    """
    y = column_or_1d(np.asarray(y))
    check_consistent_length(X, y)
    columns = _columns_of(classifier, y)
    proba = _check_answer(classifier.predict_proba(X), classifier, len(y))
    own = proba[np.arange(len(y)), columns]
    return np.where(columns >= 0, own, np.nan)


def class_proba(classifier, X, classes, *, predict_proba=None, name=None, index=None):
    """Probability that a fitted classifier gives to each of `classes`.

    Columns of ``predict_proba`` are matched by the names in ``classifier.classes_``, never by position.

    Parameters
    ----------
    classifier : fitted classifier with ``predict_proba`` and ``classes_``
        Any scikit-learn classifier, pipeline or search.
    X : array-like of shape (n_samples,) or (n_samples, n_features)
        Rows in the form that the classifier expects.
    classes : array-like of shape (n_classes,)
        Labels, of the same kind as those the classifier was fitted on.
    predict_proba : callable, default=None
        Takes `X` in place of the classifier's own method.
    name : str, default=None
        What the classifier is called in messages, as "quality_checker".
    index : ndarray of int, default=None
        What the rows are called in messages; None counts them from 0.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        As float64, in the order of `classes`. NaN in the column of a class that the classifier does not know; rows add
        up to less than 1 where it knows further classes.

    Raises
    ------
    TypeError
        If the classifier has no ``predict_proba``.
    ValueError
        If it knows none of the classes, or if what it says of a row are no probabilities.
    """
    columns = _columns_of(classifier, np.asarray(classes))
    answer = (predict_proba or classifier.predict_proba)(X)
    proba = _check_answer(answer, classifier, _num_samples(X), name, index)
    return np.where(columns >= 0, proba[:, columns], np.nan)


def product_of_experts(*probas, exponent=1.0):
    r"""Normalised product of class probabilities, each to the power of `exponent`.

    Parameters
    ----------
    *probas : ndarray of shape (n_samples, n_classes)
        What each expert says, as from :func:`class_proba`.
    exponent : float, default=1.0
        Below 1 the product is flatter.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        :math:`\prod_j p_j(k|x)^{exponent}`, divided by its sum over the classes that all experts know; NaN for the
        other classes.

    Examples
    --------
    >>> from skweight._weights import product_of_experts
    >>> product_of_experts([[0.7, 0.2, 0.1]], [[0.4, 0.35, 0.25]], exponent=0.5).round(3)
    array([[0.556, 0.278, 0.166]])
    """
    log_product = exponent * np.sum([_log(proba) for proba in probas], axis=0)
    # Where nothing is known of a row, all of it stays NaN. np.fmax leaves NaN out, without np.nanmax's warning.
    product = np.exp(log_product - np.fmax.reduce(log_product, axis=1, keepdims=True))
    return product / np.nansum(product, axis=1, keepdims=True)


def smooth_proba(proba, smoothing, n_classes):
    """Mix probabilities with the uniform distribution.

    Parameters
    ----------
    proba : array-like of float
        Probabilities of any shape.
    smoothing : float in [0, 1]
        Share of the uniform distribution; 0 leaves the probabilities as they are.
    n_classes : int
        Number of classes the uniform distribution is over.

    Returns
    -------
    proba : ndarray
        ``(1 - smoothing) * proba + smoothing / n_classes``.

    Examples
    --------
    >>> from skweight import smooth_proba
    >>> smooth_proba([0.9, 0.0], smoothing=0.1, n_classes=2)
    array([0.86, 0.05])
    """
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing must be between 0 and 1, got {smoothing!r}.")
    return (1.0 - smoothing) * np.asarray(proba, dtype=np.float64) + smoothing / n_classes


@np.errstate(under="ignore")
def importance_weights(quality, diversity=None, *, gamma=1.0, clip=None, normalize=None):
    r"""Weights ``(P'(y|x) / Q(y|x)) ** gamma`` of IMP-Loss, computed in log space.

    Parameters
    ----------
    quality : array-like of shape (n_samples,)
        ``P'(y_i | x_i)``: probability of each row's label under the quality checker. NaN stands for "not known" and
        gives the neutral weight 1, even above `clip`.
    diversity : array-like of shape (n_samples,), default=None
        ``Q(y_i | x_i)``: probability of the same labels under the diversity checker (IMP) or under the model being
        trained (DIMP). None leaves the denominator out.
    gamma : float, default=1.0
        Exponent of the whole ratio; 0 gives every row the weight 1.
    clip : float, default=None
        Largest weight, applied before normalisation.
    normalize : {None, "global"}, default=None
        "global" divides by the mean, so that the weights average 1 (unless all are zero).

    Returns
    -------
    weights : ndarray of shape (n_samples,)
        Finite, non-negative weights.

    Notes
    -----
    :math:`\log w = \gamma (\log q - \log d)`, equation of IMP-Loss in [1]_. Probabilities are floored at the smallest
    normal float64, so a denominator of exactly zero still gives a finite weight.

    References
    ----------
    .. [1] Kuo, Liao, Chao, Ma, Cheng, "Not All LLM-Generated Data Are Equal: Rethinking Data Weighting in Text
       Classification", ICLR 2025, arXiv:2410.21526.

    Examples
    --------
    >>> from skweight import importance_weights
    >>> importance_weights([0.9, 0.6, 0.1], [0.5, 0.8, 0.95]).round(3)
    array([1.8  , 0.75 , 0.105])
    """
    weights = weights_of(log_ratios(quality, diversity), *check_options(gamma, clip, normalize))
    if normalize == "global" and (weights > 0).any():
        weights = weights / weights.mean()
    return weights


def check_options(gamma, clip, normalize):
    """Check the options of :func:`importance_weights`; return `gamma` and the logarithm of the largest weight."""
    if normalize not in (None, "global"):
        raise ValueError(f"normalize must be None or 'global', got {normalize!r}.")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be None or a positive number, got {clip!r}.")
    if not gamma >= 0:
        raise ValueError(f"gamma must not be negative, got {gamma!r}.")
    return gamma, MAX_LOG_WEIGHT if clip is None or np.isinf(clip) else float(np.log(clip))


def log_ratios(quality, diversity=None):
    """Logarithms of ``P'(y|x) / Q(y|x)``, NaN where that is not known; arguments as in :func:`importance_weights`."""
    quality = _check_proba(quality, "quality")
    if diversity is None:
        return _log(quality)
    diversity = _check_proba(diversity, "diversity")
    check_consistent_length(quality, diversity)
    return _log(quality) - _log(diversity)


@np.errstate(under="ignore")
def weights_of(log_ratios, gamma, max_log_weight):
    """Weights, before they are normalised, from what :func:`log_ratios` and :func:`check_options` return."""
    log_weights = np.minimum(gamma * log_ratios, max_log_weight)
    return np.where(np.isnan(log_weights), 1.0, np.exp(log_weights))


def effective_sample_size(weights, groups=None):
    r"""Kish's effective sample size of a set of weights.

    Parameters
    ----------
    weights : array-like of shape (n_samples,)
        Non-negative weights.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, as its label: where one class is rare, the size of all rows says nothing of it.

    Returns
    -------
    size : float, or dict of group to float
        :math:`(\sum w)^2 / \sum w^2`, between 1 (one row carries everything) and ``n_samples`` (equal weights); 0.0
        if all weights are zero. With `groups`, that of each.

    Examples
    --------
    >>> from skweight import effective_sample_size
    >>> effective_sample_size([1, 1, 1, 1])
    4.0
    >>> effective_sample_size([1, 0, 0, 0])
    1.0
    >>> effective_sample_size([1, 1, 1, 0], groups=["good", "good", "bad", "bad"])
    {'bad': 1.0, 'good': 2.0}
    """
    weights = np.asarray(weights, dtype=np.float64)
    if groups is not None:
        groups = np.asarray(groups)
        check_consistent_length(weights, groups)
        return {group: effective_sample_size(weights[groups == group]) for group in np.unique(groups).tolist()}
    if not (weights >= 0).all():
        raise ValueError("weights must not be negative or NaN.")
    largest = weights.max(initial=0.0)
    if largest == 0:
        return 0.0
    weights = weights / largest  # squares of very large weights would overflow
    return float(weights.sum() ** 2 / (weights**2).sum())


def _columns_of(classifier, labels):
    """Find each label's column in ``predict_proba``; -1 where the classifier does not know the label."""
    if not hasattr(classifier, "predict_proba"):
        raise TypeError(f"{type(classifier).__name__} has no predict_proba; weights need the probability of a label.")
    column_of = {label: column for column, label in enumerate(np.asarray(classifier.classes_).tolist())}
    columns = np.array([column_of.get(label, -1) for label in labels.tolist()], dtype=np.intp)
    if columns.size and (columns < 0).all():
        raise ValueError(
            f"No label in y is a class of {type(classifier).__name__}: y holds "
            f"{_some(dict.fromkeys(labels.tolist()))}, its classes_ are {_some(column_of)}."
        )
    return columns


def _check_answer(proba, classifier, n_rows, name=None, index=None):
    """Class probabilities as a classifier returned them, unless they are none."""
    proba = np.asarray(proba, dtype=np.float64)
    kind = type(getattr(classifier, "estimator", classifier) if name else classifier).__name__
    who = f"{name} ({kind})" if name else kind
    expected = (n_rows, len(classifier.classes_))
    if proba.shape != expected:
        raise ValueError(
            f"predict_proba of {who} returned an array of shape {proba.shape}, expected {expected}: a row for each row "
            "of X, a column for each of its classes_."
        )
    # A hair above 1 is rounding; the tolerance of the sum lets half precision pass.
    wrong = ~((proba >= 0) & (proba <= 1 + 1e-6)).all(axis=1) | ~(np.abs(proba.sum(axis=1) - 1) <= 0.01)
    if wrong.any():
        row = int(wrong.argmax())
        called = row if index is None else index[row]
        raise ValueError(
            f"predict_proba of {who} returned {_some(proba[row].tolist())} for row {called}, expected numbers between "
            f"0 and 1 that add up to 1 ({wrong.sum()} of {n_rows} rows are wrong)."
        )
    return proba


def _check_proba(proba, name):
    proba = check_array(
        proba, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=0, input_name=name
    )
    if proba.ndim != 1:
        raise ValueError(f"{name} must hold one probability per row, got an array of shape {proba.shape}.")
    # A hair above 1 is rounding in the classifier, not a mistake of the caller.
    wrong = (proba < 0) | (proba > 1 + 1e-6)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{name}[{row}] is {proba[row]}, expected a probability between 0 and 1.")
    return proba


def _log(proba):
    return np.log(np.maximum(proba, np.finfo(np.float64).tiny))  # np.maximum keeps NaN


def _some(values, limit=8):
    values = list(values)
    return str(values[:limit])[:-1] + (", ...]" if len(values) > limit else "]")
