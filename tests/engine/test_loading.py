"""Encoders and heads as they are loaded."""

import copy
import logging
import shutil

import numpy as np
import pytest
import torch
from helpers import QUICK, parameters
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, BertForSequenceClassification
from transformers.utils import logging as transformers_logging

from skweight._engine.loading import length_limit, load_module
from skweight.baselines import CrossEntropyClassifier


def test_head_depends_on_the_seed_alone(tiny_encoder):
    one, two, other = (load_module(tiny_encoder, ["a", "b"], seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.classifier.weight, two.classifier.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert torch.equal(parameters(one.bert), parameters(other.bert))


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]])
def test_head_that_comes_with_the_encoder_is_drawn_anew(labels, tiny_encoder, toy, tmp_path):
    trained = CrossEntropyClassifier(tiny_encoder, **QUICK, lr=1e-2).fit(toy["X"], toy["y"])
    trained.save_pretrained(tmp_path)
    module = load_module(tmp_path, labels, seed=0)
    fresh = load_module(tiny_encoder, labels, seed=0)
    assert torch.equal(parameters(module.bert), parameters(trained.module_.bert))
    assert module.classifier.weight.shape == (len(labels), 32)
    if len(labels) == 2:
        assert not torch.equal(module.classifier.weight, trained.module_.classifier.weight)
    assert module.classifier.weight.std().item() == pytest.approx(fresh.classifier.weight.std().item(), rel=0.5)
    assert not module.classifier.bias.any()


@pytest.mark.parametrize("length", [1, 9])  # where the header ends
def test_copies_predict_the_same_bits_wherever_the_parameters_lay_in_the_file(length, tiny_encoder, toy, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path, dirs_exist_ok=True)
    weights = tmp_path / "model.safetensors"
    save_file(load_file(weights), weights, metadata={"format": "pt", "about": "x" * length})
    clf = CrossEntropyClassifier(tmp_path, **QUICK).fit(toy["X"], toy["y"])
    np.testing.assert_array_equal(copy.deepcopy(clf).predict_proba(["a film"]), clf.predict_proba(["a film"]))


def test_folder_without_the_encoders_weights_is_refused(tiny_encoder, tmp_path):
    config = AutoConfig.from_pretrained(tiny_encoder)
    config.num_hidden_layers = 3  # one layer more than the checkpoint has
    AutoModelForSequenceClassification.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    config.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"parameters of the encoder are missing from .*random values"):
        load_module(tmp_path, ["a", "b"], seed=0)


def test_checkpoint_in_half_precision_is_loaded_in_float32(tiny_encoder, tmp_path):
    BertForSequenceClassification.from_pretrained(tiny_encoder).bfloat16().save_pretrained(tmp_path)
    assert {p.dtype for p in load_module(tmp_path, ["a", "b"], seed=0).parameters()} == {torch.float32}


def test_loading_is_quiet_and_leaves_the_users_logging_as_it_was(tiny_encoder, capfd):
    transformers_logging.set_verbosity(logging.INFO)
    try:
        load_module(tiny_encoder, ["a", "b"], seed=0)
        assert transformers_logging.get_verbosity() == logging.INFO
        assert transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.set_verbosity(logging.WARNING)
    assert capfd.readouterr() == ("", "")


def test_length_limit_counts_positions_from_behind_the_padding_index_where_the_architecture_does():
    class Tokenizer:
        model_max_length = 10**30

    def limit(model_type, **kwargs):
        return length_limit(Tokenizer, AutoConfig.for_model(model_type, **kwargs))

    assert limit("bert", max_position_embeddings=512) == 512
    assert limit("roberta", max_position_embeddings=514, pad_token_id=1) == 512
    assert limit("mpnet", max_position_embeddings=514, pad_token_id=1) == 512
    assert limit("t5") is None
