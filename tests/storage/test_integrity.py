"""A folder that is not what was saved is refused, and the file is named."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from helpers import QUICK, reseal
from safetensors.torch import load_file, save_file
from saved_models import is_whole

from skweight import _engine
from skweight._base import BaseTextClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import IntegrityError

SAVED = ["config.json", "model.safetensors", "skweight.json", "tokenizer.json", "tokenizer_config.json", "training.npz"]


@pytest.fixture
def folder(old, tmp_path):
    old.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(folder):
    return BaseTextClassifier.from_pretrained(folder)


def refused(folder, name):
    """Try to load a folder; whether it is refused by an error that names the file."""
    with pytest.raises(IntegrityError, match=re.escape(str(folder / name))) as error:
        load(folder)
    return str(error.value)


@pytest.mark.parametrize("name", [*SAVED, "skweight.sha256"])
def test_a_flipped_bit_is_noticed(name, folder):
    rng, content = np.random.RandomState(0), (folder / name).read_bytes()
    for _ in range(43):  # 301 in all
        damaged = bytearray(content)
        damaged[rng.randint(len(content))] ^= 1 << rng.randint(8)
        (folder / name).write_bytes(damaged)
        with pytest.raises(
            IntegrityError, match=r"damaged|not the file that was saved|missing|not saved with"
        ) as error:
            load(folder)
        assert name in str(error.value)


@pytest.mark.parametrize("name", [*SAVED, "skweight.sha256"])
def test_a_file_that_was_cut_short_is_noticed(name, folder):
    content = (folder / name).read_bytes()
    for size in [0, 1, *np.linspace(2, len(content) - 1, 7).astype(int)]:
        (folder / name).write_bytes(content[:size])
        with pytest.raises(IntegrityError, match=r"\.json|\.npz|\.safetensors|\.sha256"):
            load(folder)


@pytest.mark.parametrize("name", [*SAVED, "skweight.sha256"])
def test_a_missing_file_is_noticed(name, folder):
    (folder / name).unlink()
    assert "is missing" in refused(folder, name)


@pytest.mark.parametrize(
    "name",
    [
        *("pytorch_model.bin", "model.safetensors.index.json", "adapter_config.json", "tf_model.h5"),
        *("added_tokens.json", "vocab.txt", "spiece.model", "chat_template.jinja"),
    ],
)
def test_a_file_that_transformers_would_read_too_is_refused(name, folder):
    (folder / name).write_text("{}")
    assert "was not saved with the classifier" in refused(folder, name)


def test_a_part_that_is_not_listed_is_refused(folder):
    listed = folder / "skweight.sha256"
    listed.write_text("".join(line for line in listed.open() if "tokenizer.json" not in line))
    refused(folder, "tokenizer.json")


def test_other_files_and_another_card_are_no_matter(old, folder):
    (folder / "weights.csv").write_text("mine")
    (folder / "README.md").write_text("mine")
    (folder / "notes").mkdir()
    assert is_whole(load(folder), old)


def test_a_damaged_folder_can_be_saved_over(old, folder):
    for name in os.listdir(folder):
        (folder / name).write_bytes(b"\0")
    old.save_pretrained(folder)
    assert is_whole(load(folder), old)


# -- made to do harm ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "a/b.json", ".hidden", "..", "a\\b"])
def test_only_plain_names_can_be_listed(name, folder):
    with open(folder / "skweight.sha256", "a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    assert "plain file name" in refused(folder, "skweight.sha256")


@pytest.mark.parametrize("name", [*SAVED, "skweight.sha256"])
def test_links_that_lead_out_of_the_folder_are_refused(name, folder, tmp_path):
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert "is a link that leads out of the folder" in refused(folder, name)


def test_links_as_in_the_cache_of_the_hub_are_followed(old, folder, tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshots").mkdir()
    snapshot = shutil.move(folder, tmp_path / "snapshots" / "1a2b")
    for i, path in enumerate(sorted(snapshot.iterdir())):
        shutil.move(path, tmp_path / "blobs" / str(i))
        path.symlink_to(f"../../blobs/{i}")
    assert is_whole(load(snapshot), old)


def test_saving_replaces_a_link_and_not_what_it_leads_to(old, folder, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (folder / "skweight.json").unlink()
    (folder / "skweight.json").symlink_to(tmp_path / "precious")
    old.save_pretrained(folder)
    assert (tmp_path / "precious").read_text() == "mine"
    assert is_whole(load(folder), old)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "[]", "null", "", "{", "\0", b"\xff\xfe{"])
@pytest.mark.parametrize("name", ["skweight.json", "config.json", "tokenizer_config.json"])
def test_files_that_hold_no_object_are_refused(name, content, folder):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    reseal(folder)
    assert "is damaged" in refused(folder, name)


KEYS = ["format", "class", "params", "dropped", "classes", "classes_dtype", "history", "fitted"]


@pytest.mark.parametrize("value", [None, 1, [[]], {"a": {}}])
@pytest.mark.parametrize("key", KEYS)
def test_a_description_with_a_wrong_value_is_refused(key, value, folder):
    about = json.loads((folder / "skweight.json").read_text())
    if type(about[key]) is type(value):
        value = None
    for changed in ({**about, key: value}, {name: about[name] for name in about if name != key}):
        (folder / "skweight.json").write_text(json.dumps(changed))
        reseal(folder)
        assert "is damaged" in refused(folder, "skweight.json")


@pytest.mark.parametrize(
    "values",
    [
        *({"params": {"lr": "fast"}}, {"params": {"max_length": None}}, {"classes_dtype": "<U99999999"}),
        *({"classes": [["a"], "b"]}, {"classes": ["fresh"]}, {"classes": ["rotten", "fresh"]}, {"classes_dtype": "M8"}),
    ],
)
def test_values_that_no_classifier_has_are_refused(values, folder):
    about = json.loads((folder / "skweight.json").read_text())
    (folder / "skweight.json").write_text(json.dumps({**about, **values}))
    reseal(folder)
    refused(folder, "skweight.json")


def test_no_method_or_network_can_be_set_from_a_description(old, folder):
    about = json.loads((folder / "skweight.json").read_text())
    about["fitted"] |= {"predict": 1, "module_": 1, "tokenizer_": 1, "__class__": 1, "_private_": 1, "classes_": 1}
    (folder / "skweight.json").write_text(json.dumps(about))
    reseal(folder)
    assert is_whole(load(folder), old)


def test_weights_that_are_not_all_there_are_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    reseal(folder)
    with pytest.raises(IntegrityError, match=r"parameters of the model are missing: classifier\.weight"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100])
@pytest.mark.parametrize("name", ["model.safetensors", "training.npz"])
def test_listed_files_of_another_kind_are_refused(name, content, folder):
    (folder / name).write_bytes(content)
    reseal(folder)
    assert "is damaged" in refused(folder, name)


def test_pickles_are_not_read(folder):
    np.savez(folder / "training.npz", sample_weight_=np.array([print], dtype=object))
    reseal(folder)
    refused(folder, "training.npz")


def test_code_in_a_folder_is_not_run(old, folder, toy, tmp_path):
    """Neither where it is loaded nor where it is the encoder of another classifier."""
    (folder / "films.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    config = json.loads((folder / "config.json").read_text())
    names = ("AutoModel", "AutoModelForSequenceClassification")
    config["auto_map"] = {"AutoConfig": "films.Config", **dict.fromkeys(names, "films.Model")}
    (folder / "config.json").write_text(json.dumps(config))
    reseal(folder)
    assert is_whole(load(folder), old)
    CrossEntropyClassifier(folder, **QUICK).fit(toy["X"], toy["y"])
    assert not (tmp_path / "canary").exists()


def test_a_file_is_used_as_it_was_when_its_digest_was_compared(old, folder, monkeypatch):
    """Nothing is read a second time: all may be overwritten once it has been read."""
    load_trained = _engine.load_trained

    def overwrite(*args, **kwargs):
        for path in folder.iterdir():
            path.write_bytes(b"\0")
        return load_trained(*args, **kwargs)

    monkeypatch.setattr(_engine, "load_trained", overwrite, raising=False)
    assert is_whole(CrossEntropyClassifier.from_pretrained(folder), old)
