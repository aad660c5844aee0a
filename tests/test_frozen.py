"""Texts as numbers: what experts of a frozen encoder read."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from transformers import AutoModel, AutoTokenizer

from skweight import OpinionPoolClassifier, _engine
from skweight._frozen import AskedRows, frozen_features
from skweight._rows.tokens import tokenize


@pytest.fixture
def read(roomy_encoder):
    """Features of texts, and the same from transformers alone, without batches: each text by itself."""
    module, tokenizer = _engine.load_encoder(roomy_encoder), _engine.load_tokenizer(roomy_encoder)

    def features(texts, **settings):
        return frozen_features(module, AskedRows(texts, encode(texts)), encode, **settings)

    def encode(texts):
        return tokenize(texts, tokenizer, 128, None)

    model, own_tokenizer = AutoModel.from_pretrained(roomy_encoder), AutoTokenizer.from_pretrained(roomy_encoder)

    def by_hand(text):
        with torch.inference_mode():
            states = model(**own_tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        means = [states[layer][0].mean(dim=0).numpy() for layer in (model.config.num_hidden_layers // 2, -1)]
        return np.concatenate([mean / np.linalg.norm(mean) for mean in means])

    return features, by_hand


def test_a_text_is_the_means_of_two_layers_each_of_length_one(read):
    features, by_hand = read
    texts = ["a good film", "dull", "a long and winding story of a cast that is not good"]
    assert_allclose(features(texts), [by_hand(text) for text in texts], atol=1e-5)


def test_features_are_computed_in_the_precision_of_the_training(read):
    features, by_hand = read
    exact, rough = by_hand("a good film"), features(["a good film"], precision="bf16")[0]
    assert 1e-5 < np.abs(exact - rough).max() < 2e-2


def test_a_pair_is_how_its_texts_differ_and_what_they_share(read):
    features, by_hand = read
    u, v = by_hand("a good film"), by_hand("a dull story")
    assert_allclose(features([("a good film", "a dull story")])[0], np.r_[np.abs(u - v), u * v], atol=1e-5)


def test_experts_see_whether_the_texts_of_a_pair_are_the_same(roomy_encoder):
    """No word tells the classes apart, and the mean over both texts does not either."""
    rng = np.random.RandomState(0)
    words = ["good", "dull", "warm", "film", "story", "cast", "plot", "scene"]

    def draw(n):
        y = rng.permutation(np.repeat(["same", "other"], n // 2))
        firsts = [" ".join(rng.choice(words, 6)) for _ in y]
        return [
            (first, first if label == "same" else " ".join(rng.choice(words, 6)))
            for first, label in zip(firsts, y, strict=True)
        ], y

    (X, y), (real_X, real_y), (test_X, test_y) = draw(120), draw(60), draw(100)
    clf = OpinionPoolClassifier(roomy_encoder, student=False, random_state=0).fit(X, y, real_X=real_X, real_y=real_y)
    assert clf.score(test_X, test_y) > 0.9
