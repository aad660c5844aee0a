"""Training a module with a weighted loss.

skorch runs the epochs; this file gives it what it lacks: batches of similar length, rows that carry what their loss
reads, mixed precision, a schedule from the true number of steps, and a private random generator.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochTimer, PassthroughScoring
from skorch.helper import predefined_split
from torch.nn import functional

from skweight._engine.batches import Batch, Batches, advice_on_memory, bucketed_batches, sorted_batches
from skweight._engine.callbacks import make_callbacks, stopped_early
from skweight._engine.checkpoints import Resuming, active, lacks_state, rng_state
from skweight._engine.isolation import Draws, GlobalGenerators, plain_torch
from skweight._engine.loading import resolve_device, resolve_precision
from skweight._engine.memory import give_back, spare_kernels
from skweight._engine.net_params import chosen_settings, own_optimizer
from skweight._engine.prediction import check_finite
from skweight._engine.processes import World, world
from skweight._engine.shortcuts import first_token, narrow_stream, quick_dropout, used_vocabulary
from skweight._rows.tokens import TokenizedTexts


@dataclass(frozen=True)
class Step:
    """A training step that is about to be taken.

    Attributes
    ----------
    module : torch.nn.Module
        In training mode.
    optimizer : torch.optim.Optimizer
    world : World
    epoch : int
        Counted from 1.
    batch : Batch
    infer : callable
        Takes a :class:`Batch`, returns the module's logits; in several processes those of this one's share.
    """

    module: torch.nn.Module
    optimizer: torch.optim.Optimizer
    world: World
    epoch: int
    batch: Batch
    infer: Callable[[Batch], torch.Tensor]


class StepWeights(Protocol):
    """What a method is that finds the weights of rows inside every step, as Hu et al. do."""

    def __call__(self, step: Step) -> torch.Tensor:
        """Return factors of the batch's sample weights, of shape (n_rows,); leave the module as it was."""

    def state_dict(self) -> dict:
        """Return what it has learnt and drawn so far, in tensors and plain values, for a checkpoint."""

    def load_state_dict(self, state: dict) -> None:
        """Go on from what :meth:`state_dict` returned."""


class _TextNet(NeuralNetClassifier):
    """skorch's loop around a transformers model and a :class:`skweight.losses.WeightedLoss`."""

    def __init__(self, module, *args, dtype, rng, world, step_weights, draws, **kwargs):
        self.dtype = dtype
        self.rng = rng
        self.world = world
        self.step_weights = step_weights
        self.draws = draws
        super().__init__(module, *args, **kwargs)

    @property
    def _default_callbacks(self):
        return [
            ("seconds", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
        ]

    def initialize(self):
        super().initialize()
        device = torch.device(self.device)
        # float16 has a small range: gradients are scaled up before, and down after, the backward pass.
        self.n_before_ = 0  # steps before an interruption
        self.scaler_ = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        return self

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Keep biases and normalisation layers, all one-dimensional, out of the weight decay."""
        parameters = [parameter for _, parameter in named_parameters if parameter.requires_grad]
        _, kwargs = super().get_params_for_optimizer(prefix, [])
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2]},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        return (groups,), kwargs

    def get_iterator(self, dataset, training=False):
        lengths = dataset.tokens.lengths
        coarse = spare_kernels(self.dtype, torch.device(self.device))
        if training:
            # One weight per row: what it weighed when it was last trained on.
            self.weights_ = torch.zeros(len(dataset), dtype=torch.float32, device=self.device)
            self.n_done_ = 0  # batches of the epoch that were trained on before an interruption
            return Batches(dataset, partial(self._draw_epoch, lengths), self.device, self.world, coarse)
        return Batches(dataset, lambda: sorted_batches(lengths), self.device, World(), coarse)

    def _draw_epoch(self, lengths):
        """Batches of an epoch, without those that were trained on before an interruption."""
        self.order_ = rng_state(self.rng)
        n_done, self.n_done_ = self.n_done_, 0
        return bucketed_batches(lengths, self.batch_size, self.rng)[n_done:]

    def infer(self, x, **fit_params):
        return self.module_(**x.inputs).logits

    def train_step(self, batch, **fit_params):
        if not self.module_.training:  # a callback may have evaluated something
            self._set_training(True)
        with self.draws.step():
            return self._take_step(batch)

    def _take_step(self, batch):
        self.optimizer_.zero_grad(set_to_none=True)
        columns = self._columns(batch)
        with torch.autocast(torch.device(self.device).type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = self.infer(batch)
        torch.clear_autocast_cache()  # of weights in bfloat16; within an outer autocast it would outlive this step
        logits = self.world.gather(logits.float(), len(batch))
        weight, cross_entropy = self.criterion_.rows(logits, batch.target, **columns)
        self.weights_[batch.rows] = weight.detach().float()
        loss = (weight * cross_entropy).mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss.item()} in epoch {len(self.history)}, step {len(self.history[-1, 'batches'])} "
                f"(rows {batch.rows.tolist()}). Try a smaller lr, clip=10, or precision='fp32'."
            )
        self.scaler_.scale(loss).backward()
        self.world.sum_gradients(self.module_.parameters())
        self.scaler_.unscale_(self.optimizer_)
        self.notify(
            "on_grad_computed", named_parameters=list(self.get_all_learnable_params()), batch=batch, training=True
        )
        self.scaler_.step(self.optimizer_)
        self.scaler_.update()
        return {"loss": loss, "y_pred": logits}

    def _columns(self, batch):
        """Arguments of the loss: the columns that it reads, and the weight of every row in this step."""
        columns = {name: values for name, values in batch.columns.items() if name in self.criterion_.columns}
        columns["sample_weight"] = batch.columns["sample_weight"]
        if self.step_weights is not None:
            step = Step(self.module_, self.optimizer_, self.world, len(self.history), batch, self.infer)
            columns["sample_weight"] = columns["sample_weight"] * self.step_weights(step)
        return columns

    def validation_step(self, batch, **fit_params):
        self._set_training(False)
        with torch.no_grad():
            logits = self.infer(batch)
            # The loss of real text under the plain model: what early stopping must watch.
            loss = functional.cross_entropy(logits.float(), batch.target)
        self.history.record_batch("valid_accuracy", (logits.argmax(1) == batch.target).float().mean().item())
        return {"loss": loss, "y_pred": logits}

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        super().on_epoch_begin(net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs)
        self._set_training(True)

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        weights = self.weights_.cpu().double()
        self.history.record("weight_mean", weights.mean().item())
        self.history.record("weight_max", weights.max().item())
        squares = (weights**2).sum().item()
        self.history.record("effective_sample_size", weights.sum().item() ** 2 / squares if squares else 0.0)


@dataclass(frozen=True)
class Training:
    """What a training run leaves behind.

    Attributes
    ----------
    history : list of dict
        One dictionary per epoch.
    weights : ndarray of shape (n_rows,), float64
        What each row weighed when it was last trained on.
    best_epoch : int or None
        Epoch whose parameters were kept, counted from 1; None without early stopping.
    """

    history: list[dict]
    weights: np.ndarray
    best_epoch: int | None


@plain_torch()
def train(module, criterion, data, parameters, *, seed, title, valid=None, step_weights=None):
    """Train `module` in place.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    criterion : skweight.losses.WeightedLoss
    data : LabelledRows
        With the columns that the loss reads, and ``sample_weight``.
    parameters : TrainingParameters
        The classifier's, with a number as ``lr``.
    seed : int
        Seed of dropout and of the order of the batches; global generators are left alone.
    title : str
        What is trained, as a checkpoint calls it.
    valid : LabelledRows, default=None
        Rows for early stopping. None trains for ``max_epochs``.
    step_weights : StepWeights, default=None
        Asked before every step for factors of the rows' ``sample_weight``.

    Returns
    -------
    training : Training
    """
    try:
        return _train(module, criterion, data, parameters, seed, title, valid, step_weights)
    finally:
        give_back()  # only now is what the training needed free


def _train(module, criterion, data, parameters, seed, title, valid, step_weights):
    stage = _stage(title, data, parameters, seed, valid)
    if stage is not None and (done := stage.finished()) is not None:
        module.load_state_dict(done.pop("module"))
        module.eval()
        return Training(**{**done, "weights": done["weights"].numpy()})
    processes = world()
    device = resolve_device(parameters.device)
    text = isinstance(data.tokens, TokenizedTexts)
    processes.check_same(data.tokens.ids if text else data.tokens.values, data.target)
    settings = {
        "lr": parameters.lr,
        "batch_size": parameters.batch_size,
        "max_epochs": parameters.max_epochs,
        "callbacks": [
            *make_callbacks(parameters, len(data), early_stopping=valid is not None),
            *_resuming(stage, module, parameters.callbacks),
        ],
        "train_split": None if valid is None else predefined_split(valid),
        "compile": parameters.compile,
        "verbose": 0,
        "classes": range(module.config.num_labels),
        "predict_nonlinearity": partial(torch.softmax, dim=-1),
        **chosen_settings(parameters, device),
    }
    dtype = resolve_precision(parameters.precision, device)
    # All processes draw the same batches, but each its own dropout masks.
    with ExitStack() as stack:
        stack.enter_context(advice_on_memory(_smaller(parameters)))
        generator, complete = stack.enter_context(quick_dropout(module, seed + processes.rank))
        # Weight decay, and perhaps an optimiser of the user's own, would move the other embeddings too.
        if text and not parameters.weight_decay and not own_optimizer(parameters.net_params):
            every = [data.tokens.ids] if valid is None else [data.tokens.ids, valid.tokens.ids]
            # Batches are padded with a token that need not occur in any text, nor be known to the embedding.
            stack.enter_context(used_vocabulary(module, np.concatenate([*every, [data.tokens.pad_id]])))
        net = _TextNet(
            narrow_stream(first_token(module), dtype),
            criterion=criterion,
            dtype=dtype,
            rng=np.random.RandomState(seed),
            world=processes,
            step_weights=step_weights,
            draws=Draws(generator, None if complete else GlobalGenerators(seed + processes.rank)),
            device=device,
            **settings,
        ).initialize()
        net.notify("on_train_begin", X=data, y=None)
        try:
            # Not `partial_fit`, which swallows Ctrl-C and would hand back a half-trained model as a fitted one.
            net.fit_loop(data, epochs=net.max_epochs - len(net.history))  # some are done already if it was interrupted
        except KeyboardInterrupt:
            if not stopped_early(net):
                raise
        finally:
            net.notify("on_train_end", X=data, y=None)
    module.zero_grad(set_to_none=True)
    module.eval()
    check_finite(module, data.tokens, net.history)
    training = Training(
        history=[_plain_epoch(epoch) for epoch in net.history],
        weights=net.weights_.cpu().double().numpy(),
        best_epoch=int(dict(net.callbacks_)["early_stopping"].best_epoch_) if valid is not None else None,
    )
    if stage is not None:
        stage.finish({"module": module.state_dict(), **vars(training), "weights": torch.from_numpy(training.weights)})
    return training


def _smaller(parameters):
    return (
        f"Training with batch_size={parameters.batch_size}, max_length={parameters.max_length!r}, "
        f"precision={parameters.precision!r} needs more memory than the device has. Set a smaller batch_size, for "
        "texts a smaller max_length, or precision='bf16'."
    )


def _stage(title, data, parameters, seed, valid):
    """Return the stage of the fit that a training is; None if the fit keeps no checkpoints.

    That the parameters and the encoder are what they were has been checked for the fit as a whole. What is looked at
    here tells trainings of one fit apart.
    """
    checkpoints = active()
    if checkpoints is None:
        return None
    kinds = (str, int, float, bool, type(None))
    settings = {name: value for name, value in vars(parameters).items() if isinstance(value, kinds)}
    digest = hashlib.sha256(repr((settings, seed)).encode())
    for part in (data, valid):
        columns = {} if part is None else {**vars(part.tokens), **part.columns, "target": part.target}
        for name, values in columns.items():
            if isinstance(values, np.ndarray):
                digest.update(f"{name} {values.dtype} {values.shape}".encode())
                digest.update(np.ascontiguousarray(values).data)
    return checkpoints.stage(title, digest.hexdigest())


def _resuming(stage, module, callbacks):
    """Return what keeps the steps of a training. One whose callbacks cannot be put back is kept when it is done."""
    if stage is None or any(lacks_state(callback) for callback in callbacks or []):
        return []
    return [("resuming", Resuming(stage, module))]


def _plain_epoch(epoch):
    """One epoch of skorch's history in plain numbers, without its bookkeeping."""
    return {
        "seconds" if key == "dur" else key: value.item() if isinstance(value, np.generic) else value
        for key, value in epoch.items()
        if key != "batches" and not key.endswith(("_best", "_count"))
    }
