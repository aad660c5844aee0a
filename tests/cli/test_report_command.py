"""What the command ``report`` shows and writes."""

from pathlib import Path

import pytest
from helpers import write_csv

from skweight import read_relabelling
from skweight.__main__ import main
from skweight.datasets import load_csv


@pytest.fixture
def report(fit, files, capsys):
    """Fit, and report on what was saved; returns the exit status."""
    assert fit() == 0
    capsys.readouterr()

    def run(*options):
        return main(["report", files["model"], files["synthetic"], *map(str, options)])

    return run


def test_it_shows_findings_and_writes_a_page_and_a_list_that_can_be_read_back(report, files, tmp_path, capsys):
    page, labels = tmp_path / "report.html", tmp_path / "labels.csv"
    files_of_rows = ["--real", files["real"], "--test", files["test"]]
    assert report(*files_of_rows, "--out", page, "--relabel", labels) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("OpinionPoolClassifier: 12 synthetic rows, 6 real ones. ")
    assert f"Page written to {page}." in shown
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    X, y = load_csv(files["synthetic"])
    changed = read_relabelling(labels, X, y)
    assert f"{(changed != y).sum()} labels to change written to {labels}." in shown


def test_a_column_says_what_wrote_each_row(report, files, capsys):
    X, y = load_csv(files["synthetic"])
    write_csv(files["synthetic"], ["text", "by", "label"], [(X[i], f"model {i % 2}", y[i]) for i in range(12)])
    assert report("--group-column", "by") == 0
    assert "[model 1]" in capsys.readouterr().out


def test_other_rows_and_files_that_exist_are_refused(report, files, tmp_path, refused):
    page = tmp_path / "report.html"
    page.write_text("mine")
    assert refused(report("--out", page)) == f"{page} exists. Add --overwrite to replace it."
    assert page.read_text() == "mine"
    X, y = load_csv(files["synthetic"])
    write_csv(files["synthetic"], ["text", "label"], list(zip(X, y, strict=True))[1:])
    assert refused(report()).startswith("X has 11 rows, but OpinionPoolClassifier was fitted on 12: ")
    assert refused(report("--group-column", "by")).startswith(f"{Path(files['synthetic'])} has no column 'by'; ")
