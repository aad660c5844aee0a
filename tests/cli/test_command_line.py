import csv
import os
import pkgutil
import subprocess
import sys
import tomllib

import pytest
import torch
from helpers import write_csv

import skweight
from skweight.__main__ import main
from skweight.baselines import CrossEntropyClassifier


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", ["opinion-pool", "dimp", "imp", "imp-fast", "cross-entropy", "focal", "distilled"])
def test_fit_then_predict_on_csv_files(method, files, fit, tmp_path, capsys):
    assert fit("--method", method, "--test", files["test"]) == 0
    shown = capsys.readouterr().out
    assert "12 synthetic rows, 6 real rows, classes: fresh, rotten" in shown
    equal = method in ("cross-entropy", "distilled")
    assert ("All rows weigh 1." in shown) == equal
    what = "probabilities of the label" if method == "opinion-pool" else "weights"
    assert (f"Highest 5 {what}" in shown) == (f"Lowest 5 {what}" in shown) == (not equal)
    assert ("teaches the encoder" in shown) == (method == "opinion-pool")
    assert "on the 2 rows of " in shown
    weights = read(tmp_path / "model" / "weights.csv")
    assert [row["text"] for row in weights] == [row["text"] for row in read(files["synthetic"])]
    assert all(float(row["weight"]) > 0 for row in weights)

    assert main(["predict", files["model"], files["texts"]]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [set(row) for row in rows] == [{"label", "p(fresh)", "p(rotten)"}] * 3
    for row in rows:
        p = {label: float(row[f"p({label})"]) for label in ("fresh", "rotten")}
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        assert row["label"] == max(p, key=p.get)

    out = str(tmp_path / "out.csv")
    assert main(["predict", files["model"], files["texts"], "--out", out]) == 0
    assert read(out) == rows


def test_real_rows_join_the_training_if_asked(files, fit):
    saved = {}
    for options in ([], ["--real-weight", "2"]):
        assert fit("--method", "cross-entropy", "--overwrite", *options) == 0
        saved[bool(options)] = CrossEntropyClassifier.from_pretrained(files["model"])
    assert saved[True].get_params()["real_weight"] == 2
    # Eighteen rows of steps instead of twelve.
    assert not torch.equal(*(clf.module_.classifier.weight for clf in saved.values()))


def test_columns_can_be_named(files, fit, tmp_path, toy):
    for name, X, y in (("synthetic", "X", "y"), ("real", "real_X", "real_y")):
        rows = [(label, text, text) for text, label in zip(toy[X], toy[y], strict=True)]
        files[name] = write_csv(tmp_path / f"{name}_named.csv", ["stars", "first", "second"], rows)
    columns = ["--text-column", "first", "--text-column", "second", "--label-column", "stars"]
    assert fit("--method", "cross-entropy", *columns) == 0
    assert set(read(tmp_path / "model" / "weights.csv")[0]) >= {"text_a", "text_b"}


@pytest.mark.parametrize(("raw", "before"), [([], "'"), (["--raw"], "")])
def test_formulas_are_harmless_in_the_written_weights(files, fit, tmp_path, toy, raw, before):
    rows = [*zip(toy["X"], toy["y"], strict=True), ('\n=HYPERLINK("http://x")', "fresh")]
    files["synthetic"] = write_csv(tmp_path / "formula.csv", ["text", "label"], rows)
    assert fit("--method", "cross-entropy", *raw) == 0
    assert read(tmp_path / "model" / "weights.csv")[-1]["text"] == f'{before}\n=HYPERLINK("http://x")'


def test_bad_input_gives_one_line_and_status_2(files, fit, tmp_path, capsys):
    files["synthetic"] = str(tmp_path / "absent.csv")
    assert fit() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "absent.csv" in error
    assert main(["predict", str(tmp_path), files["texts"]]) == 2
    assert "has no skweight.json" in capsys.readouterr().err


def test_too_few_epochs_are_named_by_their_option(files, fit, capsys):
    assert fit("--method", "hu") == 2
    assert (
        capsys.readouterr().err == "error: --method hu needs at least --epochs 2: it learns no weights in the first.\n"
    )
    assert fit("--method", "hu", "--epochs", "2") == 0


def test_empty_fields_are_missing_values_and_can_be_dropped(files, fit, tmp_path, toy, capsys):
    rows = [*zip(toy["X"], toy["y"], strict=True), ("", "fresh"), ("a film", "")]
    files["synthetic"] = write_csv(tmp_path / "gaps.csv", ["text", "label"], rows)
    assert fit("--method", "cross-entropy") == 2
    error = capsys.readouterr().err
    assert f"{files['synthetic']}: rows 12, 13 of 14 without a text or a label." in error
    assert fit("--method", "cross-entropy", "--drop-bad-rows") == 0
    assert "warning: SKW014: dropped 2 of 14 rows of X" in capsys.readouterr().err
    assert [float(row["weight"]) for row in read(tmp_path / "model" / "weights.csv")[-2:]] == [0, 0]


def test_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "skweight", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    for command in ("demo", "fit", "predict"):
        assert command in done.stdout


def test_a_model_of_any_class_is_found_by_its_name_in_a_new_process(files, fit, tmp_path):
    assert fit("--method", "opinion-pool") == 0
    command = [sys.executable, "-m", "skweight", "predict", files["model"], files["texts"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 4


def test_help_shows_defaults_and_version_the_version(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--help"])
    shown = capsys.readouterr().out
    length = "128, or what the encoder takes"
    for default in ("opinion-pool", "google-bert/bert-base-uncased", "5", "5e-05", "32", length, "0", "label"):
        assert f"(default: {default})" in shown
    assert "None" not in shown
    assert "False" not in shown
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"skweight {skweight.__version__}\n"


def test_the_script_is_the_module(pytestconfig):
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())["project"]
    assert pkgutil.resolve_name(project["scripts"]["skweight"]) is main


def test_the_demo_replaces_nothing_unless_asked(tmp_path, refused):
    (tmp_path / "demo.png").write_text("mine")
    assert (
        refused(main(["demo", "--out", str(tmp_path)])) == f"{tmp_path}/demo.png exists. Add --overwrite to replace it."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]
