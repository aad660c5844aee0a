import json
import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from helpers import ALL, QUICK, fit, full_disk, parameters, quick, tfidf, watch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from transformers import AlbertConfig, AlbertModel, AutoTokenizer

from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier, _checkers, _engine
from skweight._engine import checkpoints, training
from skweight._storage import kept_until_done
from skweight.baselines import CrossEntropyClassifier, HuClassifier, SunGenClassifier
from skweight.model_selection import RealKFold, stack_real


def interrupt(monkeypatch, classifier, toy, writes):
    """Fit until so many files have been written, and end as Ctrl-C does; return whether it came so far."""
    write, written = checkpoints._write, []

    def write_and_stop(path, state):
        write(path, state)
        written.append(path)
        if len(written) == writes:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_write", write_and_stop)
        try:
            fit(classifier, toy)
        except KeyboardInterrupt:
            return True
    return False


def assert_same_fit(one, other, toy):
    assert torch.equal(parameters(one), parameters(other))
    np.testing.assert_array_equal(one.sample_weight_, other.sample_weight_)
    np.testing.assert_array_equal(one.predict_proba(toy["X"]), other.predict_proba(toy["X"]))
    for name in ("quality_proba_", "diversity_proba_", "target_proba_", "oof_proba_", "validation_score_"):
        np.testing.assert_array_equal(getattr(one, name, None), getattr(other, name, None))
    assert [without_seconds(epoch) for epoch in one.history_] == [without_seconds(epoch) for epoch in other.history_]


def without_seconds(epoch):
    return {name: value for name, value in epoch.items() if name != "seconds"}


CASES = {
    "imp": (IMPClassifier, {}),
    "dimp": (DIMPClassifier, {"early_stopping": True, "real_weight": 0.5, "max_epochs": 4, "validation_fraction": 0.4}),
    "pool": (OpinionPoolClassifier, {"cv": 2}),
    "fine-tuned pool": (OpinionPoolClassifier, {"cv": 2, "experts": "finetuned", "max_epochs": 1}),
    "hu": (HuClassifier, {"pretrain_epochs": 1, "max_epochs": 3}),
    "sungen": (SunGenClassifier, {"n_outer_iter": 2}),
    "momentum": (CrossEntropyClassifier, {"net_params": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}}),
    "weight decay": (CrossEntropyClassifier, {"weight_decay": 0.1, "warmup_ratio": 0.5}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_fit_ends_as_if_it_had_not_been(case, tiny_encoder, toy, tmp_path, monkeypatch):
    cls, params = CASES[case]
    settings = {**QUICK, "lr": 1e-2, **params}
    reference = fit(cls(tiny_encoder, **settings), toy)
    for writes in (1, 2, 3, 5, 8, 13, 21):
        clf = cls(tiny_encoder, **settings, checkpoint_dir=tmp_path, checkpoint_steps=2)
        if not interrupt(monkeypatch, clf, toy, writes):
            break
        assert list(tmp_path.glob("fit-*/*")), "nothing was kept"
        assert_same_fit(fit(clf, toy), reference, toy)
        assert not list(tmp_path.glob("*")), "files are left"


@pytest.mark.parametrize("cls", ALL)
def test_every_classifier_survives_an_interruption(cls, tiny_encoder, toy, tmp_path, monkeypatch):
    reference = fit(quick(cls, tiny_encoder), toy)
    clf = quick(cls, tiny_encoder, checkpoint_dir=tmp_path, checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, toy, writes=2)
    assert_same_fit(fit(clf, toy), reference, toy)


def test_a_fit_that_is_killed_again_and_again_ends_the_same(tiny_encoder, toy, tmp_path, monkeypatch):
    reference = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=1)
    for _ in range(6):
        assert interrupt(monkeypatch, clf, toy, writes=1)
    assert_same_fit(fit(clf, toy), reference, toy)


def test_a_model_of_numbers_goes_on_too(toy, tmp_path, monkeypatch):
    X = np.random.RandomState(0).normal(size=(12, 3))
    numbers = {**toy, "X": X, "real_X": X[:6] + 1}
    reference = fit(CrossEntropyClassifier("passthrough", **QUICK), numbers)
    clf = CrossEntropyClassifier("passthrough", **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, numbers, writes=3)
    assert_same_fit(fit(clf, numbers), reference, numbers)


def test_dropout_from_the_global_generators_goes_on_where_it_was(tiny_encoder, toy, tmp_path, monkeypatch):
    sizes = {"embedding_size": 16, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    config = AlbertConfig(**sizes, vocab_size=200, num_hidden_layers=1, attention_probs_dropout_prob=0.5)
    AlbertModel(config).save_pretrained(tmp_path / "albert")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "albert")
    settings = {**QUICK, "lr": 1e-2}
    reference = fit(CrossEntropyClassifier(tmp_path / "albert", **settings), toy)
    clf = CrossEntropyClassifier(tmp_path / "albert", **settings, checkpoint_dir=tmp_path / "fits", checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, toy, writes=3)
    assert_same_fit(fit(clf, toy), reference, toy)


def test_only_what_is_missing_is_trained(tiny_encoder, toy, tmp_path, monkeypatch):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=2)
    assert interrupt(monkeypatch, clf, toy, writes=2)  # after 4 of 6 steps
    steps = watch(monkeypatch, training._TextNet, "_take_step")
    fit(clf, toy)
    assert len(steps) == 2


def test_a_checker_that_was_fitted_is_neither_fitted_nor_asked_again(tiny_encoder, toy, tmp_path, monkeypatch):
    clf = IMPClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=100)
    # Four stages (two checkers and their answers), each written once; the fifth write is the trained model.
    assert interrupt(monkeypatch, clf, toy, writes=4)
    steps = watch(monkeypatch, training._TextNet, "_take_step")
    asked = watch(monkeypatch, _checkers, "class_proba")
    fit(clf, toy)
    assert (len(steps), len(asked)) == (6, 0)


def test_what_the_cache_has_found_confuses_nothing(tiny_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "checkpoint_steps": 1}
    reference = fit(IMPClassifier(tiny_encoder, **QUICK), toy)
    memory, folder = str(tmp_path / "memory"), tmp_path / "fits"
    for writes in (1, 4, 9, 12):
        clf = IMPClassifier(tiny_encoder, **settings, memory=memory, checkpoint_dir=folder)
        interrupt(monkeypatch, clf, toy, writes)
        assert_same_fit(fit(clf, toy), reference, toy)


def test_a_seed_left_to_chance_is_that_of_the_interrupted_fit(tiny_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "random_state": None, "checkpoint_dir": tmp_path, "checkpoint_steps": 1}
    clf = CrossEntropyClassifier(tiny_encoder, **settings)
    assert interrupt(monkeypatch, clf, toy, writes=2)
    kept = json.loads(next(tmp_path.glob("fit-*/fit.json")).read_text())["seeds"]
    trained = watch(monkeypatch, _engine, "train")
    fit(clf, toy)
    assert [call.seed for call in trained] == [kept["training"]]


# -- another fit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.5}, r"lr was auto, is 0\.5\. Finish"),
        ({"batch_size": 3, "max_epochs": 9}, r"batch_size was 4, is 3.*max_epochs was 2, is 9|max_epochs.*batch_size"),
        ({"random_state": 7}, "training was"),
        ({"X": ["another film"]}, r"synthetic X was 12 rows \(\w+\), is 12 rows"),
        ({"real_y": ["rotten"]}, r"real y was 6 rows"),
        ({"quality_checker": tfidf(C=2)}, r"quality_checker was .*Pipeline \(\w+\), is Pipeline \(\w+\)"),
    ],
)
def test_a_fit_that_differs_is_refused_and_says_how(change, message, tiny_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "quality_checker": tfidf(), "checkpoint_dir": tmp_path, "checkpoint_steps": 1}
    assert interrupt(monkeypatch, DIMPClassifier(tiny_encoder, **settings), toy, writes=2)
    data = {**toy, **{name: [*change[name], *toy[name][1:]] for name in change.keys() & toy.keys()}}
    if "real_y" in change:
        data["real_y"] = [*toy["real_y"][1:], "fresh"]
    params = {name: value for name, value in change.items() if name not in toy}
    other = DIMPClassifier(tiny_encoder, **{**settings, **params})
    with pytest.raises(ValueError, match=rf"(?s)unfinished fit.* differs from this one: .*({message})"):
        fit(other, data)
    fit(DIMPClassifier(tiny_encoder, **settings), toy)  # the unfinished one is still there, and none is in its way
    fit(other, data)


def test_another_version_or_another_encoder_is_refused(tiny_encoder, roomy_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "checkpoint_dir": tmp_path, "checkpoint_steps": 1}
    assert interrupt(monkeypatch, CrossEntropyClassifier(tiny_encoder, **settings), toy, writes=2)
    with pytest.raises(ValueError, match=r"encoder was \w+, is \w+"):
        fit(CrossEntropyClassifier(roomy_encoder, **settings), toy)
    about = next(tmp_path.glob("fit-*/fit.json"))
    old = about.parent.rename(tmp_path / "fit-old")
    content = json.loads((old / "fit.json").read_text())
    content["versions"]["torch"] = "1.0"
    (old / "fit.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"torch was 1\.0, is 2"):
        fit(CrossEntropyClassifier(tiny_encoder, **settings), toy)


def test_steps_between_checkpoints_and_messages_may_change(tiny_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "checkpoint_dir": tmp_path}
    reference = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    assert interrupt(monkeypatch, CrossEntropyClassifier(tiny_encoder, **settings, checkpoint_steps=1), toy, writes=2)
    assert_same_fit(
        fit(CrossEntropyClassifier(tiny_encoder, **settings, checkpoint_steps=2, verbose=1), toy), reference, toy
    )


def test_two_at_the_same_fit_the_second_is_told(tiny_encoder, toy, tmp_path, monkeypatch):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, toy, writes=2)
    folder = next(tmp_path.iterdir())
    with FileLock(folder / ".lock"), pytest.raises(BlockingIOError, match="Another process is at the same fit"):
        fit(clf, toy)
    fit(clf, toy)


def test_fits_at_the_same_time_have_a_folder_each(tiny_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "checkpoint_dir": tmp_path, "checkpoint_steps": 1}
    assert interrupt(monkeypatch, CrossEntropyClassifier(tiny_encoder, **settings), toy, writes=2)
    folder = next(tmp_path.iterdir())
    with FileLock(folder / ".lock"):  # as if it was going on
        fit(CrossEntropyClassifier(tiny_encoder, **{**settings, "lr": 0.5}), toy)
    assert list(tmp_path.glob("*")) == [folder]


def test_a_search_in_two_processes_leaves_nothing_behind(tiny_encoder, toy, tmp_path):
    X, y, is_real = stack_real(toy["X"], toy["y"], toy["real_X"], toy["real_y"])
    clf = quick(IMPClassifier, tiny_encoder, checkpoint_dir=tmp_path, checkpoint_steps=1)
    cv = RealKFold(2, is_real=is_real)
    search = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=cv, n_jobs=2, refit=False, error_score="raise")
    search.fit(X, y, is_real=is_real)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not list(tmp_path.glob("*"))


def test_files_stay_until_the_result_is_safe(tiny_encoder, toy, tmp_path, monkeypatch):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path)

    def fit_and_save():
        with kept_until_done():
            fit(clf, toy)
            raise OSError("no room for the model")

    with pytest.raises(OSError, match="no room"):
        fit_and_save()
    steps = watch(monkeypatch, training._TextNet, "_take_step")
    with kept_until_done():
        fit(clf, toy)
        assert list(tmp_path.iterdir())
    assert not steps
    assert not list(tmp_path.glob("*"))


def test_a_saved_classifier_does_not_say_where_its_checkpoints_were(tiny_encoder, toy, tmp_path):
    clf = fit(CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path / "checkpoints"), toy)
    clf.save_pretrained(tmp_path / "model")
    assert "checkpoints" not in (tmp_path / "model" / "skweight.json").read_text()
    assert CrossEntropyClassifier.from_pretrained(tmp_path / "model").checkpoint_dir is None


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_refused_by_name(tiny_encoder, toy, tmp_path, monkeypatch):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, toy, writes=2)
    path = next(tmp_path.glob("fit-*/*.running"))
    content = path.read_bytes()
    for damaged in (content[:-1], content[: len(content) // 2], b"", flipped(content, 99), flipped(content, -1)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{path.name} is damaged\. Delete it"):
            fit(clf, toy)
    path.unlink()
    fit(clf, toy)


def flipped(content, i):
    changed = bytearray(content)
    changed[i] ^= 4
    return bytes(changed)


class Canary:
    def __reduce__(self):
        return os.system, ("touch canary",)


def test_a_planted_file_runs_no_code(tiny_encoder, toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path / "fits", checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, toy, writes=2)
    checkpoints._write(next(Path("fits").glob("fit-*/*.running")), {"step": Canary()})
    with pytest.raises(Exception, match="Weights only load failed"):
        fit(clf, toy)
    assert not Path("canary").exists()


def test_a_full_disk_is_an_error_that_names_the_file_and_loses_nothing(tiny_encoder, toy, tmp_path, monkeypatch):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, checkpoint_steps=2)
    assert interrupt(monkeypatch, clf, toy, writes=1)
    before = {path: path.read_bytes() for path in tmp_path.glob("fit-*/*")}
    with (
        full_disk(20_000),
        pytest.raises(OSError, match=r"The checkpoint .*\.running cannot be written .*File too large"),
    ):
        fit(clf, toy)
    assert {path: path.read_bytes() for path in tmp_path.glob("fit-*/*")} == before
    fit(clf, toy)


def test_a_folder_that_cannot_be_made_is_reported_before_training(tiny_encoder, toy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    steps = watch(monkeypatch, training._TextNet, "_take_step")
    with pytest.raises(OSError, match=str(tmp_path / "file")):
        fit(CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path / "file"), toy)
    assert not steps


# -- callbacks --------------------------------------------------------------------------------------------------------


COUNTED = []  # by all callbacks: estimators clone theirs


class Counting(Callback):
    def on_train_begin(self, net, **kwargs):
        self.steps_ = 0

    def on_batch_end(self, net, training=False, **kwargs):
        self.steps_ += training

    def on_train_end(self, net, **kwargs):
        COUNTED.append(self.steps_)


class Restorable(Counting):
    def state_dict(self):
        return {"steps": self.steps_}

    def load_state_dict(self, state):
        self.steps_ = state["steps"]


def test_a_callback_is_put_back_too(tiny_encoder, toy, tmp_path, monkeypatch):
    settings = {**QUICK, "checkpoint_dir": tmp_path, "checkpoint_steps": 2}
    clf = CrossEntropyClassifier(tiny_encoder, **settings, callbacks=[Restorable()])
    assert interrupt(monkeypatch, clf, toy, writes=2)
    fit(clf, toy)
    assert COUNTED[-1] == 6


def test_a_callback_that_cannot_be_put_back_is_refused(tiny_encoder, toy, tmp_path):
    clf = CrossEntropyClassifier(tiny_encoder, **QUICK, checkpoint_dir=tmp_path, callbacks=[Counting()])
    with pytest.raises(ValueError, match=r"callback .*Counting.*: give it state_dict\(\) and load_state_dict"):
        fit(clf, toy)


def test_a_training_of_a_checker_with_such_a_callback_is_kept_as_a_whole(tiny_encoder, toy, tmp_path, monkeypatch):
    checker = CrossEntropyClassifier(tiny_encoder, **QUICK, callbacks=[Counting()])
    clf = DIMPClassifier(tiny_encoder, **QUICK, quality_checker=checker, checkpoint_dir=tmp_path, checkpoint_steps=1)
    assert interrupt(monkeypatch, clf, toy, writes=1)
    assert COUNTED[-1] == 4
    COUNTED.clear()
    fit(clf, toy)
    assert not COUNTED


# -- kills ------------------------------------------------------------------------------------------------------------


def killed_rows():
    """Enough rows for a fit of a second."""
    rng = np.random.RandomState(0)
    y = rng.randint(2, size=240)
    words = np.array("good bad film great poor cast story warm dull".split())
    X = [" ".join(rng.choice(words, 8)) + (" superb" if label else " weak") for label in y]
    return {"X": X[:180], "y": y[:180], "real_X": X[180:], "real_y": y[180:]}


def _fit_and_report(encoder, folder, pipe):
    torch.set_num_threads(1)
    clf = fit(DIMPClassifier(encoder, **QUICK, lr=1e-3, checkpoint_dir=folder, checkpoint_steps=3), killed_rows())
    pipe.send((parameters(clf).numpy(), clf.sample_weight_))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork beside threads; there are none but ours
def test_fifty_kills_at_random_moments_change_nothing(tiny_encoder, tmp_path):
    """``kill -9`` of a process, in checkers, training and writing; the fit that is run again is bit-equal."""
    context = multiprocessing.get_context("fork")

    def run(folder, seconds=None):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_fit_and_report, args=(tiny_encoder, folder, sender))
        process.start()
        sender.close()  # else a child that fails would be waited for
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
            process.join()
            return None
        found = receiver.recv()
        process.join()
        return found

    start = time.monotonic()
    parameters_of_one, weights_of_one = run(None)
    seconds = time.monotonic() - start
    rng, caught = random.Random(0), 0
    for i in range(50):
        folder = tmp_path / str(i)
        run(folder, rng.uniform(0, seconds))
        caught += bool(list(folder.glob("fit-*/*.*t*")))
        found, weights = run(folder)
        np.testing.assert_array_equal(found, parameters_of_one)
        np.testing.assert_array_equal(weights, weights_of_one)
    assert caught > 20  # the others had not begun, or were done
