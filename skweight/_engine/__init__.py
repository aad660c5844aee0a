"""The engine: loads an encoder, trains it with a weighted loss, predicts with it. It knows no classifiers.

torch and transformers take seconds to import. This package is a door that is cheap to import: its names are loaded on
first use, as ``_engine.train``.
"""

import importlib

_HOME = {
    "Head": "head",
    "LabelledRows": "batches",
    "Training": "training",
    "embed": "prediction",
    "fit_last_layer": "probing",
    "join": "processes",
    "load_encoder": "loading",
    "load_module": "loading",
    "load_tokenizer": "loading",
    "load_trained": "loading",
    "make_head": "head",
    "plain_torch": "isolation",
    "predict_logits": "prediction",
    "quiet_transformers": "isolation",
    "resolve_device": "loading",
    "resolve_precision": "loading",
    "save_tokenizer": "loading",
    "train": "training",
    "world": "processes",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"skweight._engine.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
