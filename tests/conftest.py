import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, BertConfig, BertModel, BertTokenizerFast

from skweight.datasets import load_film_reviews, minilm_folder

WORDS = (
    "a an the film is was and of with it plot cast good great warm funny charming superb moving bad dull poor boring "
    "lifeless tedious weak acting story scene score ending never always very quite one two three long short"
).split()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Folder of a random two-layer BERT of 64 positions with a vocabulary of film words: to test mechanics."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)}, model_max_length=64)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def minilm():
    """Folder of the real MiniLM encoder, six layers."""
    return minilm_folder()


@pytest.fixture(scope="session")
def minilm_1(minilm, tmp_path_factory):
    """Folder of MiniLM cut to its first layer: a quick encoder that has really been trained."""
    folder = tmp_path_factory.mktemp("minilm-1")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(Path(minilm) / name, folder)
    weights = load_file(Path(minilm) / "model.safetensors")
    kept = {
        name: w
        for name, w in weights.items()
        if "encoder.layer." not in name or name.split("encoder.layer.")[1].startswith("0.")
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    config = AutoConfig.from_pretrained(minilm)
    config.num_hidden_layers = 1
    config.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def reviews():
    """Film reviews written by a language model, 200 rows without the off-topic ones, and 80 that fit their label.

    The 80 stand for real rows: of another batch, and free of noise.
    """
    everything = load_film_reviews()
    X = np.array(everything.X, dtype=object)
    synth = np.flatnonzero(np.isin(everything.kind, ["ordinary", "wrong_label"]))[:200]
    clean = np.flatnonzero(everything.kind == "ordinary")[-80:]
    return {
        "X": X[synth].tolist(),
        "y": everything.y[synth],
        "kind": everything.kind[synth],
        "real_X": X[clean].tolist(),
        "real_y": everything.y[clean],
    }


@pytest.fixture
def toy():
    """Twelve short labelled texts and six real ones, all words in the tiny encoder's vocabulary."""
    X = ["a good film", "a bad film", "great cast", "poor cast", "warm and funny", "dull and boring"] * 2
    real_X = ["superb acting", "tedious acting", "a charming story", "a lifeless story", "moving", "weak"]
    return {
        "X": [f"{text} {WORDS[-i - 1]}" for i, text in enumerate(X)],
        "y": ["fresh", "rotten"] * 6,
        "real_X": real_X,
        "real_y": ["fresh", "rotten"] * 3,
    }
