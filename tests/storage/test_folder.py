import json

import numpy as np
import pytest
import transformers
from helpers import QUICK, fit, tfidf

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier, DistilledClassifier, FocalClassifier


@pytest.fixture
def fitted(tiny_encoder, toy):
    clf = DIMPClassifier(tiny_encoder, quality_checker=tfidf(), gamma=0.5, clip=2.0, **QUICK, lr=1e-2)
    return fit(clf, toy)


def test_loaded_classifier_predicts_the_same_bits(fitted, toy, tmp_path):
    fitted.save_pretrained(tmp_path / "model")
    loaded = DIMPClassifier.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(toy["X"]), fitted.predict_proba(toy["X"]))
    np.testing.assert_array_equal(loaded.predict(toy["X"]), fitted.predict(toy["X"]))
    assert loaded.predict(toy["X"]).dtype == fitted.predict(toy["X"]).dtype


def test_loaded_classifier_knows_its_parameters_and_its_training(fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    loaded = DIMPClassifier.from_pretrained(tmp_path, device="cpu")
    assert (loaded.gamma, loaded.clip, loaded.max_epochs, loaded.device) == (0.5, 2.0, 2, "cpu")
    assert loaded.history_ == fitted.history_
    assert loaded.n_iter_ == 2
    np.testing.assert_array_equal(loaded.sample_weight_, fitted.sample_weight_)
    np.testing.assert_array_equal(loaded.quality_proba_, fitted.quality_proba_)
    assert json.loads((tmp_path / "skweight.json").read_text())["dropped"] == ["quality_checker"]


def test_weights_of_the_rows_can_be_left_out(fitted, toy, tmp_path):
    fitted.save_pretrained(tmp_path)
    fitted.save_pretrained(tmp_path, training=False)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    assert not hasattr(loaded, "sample_weight_")
    assert loaded.predict(toy["X"]).shape == (12,)


@pytest.mark.parametrize("top_k", [1, None])
def test_folder_opens_as_a_transformers_pipeline(top_k, fitted, toy, tmp_path):
    fitted.save_pretrained(tmp_path)
    pipeline = transformers.pipeline("text-classification", str(tmp_path), device="cpu")
    proba = fitted.predict_proba(toy["X"])
    for row, answer in zip(proba, pipeline(toy["X"], top_k=top_k), strict=True):
        answers = answer if isinstance(answer, list) else [answer]
        assert answers[0]["label"] == fitted.classes_[row.argmax()]
        for label in answers:
            assert label["score"] == pytest.approx(row[list(fitted.classes_).index(label["label"])], abs=1e-5)


def test_folder_of_the_real_encoder_opens_as_a_transformers_pipeline(minilm, themes, tmp_path):
    clf = CrossEntropyClassifier(minilm, max_epochs=1, random_state=0).fit(themes["real_X"][:16], themes["real_y"][:16])
    clf.save_pretrained(tmp_path)
    pipeline = transformers.pipeline("text-classification", str(tmp_path), device="cpu")
    X = themes["test_X"][:12]
    answers = pipeline(X)
    assert [answer["label"] for answer in answers] == clf.predict(X).tolist()
    np.testing.assert_allclose([answer["score"] for answer in answers], clf.predict_proba(X).max(axis=1), atol=1e-5)
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    "classes", [[0, 1], [False, True], [2.0, 3.0], np.array([2**40, 5], dtype=np.int64), ["a", "ü"]]
)
def test_classes_keep_their_data_type(classes, tiny_encoder, toy, tmp_path):
    y = np.array(classes)[[0, 1] * 6]
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], y)
    clf.save_pretrained(tmp_path)
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path)
    assert loaded.classes_.dtype == clf.classes_.dtype == y.dtype
    np.testing.assert_array_equal(loaded.classes_, clf.classes_)


@pytest.mark.parametrize("cls", [CrossEntropyClassifier, DistilledClassifier, FocalClassifier, IMPClassifier])
def test_every_class_comes_back_as_itself(cls, tiny_encoder, toy, tmp_path):
    checkers = {} if cls is not IMPClassifier else {"diversity_checker": "drop"}
    clf = cls(tiny_encoder, **checkers, **QUICK)
    if cls in (IMPClassifier, DistilledClassifier):
        clf.set_params(quality_checker__max_epochs=1)
    fit(clf, toy).save_pretrained(tmp_path)
    assert type(cls.from_pretrained(tmp_path)) is cls


def test_saved_model_loads_without_its_encoder_and_without_a_network(fitted, toy, tmp_path, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("no network")

    fitted.save_pretrained(tmp_path)
    about = json.loads((tmp_path / "skweight.json").read_text())
    about["params"]["encoder"] = "nobody/nothing"
    (tmp_path / "skweight.json").write_text(json.dumps(about))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(toy["X"]), fitted.predict_proba(toy["X"]))


def test_saved_model_is_an_encoder_for_another(fitted, toy, tmp_path):
    fitted.save_pretrained(tmp_path)
    again = CrossEntropyClassifier(tmp_path, **QUICK).fit(toy["X"], ["one", "two", "three"] * 4)
    assert again.classes_.tolist() == ["one", "three", "two"]
    again.save_pretrained(tmp_path / "again")  # a path among the parameters is saved as a string
    assert CrossEntropyClassifier.from_pretrained(tmp_path / "again").encoder == str(tmp_path)


def change(folder, **values):
    about = json.loads((folder / "skweight.json").read_text())
    (folder / "skweight.json").write_text(json.dumps({**about, **values}))


def test_folders_that_cannot_be_opened_say_why(fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a DIMPClassifier, not a IMPClassifier"):
        IMPClassifier.from_pretrained(tmp_path)
    change(tmp_path, format="skweight/99")
    with pytest.raises(ValueError, match=r"'skweight/99'.*Install a newer skweight"):
        DIMPClassifier.from_pretrained(tmp_path)
    change(tmp_path, **{"format": "skweight/1", "class": "os.system"})
    with pytest.raises(ValueError, match=r"'os\.system', which this version of skweight does not know"):
        DIMPClassifier.from_pretrained(tmp_path)
    (tmp_path / "skweight.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no skweight\.json"):
        DIMPClassifier.from_pretrained(tmp_path)


def test_folder_holds_no_pickle(fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors", ".npz", ".txt"}
    with np.load(tmp_path / "training.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"sample_weight_", "quality_proba_"}
