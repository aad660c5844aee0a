"""Folders that earlier versions wrote still open. `format_1` was written by skweight 0.1.0 before it had digests."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from skweight import DIMPClassifier
from skweight._base import BaseTextClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import IntegrityError, SkweightWarning

FORMAT_1 = Path(__file__).parent / "format_1"
EXPECTED = json.loads((FORMAT_1 / "expected.json").read_text())
pytestmark = pytest.mark.filterwarnings("ignore:SKW051", "ignore:SKW011")


@pytest.fixture(params=["numbers", "texts"])
def kind(request):
    return request.param


def answers(classifier, kind):
    asked = EXPECTED[kind]["X"]
    return classifier.predict_proba(np.array(asked) if kind == "numbers" else asked)


def test_a_folder_of_format_1_predicts_as_it_did(kind):
    loaded = BaseTextClassifier.from_pretrained(FORMAT_1 / kind)
    np.testing.assert_allclose(answers(loaded, kind), EXPECTED[kind]["proba"], atol=1e-6)
    assert loaded.classes_.dtype == np.array(EXPECTED[kind]["predict"]).dtype


def test_a_folder_of_format_1_has_its_parameters_and_its_training():
    with pytest.warns(SkweightWarning, match="SKW051: quality_checker of the saved DIMPClassifier"):
        loaded = DIMPClassifier.from_pretrained(FORMAT_1 / "texts")
    assert (loaded.gamma, loaded.max_length, loaded.encoder) == (0.5, 12, "enc8")
    assert (loaded.n_iter_, loaded.text_pairs_, len(loaded.history_)) == (4, False, 4)
    np.testing.assert_array_equal(loaded.sample_weight_, np.float32(EXPECTED["texts"]["sample_weight"]))
    assert loaded.quality_proba_.shape == (12,)


def test_a_folder_of_format_1_can_be_saved_over_in_the_present_format(kind, tmp_path):
    folder = shutil.copytree(FORMAT_1 / kind, tmp_path / kind)
    BaseTextClassifier.from_pretrained(folder).save_pretrained(folder)
    assert json.loads((folder / "skweight.json").read_text())["format"] == "skweight/2"
    loaded = BaseTextClassifier.from_pretrained(folder)
    np.testing.assert_allclose(answers(loaded, kind), EXPECTED[kind]["proba"], atol=1e-6)
    (folder / "skweight.sha256").unlink()
    with pytest.raises(IntegrityError, match=r"skweight\.sha256 is missing"):
        BaseTextClassifier.from_pretrained(folder)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "skweight.json", "training.npz", "tokenizer.json"]
)
def test_a_file_of_format_1_that_cannot_be_read_is_named(name, tmp_path):
    folder = shutil.copytree(FORMAT_1 / "texts", tmp_path / "model")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError, match=name.replace(".", r"\.")):
        DIMPClassifier.from_pretrained(folder)


def test_classes_of_another_model_are_noticed_in_format_1(tmp_path):
    """What a save that was killed left, when files were overwritten one by one."""
    folder = shutil.copytree(FORMAT_1 / "numbers", tmp_path / "model")
    about = json.loads((folder / "skweight.json").read_text())
    (folder / "skweight.json").write_text(json.dumps({**about, "classes": ["good", "bad"]}))
    with pytest.raises(IntegrityError, match="name different classes"):
        CrossEntropyClassifier.from_pretrained(folder)
