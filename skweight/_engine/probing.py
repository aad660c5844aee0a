"""Linear probing: the last layer is fitted before the whole encoder is trained."""

import numpy as np
import torch
from torch.nn import functional

from skweight import _progress
from skweight._engine.batches import advice_on_memory
from skweight._engine.isolation import plain_torch
from skweight._engine.loading import resolve_precision
from skweight._engine.prediction import SMALLER, batches
from skweight._engine.processes import world
from skweight._engine.shortcuts import first_token, narrow_stream


@plain_torch()
def fit_last_layer(module, rows, seed, *, precision="fp32", max_rows=1500):
    """Fit a module's last layer, in place, to the targets of some of its rows, with the layers below as they are.

    An encoder with a fresh last layer spends its first steps on one that is arbitrary: with many classes and few epochs
    that is most of the training, and what the encoder knew is distorted meanwhile [1]_.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        For sequence classification, in evaluation mode. Left alone if its last layer is not a linear one of a vector
        for each row.
    rows : LabelledRows
        With the columns ``target_proba`` and ``sample_weight``.
    seed : int
        Chooses the rows.
    precision : str, default="fp32"
        What the layers below compute in, as in training.
    max_rows : int, default=1500
        How many rows are read: a forward pass of them costs about a third of training on them.

    References
    ----------
    .. [1] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022,
       arXiv:2202.10054.
    """
    layer = _last_layer(module)
    if layer is None:
        return
    chosen = np.sort(np.random.RandomState(seed).permutation(len(rows))[:max_rows])
    features = _inputs_of(layer, module, rows.tokens.take(chosen), precision)
    if features is None:
        return
    fitted = _softmax_regression(features, *(rows.columns[name][chosen] for name in ("target_proba", "sample_weight")))
    weight, bias = world().broadcast(fitted)  # the same in all processes to the last bit
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def _last_layer(module):
    *_, last = (None, *(part for part in module.modules() if isinstance(part, torch.nn.Linear)))
    suits = last is not None and last.bias is not None and last.out_features == module.config.num_labels
    return last if suits else None


@advice_on_memory(SMALLER)
def _inputs_of(layer, module, tokens, precision):
    """Return what a layer is given of each row, (n_rows, n_features); None if that is not one vector."""
    device, given = layer.weight.device, []
    dtype = resolve_precision(precision, device)
    features = np.empty((len(tokens), layer.in_features), dtype=np.float32)
    hook = layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    quick = narrow_stream(first_token(module), dtype)
    try:
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            for rows, inputs in batches(tokens, dtype, device):
                quick(**inputs)
                value = given.pop()
                if value.shape != (len(rows), layer.in_features):
                    return None
                features[rows] = value.float().cpu().numpy()
                _progress.advance(len(rows) * _progress.FORWARD)
    finally:
        hook.remove()
    return features


def _softmax_regression(features, target, sample_weight):
    """Weight and bias of a softmax regression on soft targets, with an L2 penalty of 1/2 on features of length 1.

    Of that length on average: a feature that hardly varies must not get a weight that training cannot move.
    `sample_weight` counts in ratios. In float64, so that the solution does not hang on where the solver stops.
    """
    length = max(np.sqrt(np.mean(np.sum(features**2, axis=1))), 1e-12)
    x, p, w = (torch.from_numpy(array.astype(np.float64)) for array in (features / length, target, sample_weight))
    weight = torch.zeros(p.shape[1], x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(p.shape[1], dtype=x.dtype, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=500, tolerance_grad=1e-8, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        losses = functional.cross_entropy(functional.linear(x, weight, bias), p, reduction="none")
        loss = (w * losses).sum() / w.sum() + (weight**2).sum() / (2 * len(x))
        loss.backward()
        return loss

    solver.step(closure)
    return weight.detach().numpy() / length, bias.detach().numpy()
