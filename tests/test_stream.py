"""Predicting batch by batch, and files of any size."""

import csv
import fcntl
import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.exceptions import NotFittedError

from skweight import _stream
from skweight.__main__ import main
from skweight._base import BaseTextClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning

METHODS = ("predict_proba", "predict")


@pytest.fixture(scope="module")
def clf(tiny_encoder):
    """Classifier of texts; a text of more than 14 words is truncated."""
    X, y = ["a good film", "a bad film", "great cast", "poor cast"] * 2, ["fresh", "rotten"] * 4
    return CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def numeric():
    X = np.random.RandomState(0).randn(40, 3)
    return CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0).fit(X, X[:, 0] > 0)


@pytest.fixture(scope="module")
def model(clf, tmp_path_factory):
    """Folder of the saved classifier."""
    folder = tmp_path_factory.mktemp("model")
    clf.save_pretrained(folder)
    return folder


def texts(n):
    """Texts that all differ, with more and with less than one sixteenth of a batch's tokens."""
    words = "good bad warm dull funny weak".split()
    return [" ".join(["a film", *(words[(i // 6**k) % 6] for k in range(1 + i % 5))]) for i in range(n)]


def in_batches(X, size):
    return (X[i : i + size] for i in range(0, len(X), size))


@pytest.fixture
def caught():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SkweightWarning)
        yield caught


# -- an iterator of batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [list, tuple, pd.Series, lambda X: pa.array(X), lambda X: pd.DataFrame({"t": X})])
def test_an_iterator_gives_for_each_batch_what_its_rows_give(clf, container):
    X = texts(25)
    batches = [container(X[:10]), container(X[10:20]), container(X[20:])]
    proba, labels = list(clf.predict_proba(iter(batches))), list(clf.predict(iter(batches)))
    assert [len(p) for p in proba] == [10, 10, 5]
    for batch, p, label in zip(batches, proba, labels, strict=True):
        np.testing.assert_array_equal(p, clf.predict_proba(batch))
        np.testing.assert_array_equal(label, clf.predict(batch))
    np.testing.assert_allclose(np.concatenate(proba), clf.predict_proba(X), atol=1e-6)


def test_rows_of_numbers_come_in_batches_too(numeric):
    X = np.random.RandomState(1).randn(25, 3)
    np.testing.assert_allclose(
        np.concatenate(list(numeric.predict_proba(in_batches(X, 10)))), numeric.predict_proba(X), atol=1e-6
    )
    labels = np.concatenate(list(numeric.predict(in_batches(X, 10))))
    assert labels.dtype == bool
    np.testing.assert_array_equal(labels, numeric.predict(X))


def test_pairs_come_in_batches_too(tiny_encoder):
    X = [(text, "a film") for text in texts(12)]
    clf = CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16, random_state=0).fit(X, [0, 1] * 6)
    proba = list(clf.predict_proba(in_batches(X, 5)))
    np.testing.assert_allclose(np.concatenate(proba), clf.predict_proba(X), atol=1e-6)
    with pytest.raises(ValueError, match=r"fitted on pairs of texts, but batch 1 holds single texts\.$"):
        list(clf.predict_proba(iter([X, ["a film"]])))


class Batch(list):
    """A list that can be watched for being alive."""


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_read_when_its_result_is_asked_for_and_then_forgotten(clf, method):
    read = []

    def batches():
        for _ in range(4):
            batch = Batch(texts(3))
            # Whoever holds an earlier batch while this one is read needs room for two.
            assert [ref() for ref in read] == [None] * len(read)
            read.append(weakref.ref(batch))
            item = [batch]
            del batch
            yield item.pop()

    results = getattr(clf, method)(batches())
    assert len(read) == 0
    for n in range(1, 5):
        assert len(next(results)) == 3
        gc.collect()
        assert len(read) == n
        assert read[-1]() is None
    assert list(results) == []


@pytest.mark.parametrize("method", METHODS)
def test_warnings_come_once_at_the_end_and_count_all_batches(clf, method, caught):
    long = "a good film " * 10
    results = getattr(clf, method)(iter([["", "a film"], [" ", ""], [], [long, "a film", long]]))
    assert [len(next(results)) for _ in range(4)] == [2, 2, 0, 3]
    assert caught == []
    assert list(results) == []
    assert [str(w.message) for w in caught] == [
        "SKW010: 3 of 7 texts in X are empty.",
        "SKW011: 2 of 7 texts in X are longer than max_length=16 tokens and were truncated.",
    ]
    assert {w.filename for w in caught} == {__file__}


def test_one_array_is_still_warned_of_at_once(clf, caught):
    clf.predict_proba(["", "a film"])
    assert [str(w.message) for w in caught] == ["SKW010: 1 of 2 texts in X are empty."]
    with pytest.raises(ValueError, match=r"^All 2 texts in X are empty"):
        clf.predict_proba(["", ""])


@pytest.mark.parametrize(
    "empty", [[], (), np.array([], dtype=str), pd.DataFrame({"text": []}), pa.array([], pa.string())]
)
def test_a_batch_may_be_empty(clf, empty):
    proba, _ = clf.predict_proba(iter([empty, ["a film"]]))
    assert proba.shape == (0, 2)
    labels, _ = clf.predict(iter([empty, ["a film"]]))
    assert labels.shape == (0,)
    assert labels.dtype == clf.classes_.dtype


@pytest.mark.parametrize("empty", [[], (), np.empty((0, 3)), pd.DataFrame(np.empty((0, 3)))])
def test_a_batch_of_numbers_may_be_empty(numeric, empty):
    proba, more = numeric.predict_proba(iter([empty, np.ones((4, 3))]))
    assert proba.shape == (0, 2)
    assert more.shape == (4, 2)


def test_no_batches_give_no_results(clf):
    assert list(clf.predict_proba(iter([]))) == []


@pytest.mark.parametrize("method", METHODS)
def test_an_iterator_of_single_texts_is_refused_with_the_way_out(clf, method):
    message = (
        "batch 0 is a single text. Each item of an iterator must be a batch, e.g. a list of texts; for an iterator of "
        "single texts, pass list(X), or cut it into batches with itertools.batched."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        next(getattr(clf, method)(text for text in texts(3)))


@pytest.mark.parametrize("method", METHODS)
def test_predicting_batches_before_fit_is_an_error_of_the_call(tiny_encoder, method):
    with pytest.raises(NotFittedError):
        getattr(CrossEntropyClassifier(tiny_encoder), method)(iter([["a film"]]))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_iterator_is_refused_by_the_call(clf, method):
    with pytest.raises(TypeError, match=r"^X must be an ordered collection of texts, got set"):
        getattr(clf, method)({"a film"})


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (["a film", None], ValueError, "batch 1 contains a missing value at row 1"),
        (["a film", 3], TypeError, "batch 1[1] is int, expected str"),
        ({"text": ["a film"]}, TypeError, "batch 1 must be an ordered collection of texts, got dict"),
        (
            [("a film", "a plot")],
            ValueError,
            "CrossEntropyClassifier was fitted on single texts, but batch 1 holds pairs",
        ),
    ],
)
def test_a_bad_batch_is_named(clf, batch, error, message):
    results = clf.predict_proba(iter([["a film"], batch]))
    assert len(next(results)) == 1
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        next(results)


def test_a_bad_batch_of_numbers_is_named(numeric):
    with pytest.raises(ValueError, match=r"^batch 0: X has 2 features, but CrossEntropyClassifier is expecting 3"):
        next(numeric.predict_proba(iter([np.ones((4, 2))])))


# -- files ------------------------------------------------------------------------------------------------------------


def write(path, columns):
    """Write a CSV or a Parquet file of several row groups."""
    if path.suffix == ".csv":
        pd.DataFrame(columns).to_csv(path, index=False)
    else:
        pq.write_table(pa.table(columns), path, row_group_size=7)
    return path


def read(path):
    """Rows of a file, as a table without pandas' guesses."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pydict()
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def run(model, source, out, *options):
    return main(["predict", str(model), str(source), "--out", str(out), *map(str, options)])


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
def test_a_file_gives_what_its_rows_give(clf, model, tmp_path, capsys, source, out):
    X = texts(30)
    source = write(tmp_path / source, {"id": [f"r{i}" for i in range(30)], "text": X})
    out = tmp_path / out
    assert run(model, source, out, "--keep", "id", "text", "--chunk-rows", 8) == 0
    assert capsys.readouterr().out == f"30 rows written to {out}\n"
    rows = read(out)
    assert list(rows) == ["id", "text", "label", "p(fresh)", "p(rotten)"]
    assert rows["id"] == [f"r{i}" for i in range(30)]
    assert rows["text"] == X
    assert rows["label"] == clf.predict(X).tolist()
    proba = np.array([rows["p(fresh)"], rows["p(rotten)"]]).astype(float).T
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_the_screen_shows_csv(model, tmp_path, capsys):
    source = write(tmp_path / "in.parquet", {"id": [1, 2, 3], "text": texts(3)})
    assert main(["predict", str(model), str(source), "--keep", "id", "--chunk-rows", "2"]) == 0
    shown = capsys.readouterr().out
    assert run(model, source, tmp_path / "out.csv", "--keep", "id") == 0
    assert shown == (tmp_path / "out.csv").read_text()
    assert shown.startswith("id,label,p(fresh),p(rotten)\n1,")


def test_parquet_columns_keep_their_data_types(tiny_encoder, tmp_path):
    X = texts(8)
    model = tmp_path / "model"
    y = np.array([1, 2] * 4, dtype=np.int32)
    CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16).fit(X, y).save_pretrained(model)
    kept = pa.table(
        {
            "int8": pa.array(range(8), pa.int8()),
            "time": pa.array(range(8), pa.timestamp("us", tz="UTC")),
            "list": [[i, None] for i in range(8)],
            "kind": pa.array(["a", None] * 4).dictionary_encode(),
            "text": pa.array(X, pa.large_string()),
        }
    )
    pq.write_table(kept, tmp_path / "in.parquet", row_group_size=3)
    assert run(model, tmp_path / "in.parquet", tmp_path / "out.parquet", "--keep", *kept.column_names) == 0
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(kept.column_names).equals(kept)
    assert found.schema.field("label").type == pa.int32()
    assert found.schema.field("p(1)").type == pa.float64()


def test_missing_values_of_kept_columns_are_empty_in_csv(model, tmp_path):
    source = write(tmp_path / "in.parquet", {"n": [1, None, 3], "text": texts(3)})
    assert run(model, source, tmp_path / "out.csv", "--keep", "n") == 0
    assert read(tmp_path / "out.csv")["n"] == ["1", "", "3"]


def test_files_hold_pairs_too(tiny_encoder, tmp_path):
    X = [(text, "a film") for text in texts(8)]
    clf = CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16, random_state=0).fit(X, ["a", "b"] * 4)
    clf.save_pretrained(tmp_path / "model")
    for name in ("in.csv", "in.parquet"):
        source = write(tmp_path / name, {"text_a": [a for a, _ in X], "text_b": [b for _, b in X]})
        assert run(tmp_path / "model", source, tmp_path / "out.parquet", "--chunk-rows", 3) == 0
        rows = read(tmp_path / "out.parquet")
        np.testing.assert_allclose(rows["p(a)"], clf.predict_proba(X)[:, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_file_without_rows_gives_one(model, tmp_path, name):
    source = write(tmp_path / name, {"text": pa.array([], pa.string())} if "parquet" in name else {"text": []})
    for out in (tmp_path / "out.csv", tmp_path / "out.parquet"):
        assert run(model, source, out) == 0
        assert read(out) == {"label": [], "p(fresh)": [], "p(rotten)": []}


def test_a_file_is_warned_of_once(model, tmp_path, caught):
    source = write(tmp_path / "in.csv", {"id": range(6), "text": [" ", "a film"] * 3})
    assert run(model, source, tmp_path / "out.csv", "--chunk-rows", 2) == 0
    assert [str(w.message) for w in caught] == ["SKW010: 3 of 6 texts in X are empty."]


@pytest.mark.parametrize("row_group_size", [3, 50_000])
def test_parquet_is_cut_into_chunks_whatever_its_row_groups_are(tmp_path, row_group_size):
    table = pa.table({"text": texts(100), "kind": pa.array(["a", "b"] * 50).dictionary_encode()})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=row_group_size)
    source = _stream.open_input(tmp_path / "in.parquet", keep=["kind"])
    chunks = list(source.chunks(30, skip=5))
    assert [len(chunk.texts) for chunk in chunks] == [30, 30, 30, 5]
    assert [text for chunk in chunks for text in chunk.texts] == texts(100)[5:]
    assert [kind for chunk in chunks for kind in chunk.kept[0].to_pylist()] == (["a", "b"] * 50)[5:]


@pytest.mark.parametrize("row_group_size", [5_000, 50_000])
def test_parquet_is_never_in_memory_as_a_whole(tmp_path, row_group_size):
    noise = np.random.RandomState(0)
    X = [noise.bytes(200).hex() for _ in range(50_000)]  # 10 MB, however well it is compressed
    pq.write_table(pa.table({"text": X}), tmp_path / "in.parquet", row_group_size=row_group_size, use_dictionary=False)
    start, most = pa.total_allocated_bytes(), 0
    for chunk in _stream.open_input(tmp_path / "in.parquet").chunks(1000):
        assert len(chunk.texts) == 1000
        most = max(most, pa.total_allocated_bytes() - start)
    assert most < 5e6


# -- what is refused --------------------------------------------------------------------------------------------------


def refused(capsys, status):
    error = capsys.readouterr().err
    assert status == 2
    assert "error: " in error
    return error[error.index("error: ") + len("error: ") :].rstrip("\n")


def test_a_missing_text_is_named_by_its_row_in_the_file_before_anything_is_predicted(
    model, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(BaseTextClassifier, "predict_proba", None)
    source = write(tmp_path / "in.parquet", {"text": [*texts(17), None, "a film"]})
    message = refused(capsys, run(model, source, tmp_path / "out.csv", "--chunk-rows", 5))
    assert message.startswith(f"{source}: column 'text' contains a missing value at row 17; drop the row or replace")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_line_of_csv_with_other_fields_is_named(model, tmp_path, capsys):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,a film\n\n2\n")
    message = f"{source}, line 4: expected 2 fields as in the header."
    assert refused(capsys, run(model, source, tmp_path / "out.csv")) == message
    source.write_text(f"id,text\n1,{'a' * 200_000}\n")
    assert refused(capsys, run(model, source, tmp_path / "out.csv")).startswith(f"{source}, line 2: field larger than")


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"txt": ["a"]}, [], "{source} has no column 'text_a', 'text_b'; its columns are ['txt']."),
        ({"text": ["a"]}, ["--keep", "id"], "{source} has no column 'id'; its columns are ['text']."),
        (
            {"text": ["a"], "label": ["b"]},
            ["--keep", "label"],
            "The output would have two columns 'label'; do not keep",
        ),
        (
            {"text": ["a"]},
            ["--keep", "text", "text"],
            "The output would have two columns 'text'; do not keep that one.",
        ),
        ({"text": ["a"]}, ["--text-column", *["text"] * 3], "A row holds one text or a pair of texts, not 3"),
        ({"text": ["a"]}, ["--chunk-rows", "0"], "--chunk-rows must be at least 1, got 0."),
        ({"text": [1]}, [], "{source}: column 'text' holds int64, expected string."),
        (
            {"text": ["a"], "list": [[1]]},
            ["--keep", "list"],
            "Column 'list' holds list<element: int64>, which has no place",
        ),
    ],
)
def test_columns_that_cannot_be_used_are_refused(model, tmp_path, capsys, columns, options, message):
    source = write(tmp_path / "in.parquet", columns)
    assert refused(capsys, run(model, source, tmp_path / "out.csv", *options)).startswith(message.format(source=source))
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_columns_of_one_name_are_refused(model, tmp_path, capsys):
    (tmp_path / "in.csv").write_text("text,text\na,b\n")
    assert "has several columns 'text'" in refused(capsys, run(model, tmp_path / "in.csv", tmp_path / "out.csv"))


def test_names_say_the_kind_of_a_file(model, tmp_path, capsys):
    source = write(tmp_path / "in.csv", {"text": ["a film"]})
    for wrong in ((source, tmp_path / "out.xlsx"), (tmp_path / "in.txt", tmp_path / "out.csv")):
        assert "expected a name that ends in .csv or .parquet." in refused(capsys, run(model, *wrong))


@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_not_overwritten(model, tmp_path, capsys, link):
    source = out = write(tmp_path / "in.csv", {"text": ["a film"]})
    if link:
        out = tmp_path / "link.csv"
        out.symlink_to(source)
    assert "is the input. Write somewhere else." in refused(capsys, run(model, source, out))
    assert source.read_text() == "text\na film\n"


def test_a_model_of_numbers_is_refused(numeric, tmp_path, capsys):
    numeric.save_pretrained(tmp_path / "model")
    source = write(tmp_path / "in.csv", {"text": ["a film"]})
    for out in ([], ["--out", str(tmp_path / "out.csv")]):
        message = refused(capsys, main(["predict", str(tmp_path / "model"), str(source), *out]))
        assert "was fitted on rows of numbers; this command predicts texts." in message


def test_parquet_without_pyarrow_names_the_extra(model, tmp_path, capsys, monkeypatch):
    source = write(tmp_path / "in.csv", {"text": ["a film"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for files in ((source, tmp_path / "out.parquet"), (tmp_path / "in.parquet", tmp_path / "out.csv")):
        assert refused(capsys, run(model, *files)) == 'Parquet files need pyarrow. Run: pip install "skweight[parquet]"'
    assert run(model, source, tmp_path / "out.csv") == 0


# -- going on after a kill --------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a run at once; unlike a real kill, code in `finally` still runs."""


def kill_at(monkeypatch, target, name, call=1):
    """Let the `call`-th call of a function end the run before it does anything."""
    function, calls = getattr(target, name), []

    def killed(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise Killed
        return function(*args, **kwargs)

    monkeypatch.setattr(target, name, killed)


@pytest.fixture
def job(model, tmp_path):
    """A run of 30 rows in chunks of 4, eight parts; the table that it should write."""
    source = write(tmp_path / "in.parquet", {"id": range(30), "text": texts(30)})
    assert run(model, source, tmp_path / "expected.parquet", "--keep", "id", "--chunk-rows", 4) == 0

    class Job:
        out = tmp_path / "out.parquet"
        parts = tmp_path / "out.parquet.parts"
        expected = pq.read_table(tmp_path / "expected.parquet")

        def run(self, *options, keep=("id",)):
            return run(model, source, self.out, *(["--keep", *keep] if keep else []), "--chunk-rows", 4, *options)

        def killed(self):
            with pytest.raises(Killed):
                self.run()

        def is_done(self):
            assert pq.read_table(self.out).equals(self.expected)
            assert not self.parts.exists()
            return True

    job = Job()
    job.source, job.model = source, model
    return job


@pytest.fixture
def predicted(monkeypatch):
    """Number of rows of each batch that is predicted."""
    sizes, encode = [], BaseTextClassifier._encode_rows
    monkeypatch.setattr(
        BaseTextClassifier,
        "_encode_rows",
        lambda self, rows, *name: sizes.append(len(rows)) or encode(self, rows, *name),
    )
    return sizes


# The folder's files are renamed in this order: the manifest, eight parts, the output.
@pytest.mark.parametrize(
    ("name", "call", "done"),
    [("replace", call, 4 * max(call - 2, 0)) for call in (1, 2, 3, 5)]
    + [("replace", 10, 30), ("fsync", 2 * 4 - 1, 8), ("fsync", 2 * 10, 30)],
)
def test_a_run_goes_on_wherever_it_was_killed(job, monkeypatch, predicted, capsys, name, call, done):
    with monkeypatch.context() as patch:
        kill_at(patch, os, name, call)
        job.killed()
    del predicted[:]
    capsys.readouterr()
    assert job.run() == 0
    assert sum(predicted) == 30 - done
    assert (f"resuming: {done} of 30 rows done\n" in capsys.readouterr().err) is (done > 0)
    assert job.is_done()


@pytest.mark.parametrize("call", [1, 2, 8])
def test_a_run_goes_on_if_it_was_killed_while_it_removed_its_parts(job, monkeypatch, predicted, call):
    with monkeypatch.context() as patch:
        kill_at(patch, Path, "unlink", call)
        job.killed()
    assert pq.read_table(job.out).equals(job.expected)
    del predicted[:]
    assert job.run() == 0
    assert sum(predicted) == (0 if call == 1 else 4 * (call - 1) - 2)  # the last part has two rows
    assert job.is_done()


def test_a_run_goes_on_if_it_was_killed_while_it_joined_the_parts(job, monkeypatch, predicted):
    with monkeypatch.context() as patch:
        kill_at(patch, _stream.ParquetOutput, "_read", 3)
        job.out.write_text("what was there before")
        job.killed()
    assert job.out.read_text() == "what was there before"
    del predicted[:]
    assert job.run() == 0
    assert predicted == []
    assert job.is_done()


def test_half_of_a_part_is_no_part(job, monkeypatch):
    def write(self, file, chunk, proba):
        if chunk.kept[0][0].as_py() < 8:
            return whole(self, file, chunk, proba)
        file.write(b"PAR1 and no more")
        raise Killed

    whole = _stream.ParquetOutput.write
    with monkeypatch.context() as patch:
        patch.setattr(_stream.ParquetOutput, "write", write)
        job.killed()
    (half,) = job.parts.glob("*.unfinished")
    assert half.name.startswith("part-000000000008-")
    assert job.run("--chunk-rows", 5) == 0  # nothing else would be written under that name
    found = pq.read_table(job.out)
    assert found["id"].to_pylist() == list(range(30))
    assert not job.parts.exists()


def test_another_chunk_size_may_go_on(job, monkeypatch, predicted):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 5)
        job.killed()
    del predicted[:]
    assert job.run("--chunk-rows", 7) == 0
    assert predicted == [7, 7, 4]
    found = pq.read_table(job.out)
    assert found["id"].to_pylist() == list(range(30))
    np.testing.assert_allclose(found["p(fresh)"], job.expected["p(fresh)"], atol=1e-6)


def test_a_part_that_is_gone_is_made_again_with_all_that_follow(job, monkeypatch, predicted):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 6)
        job.killed()
    sorted(job.parts.glob("part-*.parquet"))[1].unlink()
    del predicted[:]
    assert job.run() == 0
    assert sum(predicted) == 30 - 4
    assert job.is_done()


def change(job, what):
    """Change one thing that the rows of a run depend on; return the options for the next run."""
    if what == "input":
        write(job.source, {"id": range(30), "text": texts(31)[1:]})
    elif what == "input mtime_ns":
        os.utime(job.source, ns=(0, 0))
    elif what == "model":
        about = json.loads((job.model / "skweight.json").read_text())
        (job.model / "skweight.json").write_text(json.dumps({**about, "another": "fit"}))
    elif what == "kept columns":
        return {"keep": ("id", "text")}
    elif what == "text columns":
        return {"options": ("--text-column", "text", "text")}
    return {}


@pytest.mark.parametrize("what", ["input", "input mtime_ns", "model", "kept columns", "text columns", "skweight"])
def test_rows_of_another_run_are_not_mixed_in(job, monkeypatch, capsys, predicted, what):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 5)
        job.killed()
    if what == "skweight":
        monkeypatch.setattr("skweight.__version__", "999")
    how = change(job, what)
    options, keep = how.get("options", ()), how.get("keep", ("id",))
    del predicted[:]
    message = refused(capsys, job.run(*options, keep=keep))
    assert message.startswith(f"{job.parts} holds 12 rows of another run (")
    assert f"{what} " in message or f"{what}: " in message
    assert message.endswith("Repeat the command of that run to go on with it, or add --restart to discard its rows.")
    assert predicted == []
    assert len(list(job.parts.glob("part-*.parquet"))) == 3
    if what != "text columns":  # the model knows no pairs
        assert job.run("--restart", keep=keep) == 0
        assert sum(predicted) == 30
        assert pq.read_table(job.out)["id"].to_pylist() == list(range(30))
        assert not job.parts.exists()


def test_a_run_without_finished_rows_is_in_nobodys_way(job, monkeypatch):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 2)
        kill_at(patch, _stream, "_parts", 2)  # as after a real kill, the folder stays
        job.killed()
    assert (job.parts / "manifest.json").exists()
    assert job.run(keep=()) == 0
    assert pq.read_table(job.out).column_names == ["label", "p(fresh)", "p(rotten)"]


@pytest.mark.parametrize("change", [lambda table: table.slice(1), lambda table: pa.concat_tables([table, table])])
def test_an_input_that_changes_while_it_is_read_is_noticed(job, monkeypatch, capsys, change):
    table = pq.read_table(job.source)
    predict_proba = BaseTextClassifier.predict_proba

    def changing(self, X):
        pq.write_table(change(table), job.source)
        return predict_proba(self, X)

    monkeypatch.setattr(BaseTextClassifier, "predict_proba", changing)
    message = refused(capsys, job.run())
    assert message == f"{job.source} has changed while it was being read. Add --restart to begin anew."
    assert not job.out.exists()


def test_two_processes_at_once_are_refused(job, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 5)
        job.killed()
    with open(job.parts / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refused(capsys, job.run()) == f"Another process is at work in {job.parts}."
        assert len(list(job.parts.glob("part-*.parquet"))) == 3
    assert job.run() == 0
    assert job.is_done()


def test_a_lock_that_was_removed_while_waiting_for_it_is_none(job, monkeypatch, capsys):
    flock = fcntl.flock

    def late(lock, how):
        flock(lock, how)
        os.unlink(lock.name)

    monkeypatch.setattr(fcntl, "flock", late)
    assert refused(capsys, job.run()) == f"Another process is at work in {job.parts}."


def no_locks(lock, how):
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("change", [(_stream, "fcntl", None), (fcntl, "flock", no_locks)])
def test_a_run_works_where_there_are_no_locks(job, monkeypatch, change):
    monkeypatch.setattr(*change)
    assert job.run() == 0
    assert job.is_done()


def test_files_of_others_in_the_folder_are_left_alone(job):
    job.parts.mkdir()
    (job.parts / "notes.txt").write_text("mine")
    assert job.run() == 0
    assert [path.name for path in job.parts.iterdir()] == ["notes.txt"]


def test_a_link_to_the_output_stays_a_link(job):
    (real := job.out.with_name("real.parquet")).write_text("")
    job.out.symlink_to(real)
    assert job.run() == 0
    assert job.out.is_symlink()
    assert pq.read_table(real).equals(job.expected)


def test_a_process_that_is_killed_goes_on_when_started_again(model, tmp_path, capsys):
    n = 3000
    source = write(tmp_path / "in.csv", {"id": range(n), "text": texts(n)})
    out, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    command = [sys.executable, "-m", "skweight", "predict", str(model), str(source), "--out", str(out), "--keep", "id"]
    killed = subprocess.Popen([*command, "--chunk-rows", "10"], stderr=subprocess.PIPE)
    while len(list(parts.glob("part-*.csv"))) < 2:
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    finished = list(parts.glob("part-*.csv"))
    done = 10 * len(finished)
    assert done < n
    for path in finished:  # a mark that rows lose if they are predicted again
        path.write_text(path.read_text().replace("fresh", "FRESH").replace("rotten", "ROTTEN"))

    assert run(model, source, out, "--keep", "id", "--chunk-rows", 1000) == 0
    shown = capsys.readouterr()
    assert f"resuming: {done} of {n} rows done" in shown.err
    assert shown.out == f"{n} rows written to {out}\n"
    rows = read(out)
    assert rows["id"] == [str(i) for i in range(n)]
    assert [label.isupper() for label in rows["label"]] == [True] * done + [False] * (n - done)
    assert not parts.exists()
