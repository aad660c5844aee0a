"""The command ``audit``."""

import json

import numpy as np
import pytest
from helpers import write_csv

from skweight.__main__ import main


@pytest.fixture
def audit(files, tiny_encoder, tmp_path):
    """Run the command; return its exit status."""

    def run(*options):
        return main(["audit", files["synthetic"], "--real", files["real"], "--encoder", tiny_encoder, *options])

    return run


def test_the_report_begins_with_the_verdict_that_the_exit_status_says(audit, tmp_path, capsys):
    status = audit("--json", str(tmp_path / "audit.json"))
    said = json.loads((tmp_path / "audit.json").read_text())
    assert status == {"use": 0, "do not use": 3, "cannot tell": 4}[said["verdict"]["decision"]]
    assert capsys.readouterr().out.splitlines()[0] == said["sentence"]


def test_labels_at_random_are_nothing_to_use(audit, files, tmp_path, toy):
    rng = np.random.RandomState(0)
    write_csv(files["synthetic"], ["text", "label"], zip(toy["X"], rng.permutation(toy["y"]), strict=True))
    assert audit() in (3, 4)


def test_an_existing_file_is_replaced_only_if_that_is_asked_for(audit, tmp_path, refused):
    path = tmp_path / "audit.json"
    path.write_text("mine")
    assert "Add --overwrite" in refused(audit("--json", str(path)))
    assert path.read_text() == "mine"
    assert audit("--json", str(path), "--overwrite") in (0, 3, 4)
    assert path.read_text() != "mine"


def test_copies_of_the_rows_to_test_on_are_named(audit, files, toy, capsys):
    write_csv(files["test"], ["text", "label"], zip(toy["X"][:3], toy["y"][:3], strict=True))
    audit("--test", files["test"])
    assert "A01" in capsys.readouterr().out
