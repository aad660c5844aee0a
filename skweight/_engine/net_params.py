"""Settings of skorch's net that the user may choose: ``net_params``, of which most are the optimiser's."""

import inspect
from difflib import get_close_matches

import torch

# What else skorch's net takes is the engine's own, or a parameter of the classifier.
_NAMES = ("optimizer", "predict_nonlinearity", "torch_load_kwargs", "train_split", "use_caching", "verbose")
_PREFIXES = ("callbacks__", "compile__", "optimizer__")
# One pass over the parameters instead of dozens, on a CPU and with CUDA.
_FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def own_optimizer(net_params):
    """Whether the user has changed anything about the optimiser."""
    return any(name.startswith("optimizer") for name in net_params or {})


def chosen_settings(parameters, device):
    """Return our settings of the optimiser, and the user's own in place of ours.

    Parameters
    ----------
    parameters : TrainingParameters
    device : torch.device

    Returns
    -------
    settings : dict

    Raises
    ------
    ValueError
        If ``net_params`` has a name that neither skorch's net nor its optimiser knows.
    """
    own = parameters.net_params or {}
    optimizer = own.get("optimizer", torch.optim.AdamW)
    takes = inspect.signature(optimizer).parameters
    _check_names(own, takes, vars(parameters))
    settings = {"optimizer": optimizer}
    if parameters.weight_decay or "weight_decay" in takes:
        settings["optimizer__weight_decay"] = parameters.weight_decay
    if optimizer in _FUSED and not own.keys() & {"optimizer__foreach", "optimizer__differentiable"}:
        settings["optimizer__fused"] = device.type in ("cpu", "cuda")
    return {**settings, **own}


def _check_names(net_params, optimizer_takes, classifiers_own):
    any_name = any(kind.kind == inspect.Parameter.VAR_KEYWORD for kind in optimizer_takes.values())
    known = [*_NAMES, "optimizer__param_groups", *(f"optimizer__{name}" for name in list(optimizer_takes)[1:])]
    for name in net_params:
        if name in known or (name.startswith(_PREFIXES) and (any_name or not name.startswith("optimizer__"))):
            continue
        if name in classifiers_own:
            raise ValueError(
                f"net_params holds {name!r}, which is a parameter of the classifier itself: pass it there."
            )
        alike = get_close_matches(name, known)
        said = f"Did you mean {' or '.join(map(repr, alike))}?" if alike else f"There are {', '.join(known)}."
        raise ValueError(f"net_params holds {name!r}, which the training does not know. {said}")
