import json
import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import transformers
from helpers import QUICK, WORDS, fit, reseal, tfidf, write_tiny_bert
from saved_models import is_whole
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skweight import DIMPClassifier, IMPClassifier
from skweight._base import BaseTextClassifier
from skweight.baselines import CrossEntropyClassifier, DistilledClassifier, FocalClassifier
from skweight.exceptions import SkweightWarning

pytestmark = pytest.mark.filterwarnings("ignore:SKW051")  # most of these classifiers have a checker, which is left out


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


def test_a_model_saved_on_a_device_that_is_not_here_loads_where_it_is_told(fitted, toy, tmp_path):
    fitted.set_params(device="cuda:77").save_pretrained(tmp_path)
    message = (
        rf"device='cuda:77' is not present; present here: .*cpu\. Choose one: from_pretrained\('{tmp_path}', device="
    )
    with pytest.raises(ValueError, match=message):
        DIMPClassifier.from_pretrained(tmp_path)
    loaded = DIMPClassifier.from_pretrained(tmp_path, device="cpu")
    assert loaded.device == "cpu"
    np.testing.assert_array_equal(loaded.predict_proba(toy["X"]), fitted.predict_proba(toy["X"]))


@pytest.mark.gpu
def test_a_model_trained_on_a_gpu_and_saved_loads_on_the_cpu(tiny_encoder, toy, tmp_path):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, device="cuda").fit(toy["X"], toy["y"])
    assert next(clf.module_.parameters()).device.type == "cuda"
    clf.save_pretrained(tmp_path)
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path, device="cpu")
    assert next(loaded.module_.parameters()).device.type == "cpu"
    np.testing.assert_allclose(loaded.predict_proba(toy["X"]), clf.predict_proba(toy["X"]), atol=1e-4)


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
    "classes", [[0, 1], [False, True], [2.0, 3.0], np.array([2**40, 5], dtype=np.int64), ["a", "ü"], ["a", "\ud800"]]
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
    def refuse(*args, **kwargs):
        raise AssertionError("no network")

    fitted.set_params(encoder="nobody/nothing").save_pretrained(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(toy["X"]), fitted.predict_proba(toy["X"]))


def test_saved_model_is_an_encoder_for_another(fitted, toy, tmp_path):
    """Also for longer texts than its own: what it was saved with is no limit of the encoder."""
    fitted.save_pretrained(tmp_path)
    again = CrossEntropyClassifier(tmp_path, **{**QUICK, "max_length": 64}).fit(toy["X"], ["one", "two", "three"] * 4)
    assert again.classes_.tolist() == ["one", "three", "two"]
    with pytest.raises(ValueError, match=r"max_length=65 is above the limit .* 64 tokens"):
        again.set_params(max_length=65).fit(toy["X"], toy["y"])


def test_no_key_of_the_environment_is_saved(tiny_encoder, toy, tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "hf_secret")
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    clf.save_pretrained(tmp_path)
    assert "hf_secret" not in repr(clf)
    assert not [path.name for path in tmp_path.iterdir() if b"hf_secret" in path.read_bytes()]


@pytest.mark.parametrize("kind", [str, os.fspath, lambda path: path])
def test_nothing_that_is_saved_says_where_the_encoder_was(kind, tiny_encoder, toy, tmp_path):
    folder = tmp_path / "secret" / "tiny"
    folder.parent.mkdir()
    os.symlink(tiny_encoder, folder)
    clf = CrossEntropyClassifier(kind(folder), **QUICK).fit(toy["X"], toy["y"])
    clf.save_pretrained(tmp_path / "model")
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path / "model")
    assert loaded.encoder == "./tiny"
    loaded.save_pretrained(tmp_path / "again")
    os.unlink(folder)  # a path is one even when nothing is there any more
    clf.save_pretrained(tmp_path / "later")
    for name in ("model", "again", "later"):
        for path in (tmp_path / name).iterdir():
            assert b"secret" not in path.read_bytes()
            assert str(tmp_path).encode() not in path.read_bytes()
    assert CrossEntropyClassifier.from_pretrained(tmp_path / "later").encoder == "./tiny"


def test_a_loaded_classifier_is_fitted_again_where_its_encoder_is_or_says_what_to_set(
    fitted, toy, tmp_path, monkeypatch
):
    fitted.save_pretrained(tmp_path / "model")
    loaded = DIMPClassifier.from_pretrained(tmp_path / "model").set_params(quality_checker=tfidf())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=rf"encoder='{loaded.encoder}': there is no such folder.*: set encoder"):
        fit(clone(loaded), toy)
    os.symlink(fitted.encoder, loaded.encoder)
    again = fit(clone(loaded), toy)
    np.testing.assert_array_equal(again.predict_proba(toy["X"]), fitted.predict_proba(toy["X"]))


def test_a_loaded_checker_reads_its_own_tokens_where_another_encoder_has_its_name(toy, tmp_path, monkeypatch):
    for place, words in (("here", WORDS), ("there", WORDS[::-1])):
        (tmp_path / place).mkdir()
        write_tiny_bert(tmp_path / place / "tiny", words, positions=64)
    CrossEntropyClassifier(tmp_path / "here" / "tiny", **QUICK, lr=1e-2).fit(toy["X"], toy["y"]).save_pretrained(
        tmp_path
    )
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path)
    monkeypatch.chdir(tmp_path / "there")
    clf = DIMPClassifier(loaded.encoder, quality_checker=FrozenEstimator(loaded), **QUICK).fit(toy["X"], toy["y"])
    expected = loaded.predict_proba(toy["X"])[np.arange(12), [0, 1] * 6]
    np.testing.assert_allclose(clf.quality_proba_, expected, atol=1e-6)


def test_hub_ids_are_kept(fitted, tmp_path):
    for name in ("google-bert/bert-base-uncased", "gpt2"):
        fitted.set_params(encoder=name).save_pretrained(tmp_path)
        assert DIMPClassifier.from_pretrained(tmp_path).encoder == name


# -- parameters that no file can hold ----------------------------------------------------------------------------------


def test_what_could_not_be_kept_is_named(fitted, tmp_path):
    fitted.set_params(memory=str(tmp_path / "cache")).save_pretrained(tmp_path / "model")
    with pytest.warns(
        SkweightWarning, match="SKW051: memory, quality_checker of the saved DIMPClassifier could not be"
    ):
        loaded = DIMPClassifier.from_pretrained(tmp_path / "model")
    assert loaded.memory is loaded.quality_checker is None


def test_plain_parameters_of_the_net_are_kept(tiny_encoder, toy, tmp_path):
    options = {"optimizer__betas": (0.9, 0.98), "optimizer__amsgrad": True}
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, net_params=options).fit(toy["X"], toy["y"])
    clf.save_pretrained(tmp_path)
    loaded = CrossEntropyClassifier.from_pretrained(tmp_path).set_params(encoder=tiny_encoder)
    assert loaded.net_params == {"optimizer__betas": [0.9, 0.98], "optimizer__amsgrad": True}
    np.testing.assert_array_equal(
        clone(loaded).fit(toy["X"], toy["y"]).predict_proba(toy["X"]), clf.predict_proba(toy["X"])
    )


def test_no_file_can_name_a_cache_or_callbacks(fitted, tmp_path):
    """A cache is a folder of pickles, which run code when they are read."""
    fitted.save_pretrained(tmp_path)
    about = json.loads((tmp_path / "skweight.json").read_text())
    about["params"] |= {"memory": str(tmp_path / "cache"), "callbacks": []}
    (tmp_path / "skweight.json").write_text(json.dumps(about))
    reseal(tmp_path)
    with pytest.warns(SkweightWarning, match="SKW051: quality_checker, callbacks, memory of the saved"):
        loaded = DIMPClassifier.from_pretrained(tmp_path)
    assert loaded.memory is loaded.callbacks is None


# -- what a folder may hold ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "skweight/99"}, r"'skweight/99'.*Install a newer skweight"),
        (
            {"class": "os.system"},
            r"'os\.system', which this version of skweight does not know.*Install a newer skweight",
        ),
        ({"params": {"tomorrow": 1}}, r"the parameter 'tomorrow', which the DIMPClassifier.*Install a newer skweight"),
    ],
)
def test_folders_of_a_newer_version_say_so(values, message, fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    about = json.loads((tmp_path / "skweight.json").read_text())
    (tmp_path / "skweight.json").write_text(json.dumps({**about, **values}))
    reseal(tmp_path)
    with pytest.raises(ValueError, match=message):
        DIMPClassifier.from_pretrained(tmp_path)


def test_a_folder_of_another_class_says_so(fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a DIMPClassifier, not a IMPClassifier"):
        IMPClassifier.from_pretrained(tmp_path)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("")])
def test_a_place_without_a_model_says_so(make, tmp_path):
    make(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match=r"model has no skweight\.json: it was not saved by save_pretrained"):
        DIMPClassifier.from_pretrained(tmp_path / "model")


def test_another_model_is_not_overwritten(old, tiny_encoder, tmp_path):
    old.module_.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"holds config\.json, which belongs to another model"):
        old.save_pretrained(tmp_path)
    (tmp_path / ".skweight.lock").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_files_of_an_earlier_save_go_and_all_others_stay(old, numeric_classifier, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "weights.csv").write_text("mine")
    old.save_pretrained(tmp_path)
    numeric_classifier.save_pretrained(tmp_path, training=False)
    names = {"config.json", "model.safetensors", "skweight.json", "skweight.sha256", "README.md", ".skweight.lock"}
    assert {path.name for path in tmp_path.iterdir()} == names | {".git", "weights.csv"}
    assert (tmp_path / "weights.csv").read_text() == "mine"
    assert BaseTextClassifier.from_pretrained(tmp_path).predict([[0.0, 0.0, 0.0]]).dtype == bool


def test_the_folder_may_be_a_link(old, new, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "model").symlink_to("there")
    for classifier in (old, new):
        classifier.save_pretrained(tmp_path / "model")
        assert is_whole(BaseTextClassifier.from_pretrained(tmp_path / "model"), classifier)
    assert (tmp_path / "there" / "skweight.json").is_file()


def test_threads_predict_while_others_save(old, tmp_path):
    expected = old.predict_proba(["a good film"] * 3)
    with ThreadPoolExecutor(4) as threads:
        saves = [threads.submit(old.save_pretrained, tmp_path / str(i % 2)) for i in range(6)]
        found = list(threads.map(old.predict_proba, [["a good film"] * 3] * 50))
        for save in saves:
            save.result()
    for proba in found:
        np.testing.assert_array_equal(proba, expected)
    for i in range(2):
        assert is_whole(BaseTextClassifier.from_pretrained(tmp_path / str(i)), old)


# -- files that cannot be written --------------------------------------------------------------------------------------


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield 0o640
    os.umask(before)


def test_files_may_be_read_by_whom_the_umask_lets(old, umask, tmp_path):
    old.save_pretrained(tmp_path / "model")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").iterdir()}
    del modes[".skweight.lock"]
    assert set(modes.values()) == {umask}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the size of files")
def test_a_full_disk_is_an_error_that_names_the_folder_and_leaves_the_old_model(old, new, tmp_path):
    """Full at any file: large and small ones are written by different libraries."""
    folder = tmp_path / "model"
    old.save_pretrained(folder)
    sizes = sorted(path.stat().st_size for path in folder.iterdir())
    code = (
        "import resource, sys\n"
        "from skweight.baselines import CrossEntropyClassifier\n"
        "clf = CrossEntropyClassifier.from_pretrained(sys.argv[1])\n"
        "for limit in map(int, sys.argv[2:]):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    try:\n"
        "        clf.save_pretrained(sys.argv[1])\n"
        "    except OSError as error:\n"
        "        assert error.filename.startswith(sys.argv[1]), error\n"
        "        print(limit, error)\n"
    )
    limits = [str(size - 1) for size in sizes if size > 0]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *limits], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == len(limits), done.stdout
    assert is_whole(BaseTextClassifier.from_pretrained(folder), old)
    assert not (folder / ".skweight.saving").exists()


def test_a_file_in_the_way_is_an_error_with_its_path(old, tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            old.save_pretrained(path)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_an_error_with_its_path(old, new, tmp_path):
    old.save_pretrained(tmp_path / "model")
    (tmp_path / "model").chmod(0o555)
    try:
        with pytest.raises(PermissionError, match="model"):
            new.save_pretrained(tmp_path / "model")
        assert is_whole(BaseTextClassifier.from_pretrained(tmp_path / "model"), old)
    finally:
        (tmp_path / "model").chmod(0o755)


# -- for others to read ------------------------------------------------------------------------------------------------


def test_a_transformers_pipeline_cuts_long_texts_where_predict_does(fitted, toy, tmp_path):
    fitted.save_pretrained(tmp_path)
    pipeline = transformers.pipeline("text-classification", str(tmp_path), device="cpu")
    X = ["a good film " * 20, "bad " * 500, "a bad film"]
    with pytest.warns(SkweightWarning, match="SKW011"):
        expected = fitted.predict_proba(X)
    for answers, row in zip(pipeline(X, top_k=None, truncation=True), expected, strict=True):
        found = {answer["label"]: answer["score"] for answer in answers}
        np.testing.assert_allclose([found[label] for label in fitted.classes_], row, atol=1e-6)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    assert loaded.tokenizer_.model_max_length == fitted.tokenizer_.model_max_length == 64


def test_folder_holds_no_pickle(fitted, tmp_path):
    fitted.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {
        ".json",
        ".safetensors",
        ".npz",
        ".txt",
        ".md",
        ".sha256",
        ".lock",
    }
    with np.load(tmp_path / "training.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"sample_weight_", "quality_proba_"}
