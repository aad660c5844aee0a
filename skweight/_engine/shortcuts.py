"""Shortcuts through an encoder: the same mathematics with less work.

- Only the embeddings of tokens that occur are trained (:func:`used_vocabulary`).
- The last layer computes only what the head reads, the first token (:func:`first_token`).
- On a CPU, dropout draws 16 random bits for a number where torch draws a double (:func:`quick_dropout`).
- In bfloat16 on a CPU, what flows from layer to layer is in bfloat16 too (:func:`narrow_stream`).

The first and the third are context managers that change a model for a while, which only training may do: it owns its
model. The others, which prediction takes too, leave the model as it is, for other threads may be using it; so does
:func:`evaluating`. Models that a shortcut does not know are left alone.
"""

import copy
import functools
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MethodType

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_NAME = "skweight"  # under which transformers knows our attention

# -- vocabulary -------------------------------------------------------------------------------------------------------


class _UsedEmbedding(nn.Module):
    """Rows of an embedding matrix for the tokens that occur, looked up by the tokens' own numbers."""

    number: torch.Tensor

    def __init__(self, full, used):
        super().__init__()
        number = torch.full((full.num_embeddings,), -1, dtype=torch.long)
        number[used] = torch.arange(len(used))
        self.register_buffer("number", number.to(full.weight.device), persistent=False)
        self.used = used.to(full.weight.device)
        self.weight = nn.Parameter(full.weight.detach()[self.used])
        self.padding_idx = None if full.padding_idx is None else int(number[full.padding_idx])
        self.num_embeddings, self.embedding_dim = full.num_embeddings, full.embedding_dim
        self.full = (full,)  # in a tuple, so that it is no part of this module

    def forward(self, ids):
        number = self.number[ids]
        if not self.training:
            # A callback may evaluate other texts. Training does not move the embeddings of tokens that do not occur.
            absent = number < 0
            if absent.any():
                known = functional.embedding(number.clamp(min=0), self.weight)
                return torch.where(absent[..., None], self.full[0].weight.detach()[ids], known)
        return functional.embedding(number, self.weight, self.padding_idx)

    def whole(self):
        """Return the embedding of all tokens, those that do not occur as they were."""
        return self.full[0].weight.detach().index_copy(0, self.used, self.weight.detach())

    # A callback saves a whole model, and loads one.

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        destination[f"{prefix}weight"] = self.whole()

    def _load_from_state_dict(self, state_dict, prefix, *args):
        if (name := f"{prefix}weight") in state_dict:
            with torch.no_grad():
                self.full[0].weight.copy_(state_dict[name])
            state_dict[name] = self.full[0].weight[self.used]
        super()._load_from_state_dict(state_dict, prefix, *args)


@contextmanager
def used_vocabulary(module, ids):
    """Train only the embeddings of the tokens `ids` inside the block.

    The gradient of an embedding matrix is as large as the matrix, which is half of a small encoder, while a batch
    touches a few hundred of its rows. Rows of tokens that do not occur have no gradient, so Adam would not move them:
    leaving them out changes the results by rounding only, if there is no weight decay.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    ids : ndarray of int
        Every token that will be looked up.
    """
    full = module.get_input_embeddings()
    owners = [name for name, value in module.named_parameters(remove_duplicate=False) if value is full.weight]
    plain = type(full) is nn.Embedding and full.max_norm is None and not full.scale_grad_by_freq
    if not plain or len(owners) != 1 or not full.weight.requires_grad:
        yield
        return
    padding = [] if full.padding_idx is None else [full.padding_idx]
    used = torch.from_numpy(np.unique(np.concatenate([ids, padding])).astype(np.int64))
    small = _UsedEmbedding(full, used)
    module.set_input_embeddings(small)
    try:
        yield
    finally:
        with torch.no_grad():
            full.weight[small.used] = small.weight
        module.set_input_embeddings(full)


# -- last layer -------------------------------------------------------------------------------------------------------


@dataclass
class _Layer:
    """An encoder layer, whatever its architecture calls its parts.

    Attributes
    ----------
    query, key, value : nn.Linear
    n_heads : int
    dropout : nn.Dropout
        Of the attention's probabilities.
    finish : callable
        Turns the attention's output of shape (n_rows, 1, hidden_size), and the layer's own input of that token, into
        what the layer returns.
    """

    query: nn.Module
    key: nn.Module
    value: nn.Module
    n_heads: int
    dropout: nn.Dropout
    finish: Callable


def _bert_layer(layer):
    attention = layer.attention.self

    def finish(context, first):
        return layer.feed_forward_chunk(layer.attention.output(context, first))

    return _Layer(
        attention.query, attention.key, attention.value, attention.num_attention_heads, attention.dropout, finish
    )


def _distilbert_layer(layer):
    attention = layer.attention

    def finish(context, first):
        attended = layer.sa_layer_norm(attention.out_lin(context) + first)
        return layer.output_layer_norm(layer.ffn(attended) + attended)

    return _Layer(attention.q_lin, attention.k_lin, attention.v_lin, attention.n_heads, attention.dropout, finish)


def _mpnet_layer(layer):
    attention = layer.attention.attn

    def finish(context, first):
        attended = layer.attention.LayerNorm(layer.attention.dropout(attention.o(context)) + first)
        return (layer.output(layer.intermediate(attended), attended),)

    return _Layer(attention.q, attention.k, attention.v, attention.num_attention_heads, attention.dropout, finish)


# Architectures whose classification head reads the first token alone, and how their layers are built.
_LAYERS = {
    **dict.fromkeys(["bert", "camembert", "electra", "roberta", "xlm-roberta"], _bert_layer),
    "distilbert": _distilbert_layer,
    "mpnet": _mpnet_layer,
}


def first_token(module):
    """Return the same model, with a last layer that computes no more than the first token.

    The head of BERT and its relatives reads the first token; the other tokens' queries, feed-forward network and
    output in the last layer are never looked at. Of six layers that is a seventh of all operations.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        For sequence classification.

    Returns
    -------
    view : transformers.PreTrainedModel
        Shares all parameters with `module`. Its ``hidden_states`` end with a single token.
    """
    known = _LAYERS.get(module.config.model_type)
    attention = getattr(module.config, "_attn_implementation", None)
    if known is None or getattr(module.config, "is_decoder", False) or attention not in ("sdpa", "eager", _NAME):
        return module
    base = module.base_model
    try:
        last = (base.transformer if hasattr(base, "transformer") else base.encoder).layer[-1]
        known(last)
    except AttributeError:  # a version of transformers that builds its layers in another way
        return module
    return _with_part(module, last, _as(_first_token_layer, last, known))


@functools.cache
def _first_token_layer(kind, known):
    """Make a class of layers like `kind` that compute the first token alone."""

    def forward(self, hidden_states, attention_mask=None, position_bias=None, **kwargs):
        parts = known(self)  # a copy of this layer has its own
        first = hidden_states[:, :1]
        query, key, value = (
            part(tokens).unflatten(-1, (parts.n_heads, -1)).transpose(1, 2)
            for part, tokens in ((parts.query, first), (parts.key, hidden_states), (parts.value, hidden_states))
        )
        mask = None if attention_mask is None else attention_mask[:, :, :1]
        if position_bias is not None:
            mask = position_bias[:, :, :1] if mask is None else mask + position_bias[:, :, :1]
        context = _attend(query, key, value, mask, parts.dropout.p if self.training else 0.0)
        return parts.finish(context.transpose(1, 2).flatten(2), first)

    return type("FirstTokenLayer", (kind,), {"forward": forward})


def evaluating(module):
    """Return the module itself if it is in evaluation mode, else a copy in that mode that shares its parameters.

    The module is not touched: another thread may be training it, or predicting with it.
    """
    if not any(part.training for part in module.modules()):
        return module
    copies = {part: copy.copy(part) for part in module.modules()}
    for twin in copies.values():
        twin.training = False
        twin._modules = {name: child and copies[child] for name, child in twin._modules.items()}
    return copies[module]


def _as(make_class, part, argument):
    """Copy of a part of a model that shares everything with it and is of a class ``make_class(its class, argument)``.

    A `forward` that is set on the copy itself would refer to it, and such a circle keeps the parameters of a model that
    nobody uses any more until the garbage collector comes by.
    """
    view = copy.copy(part)
    vars(view).pop("forward", None)
    view.__class__ = make_class(type(part), argument)
    return view


def _with_part(module, part, other):
    """Copy of a module that has `other` in place of `part`, wherever that is, and shares everything else with it."""
    if module is part:
        return other
    children = {name: child and _with_part(child, part, other) for name, child in module._modules.items()}
    if all(children[name] is child for name, child in module._modules.items()):
        return module
    view = copy.copy(module)
    view._modules = children
    return view


# -- between the layers -----------------------------------------------------------------------------------------------


def narrow_stream(module, dtype):
    """Return the same model, whose layers hand on what they compute in `dtype` under autocast; else it is as it was.

    The embeddings are in float32, and so is a sum of theirs and of what a layer adds. Autocast leaves such a sum as it
    is, and every product casts it anew: three times for query, key and value alone. With embeddings in `dtype` all that
    follows is in `dtype`, normalisations and activations included. Parameters and their gradients stay in float32.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    dtype : torch.dtype
        Of the autocast. Only bfloat16 changes anything, which has float32's range, and only on a CPU: autocast on CUDA
        normalises in float32, whatever comes in.

    Returns
    -------
    view : transformers.PreTrainedModel
        Shares all parameters with `module`.
    """
    if dtype != torch.bfloat16 or module.config.model_type not in _LAYERS or module.device.type != "cpu":
        return module
    embeddings = getattr(module.base_model, "embeddings", None)
    if embeddings is None:
        return module
    return _with_part(module, embeddings, _as(_narrow_embeddings, embeddings, dtype))


@functools.cache
def _narrow_embeddings(kind, dtype):
    """Make a class of embeddings like `kind` that are handed on in `dtype` under autocast."""

    def forward(self, *args, **kwargs):
        embedded = kind.forward(self, *args, **kwargs)
        return embedded.to(dtype) if torch.is_autocast_enabled("cpu") else embedded

    return type("NarrowEmbeddings", (kind,), {"forward": forward})


# -- dropout ----------------------------------------------------------------------------------------------------------


_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)  # of this thread's dropout


@contextmanager
def quick_dropout(module, seed):
    """Draw the masks of dropout with less work inside the block, if the model is on a CPU.

    torch draws them one by one from a double; that is an eighth of a training step of MiniLM. 16 bits are enough for
    a probability of 0.1: rows are dropped with probability 6554 / 65536, and what is kept is scaled accordingly. They
    come from a generator of their own, where torch's dropout takes them from the one that all threads share.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    seed : int

    Yields
    ------
    generator : torch.Generator or None
        Of the layers that were changed; None if none were.
    complete : bool
        Whether no dropout of the model is left that draws from torch's global generator.
    """
    if module.device.type != "cpu":
        yield None, False
        return
    layers = [child for child in module.modules() if type(child) is nn.Dropout and 0 < child.p < 1]
    attention = getattr(module.config, "_attn_implementation", None)
    # Only for encoders whose attention is nothing but a product, a mask and a softmax.
    own = attention == "sdpa" and module.config.model_type in set(_LAYERS) - {"mpnet"}
    generator = torch.Generator().manual_seed(int(seed))
    token = _generator.set(generator)
    if own:
        module.set_attn_implementation(_NAME)
    # MPNet's attention drops by a layer; a model of numbers has none.
    complete = own or module.config.model_type in ("mpnet", "skweight-head")
    try:
        with _replaced_forward(dict.fromkeys(layers, lambda self, x: _dropout(x, self.p) if self.training else x)):
            yield generator, complete
    finally:
        _generator.reset(token)
        if own:
            module.set_attn_implementation(attention)


def _dropout(x, p):
    drop = round(p * 2**16)
    if not 0 < drop < 2**16:
        return functional.dropout(x, p)
    # Four 16-bit numbers out of every 64 bits of the generator.
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=_generator.get())
    bits = bits.view(torch.int16)
    keep = (bits[: x.numel()] >= drop - 2**15).view(x.shape)
    return x * keep.to(x.dtype).mul_(2**16 / (2**16 - drop))


def _attend(query, key, value, mask, dropout):
    """Scaled dot-product attention; all of shape (n_rows, n_heads, n_tokens, size)."""
    if not dropout or query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return _dropout(scores.softmax(-1), dropout) @ value


def _attention(module, query, key, value, attention_mask, dropout=0.0, **kwargs):
    if not dropout or kwargs.get("position_bias") is not None:
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, dropout=dropout, **kwargs)
    return _attend(query, key, value, attention_mask, dropout).transpose(1, 2), None


AttentionInterface.register(_NAME, _attention)
AttentionMaskInterface.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


@contextmanager
def _replaced_forward(forwards):
    # On the instance, which comes before the class: names of parameters stay as they are. What is replaced already,
    # further out, is left as it is.
    ours = {child: forward for child, forward in forwards.items() if "forward" not in vars(child)}
    for child, forward in ours.items():
        child.forward = MethodType(forward, child)
    try:
        yield
    finally:
        for child in ours:
            vars(child).pop("forward", None)
