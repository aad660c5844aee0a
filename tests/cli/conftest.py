import csv

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skweight.__main__ import main


@pytest.fixture(scope="session")
def text_model(text_classifier, tmp_path_factory):
    """Folder of the saved classifier of texts."""
    folder = tmp_path_factory.mktemp("model")
    text_classifier.save_pretrained(folder)
    return folder


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
