"""Train text classifiers on LLM-generated text, every row weighted by how much it helps on real text."""

import importlib

__version__ = "0.1.0"

# Loaded on first use: `import skweight` needs neither scikit-learn's nor torch's import time.
_HOME = {
    "DIMPClassifier": "skweight._imp",
    "IMPClassifier": "skweight._imp",
    "OpinionPool": "skweight._pools",
    "OpinionPoolClassifier": "skweight._opinion_pool",
    "cross_fit_proba": "skweight._pools",
    "effective_sample_size": "skweight._weights",
    "importance_weights": "skweight._weights",
    "label_proba": "skweight._weights",
    "smooth_proba": "skweight._weights",
}
_SUBMODULES = ("baselines", "datasets", "exceptions", "inspection", "losses", "model_selection")

__all__ = [*_HOME, *_SUBMODULES]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"skweight.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
