"""How heavy the tail of weights is: the shape of a generalised Pareto distribution."""

import numpy as np
from scipy.special import softmax

_FEWEST = 5  # rows in the tail


def pareto_tail(weights):
    r"""Shape :math:`\hat k` of the tail of weights, and what the tail adds.

    The mean of weights whose :math:`\hat k` is above 0.7 is not to be trusted [1]_: a few more rows, and it may be
    another. Above 0.5 the variance of the weights is infinite, from 1 on their mean.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Non-negative weights.

    Returns
    -------
    k : float
        NaN if fewer than five rows are above the others.
    excess : float
        Share of the sum of all weights by which those in the tail exceed the largest one outside. Where it is next to
        nothing, so is the harm that a heavy tail does: weights of up to 1 can have one too, seen from near enough.

    Notes
    -----
    The tail is the largest :math:`\min(0.2 n, 3 \sqrt n)` weights [1]_. A weak prior draws the estimate towards 0.5 as
    ten further rows would.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao, Gabry, "Pareto Smoothed Importance Sampling", JMLR 25(72), 2024.
    """
    weights = np.sort(np.asarray(weights, dtype=np.float64))
    n_tail = int(np.ceil(min(0.2 * len(weights), 3 * np.sqrt(len(weights)))))
    if n_tail < _FEWEST or weights[-1] == 0:
        return np.nan, 0.0
    weights = weights / weights[-1]
    threshold = weights[-n_tail - 1]
    excess = weights[-n_tail:] - threshold
    excess = excess[excess > 0]
    share = float(excess.sum() / weights.sum())
    if len(excess) < _FEWEST:
        return np.nan, share
    return (len(excess) * fit_generalised_pareto(excess)[0] + 10 * 0.5) / (len(excess) + 10), share


def fit_generalised_pareto(x):
    r"""Fit a generalised Pareto distribution.

    Parameters
    ----------
    x : ndarray of shape (n_samples,)
        Positive values, sorted.

    Returns
    -------
    k, sigma : float
        Shape and scale of the density :math:`\sigma^{-1} (1 + k x / \sigma)^{-1/k - 1}`.

    Notes
    -----
    The estimator of Zhang and Stephens [1]_: the mean of :math:`\theta = -k / \sigma` over a grid, weighted by the
    profile likelihood.

    References
    ----------
    .. [1] Zhang, Stephens, "A New and Efficient Estimation Method for the Generalized Pareto Distribution",
       Technometrics 51(3), 2009.
    """
    n = len(x)
    size = 30 + int(np.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - np.sqrt(size / (np.arange(1, size + 1) - 0.5))) / (3 * quartile)
    k = np.log1p(-theta[:, None] * x).mean(axis=1)
    log_likelihood = n * (np.log(-theta / k) - k - 1)
    best = softmax(log_likelihood) @ theta
    k = np.log1p(-best * x).mean()
    return float(k), float(-k / best)
