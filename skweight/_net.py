"""The private engine: loading an encoder, training it with a weighted loss, predicting with it.

skorch runs the epochs; this module gives it what it lacks: batches of similar length, rows that carry what their loss
needs, mixed precision, a schedule from the true number of steps, and a private random generator.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
)
from skorch.helper import predefined_split
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    get_linear_schedule_with_warmup,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging as transformers_logging

from skweight._features import Features
from skweight._processes import World, world
from skweight._shortcuts import first_token, quick_dropout, used_vocabulary
from skweight._text import TokenizedTexts, bucketed_batches, sorted_batches

_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


# -- device, precision, randomness ------------------------------------------------------------------------------------


def resolve_device(device):
    """Turn the ``device`` parameter into a torch device that exists.

    Raises
    ------
    ValueError
        If the device is not there; the message lists those that are.
    """
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    present = [*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
    if device == "auto":
        device = "cuda" if cuda else present[0]  # of several CUDA devices the current one
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is not a torch device; present here: {', '.join(present)}.") from error
    if resolved.type == "cuda" and resolved.index is None and cuda:
        resolved = torch.device("cuda", torch.cuda.current_device())
    if str(resolved) not in present and resolved.type not in ("cpu", "meta"):
        raise ValueError(f"device={device!r} is not present; present here: {', '.join(present)}.")
    return resolved


def resolve_precision(precision, device):
    """Turn the ``precision`` parameter into a torch dtype.

    "auto" takes bfloat16 where the processor computes in it, float16 on other CUDA devices, else float32.
    """
    if precision != "auto":
        return _PRECISIONS[precision]
    if device.type == "cuda":
        # Emulated bfloat16 would be slower than float16, which every CUDA device has.
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if device.type == "cpu" and _cpu_has_bf16():
        return torch.bfloat16
    return torch.float32


def _cpu_has_bf16():
    # Only with matrix units for it (AMX) is bfloat16 faster. Vector instructions alone (AVX512-BF16) were measured at
    # half of float32's speed, and everywhere else torch converts back and forth.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("amx_bf16"))


@contextmanager
def private_rng(seed):
    """Seed torch inside the block, and restore the state of its global generators after it."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    mps_state = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            if mps_state is not None:
                torch.mps.set_rng_state(mps_state)


# -- loading ----------------------------------------------------------------------------------------------------------


@contextmanager
def quiet_transformers():
    """Silence the bar and the report that every load prints; the user's own settings come back after it."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()


def load_tokenizer(encoder, **kwargs):
    """Load the tokenizer of a Hugging Face folder or hub id."""
    with quiet_transformers():
        return AutoTokenizer.from_pretrained(encoder, trust_remote_code=False, **kwargs)


def load_config(encoder):
    """Load the configuration of a Hugging Face folder or hub id."""
    with quiet_transformers():
        return AutoConfig.from_pretrained(encoder, trust_remote_code=False)


def length_limit(tokenizer, config):
    """Longest input of a model in tokens, or None if it has no limit."""
    limits = []
    if tokenizer.model_max_length < 1_000_000:  # "unknown" is spelled as a very large number
        limits.append(tokenizer.model_max_length)
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa and its relatives count positions from behind the padding index.
        offset = config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0
        limits.append(positions - offset)
    return min(limits, default=None)


_OFFSET_POSITIONS = {"camembert", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xmod"}


def load_module(encoder, labels, seed, pad_token_id=None):
    """Load a pretrained encoder with a fresh classification head.

    Parameters
    ----------
    encoder : str or path
        Hugging Face folder or hub id. If it already has a classification head, that head is drawn anew.
    labels : list of str
        Names of the classes, stored in the configuration.
    seed : int
        Seed of the head's initialisation.
    pad_token_id : int, default=None
        Set in the configuration if it holds none.

    Returns
    -------
    module : transformers.PreTrainedModel
        In float32, on the CPU, in evaluation mode.

    Raises
    ------
    ValueError
        If parameters of the encoder itself are missing from the checkpoint.
    """
    with quiet_transformers(), private_rng(seed):
        module, info = AutoModelForSequenceClassification.from_pretrained(
            encoder,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
            problem_type="single_label_classification",
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            trust_remote_code=False,
        )
        prefix = module.base_model_prefix + "."
        missing = [key for key in info["missing_keys"] if key.startswith(prefix) and "pooler" not in key]
        if missing:
            raise ValueError(
                f"{len(missing)} parameters of the encoder are missing from {str(encoder)!r} ({missing[0]}, …): "
                "it would start from random values. Is it a folder of the right architecture?"
            )
        if module.config.pad_token_id is None:
            module.config.pad_token_id = pad_token_id
        _reset_head(module)
    return module.eval()


def load_trained(folder, kind=AutoModelForSequenceClassification):
    """Load a model with its trained head from a folder on disk, in float32 and in evaluation mode."""
    with quiet_transformers():
        return kind.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, trust_remote_code=False
        ).eval()


def _reset_head(module):
    # A head that came with the checkpoint was trained on other labels or other rows: start it from random values.
    # transformers marks what it loaded and would not initialise that again.
    for name, child in module.named_children():
        if name != module.base_model_prefix:
            for part in (*child.modules(), *child.parameters()):
                part._is_hf_initialized = False
            child.apply(module._init_weights)


class HeadConfig(PreTrainedConfig):
    """Sizes of a :class:`Head`."""

    model_type = "skweight-head"
    n_features: int = 1
    hidden_size: int = 128
    dropout: float = 0.1


class Head(PreTrainedModel):
    """Small classifier of numeric features: standardise, one hidden layer, logits.

    A transformers model, so that it trains, saves and loads as the text models do.
    """

    config_class = HeadConfig

    def __init__(self, config):
        super().__init__(config)
        self.register_buffer("mean", torch.zeros(config.n_features))
        self.register_buffer("scale", torch.ones(config.n_features))
        self.hidden = torch.nn.Linear(config.n_features, config.hidden_size)
        self.dropout = torch.nn.Dropout(config.dropout)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, features):
        """Return the logits of a batch of shape (n_rows, n_features)."""
        hidden = functional.relu(self.hidden((features - self.mean) / self.scale))
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(hidden)))


def make_head(features, labels, seed):
    """Make a :class:`Head` that standardises by the mean and standard deviation of `features`."""
    config = HeadConfig(n_features=features.shape[1], id2label=dict(enumerate(labels)))
    with private_rng(seed):
        head = Head(config)
    scale = features.std(axis=0, dtype=np.float64)
    head.mean.copy_(torch.from_numpy(features.mean(axis=0, dtype=np.float64)))
    head.scale.copy_(torch.from_numpy(np.where(scale > 0, scale, 1.0)))  # a constant feature stays zero
    return head.eval()


# -- training ---------------------------------------------------------------------------------------------------------


@dataclass
class LabelledRows(torch.utils.data.Dataset):
    """Tokenised texts or numeric rows, their classes, and what the loss wants to know of each row.

    Attributes
    ----------
    tokens : TokenizedTexts or Features
    target : ndarray of shape (n_rows,), int64
    columns : dict of str to ndarray of shape (n_rows,)
        Arguments of the loss, by name.
    """

    tokens: TokenizedTexts | Features
    target: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self):
        return len(self.tokens)

    def batch(self, rows, device, own=None):
        """Return row numbers, loss columns and inputs of a batch as one dictionary, and its targets.

        `own` are the rows whose inputs this process needs; all by default.
        """
        batch = {"row": _to_device(rows, device)}
        for name, column in self.columns.items():
            batch[name] = _to_device(column[rows].astype(np.float32), device)
        inputs = self.tokens.batch(rows if own is None else own)
        batch["inputs"] = _Inputs({name: _to_device(values, device) for name, values in inputs.items()}, len(rows))
        return batch, _to_device(self.target[rows], device)


@dataclass
class _Inputs:
    """What the module reads of a batch of `n_rows` rows, or of one process's share of them."""

    tensors: dict[str, torch.Tensor]
    n_rows: int

    def __len__(self):
        return self.n_rows  # skorch wants to see one length


def _to_device(values, device):
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@dataclass
class _Batches:
    """What skorch iterates over: batches drawn anew in every epoch."""

    data: LabelledRows
    draw: Callable[[], list[np.ndarray]]
    device: torch.device
    world: World

    def __iter__(self) -> Iterator:
        for rows in self.draw():
            own = self.world.shard(rows)
            # A process that has no row of a small batch computes one in vain: every step is one of all processes.
            yield self.data.batch(rows, self.device, own if len(own) else rows[:1])


class _TextNet(NeuralNet):
    """skorch's loop around a transformers model and a :class:`skweight.losses.WeightedLoss`."""

    def __init__(self, module, *args, dtype, rng, world, step_weights, **kwargs):
        self.dtype = dtype
        self.rng = rng
        self.world = world
        self.step_weights = step_weights
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
        if training:
            # One weight per row: what it weighed when it was last trained on.
            self.weights_ = torch.zeros(len(dataset), device=self.device)
            draw = partial(bucketed_batches, lengths, self.batch_size, self.rng)
            return _Batches(dataset, draw, self.device, self.world)
        return _Batches(dataset, lambda: sorted_batches(lengths), self.device, World())

    def infer(self, x, **fit_params):
        return self.module_(**x["inputs"].tensors).logits

    def get_loss(self, y_pred, y_true, X=None, training=False):
        if not training:
            # The loss of real text under the plain model: what early stopping must watch.
            return functional.cross_entropy(y_pred.float(), y_true)
        columns = {name: values for name, values in X.items() if name not in ("row", "inputs")}
        weight, cross_entropy = self.criterion_.rows(y_pred, y_true, **columns)
        self.weights_[X["row"]] = weight.detach().float()
        return (weight * cross_entropy).mean()

    def train_step(self, batch, **fit_params):
        self.optimizer_.zero_grad(set_to_none=True)
        inputs, target = batch
        if self.step_weights is not None:
            inputs["sample_weight"] = inputs["sample_weight"] * self.step_weights(self, inputs, target)
        with torch.autocast(torch.device(self.device).type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = self.infer(inputs)
        logits = self.world.gather(logits.float(), len(target))
        loss = self.get_loss(logits, target, X=inputs, training=True)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss.item()} in epoch {len(self.history)}, step {len(self.history[-1, 'batches'])} "
                f"(rows {inputs['row'].tolist()}). Try a smaller lr, clip=10, or precision='fp32'."
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

    def validation_step(self, batch, **fit_params):
        step = super().validation_step(batch, **fit_params)
        self.history.record_batch("valid_accuracy", (step["y_pred"].argmax(1) == batch[1]).float().mean().item())
        return step

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        super().on_epoch_begin(net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs)
        self._set_training(True)

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        weights = self.weights_.cpu().double()
        self.history.record("weight_mean", weights.mean().item())
        self.history.record("weight_max", weights.max().item())
        squares = (weights**2).sum().item()
        self.history.record("effective_sample_size", weights.sum().item() ** 2 / squares if squares else 0.0)


class _StopTraining(Exception):  # noqa: N818 - no error
    """Early stopping, told apart from the user's Ctrl-C."""


class _EarlyStopping(EarlyStopping):
    def on_epoch_end(self, net, **kwargs):
        # Processes whose losses differ in the last bit must not come to different conclusions.
        net.history.record(self.monitor, net.world.agree(net.history[-1, self.monitor]))
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            # skorch ends training with a KeyboardInterrupt; only this method's own may be caught.
            if self.misses_ < self.patience:
                raise
            raise _StopTraining from None


class _ProgressBar(Callback):
    def __init__(self, title, total):
        self.title = title
        self.total = total

    def on_train_begin(self, net, **kwargs):
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=self.total, desc=self.title, unit="step")

    def on_batch_end(self, net, training=False, loss=None, **kwargs):
        if training:
            self.bar_.set_postfix(epoch=len(net.history), loss=f"{loss.item():.3f}", refresh=False)
            self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()


@dataclass
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


def train(
    module,
    criterion,
    data,
    *,
    valid=None,
    step_weights=None,
    seed,
    device,
    precision,
    max_epochs,
    lr,
    batch_size,
    weight_decay,
    warmup_ratio,
    max_grad_norm,
    n_iter_no_change,
    compile,
    callbacks,
    net_params,
    title,
    verbose,
):
    """Train `module` in place; parameters as in the estimators.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    criterion : skweight.losses.WeightedLoss
    data : LabelledRows
    valid : LabelledRows, default=None
        Rows for early stopping. None trains for `max_epochs`.
    step_weights : callable, default=None
        Called before every step as ``step_weights(net, inputs, target)``; returns what the rows of the batch weigh in
        it, a Tensor of shape (n_rows,), by which their ``sample_weight`` is multiplied.
    seed : int
        Seed of dropout and of the order of the batches; global generators are left alone.
    title : str
        Name on the progress bar.

    Returns
    -------
    training : Training
    """
    processes = world()
    text = isinstance(data.tokens, TokenizedTexts)
    processes.check_same(data.tokens.ids if text else data.tokens.values, data.target)
    steps = max_epochs * -(-len(data) // batch_size)
    all_callbacks = [
        ("schedule", LRScheduler(
            policy=get_linear_schedule_with_warmup,
            step_every="batch",
            event_name=None,
            num_warmup_steps=round(warmup_ratio * steps),
            num_training_steps=steps,
        )),
    ]  # fmt: skip
    if max_grad_norm is not None:
        all_callbacks.append(("clip_gradients", GradientNormClipping(max_grad_norm)))
    if valid is not None:
        all_callbacks += [
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("valid_accuracy", PassthroughScoring("valid_accuracy", lower_is_better=False)),
            ("early_stopping", _EarlyStopping(patience=n_iter_no_change, threshold=0, load_best=True, sink=_no_sink)),
        ]
    if verbose and processes.rank == 0:
        all_callbacks.append(("progress", _ProgressBar(title, steps)))
    settings = {
        "optimizer": torch.optim.AdamW,
        "optimizer__weight_decay": weight_decay,
        "optimizer__fused": device.type in ("cpu", "cuda"),  # one pass over the parameters instead of dozens
        "lr": lr,
        "batch_size": batch_size,
        "max_epochs": max_epochs,
        "callbacks": [*all_callbacks, *(callbacks or [])],
        "train_split": None if valid is None else predefined_split(valid),
        "compile": compile,
        "verbose": 0,
        **(net_params or {}),
    }
    # All processes draw the same batches, but each its own dropout masks.
    with private_rng(seed + processes.rank), ExitStack() as stack:
        stack.enter_context(quick_dropout(module))
        stack.enter_context(first_token(module))
        # Weight decay, and perhaps an optimiser of the user's own, would move the other embeddings too.
        if text and not weight_decay and not _own_optimizer(net_params):
            every = [data.tokens.ids] if valid is None else [data.tokens.ids, valid.tokens.ids]
            # Batches are padded with a token that need not occur in any text, nor be known to the embedding.
            stack.enter_context(used_vocabulary(module, np.concatenate([*every, [data.tokens.pad_id]])))
        net = _TextNet(
            module,
            criterion,
            dtype=resolve_precision(precision, device),
            rng=np.random.RandomState(seed),
            world=processes,
            step_weights=step_weights,
            device=device,
            **settings,
        ).initialize()
        net.notify("on_train_begin", X=data, y=None)
        try:
            # Not `partial_fit`, which swallows Ctrl-C and would hand back a half-trained model as a fitted one.
            net.fit_loop(data)
        except _StopTraining:
            pass
        finally:
            net.notify("on_train_end", X=data, y=None)
    module.zero_grad(set_to_none=True)
    module.eval()
    return Training(
        history=[_plain_epoch(epoch) for epoch in net.history],
        weights=net.weights_.cpu().double().numpy(),
        best_epoch=int(dict(net.callbacks_)["early_stopping"].best_epoch_) if valid is not None else None,
    )


def _own_optimizer(net_params):
    return any(name.startswith("optimizer") for name in net_params or {})


def _plain_epoch(epoch):
    """One epoch of skorch's history in plain numbers, without its bookkeeping."""
    return {
        "seconds" if key == "dur" else key: value.item() if isinstance(value, np.generic) else value
        for key, value in epoch.items()
        if key != "batches" and not key.endswith(("_best", "_count"))
    }


def _no_sink(text):
    """Where skorch's messages go: the library does not print."""


# -- prediction -------------------------------------------------------------------------------------------------------


def predict_logits(module, tokens):
    """Logits of all texts in input order, in float32.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        In evaluation mode.
    tokens : TokenizedTexts or Features

    Returns
    -------
    logits : ndarray of shape (n_texts, n_classes), float32
    """
    device = next(module.parameters()).device
    logits = np.empty((len(tokens), module.config.num_labels), dtype=np.float32)
    with torch.inference_mode(), torch.autocast(device.type, enabled=False), first_token(module):
        # 1,024 tokens were a tenth faster than 4,096 on a CPU; the figure for other devices is a guess.
        for rows in sorted_batches(tokens.lengths, 1024 if device.type == "cpu" else 8192):
            batch = {name: _to_device(values, device) for name, values in tokens.batch(rows).items()}
            logits[rows] = module(**batch).logits.float().cpu().numpy()
    return logits
