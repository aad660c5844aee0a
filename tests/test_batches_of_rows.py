"""Predicting an iterator of batches."""

import gc
import re
import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.exceptions import NotFittedError

from skweight.baselines import CrossEntropyClassifier

METHODS = ("predict_proba", "predict_log_proba", "predict")


def in_batches(X, size):
    return (X[i : i + size] for i in range(0, len(X), size))


@pytest.mark.parametrize("container", [list, tuple, pd.Series, lambda X: pa.array(X), lambda X: pd.DataFrame({"t": X})])
def test_an_iterator_gives_for_each_batch_what_its_rows_give(text_classifier, container, texts):
    X = texts(25)
    batches = [container(X[:10]), container(X[10:20]), container(X[20:])]
    proba, labels = list(text_classifier.predict_proba(iter(batches))), list(text_classifier.predict(iter(batches)))
    assert [len(p) for p in proba] == [10, 10, 5]
    for batch, p, label in zip(batches, proba, labels, strict=True):
        np.testing.assert_array_equal(p, text_classifier.predict_proba(batch))
        np.testing.assert_array_equal(label, text_classifier.predict(batch))
    np.testing.assert_allclose(np.concatenate(proba), text_classifier.predict_proba(X), atol=1e-6)


def test_rows_of_numbers_come_in_batches_too(numeric_classifier):
    X = np.random.RandomState(1).randn(25, 3)
    np.testing.assert_allclose(
        np.concatenate(list(numeric_classifier.predict_proba(in_batches(X, 10)))),
        numeric_classifier.predict_proba(X),
        atol=1e-6,
    )
    labels = np.concatenate(list(numeric_classifier.predict(in_batches(X, 10))))
    assert labels.dtype == bool
    np.testing.assert_array_equal(labels, numeric_classifier.predict(X))


def test_pairs_come_in_batches_too(tiny_encoder, texts):
    X = [(text, "a film") for text in texts(12)]
    clf = CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16, random_state=0).fit(X, [0, 1] * 6)
    proba = list(clf.predict_proba(in_batches(X, 5)))
    np.testing.assert_allclose(np.concatenate(proba), clf.predict_proba(X), atol=1e-6)
    with pytest.raises(ValueError, match=r"fitted on pairs of texts, but batch 1 holds single texts\.$"):
        list(clf.predict_proba(iter([X, ["a film"]])))


class Batch(list):
    """A list that can be watched for being alive."""


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_read_when_its_result_is_asked_for_and_then_forgotten(text_classifier, method, texts):
    read = []

    def batches():
        for _ in range(4):
            batch = Batch(texts(3))
            # Whoever holds an earlier batch while this one is read needs room for two.
            assert [ref() for ref in read] == [None] * len(read)
            read.append(weakref.ref(batch))
            item = [batch]
            del batch
            yield item.pop()

    results = getattr(text_classifier, method)(batches())
    assert len(read) == 0
    for n in range(1, 5):
        assert len(next(results)) == 3
        gc.collect()
        assert len(read) == n
        assert read[-1]() is None
    assert list(results) == []


@pytest.mark.parametrize("method", METHODS)
def test_warnings_come_once_at_the_end_and_count_all_batches(text_classifier, method, caught):
    long = "a good film " * 10
    results = getattr(text_classifier, method)(iter([["", "a film"], [" ", ""], [], [long, "a film", long]]))
    assert [len(next(results)) for _ in range(4)] == [2, 2, 0, 3]
    assert caught == []
    assert list(results) == []
    assert [str(w.message) for w in caught] == [
        "SKW010: 3 of 7 texts in X are empty.",
        "SKW011: 2 of 7 texts in X are longer than max_length=16 tokens and were truncated.",
    ]
    assert {w.filename for w in caught} == {__file__}


def test_one_array_is_still_warned_of_at_once(text_classifier, caught):
    text_classifier.predict_proba(["", "a film"])
    assert [str(w.message) for w in caught] == ["SKW010: 1 of 2 texts in X are empty."]
    with pytest.raises(ValueError, match=r"^All 2 texts in X are empty"):
        text_classifier.predict_proba(["", ""])


@pytest.mark.parametrize(
    "empty", [[], (), np.array([], dtype=str), pd.DataFrame({"text": []}), pa.array([], pa.string())]
)
def test_a_batch_may_be_empty(text_classifier, empty):
    proba, _ = text_classifier.predict_proba(iter([empty, ["a film"]]))
    assert proba.shape == (0, 2)
    labels, _ = text_classifier.predict(iter([empty, ["a film"]]))
    assert labels.shape == (0,)
    assert labels.dtype == text_classifier.classes_.dtype


@pytest.mark.parametrize("empty", [[], (), np.empty((0, 3)), pd.DataFrame(np.empty((0, 3)))])
def test_a_batch_of_numbers_may_be_empty(numeric_classifier, empty):
    proba, more = numeric_classifier.predict_proba(iter([empty, np.ones((4, 3))]))
    assert proba.shape == (0, 2)
    assert more.shape == (4, 2)


def test_no_batches_give_no_results(text_classifier):
    assert list(text_classifier.predict_proba(iter([]))) == []


@pytest.mark.parametrize("method", METHODS)
def test_an_iterator_of_single_texts_is_refused_with_the_way_out(text_classifier, method, texts):
    message = (
        "batch 0 is a single text. Each item of an iterator must be a batch, e.g. a list of texts; for an iterator of "
        "single texts, pass list(X), or cut it into batches with itertools.batched."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        next(getattr(text_classifier, method)(text for text in texts(3)))


@pytest.mark.parametrize("method", METHODS)
def test_predicting_batches_before_fit_is_an_error_of_the_call(tiny_encoder, method):
    with pytest.raises(NotFittedError):
        getattr(CrossEntropyClassifier(tiny_encoder), method)(iter([["a film"]]))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_iterator_is_refused_by_the_call(text_classifier, method):
    with pytest.raises(TypeError, match=r"^X must be an ordered collection of texts, got set"):
        getattr(text_classifier, method)({"a film"})


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (["a film", None], ValueError, "batch 1 contains a missing value at row 1"),
        (["a film", 3], TypeError, "batch 1[1] is int, expected str"),
        ({"text": ["a film"]}, TypeError, "batch 1 must be an ordered collection of texts, got dict"),
        (
            [("a film", "a plot")],
            ValueError,
            "CrossEntropyClassifier was fitted on single texts, but batch 1 holds pairs",
        ),
    ],
)
def test_a_bad_batch_is_named(text_classifier, batch, error, message):
    results = text_classifier.predict_proba(iter([["a film"], batch]))
    assert len(next(results)) == 1
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        next(results)


def test_a_bad_batch_of_numbers_is_named(numeric_classifier):
    with pytest.raises(ValueError, match=r"^batch 0: X has 2 features, but CrossEntropyClassifier is expecting 3"):
        next(numeric_classifier.predict_proba(iter([np.ones((4, 2))])))
