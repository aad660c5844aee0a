import csv
import os
import subprocess
import sys

import pytest
import torch

from skweight.__main__ import main
from skweight.baselines import CrossEntropyClassifier


def write(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


@pytest.fixture
def files(tmp_path, toy):
    synthetic = list(zip(toy["X"], toy["y"], strict=True))
    real = list(zip(toy["real_X"], toy["real_y"], strict=True))
    return {
        "synthetic": write(tmp_path / "synthetic.csv", ["text", "label"], synthetic),
        "real": write(tmp_path / "real.csv", ["text", "label"], real),
        "texts": write(tmp_path / "texts.csv", ["text"], [["a good film"], ["=cmd()"], ["a dull film, sadly"]]),
        "model": str(tmp_path / "model"),
    }


def fit(files, tiny_encoder, *options):
    command = ["fit", files["synthetic"], "--real", files["real"], "--save", files["model"], "--encoder", tiny_encoder]
    return main([*command, "--epochs", "1", "--max-length", "16", *options])


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", ["opinion-pool", "dimp", "imp", "imp-fast", "cross-entropy", "focal", "distilled"])
def test_fit_then_predict_on_csv_files(method, files, tiny_encoder, tmp_path, capsys):
    assert fit(files, tiny_encoder, "--method", method, "--test", files["real"]) == 0
    shown = capsys.readouterr().out
    assert "12 synthetic rows, 6 real rows, classes: fresh, rotten" in shown
    equal = method in ("cross-entropy", "distilled")
    assert ("All rows weigh 1." in shown) == equal
    what = "probabilities of the label" if method == "opinion-pool" else "weights"
    assert (f"Highest 5 {what}" in shown) == (f"Lowest 5 {what}" in shown) == (not equal)
    assert ("teaches the encoder" in shown) == (method == "opinion-pool")
    assert "on 6 rows" in shown
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


def test_real_rows_join_the_training_if_asked(files, tiny_encoder):
    saved = {}
    for options in ([], ["--real-weight", "2"]):
        assert fit(files, tiny_encoder, "--method", "cross-entropy", *options) == 0
        saved[bool(options)] = CrossEntropyClassifier.from_pretrained(files["model"])
    assert saved[True].get_params()["real_weight"] == 2
    # Eighteen rows of steps instead of twelve.
    assert not torch.equal(*(clf.module_.classifier.weight for clf in saved.values()))


def test_columns_can_be_named(files, tiny_encoder, tmp_path, toy):
    for name, X, y in (("synthetic", "X", "y"), ("real", "real_X", "real_y")):
        rows = [(label, text, text) for text, label in zip(toy[X], toy[y], strict=True)]
        files[name] = write(tmp_path / f"{name}_named.csv", ["stars", "first", "second"], rows)
    columns = ["--text-column", "first", "second", "--label-column", "stars", "--method", "cross-entropy"]
    assert fit(files, tiny_encoder, *columns) == 0
    assert set(read(tmp_path / "model" / "weights.csv")[0]) >= {"text_a", "text_b"}


def test_formulas_are_harmless_in_the_written_weights(files, tiny_encoder, tmp_path, toy):
    rows = [*zip(toy["X"], toy["y"], strict=True), ('=HYPERLINK("http://x")', "fresh")]
    files["synthetic"] = write(tmp_path / "formula.csv", ["text", "label"], rows)
    assert fit(files, tiny_encoder, "--method", "cross-entropy") == 0
    assert read(tmp_path / "model" / "weights.csv")[-1]["text"] == """'=HYPERLINK("http://x")"""


def test_bad_input_gives_one_line_and_status_2(files, tiny_encoder, tmp_path, capsys):
    files["synthetic"] = str(tmp_path / "absent.csv")
    assert fit(files, tiny_encoder) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "absent.csv" in error
    assert main(["predict", str(tmp_path), files["texts"]]) == 2
    assert "has no skweight.json" in capsys.readouterr().err


def test_too_few_epochs_are_named_by_their_option(files, tiny_encoder, capsys):
    assert fit(files, tiny_encoder, "--method", "hu") == 2
    assert (
        capsys.readouterr().err == "error: --method hu needs at least --epochs 2: it learns no weights in the first.\n"
    )
    assert fit(files, tiny_encoder, "--method", "hu", "--epochs", "2") == 0


def test_empty_fields_are_missing_values_and_can_be_dropped(files, tiny_encoder, tmp_path, toy, capsys):
    rows = [*zip(toy["X"], toy["y"], strict=True), ("", "fresh"), ("a film", "")]
    files["synthetic"] = write(tmp_path / "gaps.csv", ["text", "label"], rows)
    assert fit(files, tiny_encoder, "--method", "cross-entropy") == 2
    assert "X contains a missing value at row 12" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="SKW014: dropped 2 of 14 rows of X"):
        assert fit(files, tiny_encoder, "--method", "cross-entropy", "--drop-bad-rows") == 0
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
