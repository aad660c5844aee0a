"""What the classifiers do with rows of numbers that cannot be used: which error or warning, and what it says."""

import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skweight import DIMPClassifier
from skweight.exceptions import SkweightWarning


def fit_numbers(real_X, **params):
    X = np.arange(24.0).reshape(8, 3) % 7
    clf = DIMPClassifier("passthrough", quality_checker=LogisticRegression(), max_epochs=1, random_state=0, **params)
    return clf.fit(X, [0, 1] * 4, real_X=real_X, real_y=[0, 1] * 3)


@pytest.mark.parametrize(
    ("real_X", "message"),
    [
        (np.full((6, 3), np.nan), "real_X: Input X contains NaN"),
        (np.full((6, 3), 1e300), "real_X: Input X contains infinity or a value too large"),
        (np.ones((6, 2)), "real_X: X has 2 features, but DIMPClassifier is expecting 3 features"),
        ([["a", "b", "c"]] * 6, "real_X: could not convert string to float"),
    ],
    ids=["NaN", "too large", "columns", "text"],
)
def test_numbers_that_cannot_be_used_are_refused_by_name(real_X, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        fit_numbers(real_X)


def test_rows_of_numbers_with_missing_values_can_be_dropped():
    real_X = np.arange(18.0).reshape(6, 3) + 0.5
    real_X[5, 1] = np.nan
    with pytest.warns(SkweightWarning, match="SKW014: dropped 1 of 6 rows of real_X with a missing value or label"):
        clf = fit_numbers(real_X, on_bad_rows="drop")
    assert np.isfinite(clf.sample_weight_).all()
