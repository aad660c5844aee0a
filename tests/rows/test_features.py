"""What the classifiers do with rows of numbers that cannot be used: which error or warning, and what it says."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from skweight import DIMPClassifier
from skweight.baselines import CrossEntropyClassifier
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


def test_real_rows_of_numbers_under_other_column_names_are_refused_with_both():
    clf = DIMPClassifier("passthrough", quality_checker=LogisticRegression(), max_epochs=1)
    X = pd.DataFrame(np.arange(16.0).reshape(8, 2) % 7, columns=["a", "b"])
    real_X = X.rename(columns={"b": "c"})
    with pytest.raises(ValueError, match=r"^real_X has the columns \['a', 'c'\], but X has \['a', 'b'\]\."):
        clf.fit(X, [0, 1] * 4, real_X=real_X[:6], real_y=[0, 1] * 3)


def test_a_feature_that_is_the_label_is_warned_of():
    X, y = np.c_[np.arange(8.0) % 3, [0, 1] * 4], [0, 1] * 4
    with pytest.warns(SkweightWarning, match="^SKW033: column 1 of X holds the labels themselves"):
        CrossEntropyClassifier("passthrough", max_epochs=1).fit(X, y)


@pytest.mark.parametrize("scale", [1e-40, 1e-45])
def test_a_feature_too_small_for_float32_to_divide_by_is_a_constant_one(scale):
    rng = np.random.RandomState(0)
    informative, y = rng.randn(40, 1), rng.randint(2, size=40)
    flat, nearly_flat = np.zeros(40), scale * rng.randn(40)
    clf = CrossEntropyClassifier("passthrough", max_epochs=3, random_state=0)
    proba = clf.fit(np.c_[informative, nearly_flat], y).predict_proba(np.c_[informative, flat])
    expected = clf.fit(np.c_[informative, flat], y).predict_proba(np.c_[informative, flat])
    np.testing.assert_allclose(proba, expected, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [lambda X: X.bfloat16(), lambda X: X.clone().requires_grad_(), lambda X: X.half(), lambda X: X.double()],
    ids=["bfloat16", "with a gradient", "float16", "float64"],
)
def test_tensors_of_every_kind_are_read_as_numbers(make):
    X = torch.arange(24.0).reshape(8, 3) % 7  # exact in every one of these types
    clf = CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0)
    expected = clf.fit(X.numpy(), [0, 1] * 4).predict_proba(X.numpy())
    np.testing.assert_array_equal(clf.fit(make(X), [0, 1] * 4).predict_proba(make(X)), expected)


def test_a_masked_number_is_a_missing_one():
    X = np.ma.array(np.arange(24.0).reshape(8, 3) % 7, mask=np.eye(8, 3))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        CrossEntropyClassifier("passthrough").fit(X, [0, 1] * 4)


def test_rows_of_numbers_with_missing_values_can_be_dropped():
    real_X = np.arange(18.0).reshape(6, 3) + 0.5
    real_X[5, 1] = np.nan
    with pytest.warns(SkweightWarning, match="SKW014: dropped 1 of 6 rows of real_X with a missing value or label"):
        clf = fit_numbers(real_X, on_bad_rows="drop")
    assert np.isfinite(clf.sample_weight_).all()
