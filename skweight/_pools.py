"""Pooling the class probabilities of several experts, for any models: numpy, scipy and scikit-learn only."""

from numbers import Real

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skweight._weights import class_proba


class OpinionPool(BaseEstimator):
    r"""Log-linear opinion pool: one number per expert, and one per class.

    .. math:: \log p(y|x) = \sum_j a_j \log p_j(y|x) + b_y - \log Z(x), \qquad a_j \geq 0,

    the logarithmic pool of Genest and Zidek [1]_ with a term for the shares of the classes. Its numbers are fitted by
    penalised maximum likelihood on rows that no expert has seen, as in stacked generalisation [2]_. Special cases are
    every single expert (one :math:`a_j = 1`, the others 0), the product of experts, temperature scaling
    (:math:`\sum_j a_j` below 1 undoes over-confidence) and label shift (:math:`b`).

    Parameters
    ----------
    prior : {"real", "balanced", None}, default="real"
        The class shares that the pool is fitted for. "real": the shares in the rows that `fit` gets; :math:`b` is
        fitted. "balanced": all classes count the same; rows are weighted by the inverse share of their class, and
        :math:`b` is fitted. None: as "real", with :math:`b = 0`.
    penalty : float, default=15.0
        Factor of :math:`\sum_y b_y^2`, which is added to the negative log-likelihood of all rows. :math:`a` has no
        penalty.
    floor : float, default=1e-4
        Smaller probabilities of an expert are replaced by this one.

    Attributes
    ----------
    coef_ : ndarray of shape (n_experts,)
        :math:`a`.
    intercept_ : ndarray of shape (n_classes,)
        :math:`b`; sums to 0.
    n_classes_ : int

    References
    ----------
    .. [1] Genest, Zidek, "Combining Probability Distributions: A Critique and an Annotated Bibliography", Statistical
       Science 1(1), 1986.
    .. [2] Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.

    Examples
    --------
    Two experts, the second of which guesses:

    >>> import numpy as np
    >>> from skweight import OpinionPool
    >>> knows = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.6, 0.4]])
    >>> guesses = np.array([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.4, 0.6], [0.5, 0.5]])
    >>> pool = OpinionPool().fit([knows, guesses], [0, 0, 1, 1, 1])
    >>> bool(pool.coef_[0] > 1), round(float(pool.coef_[1]), 2)
    (True, 0.0)
    """

    _parameter_constraints: dict = {
        "prior": [StrOptions({"real", "balanced"}), None],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "floor": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, prior="real", *, penalty=15.0, floor=1e-4):
        self.prior = prior
        self.penalty = penalty
        self.floor = floor

    @_fit_context(prefer_skip_nested_validation=True)
    @np.errstate(under="ignore")
    def fit(self, probas, y, sample_weight=None):
        """Fit the numbers of the pool.

        Parameters
        ----------
        probas : array-like of shape (n_experts, n_samples, n_classes)
            Each expert's prediction of each row. No expert may have seen the rows.
        y : array-like of shape (n_samples,), int
            Column of each row's class.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        log_probas = self._log(probas)
        n_experts, n_rows, n_classes = log_probas.shape
        y = np.asarray(y)
        if y.shape != (n_rows,) or y.dtype.kind not in "iu" or (n_rows and not 0 <= y.min() <= y.max() < n_classes):
            raise ValueError(f"y must hold one column number between 0 and {n_classes - 1} for each of {n_rows} rows.")
        weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if self.prior == "balanced":
            weight = balanced_weight(y, weight)
        with_intercept = self.prior is not None
        hits = np.eye(n_classes)[y]

        def loss(numbers):
            a, b = numbers[:n_experts], numbers[n_experts:]
            scores = np.tensordot(a, log_probas, axes=1) + (b if with_intercept else 0.0)
            log_p = log_softmax(scores, axis=1)
            residual = weight[:, None] * (np.exp(log_p) - hits)
            value = -(weight * log_p[np.arange(n_rows), y]).sum()
            gradient = np.tensordot(log_probas, residual, axes=([1, 2], [0, 1]))
            if with_intercept:
                value += self.penalty * (b**2).sum()
                gradient = np.concatenate([gradient, residual.sum(axis=0) + 2 * self.penalty * b])
            return value, gradient

        start = np.r_[np.full(n_experts, 1 / n_experts), np.zeros(n_classes if with_intercept else 0)]
        bounds = [(0, None)] * n_experts + [(None, None)] * (len(start) - n_experts)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000}).x
        self.coef_ = found[:n_experts]
        intercept = found[n_experts:] if with_intercept else np.zeros(n_classes)
        self.intercept_ = intercept - intercept.mean()
        self.n_classes_ = n_classes
        return self

    @np.errstate(under="ignore")
    def predict_proba(self, probas):
        """Pooled class probabilities.

        Parameters
        ----------
        probas : array-like of shape (n_experts, n_samples, n_classes)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        scores = np.tensordot(self.coef_, self._log(probas), axes=1) + self.intercept_
        return np.exp(log_softmax(scores, axis=1))

    def _log(self, probas):
        probas = np.asarray(probas, dtype=np.float64)
        if probas.ndim != 3:
            raise ValueError(
                "probas must be of shape (n_experts, n_samples, n_classes), got an array of shape "
                f"{probas.shape}; a single expert is probas[None]."
            )
        if not (probas >= 0).all():
            raise ValueError("probas must hold probabilities, without negative values and NaN.")
        return np.log(np.maximum(probas, self.floor))


def balanced_weight(y, weight):
    """Weights of the same total that give every class that occurs the same total weight."""
    share = np.bincount(y, weights=weight)
    return weight * weight.sum() / (np.count_nonzero(share) * share[y])


def cross_fit_proba(classifier, X, y, *, cv=5, classes=None, random_state=None, fit_params=None):
    """Class probabilities of rows, each from a copy of the classifier that has not seen the row.

    Parameters
    ----------
    classifier : classifier with ``predict_proba``
        Cloned for every fold.
    X : sequence of length n_samples
        Rows in any form that the classifier takes.
    y : array-like of shape (n_samples,)
        Their labels.
    cv : int, or iterable of pairs of index arrays, default=5
        Number of stratified folds, or the folds themselves. Some folds have no row of a class with fewer rows than
        folds; a class with one row is unknown to the copy that predicts this row. If only one class is left to learn
        from, it gets probability 1.
    classes : array-like of shape (n_classes,), default=None
        Order of the columns. None takes the sorted labels of `y`.
    random_state : int, RandomState instance or None, default=None
        Which rows share a fold.
    fit_params : dict of arrays of shape (n_samples,), default=None
        Further arguments of ``fit``, such as ``sample_weight``.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        0 in the column of a class that a copy does not know; NaN in rows that no fold predicts.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skweight import cross_fit_proba
    >>> X, y = [[0.0], [0.1], [0.2], [1.0], [1.1], [1.2]], ["a", "a", "a", "b", "b", "b"]
    >>> cross_fit_proba(LogisticRegression(), X, y, cv=3, random_state=0).argmax(axis=1)
    array([0, 0, 0, 1, 1, 1])
    """
    y = np.asarray(y)
    classes = np.unique(y) if classes is None else np.asarray(classes)
    proba = np.full((len(y), len(classes)), np.nan)
    for train, test in folds(y, cv, random_state) if isinstance(cv, int) else cv:
        weights = {name: _safe_indexing(values, train) for name, values in (fit_params or {}).items()}
        if len(np.unique(y[train])) < 2:
            proba[test] = classes == y[train[0]]  # a classifier needs two classes; the only one there is seems certain
            continue
        fitted = clone(classifier).fit(_safe_indexing(X, train), y[train], **weights)
        proba[test] = np.nan_to_num(class_proba(fitted, _safe_indexing(X, test), classes))
    return proba


def folds(y, n_folds, random_state=None):
    """Stratified folds, fewer if no class has so many rows, as pairs of index arrays."""
    codes = np.unique(y, return_inverse=True)[1]
    n_folds = min(n_folds, max(2, np.bincount(codes).max()))
    rng = check_random_state(random_state)
    # Rows of each class are dealt out in turn, on from where the class before ended: folds differ by one row at most.
    order = np.concatenate([rng.permutation(np.flatnonzero(codes == code)) for code in np.unique(codes)])
    fold_of = np.empty(len(y), dtype=np.intp)
    fold_of[order] = np.arange(len(y)) % n_folds
    return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(n_folds)]
