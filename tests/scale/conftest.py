import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scale_checkers import LetterChecker

from skweight.scale import Scorer


@pytest.fixture(scope="session")
def text_model(text_classifier, tmp_path_factory):
    """Folder of the saved classifier of texts; its classes are "fresh" and "rotten"."""
    folder = tmp_path_factory.mktemp("model")
    text_classifier.save_pretrained(folder)
    return folder


@pytest.fixture
def ray_session(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # for the checkers of these tests
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray
    ray.shutdown()


@pytest.fixture
def letters():
    """Scorer with a quality checker that counts letters."""
    return Scorer(LetterChecker())


@pytest.fixture
def write_files(tmp_path, texts):
    """Write files of ten rows each into the folder ``in``; further texts replace the last rows of a file."""

    def write(n_files, *, labels=("good", "bad"), **last):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        rows = texts(10 * n_files)
        for i in range(n_files):
            own = rows[10 * i : 10 * (i + 1)]
            if f"file{i}" in last:
                own[-1] = last[f"file{i}"]
            table = {"id": range(10 * i, 10 * (i + 1)), "text": own, "label": list(labels) * 5}
            pq.write_table(pa.table(table), folder / f"{i}.parquet", row_group_size=3)
        return folder

    return write


@pytest.fixture
def write_rows(tmp_path):
    """Write one file of rows; returns its path."""

    def write(name="rows.parquet", **columns):
        pq.write_table(pa.table(columns), tmp_path / name)
        return tmp_path / name

    return write
