import csv
import warnings

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import watch, write_csv

from skweight.__main__ import main
from skweight._base import BaseTextClassifier
from skweight.exceptions import SkweightWarning


@pytest.fixture(autouse=True)
def shown_warnings():
    """Our warnings, which are errors in the other tests, are what they are to a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", SkweightWarning)
        yield


@pytest.fixture(scope="session")
def text_model(text_classifier, tmp_path_factory):
    """Folder of the saved classifier of texts."""
    folder = tmp_path_factory.mktemp("model")
    text_classifier.save_pretrained(folder)
    return folder


@pytest.fixture
def files(tmp_path, toy):
    """Paths, as strings, of what the commands read and write."""
    tables = {
        "synthetic": zip(toy["X"], toy["y"], strict=True),
        "real": zip(toy["real_X"], toy["real_y"], strict=True),
        "test": [("a superb film", "fresh"), ("a tedious film", "rotten")],
    }
    paths = {name: write_csv(tmp_path / f"{name}.csv", ["text", "label"], rows) for name, rows in tables.items()}
    texts = [["a good film"], ["=cmd()"], ["a dull film, sadly"]]
    return {**paths, "texts": write_csv(tmp_path / "texts.csv", ["text"], texts), "model": str(tmp_path / "model")}


@pytest.fixture
def fit(files, tiny_encoder):
    """Run the command ``fit`` for one epoch; return its exit status."""

    def run(*options):
        inputs = [files["synthetic"], "--real", files["real"], "--save", files["model"], "--encoder", tiny_encoder]
        return main(["fit", *inputs, "--epochs", "1", "--max-length", "16", *map(str, options)])

    return run


@pytest.fixture
def trained(monkeypatch):
    """Calls of `fit` of any classifier, as a list."""
    return watch(monkeypatch, BaseTextClassifier, "fit")


@pytest.fixture
def write_table():
    """Write a CSV or a Parquet file of several row groups."""

    def write(path, columns):
        if path.suffix == ".csv":
            pd.DataFrame(columns).to_csv(path, index=False)
        else:
            pq.write_table(pa.table(columns), path, row_group_size=7)
        return path

    return write


@pytest.fixture
def read_table():
    """Rows of a file, as a table without pandas' guesses."""

    def read(path):
        if path.suffix == ".parquet":
            return pq.read_table(path).to_pydict()
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        return {name: [row[i] for row in rows] for i, name in enumerate(header)}

    return read


@pytest.fixture
def predict():
    """Run the command ``predict``; return its exit status."""

    def run(model, source, out, *options):
        return main(["predict", str(model), str(source), "--out", str(out), *map(str, options)])

    return run


@pytest.fixture
def refused(capsys):
    """Check that a command has ended with an error; return its message."""

    def message(status):
        error = capsys.readouterr().err
        assert status == 2
        assert "error: " in error
        return error[error.index("error: ") + len("error: ") :].rstrip("\n")

    return message
