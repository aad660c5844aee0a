"""Displays: what the weights are, what they do, and how far to trust them."""

from skweight.inspection._audit import AuditDisplay
from skweight.inspection._concentration import ConcentrationDisplay
from skweight.inspection._dynamics import TrainingDynamicsDisplay
from skweight.inspection._map import MapDisplay
from skweight.inspection._quality import QualityDiversityDisplay
from skweight.inspection._reliability import ReliabilityDisplay
from skweight.inspection._weights import WeightDisplay

__all__ = [
    "AuditDisplay",
    "ConcentrationDisplay",
    "MapDisplay",
    "QualityDiversityDisplay",
    "ReliabilityDisplay",
    "TrainingDynamicsDisplay",
    "WeightDisplay",
]
