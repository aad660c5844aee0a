"""A small classifier of numeric features, the model behind ``encoder="passthrough"``."""

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from skweight._engine.isolation import plain_torch, private_rng


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
        self.register_buffer("mean", torch.zeros(config.n_features, dtype=torch.float32))
        self.register_buffer("scale", torch.ones(config.n_features, dtype=torch.float32))
        self.hidden = torch.nn.Linear(config.n_features, config.hidden_size, dtype=torch.float32)
        self.dropout = torch.nn.Dropout(config.dropout)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels, dtype=torch.float32)
        self.post_init()

    def forward(self, features):
        """Return the logits of a batch of shape (n_rows, n_features)."""
        hidden = functional.relu(self.hidden((features - self.mean) / self.scale))
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(hidden)))


@plain_torch()
def make_head(features, labels, seed):
    """Make a :class:`Head` that standardises by the mean and standard deviation of `features`."""
    config = HeadConfig(n_features=features.shape[1], id2label=dict(enumerate(labels)))
    with private_rng(seed):
        head = Head(config)
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    varies = scale > np.finfo(np.float32).tiny  # a constant feature stays zero; dividing by less would be by zero
    head.mean.copy_(torch.from_numpy(mean))
    head.scale.copy_(torch.from_numpy(np.where(varies, scale, 1.0)))
    return head.eval()
