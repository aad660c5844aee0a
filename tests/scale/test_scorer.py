"""The scorer as a step of somebody's own pipeline."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scale_checkers import LetterChecker
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skweight import importance_weights, label_proba
from skweight._base import BaseTextClassifier
from skweight._engine.prediction import predict_logits
from skweight.exceptions import IntegrityError
from skweight.scale import Scorer

ROWS = {"text": ["warm", "a dull film", "poor"], "label": ["good", "bad", "good"]}
# (1 + letters) / 102 for "good"
QUALITY = np.array([5, 102 - 12, 5]) / 102


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda rows: dict(rows), dict),
        (lambda rows: {name: np.array(values) for name, values in rows.items()}, dict),
        (pa.table, pa.Table),
        (pa.RecordBatch.from_pydict, pa.Table),
        (pd.DataFrame, pd.DataFrame),
    ],
    ids=["dict of lists", "dict of arrays", "table", "record batch", "frame"],
)
def test_a_batch_comes_back_as_it_was_with_columns_added(letters, make, kind):
    scored = letters(make(ROWS))
    assert isinstance(scored, kind)
    assert list(getattr(scored, "column_names", scored)) == ["text", "label", "quality", "log_ratio"]
    assert list(scored["text"]) == list(make(ROWS)["text"])
    quality, ratio = np.asarray(scored["quality"]), np.asarray(scored["log_ratio"])
    assert quality.dtype == ratio.dtype == np.float32
    np.testing.assert_allclose(quality, QUALITY, rtol=1e-6)
    np.testing.assert_allclose(ratio, np.log(QUALITY), rtol=1e-6)


def test_the_ratio_is_that_of_both_checkers_on_the_rows_own_labels(text_model, toy):
    words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(toy["X"], toy["y"])
    scored = Scorer(text_model, words)({"text": toy["X"], "label": toy["y"]})
    quality = label_proba(BaseTextClassifier.from_pretrained(text_model), toy["X"], toy["y"])
    diversity = label_proba(words, toy["X"], toy["y"])
    np.testing.assert_array_equal(scored["quality"], quality.astype(np.float32))
    np.testing.assert_array_equal(scored["diversity"], diversity.astype(np.float32))
    weights = importance_weights(quality, diversity)
    np.testing.assert_allclose(np.exp(scored["log_ratio"]), weights, rtol=1e-6)
    assert weights.std() > 1e-3


def test_saved_encoders_compute_in_the_precision_that_is_asked_for(text_model, toy):
    rows = {"text": toy["X"], "label": toy["y"]}
    words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(toy["X"], toy["y"])
    exact, rough = (Scorer(text_model, words, precision=precision)(rows) for precision in ("fp32", "bf16"))
    np.testing.assert_array_equal(rough["diversity"], exact["diversity"])
    assert 1e-5 < np.abs(rough["quality"] - exact["quality"]).max() < 2e-2
    clf = BaseTextClassifier.from_pretrained(text_model)
    logits = predict_logits(clf.module_, clf._encode_rows(toy["X"]), "bf16").astype(np.float64)
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    own = proba[np.arange(len(proba)), np.searchsorted(clf.classes_, toy["y"])]
    np.testing.assert_allclose(rough["quality"], own, rtol=1e-6)


def test_a_precision_that_does_not_exist_is_refused(text_model):
    with pytest.raises(ValueError, match="precision must be one of 'fp32', 'auto', 'bf16', 'fp16', got 'bf17'"):
        Scorer(text_model, precision="bf17")


def test_columns_go_by_the_names_that_are_given():
    scored = Scorer(LetterChecker(), text="review", label="stars")({"review": ["warm"], "stars": ["good"]})
    assert list(scored) == ["review", "stars", "quality", "log_ratio"]


def test_a_column_that_lacks_is_named_and_others_are_offered(letters):
    with pytest.raises(ValueError, match=r"^the batch has no column 'text'.* perhaps text='review'"):
        letters({"review": ["warm"], "label": ["good"]})


def test_a_column_is_not_written_over(letters):
    with pytest.raises(ValueError, match=r"^the batch has a column 'quality' already"):
        letters({**ROWS, "quality": [1, 2, 3]})


def test_a_label_that_is_missing_or_no_class_has_no_ratio(letters):
    scored = letters({"text": ["warm"] * 4, "label": ["good", "so-so", None, float("nan")]})
    assert np.isnan(scored["log_ratio"]).tolist() == [False, True, True, True]
    assert np.isnan(scored["quality"]).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        ([0, 1], ["1", "0", 1, 0, 1.0]),
        ([False, True], ["true", "False", True, False, "True"]),
        ([0.0, 1.0], [1, "0", "1", 0.0, "1.0"]),
    ],
    ids=["int", "bool", "float"],
)
def test_classes_are_found_however_a_file_spells_them(classes, labels):
    checker = LetterChecker()
    checker.classes_ = np.array(classes)
    scored = Scorer(checker)({"text": ["warm"] * 5, "label": labels})
    good = 5 / 102
    expected = [good, 1 - good, good, 1 - good, good]
    np.testing.assert_allclose(scored["quality"], expected, rtol=1e-6)


def test_an_empty_batch_gets_empty_columns(text_model):
    scored = Scorer(text_model)({"text": [], "label": []})
    assert scored["log_ratio"].shape == (0,)
    assert scored["log_ratio"].dtype == np.float32


def test_a_model_is_loaded_once_and_is_no_part_of_a_copy(text_model, monkeypatch):
    from skweight.scale import _work

    loaded = []
    load = _work.load_model
    monkeypatch.setattr(_work, "load_model", lambda folder: loaded.append(folder) or load(folder))
    scorer = Scorer(text_model)
    assert len(pickle.dumps(scorer)) < 1000
    rows = {"text": ["a good film"], "label": ["fresh"]}
    first, second = scorer(rows), scorer(rows)
    assert first["quality"] == second["quality"]
    assert loaded == [text_model]
    copied = pickle.dumps(scorer)
    assert len(copied) < 1000
    assert pickle.loads(copied)(rows)["quality"] == first["quality"]


def test_a_model_that_has_changed_since_it_was_described_is_refused(text_model, text_classifier, tmp_path):
    text_classifier.save_pretrained(tmp_path / "model")
    scorer = Scorer(tmp_path / "model")
    before = scorer.describe()
    text_classifier.history_.append({"epoch": 2})
    try:
        text_classifier.save_pretrained(tmp_path / "model")
    finally:
        text_classifier.history_.pop()
    with pytest.raises(ValueError, match=r"the quality checker, has changed since the work began"):
        scorer.load()
    assert Scorer(tmp_path / "model").describe() != before


def test_a_folder_that_is_not_there_or_damaged_is_named(text_model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing is no folder, expected one that save_pretrained wrote"):
        Scorer(tmp_path / "nothing").describe()
    (tmp_path / "model").mkdir()
    for path in text_model.iterdir():
        if path.is_file() and path.name != "model.safetensors":
            (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(IntegrityError, match=r"model\.safetensors is missing"):
        Scorer(tmp_path / "model").load()


def test_a_checker_that_cannot_be_pickled_is_refused_with_a_way_out():
    class Local(LetterChecker):
        pass

    with pytest.raises(TypeError, match=r"^The classifier Local cannot be pickled.* Define its class and functions"):
        Scorer(Local()).describe()


def test_what_scores_depend_on_tells_checkers_and_columns_apart(text_model):
    described = [
        Scorer(text_model).describe(),
        Scorer(LetterChecker()).describe(),
        Scorer(text_model, LetterChecker()).describe(),
        Scorer(text_model, text="review").describe(),
        Scorer(text_model, label="stars").describe(),
        Scorer(text_model, precision="bf16").describe(),
    ]
    assert all(one != other for i, one in enumerate(described) for other in described[:i])
    assert Scorer(text_model).describe() == described[0]
    assert Scorer(LetterChecker()).describe() == described[1]
