"""The engine: loads an encoder, trains it with a weighted loss, predicts with it. It knows no classifiers.

torch and transformers take seconds to import. This package is a door that is cheap to import: its names are loaded on
first use, as ``_engine.train``.
"""

import importlib
from typing import TYPE_CHECKING

_HOME = {
    "Checkpoints": "checkpoints",
    "Head": "head",
    "LabelledRows": "batches",
    "Training": "training",
    "embed": "prediction",
    "encoder_folder": "hub",
    "fit_last_layer": "probing",
    "has_checkpoints": "checkpoints",
    "join": "processes",
    "kept": "checkpoints",
    "lacks_state": "checkpoints",
    "load_encoder": "loading",
    "load_module": "loading",
    "load_rng_state": "checkpoints",
    "load_tokenizer": "loading",
    "load_trained": "loading",
    "make_head": "head",
    "plain_torch": "isolation",
    "predict_logits": "prediction",
    "quiet_transformers": "isolation",
    "resolve_device": "loading",
    "resolve_precision": "loading",
    "rng_state": "checkpoints",
    "save_tokenizer": "loading",
    "train": "training",
    "world": "processes",
}

__all__ = list(_HOME)


if TYPE_CHECKING:  # what type checkers and editors read: the same names
    from skweight._engine.batches import LabelledRows as LabelledRows
    from skweight._engine.checkpoints import Checkpoints as Checkpoints
    from skweight._engine.checkpoints import has_checkpoints as has_checkpoints
    from skweight._engine.checkpoints import kept as kept
    from skweight._engine.checkpoints import lacks_state as lacks_state
    from skweight._engine.checkpoints import load_rng_state as load_rng_state
    from skweight._engine.checkpoints import rng_state as rng_state
    from skweight._engine.head import Head as Head
    from skweight._engine.head import make_head as make_head
    from skweight._engine.hub import encoder_folder as encoder_folder
    from skweight._engine.isolation import plain_torch as plain_torch
    from skweight._engine.isolation import quiet_transformers as quiet_transformers
    from skweight._engine.loading import load_encoder as load_encoder
    from skweight._engine.loading import load_module as load_module
    from skweight._engine.loading import load_tokenizer as load_tokenizer
    from skweight._engine.loading import load_trained as load_trained
    from skweight._engine.loading import resolve_device as resolve_device
    from skweight._engine.loading import resolve_precision as resolve_precision
    from skweight._engine.loading import save_tokenizer as save_tokenizer
    from skweight._engine.prediction import embed as embed
    from skweight._engine.prediction import predict_logits as predict_logits
    from skweight._engine.probing import fit_last_layer as fit_last_layer
    from skweight._engine.processes import join as join
    from skweight._engine.processes import world as world
    from skweight._engine.training import Training as Training
    from skweight._engine.training import train as train
else:

    def __getattr__(name):
        if name in _HOME:
            return getattr(importlib.import_module(f"skweight._engine.{_HOME[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
