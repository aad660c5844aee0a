"""Baselines to compare with: the same encoder, engine and contract, other losses."""

from skweight._cross_entropy import CrossEntropyClassifier
from skweight.baselines.distilled import DistilledClassifier
from skweight.baselines.few_shot import FewShotClassifier
from skweight.baselines.focal import FocalClassifier
from skweight.baselines.hu import HuClassifier
from skweight.baselines.sungen import SunGenClassifier

__all__ = [
    "CrossEntropyClassifier",
    "DistilledClassifier",
    "FewShotClassifier",
    "FocalClassifier",
    "HuClassifier",
    "SunGenClassifier",
]
