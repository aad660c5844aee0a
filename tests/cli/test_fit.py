"""What the command ``fit`` refuses before it trains, and what it keeps whatever comes after."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from helpers import BrokenStream, watch, write_csv

from skweight import _storage
from skweight._engine import training
from skweight.baselines import CrossEntropyClassifier

# -- where it saves ---------------------------------------------------------------------------------------------------


@pytest.fixture
def quick_fit(fit):
    return lambda *options: fit("--method", "cross-entropy", *options)


def test_parents_of_the_folder_are_made(quick_fit, files, tmp_path):
    files["model"] = str(tmp_path / "some" / "where" / "model")
    assert quick_fit() == 0
    assert (tmp_path / "some" / "where" / "model" / "weights.csv").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(quick_fit, files, trained, refused):
    files["model"] = files["test"] + "/model"  # below a file
    assert refused(quick_fit()) == f"Cannot write into {files['model']}: File exists."
    files["model"] = "/proc/model"
    assert refused(quick_fit()).startswith("Cannot write into /proc/model: ")
    assert trained == []


def test_a_fit_that_is_refused_leaves_no_folder(quick_fit, files, refused):
    write_csv(files["synthetic"], ["text", "label"], [("a film", "fresh")] * 3)
    write_csv(files["real"], ["text", "label"], [("a cast", "fresh")] * 3)
    assert "at least 2 classes" in refused(quick_fit())
    assert not Path(files["model"]).exists()


def test_a_model_is_replaced_only_if_that_is_asked_for(quick_fit, files, trained, refused):
    assert quick_fit() == 0
    before = Path(files["model"], "weights.csv").read_bytes()
    assert refused(quick_fit()) == f"--save {files['model']} holds a saved model. Add --overwrite to replace it."
    assert len(trained) == 1
    assert Path(files["model"], "weights.csv").read_bytes() == before
    assert quick_fit("--overwrite") == 0


def test_a_folder_of_other_files_is_never_saved_into(quick_fit, files, trained, tmp_path, refused):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("mine")
    assert "holds other files than a saved model (config.json)" in refused(quick_fit("--overwrite"))
    assert trained == []
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["config.json"]


@pytest.mark.parametrize("how", ["inside", "symbolic link", "hard link", "linked folder"])
@pytest.mark.parametrize("name", ["synthetic", "real", "test"])
def test_an_input_is_not_overwritten(quick_fit, files, trained, tmp_path, refused, how, name):
    assert quick_fit() == 0
    model, path = tmp_path / "model", Path(files[name])
    if how in ("inside", "linked folder"):
        files[name] = str(shutil.copy(path, model / "weights.csv"))
    elif how == "symbolic link":
        (model / "weights.csv").unlink()
        (model / "weights.csv").symlink_to(path)
    else:
        os.link(path, model / "copy.csv")
    if how == "linked folder":
        (tmp_path / "link").symlink_to(model)
        files["model"] = str(tmp_path / "link")
    content = Path(files[name]).read_bytes()
    message = refused(quick_fit("--test", files["test"], "--overwrite"))
    shown = "the synthetic rows" if name == "synthetic" else f"--{name}"
    assert message == f"--save {files['model']} would overwrite {shown}, {files[name]}. Name another folder."
    assert Path(files[name]).read_bytes() == content
    assert len(trained) == 1


@pytest.mark.parametrize("link", [False, True])
def test_the_encoder_is_not_overwritten(quick_fit, files, trained, tmp_path, tiny_encoder, refused, link):
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    (encoder / "skweight.json").write_text("{}")  # as if it were a model of ours
    files["model"] = str(encoder)
    if link:
        (tmp_path / "link").symlink_to(encoder)
        files["model"] = str(tmp_path / "link")
    message = refused(quick_fit("--overwrite", "--encoder", encoder))
    assert message == f"--save {files['model']} would overwrite the encoder, {encoder}. Name another folder."
    assert trained == []


# -- what it reads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            ["text"],
            [["a film"]],
            "{test} has no column 'label'; its columns are ['text']. Name the right ones with --real-l",
        ),
        (["txt", "label"], [["a film", "fresh"]], "{test} has no column 'text', and no pair 'text_a', 'text_b'; its"),
        (["text", "label"], [], "{test} has no rows."),
        (["text", "label"], [["a film", ""], ["", "fresh"]], "{test}: rows 0, 1 of 2 without a text or a label."),
        (
            ["text", "label"],
            [["a film", "Fresh"], ["a cast", "fresh"], ["a plot", "green"]],
            "{test} has labels that {synthetic} does not have: 'Fresh' (near 'fresh'), 'green'; those are ['fresh',",
        ),
        (["text_a", "text_b", "label"], [["a film", "good", "fresh"]], "{test} and {synthetic} must both hold single"),
        (["text", "text", "label"], [["a film", "good", "fresh"]], "{test} has several columns 'text'"),
    ],
)
def test_rows_to_score_on_are_checked_before_the_training(quick_fit, files, trained, refused, header, rows, message):
    write_csv(files["test"], header, rows)
    assert refused(quick_fit("--test", files["test"])).startswith(message.format(**files))
    assert trained == []


def test_a_file_to_score_on_that_is_not_there_is_known_of_before_the_training(quick_fit, trained, refused):
    assert "absent.csv" in refused(quick_fit("--test", "absent.csv"))
    assert trained == []


def test_labels_of_real_rows_are_checked_too(quick_fit, files, refused):
    write_csv(files["real"], ["text", "label"], [["a film", "fresh "], ["a cast", "rotten"]])
    assert "has labels that " in (message := refused(quick_fit()))
    assert "'fresh ' (near 'fresh')" in message


def test_rows_without_a_label_are_not_scored_if_they_may_be_left_out(quick_fit, files, capsys):
    write_csv(files["test"], ["text", "label"], [["a film", ""], ["", "fresh"], ["good cast", "fresh"]])
    assert quick_fit("--test", files["test"], "--drop-bad-rows") == 0
    assert "on the 1 rows of " in capsys.readouterr().out


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_rows_to_score_on_are_other_rows_than_the_real_ones(quick_fit, files, trained, refused, link):
    files["test"] = files["real"]
    if link:
        files["test"] += ".link.csv"
        link(files["real"], files["test"])
    message = refused(quick_fit("--test", files["test"]))
    assert message == f"{files['test']} (--test) is the same file as {files['real']} (--real)."
    assert trained == []


def test_texts_to_score_on_that_were_trained_on_are_counted(quick_fit, files, toy, capsys):
    rows = [(toy["X"][0], "fresh"), (toy["real_X"][1], "rotten"), ("another film", "fresh")]
    write_csv(files["test"], ["text", "label"], rows)
    assert quick_fit("--test", files["test"]) == 0
    assert "warning: SKW031: 2 of the 3 texts of --test are also among those to train on" in capsys.readouterr().err


def test_a_classifier_that_predicts_one_class_is_warned_of(quick_fit, files, capsys):
    assert quick_fit("--test", files["test"], "--lr", "1e-12") == 0  # an untrained one gives both texts the same label
    assert "warning: SKW046: the label of all 2 rows of --test is predicted as '" in capsys.readouterr().err


# -- what comes after the training ------------------------------------------------------------------------------------


class BrokenError(Exception):
    pass


def test_the_model_is_saved_before_anything_is_shown_or_scored(quick_fit, files, monkeypatch):
    def broken(*args, **kwargs):
        raise BrokenError

    monkeypatch.setattr("skweight._cli.weights_table.extreme_rows", broken)
    with pytest.raises(BrokenError):
        quick_fit()
    monkeypatch.undo()
    monkeypatch.setattr(CrossEntropyClassifier, "predict_proba", broken)
    with pytest.raises(BrokenError):
        quick_fit("--test", files["test"], "--overwrite")
    assert CrossEntropyClassifier.from_pretrained(files["model"]).classes_.tolist() == ["fresh", "rotten"]
    assert Path(files["model"], "weights.csv").exists()


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "No space left on device"), ValueError("closed")])
def test_a_fit_goes_on_if_nobody_can_read_of_it(quick_fit, files, monkeypatch, error):
    monkeypatch.setattr(sys, "stdout", BrokenStream(error))
    monkeypatch.setattr(sys, "stderr", BrokenStream(error))
    assert quick_fit("--test", files["test"]) == 0
    assert Path(files["model"], "weights.csv").exists()


# -- going on ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_fit_goes_on_when_it_is_run_again(quick_fit, files, monkeypatch):
    def taken(*options):
        """Training steps of a run, and the model that it saved."""
        with monkeypatch.context() as patch:
            steps = watch(patch, training._TextNet, "_take_step")
            status = quick_fit("--resume", "--batch-size", "4", *options)
        return status, len(steps)

    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    checkpoints = Path(files["model"] + ".checkpoints")
    with monkeypatch.context() as patch:
        patch.setattr(_storage, "save", stop)
        assert taken() == (130, 3)
    assert list(checkpoints.glob("fit-*/*.pt"))
    assert taken() == (0, 0)  # all of it had been done
    assert not checkpoints.exists()
    assert Path(files["model"], "weights.csv").exists()


def test_without_resume_nothing_is_kept(quick_fit, files):
    assert quick_fit() == 0
    assert not Path(files["model"] + ".checkpoints").exists()


def test_a_fit_that_differs_from_the_interrupted_one_is_refused(quick_fit, files, monkeypatch, refused):
    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_storage, "save", stop)
        assert quick_fit("--resume") == 130
    assert "lr was 5e-05, is 0.5" in refused(quick_fit("--resume", "--lr", "0.5"))
