"""Baselines to compare with: the same encoder, engine and contract, other losses."""

from skweight.baselines.cross_entropy import CrossEntropyClassifier
from skweight.baselines.focal import FocalClassifier

__all__ = ["CrossEntropyClassifier", "FocalClassifier"]
