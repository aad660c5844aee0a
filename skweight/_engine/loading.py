"""Loading encoders and tokenizers: from which folder, onto which device, in which precision, from which seed."""

import copy
from numbers import Integral

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from skweight._engine.hub import encoder_folder
from skweight._engine.isolation import plain_torch, private_rng, quiet_transformers

# encoder_folder has been to the network where need be; nothing here goes there again, or runs code that it brings.
_FROM_DISK = {"local_files_only": True, "trust_remote_code": False}
_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_ENCODER_LIMIT = "encoder_max_length"  # in tokenizer_config.json, which keeps what it does not know
# RoBERTa and its relatives count positions from behind the padding index.
_OFFSET_POSITIONS = {"camembert", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xmod"}


def resolve_device(device):
    """Turn the ``device`` parameter into a torch device that exists; a number is a CUDA device, as in transformers.

    Raises
    ------
    ValueError
        If the device does not exist; the message lists those that are.
    """
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    present = [*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
    if device is None or device == "auto":
        device = "cuda" if cuda else present[0]  # of several CUDA devices the current one
    try:
        resolved = torch.device("cuda", int(device)) if isinstance(device, Integral) else torch.device(device)
    except (RuntimeError, TypeError) as error:
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
    # Measured: with matrix units for it (AMX) 4 times float32's speed. With vector instructions alone (AVX512-BF16) 1.7
    # times on an AMD EPYC, but three quarters on an Intel Xeon. Everywhere else torch converts back and forth.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    vectors = capabilities.get("avx512_bf16") and "AMD" in str(capabilities.get("cpu_name"))
    return bool(capabilities.get("amx_bf16") or vectors)


def load_tokenizer(encoder, *, max_length=None):
    """Load the tokenizer of a Hugging Face folder or hub id, with the limit of its model as ``model_max_length``.

    Raises
    ------
    FileNotFoundError
        If it is the path of a folder that is not there.
    ValueError
        If the model takes fewer than `max_length` tokens; "auto" takes as many as there may be.
    """
    folder = encoder_folder(encoder)
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(folder, **_FROM_DISK)
        config = AutoConfig.from_pretrained(folder, **_FROM_DISK)
    tokenizer.model_max_length = tokenizer.init_kwargs.pop(_ENCODER_LIMIT, tokenizer.model_max_length)
    limit = length_limit(tokenizer, config)
    if limit is None:
        return tokenizer
    if max_length not in (None, "auto") and max_length > limit:
        raise ValueError(f"max_length={max_length} is above the limit of {str(encoder)!r}, {limit} tokens.")
    tokenizer.model_max_length = limit
    return tokenizer


def save_tokenizer(tokenizer, folder, max_length):
    """Write a tokenizer that truncates to `max_length` tokens wherever it is asked to, as in a transformers pipeline.

    What the encoder could take is kept: :func:`load_tokenizer` finds it, for a training with longer texts.
    """
    limited = copy.copy(tokenizer)
    limited.init_kwargs = {**tokenizer.init_kwargs, _ENCODER_LIMIT: tokenizer.model_max_length}
    limited.model_max_length = max_length
    # Inside tokenizer_config.json: as files of their own, chat templates may need a directory.
    limited.save_pretrained(folder, save_jinja_files=False)


def length_limit(tokenizer, config):
    """Longest input of a model in tokens, or None if it has no limit."""
    limits = []
    if tokenizer.model_max_length < 1_000_000:  # "unknown" is spelled as a very large number
        limits.append(tokenizer.model_max_length)
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions > 0:
        offset = config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0
        limits.append(positions - offset)
    return min(limits, default=None)


@plain_torch()
def load_module(encoder, labels, seed, pad_token_id=None):
    """Load a pretrained encoder with a fresh classification head.

    Parameters
    ----------
    encoder : str or path
        Hugging Face folder or hub id. If it already has a classification head, that head is re-initialised.
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
            encoder_folder(encoder),
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
            problem_type="single_label_classification",
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **_FROM_DISK,
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
    return _realigned(module).eval()


@plain_torch()
def load_encoder(encoder):
    """Load a pretrained encoder without a head, in float32 and in evaluation mode, on the CPU."""
    with quiet_transformers():
        module = AutoModel.from_pretrained(encoder_folder(encoder), dtype=torch.float32, **_FROM_DISK)
    return _realigned(module).eval()


@plain_torch()
def load_trained(folder, weights, kind=None):
    """Make a model of the configuration in a folder and of trained parameters, in float32 and in evaluation mode.

    Parameters
    ----------
    folder : str or path
        Has ``config.json``.
    weights : dict of str to tensor
        Parameters by name, as in ``model.safetensors``.
    kind : type, default=None
        Class of the model; None takes the architecture's transformer with a classification head.

    Raises
    ------
    ValueError
        If parameters are missing, or do not fit.
    """
    with quiet_transformers():
        if kind is None:
            config = AutoConfig.from_pretrained(folder, **_FROM_DISK)
            with torch.device("meta"):  # makes no parameters
                kind = type(AutoModelForSequenceClassification.from_config(config))
        else:
            config = kind.config_class.from_pretrained(folder, local_files_only=True)
        module, info = kind.from_pretrained(
            None, config=config, state_dict=weights, dtype=torch.float32, output_loading_info=True
        )
    if info["missing_keys"]:
        raise ValueError(f"parameters of the model are missing: {', '.join(sorted(info['missing_keys']))}")
    return _realigned(module).eval()


def _realigned(module):
    """Let parameters lie where torch puts tensors of its own.

    Those of a file lie at whatever offset its header has. Sums are in another order there, and a copy of the model, or
    one that was saved and loaded, would differ in the last bit.
    """
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
    return module


def _reset_head(module):
    # A head that came with the checkpoint was trained on other labels or other rows: start it from random values.
    # transformers marks what it loaded and would not initialise that again.
    for name, child in module.named_children():
        if name != module.base_model_prefix:
            for part in (*child.modules(), *child.parameters()):
                part._is_hf_initialized = False
            child.apply(module._init_weights)
