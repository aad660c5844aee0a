"""Fits that several processes share the results of; test_cache.py runs them, in its own process and in others."""

import pickle

import numpy as np
from helpers import QUICK, CountedRegression
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier


def scaled_by(sign):
    """A function with everything that looks another in every process: sets, functions, variables with an address."""
    flip = {sign: -sign}

    def scale(X, *, axes=frozenset("xyz"), by=abs, then=lambda value: value * flip[sign], missing=Marker):
        return X if str(X[0]) in {"nan", "none", "empty"} else then(X)

    return scale


class Marker:
    pass


scale = scaled_by(1.0)
scale.__qualname__ = "scale"  # where pickle finds it


def make_rows(n, seed):
    y = np.arange(n) % 2
    return np.random.RandomState(seed).randn(n, 3) + y[:, None], y


def fits_and_results(folder):
    """Fit a classifier with two checkers, one with experts, and one with the pickled network in the folder.

    Returns how many checkers and experts were fitted, how many were asked, and the weights of all rows.
    """
    CountedRegression.count_from_zero()
    X, y = make_rows(40, 0)
    real_X, real_y = make_rows(24, 1)
    checker = make_pipeline(FunctionTransformer(scale, kw_args={"axes": frozenset("uvw")}), CountedRegression())
    network = FrozenEstimator(pickle.loads((folder / "network.pkl").read_bytes()))
    settings = {**QUICK, "max_epochs": 1, "memory": folder / "cache"}
    classifiers = [
        IMPClassifier("passthrough", quality_checker=checker, diversity_checker=checker, **settings),
        OpinionPoolClassifier("passthrough", experts=checker, cv=2, student=False, **settings),
        DIMPClassifier("passthrough", quality_checker=network, **settings),
    ]
    for classifier in classifiers:
        classifier.fit(X, y, real_X=real_X, real_y=real_y)
    return [CountedRegression.fits, CountedRegression.scores, [clf.sample_weight_.tolist() for clf in classifiers]]
