"""The same answers in every thread, whatever the others do and whatever the caller has set in torch."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers import QUICK, fit, parameters, quick
from numpy.testing import assert_array_equal
from sklearn.base import clone
from transformers import AlbertConfig, AlbertModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from skweight import DIMPClassifier, OpinionPoolClassifier
from skweight.baselines import CrossEntropyClassifier, HuClassifier

N_THREADS = 8


@pytest.fixture(params=["texts", "pairs"])
def rows(request, toy):
    """Rows to train on: texts, or pairs of them."""
    X = toy["X"] if request.param == "texts" else list(zip(toy["X"], reversed(toy["X"]), strict=True))
    return {"X": X, "y": toy["y"]}


def requests(rows, n):
    """Short texts, or pairs, texts at the limit, and some twenty times as long."""
    rng = np.random.RandomState(0)
    paired = isinstance(rows["X"][0], tuple)
    words = " ".join(" ".join(row) if paired else row for row in rows["X"]).split()

    def text():
        return " ".join(rng.choice(words, rng.choice([1, 3, 14, 15, 300])))

    return [[(text(), text()) if paired else text() for _ in range(4)] for _ in range(n)]


def check_beside_others(clf, rows, batches):
    """Predict every batch in many threads, beside one that trains and one that copies the classifier."""
    expected = [clf.predict_proba(batch) for batch in batches]
    done = threading.Event()

    def train():
        while not done.is_set():
            clone(clf).fit(rows["X"], rows["y"])

    def duplicate():
        copies = []
        while not done.is_set():
            copies = [copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))]
        return copies

    with ThreadPoolExecutor(N_THREADS + 2) as threads:
        others = [threads.submit(train), threads.submit(duplicate)]
        try:
            found = list(threads.map(clf.predict_proba, batches))
        finally:
            done.set()
        copies = others[1].result()
        others[0].result()
    for proba, wanted in zip(found, expected, strict=True):
        assert_array_equal(proba, wanted)
    for twin in copies:
        with torch.no_grad():  # what it predicts with is its own
            for parameter in twin.module_.parameters():
                parameter.zero_()
        assert_array_equal(twin.predict_proba(rows["X"][:1]), [[0.5, 0.5]])


@pytest.mark.filterwarnings("ignore:SKW011")
def test_threads_predict_to_the_last_bit_what_one_alone_does(rows, tiny_encoder):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(rows["X"], rows["y"])
    check_beside_others(clf, rows, requests(rows, 200))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:SKW011")
def test_threads_answer_two_thousand_requests_as_one_alone_does(rows, tiny_encoder):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(rows["X"], rows["y"])
    check_beside_others(clf, rows, requests(rows, 2000))


@pytest.mark.parametrize("kind", [CrossEntropyClassifier, DIMPClassifier, OpinionPoolClassifier])
def test_fits_at_once_are_those_that_each_would_be_alone(kind, tiny_encoder, toy):
    alone = [parameters(fit(quick(kind, tiny_encoder, random_state=seed), toy)) for seed in range(4)]
    torch.manual_seed(7)
    expected = torch.rand(10)
    torch.manual_seed(7)
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda seed: fit(quick(kind, tiny_encoder, random_state=seed), toy), range(4)))
    for clf, wanted in zip(together, alone, strict=True):
        assert torch.equal(parameters(clf), wanted)
    assert torch.equal(torch.rand(10), expected)  # the caller's own stream goes on where it was
    assert transformers_logging.get_verbosity() == transformers_logging.WARNING


@pytest.fixture
def albert(tiny_encoder, tmp_path):
    """An encoder whose dropout is torch's own, which draws from the generator that all threads share."""
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "embedding_size": 16}
    config = AlbertConfig(**sizes, vocab_size=200, num_hidden_layers=1, attention_probs_dropout_prob=0.1)
    AlbertModel(config).save_pretrained(tmp_path)
    return tmp_path


def test_fits_at_once_are_those_of_one_alone_where_torch_drops_out_itself(albert, toy):
    def train(seed):
        return parameters(CrossEntropyClassifier(albert, **{**QUICK, "random_state": seed}).fit(toy["X"], toy["y"]))

    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(train, range(4)))
    assert not torch.equal(alone[0], alone[1])
    for found, wanted in zip(together, alone, strict=True):
        assert torch.equal(found, wanted)


AMBIENT = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "meta device": lambda: torch.device("meta"),
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
}


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("ambient", AMBIENT)
@pytest.mark.parametrize("kind", [CrossEntropyClassifier, OpinionPoolClassifier, HuClassifier])
def test_what_the_caller_has_set_in_torch_changes_nothing(kind, ambient, tiny_encoder, toy):
    plain = fit(quick(kind, tiny_encoder), toy)
    with AMBIENT[ambient]():
        clf = fit(quick(kind, tiny_encoder), toy)
        proba = clf.predict_proba(toy["real_X"])
    assert torch.equal(parameters(clf), parameters(plain))
    assert_array_equal(proba, plain.predict_proba(toy["real_X"]))


@pytest.mark.parametrize("ambient", AMBIENT)
def test_nor_for_rows_of_numbers(ambient):
    X = np.random.RandomState(0).randn(40, 3)
    y = X[:, 0] > 0
    plain = CrossEntropyClassifier("passthrough", max_epochs=2, random_state=0).fit(X, y)
    with AMBIENT[ambient]():
        clf = clone(plain).fit(X, y)
        assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
