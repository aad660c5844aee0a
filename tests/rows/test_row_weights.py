"""What the classifiers do with a useless sample_weight: which error or warning, and what it says."""

import re

import numpy as np
import pytest
from helpers import WEIGHTED, replaced

from skweight.baselines import CrossEntropyClassifier


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (replaced([1.0] * 12, row4=-1.5), "sample_weight must not be negative; sample_weight[4] is -1.5."),
        (replaced([1.0] * 12, row4=np.nan), "Input sample_weight contains NaN."),
        (replaced([1.0] * 12, row4=np.inf), "Input sample_weight contains infinity"),
        ([1.0] * 5, "sample_weight.shape == (5,), expected (12,)."),
        (np.ones((12, 1)), "sample_weight.shape == (12, 1), expected (12,)."),
        ([0.0] * 12, "sample_weight must not be zero for all rows."),
    ],
    ids=["negative", "NaN", "infinite", "too short", "two-dimensional", "all zero"],
)
@pytest.mark.parametrize("cls", [*WEIGHTED, CrossEntropyClassifier])
def test_a_useless_sample_weight_is_refused(fit, cls, weight, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        fit(cls, sample_weight=weight)


@pytest.mark.filterwarnings("ignore:SKW014")
def test_sample_weights_that_are_zero_for_all_rows_that_are_left_are_refused(fit, toy):
    with pytest.raises(ValueError, match=r"^sample_weight must not be zero for all rows\.$"):
        fit(X=replaced(toy["X"], row3=None), sample_weight=replaced([0.0] * 12, row3=1.0), on_bad_rows="drop")
