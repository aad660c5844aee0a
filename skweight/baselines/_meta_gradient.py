"""Inner products of each row's gradient with a direction, by central differences.

With ``l_i`` the loss of row i and ``g`` the gradient of a loss on other rows, a step of size ``lr`` on row i changes
that loss by ``-lr * <g, grad l_i>``. :func:`alignment` finds ``<g, grad l_i>`` for all rows by a central difference
along ``g``: two passes without gradients, so no gradient of a single row is ever made, and memory is that of inference
and of two copies of the parameters. It works with every attention kernel, which forward-mode differentiation does not.
"""

from contextlib import contextmanager

import torch
from torch.nn import functional

from skweight._engine.batches import sorted_batches
from skweight._engine.shortcuts import first_token

# Length of the step to either side. On pretrained encoders in float32 the error is smallest between 1e-3 and 1e-2.
_STEP = 1e-2


def trainable(module):
    """Parameters that training moves."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


@contextmanager
def shifted(parameters, step):
    """Add `step` to the parameters inside the block; after it they are exactly what they were."""
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        torch._foreach_add_(parameters, step)
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(parameters, before)


def alignment(parameters, direction, row_losses):
    """Inner product of `direction` with the gradient of every row's loss.

    Parameters
    ----------
    parameters : list of Tensor
        In float32 or float64.
    direction : list of Tensor
        One for each parameter.
    row_losses : callable
        Takes nothing, returns the losses of the rows at the present parameters, a Tensor of shape (n_rows,); without
        dropout, or the difference would be one of masks, and outside of autocast.

    Returns
    -------
    alignment : Tensor of shape (n_rows,)
        Positive where a step that lowers the row's loss also lowers the loss whose gradient `direction` is.
    """
    norm = torch.stack(torch._foreach_norm(direction)).norm().item()
    size = _STEP / norm if norm else 0.0
    losses = []
    with torch.no_grad():
        for signed in (size, -size):
            with shifted(parameters, torch._foreach_mul(direction, signed)):
                losses.append(row_losses())
    return (losses[0] - losses[1]) / (2 * size) if norm else torch.zeros_like(losses[0])


def mean_gradient(module, rows, loss):
    """Gradient of the mean loss of `rows` in every trainable parameter, in evaluation mode.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    rows : skweight._engine.LabelledRows
    loss : callable
        Takes logits and targets of a batch, returns the losses of its rows.

    Returns
    -------
    gradient : list of Tensor
    """
    parameters = trainable(module)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    module.eval()
    quick = first_token(module)
    with torch.autocast(module.device.type, enabled=False):
        for batch_rows in sorted_batches(rows.tokens.lengths):
            batch = rows.batch(batch_rows, module.device)
            mean = loss(quick(**batch.inputs).logits, batch.target).sum() / len(rows)
            torch._foreach_add_(total, gradient(mean, parameters))
    return total


def gradient(loss, parameters):
    """Gradient of a scalar; zeros where it does not depend on a parameter."""
    return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))


def cross_entropy(logits, target):
    """Cross-entropy of every row."""
    return functional.cross_entropy(logits, target, reduction="none")
