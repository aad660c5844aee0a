"""Train text classifiers on LLM-generated text, every row weighted by how much it helps on real text."""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Loaded on first use: `import skweight` needs neither scikit-learn's nor torch's import time.
_HOME = {
    "DIMPClassifier": "skweight._imp",
    "IMPClassifier": "skweight._imp",
    "OpinionPool": "skweight._pools",
    "OpinionPoolClassifier": "skweight._opinion_pool",
    "audit": "skweight._audit.audit",
    "cross_fit_proba": "skweight._pools",
    "effective_sample_size": "skweight._weights",
    "importance_weights": "skweight._weights",
    "label_proba": "skweight._weights",
    "read_relabelling": "skweight._report",
    "smooth_proba": "skweight._weights",
    "weight_report": "skweight._report",
}
_SUBMODULES = ("baselines", "datasets", "exceptions", "inspection", "llm", "losses", "model_selection", "scale")

__all__ = [*_HOME, *_SUBMODULES]


if TYPE_CHECKING:  # what type checkers and editors read: the same names
    from skweight import baselines as baselines
    from skweight import datasets as datasets
    from skweight import exceptions as exceptions
    from skweight import inspection as inspection
    from skweight import llm as llm
    from skweight import losses as losses
    from skweight import model_selection as model_selection
    from skweight import scale as scale
    from skweight._audit.audit import audit as audit
    from skweight._imp import DIMPClassifier as DIMPClassifier
    from skweight._imp import IMPClassifier as IMPClassifier
    from skweight._opinion_pool import OpinionPoolClassifier as OpinionPoolClassifier
    from skweight._pools import OpinionPool as OpinionPool
    from skweight._pools import cross_fit_proba as cross_fit_proba
    from skweight._report import read_relabelling as read_relabelling
    from skweight._report import weight_report as weight_report
    from skweight._weights import effective_sample_size as effective_sample_size
    from skweight._weights import importance_weights as importance_weights
    from skweight._weights import label_proba as label_proba
    from skweight._weights import smooth_proba as smooth_proba
else:

    def __getattr__(name):
        if name in _HOME:
            return getattr(importlib.import_module(_HOME[name]), name)
        if name in _SUBMODULES:
            return importlib.import_module(f"skweight.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
