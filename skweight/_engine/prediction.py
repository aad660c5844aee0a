"""Logits or embeddings of many rows, in batches of similar length."""

import numpy as np
import torch

from skweight import _progress
from skweight._engine.batches import advice_on_memory, sorted_batches, to_device
from skweight._engine.isolation import plain_torch
from skweight._engine.loading import resolve_precision
from skweight._engine.memory import spare_kernels
from skweight._engine.shortcuts import evaluating, first_token, narrow_stream

SMALLER = (
    "Prediction takes a few thousand tokens at a time, whatever batch_size is. Set a smaller max_length, free memory "
    "on the device, or load the model with device='cpu'."
)


@plain_torch()
@advice_on_memory(SMALLER)
def predict_logits(module, tokens, precision="fp32"):
    """Logits of all texts in input order.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        In whatever mode: it predicts in evaluation mode, and is left as it is.
    tokens : TokenizedTexts or Features
    precision : str, default="fp32"
        As in training.

    Returns
    -------
    logits : ndarray of shape (n_texts, n_classes), float32
    """
    device = next(module.parameters()).device
    logits = np.empty((len(tokens), module.config.num_labels), dtype=np.float32)
    dtype = resolve_precision(precision, device)
    quick = narrow_stream(first_token(evaluating(module)), dtype)
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for rows, batch in batches(tokens, dtype, device):
            logits[rows] = quick(**batch).logits.float().cpu().numpy()
            _progress.advance(len(rows) * _progress.FORWARD)
    return logits


def check_finite(module, tokens, history, n_rows=16):
    """Refuse a module that the last step of its training has ruined: no loss has been taken after it.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        In evaluation mode.
    tokens : TokenizedTexts or Features
        What it was trained on. A few of them are predicted, as parameters may be finite and still too large.
    history : skorch.history.History

    Raises
    ------
    FloatingPointError
    """
    few = tokens.take(np.unique(np.linspace(0, len(tokens) - 1, n_rows).astype(int)))
    sound = all(parameter.isfinite().all() for parameter in module.parameters())
    if not (sound and np.isfinite(predict_logits(module, few)).all()):
        raise FloatingPointError(
            f"The parameters became infinite or NaN in epoch {len(history)}, step {len(history[-1, 'batches'])}, the "
            "last one. Try a smaller lr or weight_decay, or precision='fp32'."
        )


@plain_torch()
@advice_on_memory(SMALLER)
def embed(module, tokens, precision="fp32"):
    """Mean of each text's hidden states, over its tokens, in the layer in the middle and in the last one.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        An encoder without a head, in whatever mode.
    tokens : TokenizedTexts
    precision : str, default="fp32"
        As in training.

    Returns
    -------
    embeddings : ndarray of shape (n_texts, 2, hidden_size), float32
        In input order.
    """
    device = next(module.parameters()).device
    embeddings = np.empty((len(tokens), 2, module.config.hidden_size), dtype=np.float32)
    dtype = resolve_precision(precision, device)
    module = narrow_stream(evaluating(module), dtype)
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for rows, batch in batches(tokens, dtype, device):
            states = module(**batch, output_hidden_states=True).hidden_states
            mask = batch["attention_mask"][..., None].float()
            for i, hidden in enumerate((states[(len(states) - 1) // 2], states[-1])):  # the first are the embeddings
                embeddings[rows, i] = ((hidden.float() * mask).sum(dim=1) / mask.sum(dim=1)).cpu().numpy()
            _progress.advance(len(rows) * _progress.FORWARD)
    return embeddings


def batches(tokens, dtype, device):
    """Yield the rows of each batch, and what the module is given of them, for a pass that computes in `dtype`."""
    coarse = spare_kernels(dtype, device)
    for rows in sorted_batches(tokens.lengths, _max_tokens(device)):
        yield rows, {name: to_device(values, device) for name, values in tokens.batch(rows, coarse=coarse).items()}


def _max_tokens(device):
    # 1,024 tokens were a tenth faster than 4,096 on a CPU; the figure for other devices is a guess.
    return 1024 if device.type == "cpu" else 8192
