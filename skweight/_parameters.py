"""Parameters of the classifiers: type, default, constraint and description of each, stated once.

A classifier is a keyword-only dataclass, made by :func:`estimator`. It lists the parameters that it adds, or whose
default it changes; everything else comes from its bases, descriptions included.
"""

import dataclasses
import functools
import inspect
import os
import re
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, ClassVar, dataclass_transform

from sklearn.utils._param_validation import Interval, StrOptions

# Peak learning rates for lr="auto", by whether the encoder is "passthrough": within the usual range for fine-tuning a
# pretrained encoder, and for a head that starts from random values on standardised features.
AUTO_LR = {False: 5e-5, True: 3e-3}

# Tokens for max_length="auto", if the encoder takes that many.
AUTO_MAX_LENGTH = 128

_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(\S.*?) : .*\n?(?:(?:[ \t].*)?\n?)*", re.MULTILINE)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(dataclasses.field,))
def estimator(cls):
    """Make a keyword-only dataclass of an estimator, and complete it from its bases.

    ``_parameter_constraints`` and the sections "Parameters" and "Attributes" of the docstring state what the class
    itself adds. They are merged with those of its bases; where both have an entry, the class's own counts.

    Raises
    ------
    TypeError
        If a parameter has no description, or a description no parameter.
    """
    documented = cls.__doc__ is not None  # python -OO removes docstrings
    cls = dataclasses.dataclass(kw_only=True, eq=False, repr=False)(cls)
    cls.__init__ = _naming_the_nearest(cls.__init__, [field.name for field in dataclasses.fields(cls)])
    constraints = [vars(base).get("_parameter_constraints", {}) for base in reversed(cls.__mro__)]
    cls._parameter_constraints = {name: allowed for own in constraints for name, allowed in own.items()}
    if documented:
        parameters = _merged_entries(cls, "Parameters")
        names = {field.name for field in dataclasses.fields(cls)}
        if names != parameters.keys():
            raise TypeError(
                f"{cls.__name__}: parameters without a description: {sorted(names - parameters.keys())}; descriptions "
                f"without a parameter: {sorted(parameters.keys() - names)}."
            )
        cls.__doc__ = _complete(cls.__doc__, Parameters=parameters, Attributes=_merged_entries(cls, "Attributes"))
        # Shown in the order of the docstring. What dataclasses makes begins with the parameters of the bases.
        signature = inspect.signature(cls.__init__)
        order = [signature.parameters[name] for name in ("self", *parameters)]
        cls.__init__.__signature__ = signature.replace(parameters=order)
    return cls


def _naming_the_nearest(init, names):
    @functools.wraps(init)
    def __init__(self, *args, **kwargs):  # noqa: N807
        for name in kwargs:
            if name not in names:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}. {did_you_mean(name, names)}")
        init(self, *args, **kwargs)

    return __init__


def did_you_mean(name, names):
    """Which names an unknown one may stand for, as a sentence; all of them if none is alike."""
    alike = get_close_matches(name, names)
    if alike:
        return f"Did you mean {' or '.join(repr(other) for other in alike)}?"
    return f"There are {', '.join(sorted(names))}."


def _merged_entries(cls, section):
    """Entries of a section over a class and its bases: the encoder, what methods add, then what all share."""
    merged: dict[str, str] = {}
    last: set[str] = set()
    for base in reversed(cls.__mro__[:-1]):
        own = _entries(vars(base).get("__doc__"), section)
        merged |= own
        last |= own.keys() if vars(base).get("_listed_last") else set()
    return dict(sorted(merged.items(), key=lambda entry: (entry[0] != "encoder", entry[0] in last)))


def _entries(doc, section):
    """Entries of one section of a numpydoc docstring, by name."""
    parts = _HEADING.split(inspect.cleandoc(doc or ""))
    text = dict(zip(parts[1::2], parts[2::2], strict=True)).get(section, "")
    return {entry[1]: entry[0].rstrip() for entry in _ENTRY.finditer(text)}


def _complete(doc, **sections):
    """Return a docstring with the entries of these sections in place of its own, in front of all other sections."""
    summary, *parts = _HEADING.split(inspect.cleandoc(doc))
    others = {title: text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True) if title not in sections}
    own = {title: "\n".join(entries.values()) for title, entries in sections.items() if entries}
    blocks = [f"{title}\n{'-' * len(title)}\n{text}" for title, text in (own | others).items()]
    return "\n\n".join([summary.strip(), *blocks]) + "\n"


@estimator
class TrainingParameters:
    """Parameters that all classifiers share.

    Parameters
    ----------
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hugging Face hub id or folder of a pretrained encoder. An existing classification head is re-initialised. A hub
        id is looked up once in a process; without a network the encoder is read from the hub's cache. With
        "passthrough", `X` is numeric (precomputed embeddings, for example) and a network with one hidden layer is
        trained on it.
    real_weight : float, default=0.0
        If positive, the real rows join the training, each at this multiple of the mean weight. At 0 they are only used
        for checkers, meta-objectives and early stopping.
    max_epochs : int, default=5
        Passes over the rows.
    lr : float or "auto", default="auto"
        Peak learning rate of AdamW; it falls linearly to 0. "auto" is 5e-5, and 3e-3 with ``encoder="passthrough"``.
    batch_size : int, default=32
        Rows in a step.
    max_length : int or "auto", default="auto"
        Longer texts are truncated to this many tokens. "auto" is 128, or the encoder's own limit if it is lower; a
        number above the encoder's limit is refused.
    weight_decay : float, default=0.0
        AdamW's weight decay; biases and normalisation layers are left out.
    warmup_ratio : float, default=0.0
        Share of the steps over which the learning rate rises.
    max_grad_norm : float, default=1.0
        Gradients are scaled down to this norm; None leaves them.
    early_stopping : bool, default=False
        Whether to hold out real rows, stop when the loss on them no longer falls, and keep the best epoch.
    validation_fraction : float, default=0.2
        Share of the real rows that is held out. No checker sees them.
    n_iter_no_change : int, default=2
        Epochs without improvement before stopping.
    on_bad_rows : {"raise", "drop"}, default="raise"
        What `fit` does with a missing text or label. Dropped rows get the weight 0.
    device : str, int, torch.device or None, default="auto"
        A torch device; a number is a CUDA device. "auto" and None take CUDA, then MPS, then the CPU.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        Precision of training, and of what checkers say of its rows; "auto" takes bfloat16 if the processor computes
        in it. Parameters, losses and what is predicted for you are always float32.
    compile : bool, default=False
        Whether to train through ``torch.compile``.
    checkpoint_dir : str or path, default=None
        Folder in which `fit` keeps its progress; None keeps nothing. If an interrupted fit is called again with the
        same rows and parameters, it continues from there. When `fit` is done, it removes the files.
    checkpoint_steps : int, default=500
        Training steps from one checkpoint to the next.
    callbacks : list of skorch callbacks, default=None
        Added to the training loop of this classifier, not of its checkers, in the forms that skorch takes: objects,
        classes, or pairs of a name and one of these. ``EarlyStopping`` can end the training. With `checkpoint_dir` each
        callback needs ``state_dict`` and ``load_state_dict``.
    net_params : dict, default=None
        Further parameters of the skorch net, such as ``{"optimizer__betas": (0.9, 0.98)}``.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random; the global generators of numpy and torch are not touched.
    verbose : int, default=0
        1 shows how far the whole fit has come: a bar in a terminal or a notebook, lines in a log file.
    """

    _listed_last = True  # after what methods add

    encoder: str | os.PathLike = dataclasses.field(default="google-bert/bert-base-uncased", kw_only=False)
    real_weight: float = 0.0
    max_epochs: int = 5
    lr: Any = "auto"
    batch_size: int = 32
    max_length: Any = "auto"
    weight_decay: float = 0.0
    warmup_ratio: float = 0.0
    max_grad_norm: float | None = 1.0
    early_stopping: bool = False
    validation_fraction: float = 0.2
    n_iter_no_change: int = 2
    on_bad_rows: str = "raise"
    device: Any = "auto"
    precision: str = "auto"
    compile: bool = False
    checkpoint_dir: str | os.PathLike | None = None
    checkpoint_steps: int = 500
    callbacks: list | None = None
    net_params: dict | None = None
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "encoder": [str, os.PathLike],
        "real_weight": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 3, None, closed="left"), StrOptions({"auto"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup_ratio": [Interval(Real, 0, 1, closed="both")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "on_bad_rows": [StrOptions({"raise", "drop"})],
        "device": "no_validation",  # the engine knows which devices there are
        "precision": [StrOptions({"auto", "fp32", "bf16", "fp16"})],
        "compile": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "checkpoint_steps": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
