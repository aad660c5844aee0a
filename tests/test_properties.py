"""Whatever texts, labels, weights and splits there are: fit, save, load and predict hang together."""

import csv
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skweight import DIMPClassifier
from skweight.datasets import load_csv
from skweight.exceptions import SkweightWarning

# All of Unicode but lone surrogates, which no file can hold, with what trips up readers in front.
ODD = ["=1+1", "-", '"', "a,b", "line\nbreak", "\x1b[31m", "\u202eabc", "\ufeffx", "a good film", "a bad film"]
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
).filter(lambda text: any(unicodedata.category(letter)[0] not in "CZ" for letter in text))  # else it is empty
LABELS = st.one_of(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=2, max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=4),
    st.just([False, True]),
).filter(lambda labels: len(set(labels)) == len(labels))


@st.composite
def data_sets(draw):
    """Synthetic rows with weights, and real rows; every class is in both at least once."""
    labels = draw(LABELS)
    rows = []
    for least, most in ((len(labels), 10), (len(labels), 6)):
        n = draw(st.integers(least, max(least, most)))
        y = [*labels, *draw(st.lists(st.sampled_from(labels), min_size=n - least, max_size=n - least))]
        rows.append((draw(st.lists(TEXTS, min_size=n, max_size=n)), draw(st.permutations(y))))
    weight = draw(st.lists(st.floats(1e-3, 1e3), min_size=len(rows[0][1]), max_size=len(rows[0][1])))
    return *rows, np.array(weight)


def classifier(encoder, seed):
    checker = make_pipeline(HashingVectorizer(analyzer="char", n_features=64), LogisticRegression())
    params = {"max_epochs": 1, "batch_size": 4, "max_length": 16, "precision": "fp32", "random_state": seed}
    return DIMPClassifier(encoder, quality_checker=checker, **params)


def check_round_trip(encoder, data, seed):
    (X, y), (real_X, real_y), weight = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkweightWarning)  # of odd texts and labels, which is what is wanted here
        clf = classifier(encoder, seed).fit(X, y, real_X=real_X, real_y=real_y, sample_weight=weight)
        proba = clf.predict_proba(X + real_X)
        labels = np.array(y)
        np.testing.assert_array_equal(clf.classes_, np.unique(labels))
        assert clf.predict(real_X).dtype == labels.dtype
        assert np.isfinite(clf.sample_weight_).all()
        assert (clf.sample_weight_ >= 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        with tempfile.TemporaryDirectory() as folder:
            clf.save_pretrained(folder)
            loaded = DIMPClassifier.from_pretrained(folder)
            np.testing.assert_array_equal(loaded.predict_proba(X + real_X), proba)
            np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
            assert loaded.classes_.dtype == clf.classes_.dtype
            np.testing.assert_array_equal(loaded.sample_weight_, clf.sample_weight_)


def check_csv(data):
    (X, y), _, _ = data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *zip(X, y, strict=True)])
        texts, labels = load_csv(path)
    assert list(texts) == X
    assert list(labels) == [str(label) for label in y]


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


@settings(max_examples=15, **COMMON)
@given(data=data_sets(), seed=st.integers(0, 2**32 - 1))
def test_a_loaded_classifier_is_the_fitted_one(tiny_encoder, data, seed):
    check_round_trip(tiny_encoder, data, seed)


@settings(max_examples=200, **COMMON)
@given(data=data_sets())
def test_a_csv_file_holds_what_was_written(data):
    check_csv(data)


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(data=data_sets(), seed=st.integers(0, 2**32 - 1))
def test_two_thousand_loaded_classifiers_are_the_fitted_ones(tiny_encoder, data, seed):
    check_round_trip(tiny_encoder, data, seed)


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(data=data_sets())
def test_two_thousand_csv_files_hold_what_was_written(data):
    check_csv(data)
