"""The loss and the estimator that CONTRIBUTING.md adds work as they stand there."""

import math
import re
import textwrap

import numpy as np
import pytest
import torch
from helpers import QUICK, ROOT, fit, tfidf

from skweight import losses
from skweight.exceptions import SkweightWarning

LOSS, ESTIMATOR = (
    textwrap.dedent(code)
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
)


@pytest.fixture
def classifier(monkeypatch, tiny_encoder):
    """The estimator, trained with the loss."""
    namespace = {"__name__": "skweight.baselines.quality_filter", "math": math, "WeightedLoss": losses.WeightedLoss}
    exec(LOSS, namespace)
    monkeypatch.setattr(losses, "QualityFilterLoss", namespace["QualityFilterLoss"], raising=False)
    exec(ESTIMATOR, namespace)
    return namespace["QualityFilterClassifier"](tiny_encoder, quality_checker=tfidf(), **QUICK)


def test_the_loss_leaves_out_rows_of_low_quality(classifier):
    loss = losses.QualityFilterLoss()
    log_quality = torch.tensor([0.9, 0.4, math.nan]).log()
    # -(log 0.5 + 0 + log 0.5) / 3
    assert loss(torch.zeros(3, 2), torch.tensor([0, 0, 1]), log_quality).item() == pytest.approx(0.462098, abs=1e-6)


def test_the_estimator_leaves_them_out_and_trains_on_real_rows(classifier, toy):
    fit(classifier.set_params(real_weight=0.5), toy)
    np.testing.assert_array_equal(classifier.sample_weight_, (classifier.quality_proba_ >= 0.5).astype(float))
    fit(classifier.set_params(benefit=1.0), toy)
    assert (classifier.sample_weight_ == 1).all()


def test_the_estimator_keeps_rows_of_a_class_without_real_ones(classifier, toy):
    toy["y"] = ["fresh", "rotten", "stale"] * 4
    with pytest.warns(SkweightWarning, match="SKW021"):
        fit(classifier.set_params(missing_real="warn"), toy)
    assert (classifier.sample_weight_[2::3] == 1).all()


def test_columns_without_values_for_real_rows_are_an_error(classifier, toy, monkeypatch):
    monkeypatch.setattr(type(classifier), "_real_columns", lambda self, columns, real: {})
    with pytest.raises(TypeError, match=r"QualityFilterClassifier\._real_columns must give \['sample_weight', 'log_q"):
        fit(classifier.set_params(real_weight=0.5), toy)
