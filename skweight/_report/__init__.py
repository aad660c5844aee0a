"""A report on a fitted classifier and its rows: what was found, which rows to look at, which labels to change."""

from skweight._report.relabelling import read_relabelling
from skweight._report.report import WeightReport, weight_report

__all__ = ["WeightReport", "read_relabelling", "weight_report"]
