"""Going on with a run of the command ``predict`` that was killed."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import full_disk, reseal

from skweight._base import BaseTextClassifier
from skweight._cli import resume
from skweight._cli.predictions_table import ParquetOutput


class Killed(BaseException):
    """Ends a run at once; unlike a real kill, code in `finally` still runs."""


def kill_at(monkeypatch, target, name, call):
    """Let the `call`-th call of a function end the run before it does anything."""
    function, calls = getattr(target, name), []

    def killed(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise Killed
        return function(*args, **kwargs)

    monkeypatch.setattr(target, name, killed)


@pytest.fixture
def job(text_model, tmp_path, texts, write_table, predict):
    """A run of 30 rows in chunks of 4, eight parts; the table that it should write."""
    source = write_table(tmp_path / "in.parquet", {"id": range(30), "text": texts(30)})
    assert predict(text_model, source, tmp_path / "expected.parquet", "--keep", "id", "--chunk-rows", 4) == 0

    class Job:
        out = tmp_path / "out.parquet"
        parts = tmp_path / "out.parquet.parts"
        expected = pq.read_table(tmp_path / "expected.parquet")

        def run(self, *options, keep=("id",)):
            return predict(
                text_model, source, self.out, *(f"--keep={name}" for name in keep), "--chunk-rows", 4, *options
            )

        def change_input(self):
            write_table(source, {"id": range(30), "text": texts(31)[1:]})

        def killed(self, *options):
            with pytest.raises(Killed):
                self.run(*options)

        def is_done(self):
            assert pq.read_table(self.out).equals(self.expected)
            assert not self.parts.exists()
            return True

    job = Job()
    job.source, job.model = source, text_model
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
        kill_at(patch, ParquetOutput, "_read", 3)
        job.out.write_text("what was there before")
        job.killed("--overwrite")
    assert job.out.read_text() == "what was there before"
    del predicted[:]
    assert job.run() == 0
    assert predicted == []
    assert job.is_done()


def test_an_output_is_replaced_only_if_that_is_asked_for_or_a_run_goes_on(job, monkeypatch, predicted, refused):
    job.out.write_text("mine")
    assert refused(job.run()) == f"{job.out} exists. Add --overwrite to replace it."
    assert predicted == []
    assert not job.parts.exists()
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 5)
        job.killed("--overwrite")
    assert "Add --overwrite" in refused(job.run("--restart"))  # the rows of the run that was asked for are given up
    assert job.out.read_text() == "mine"
    assert job.run() == 0
    assert job.is_done()


def test_half_of_a_part_is_no_part(job, monkeypatch):
    def write(self, file, chunk, proba):
        if chunk.kept[0][0].as_py() < 8:
            return whole(self, file, chunk, proba)
        file.write(b"PAR1 and no more")
        raise Killed

    whole = ParquetOutput.write
    with monkeypatch.context() as patch:
        patch.setattr(ParquetOutput, "write", write)
        job.killed()
    (half,) = job.parts.glob("*.unfinished")
    assert half.name.startswith("part-000000000008-")
    assert job.run("--chunk-rows", 5) == 0  # nothing else would be written under that name
    found = pq.read_table(job.out)
    assert found["id"].to_pylist() == list(range(30))
    assert not job.parts.exists()


def test_a_full_disk_is_an_error_that_names_the_output_and_costs_no_row(job, refused):
    with full_disk(1500):
        status = job.run()
    message = refused(status)
    assert "File too large" in message
    assert str(job.out) in message
    assert job.run() == 0
    assert job.is_done()


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
        job.change_input()
    elif what == "input mtime_ns":
        os.utime(job.source, ns=(0, 0))
    elif what == "model":
        about = json.loads((job.model / "skweight.json").read_text())
        (job.model / "skweight.json").write_text(json.dumps({**about, "another": "fit"}))
        reseal(job.model)
    elif what == "kept columns":
        return {"keep": ("id", "text")}
    elif what == "text columns":
        return {"options": ("--text-column", "text") * 2}
    elif what == "raw":
        return {"options": ("--raw",)}
    return {}


@pytest.mark.parametrize(
    "what", ["input", "input mtime_ns", "model", "kept columns", "text columns", "raw", "skweight"]
)
def test_rows_of_another_run_are_not_mixed_in(job, monkeypatch, predicted, what, refused):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 5)
        job.killed()
    if what == "skweight":
        monkeypatch.setattr("skweight.__version__", "999")
    how = change(job, what)
    options, keep = how.get("options", ()), how.get("keep", ("id",))
    del predicted[:]
    message = refused(job.run(*options, keep=keep))
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
        kill_at(patch, resume, "_parts", 3)  # as after a real kill, the folder stays
        job.killed()
    assert (job.parts / "manifest.json").exists()
    assert job.run(keep=()) == 0
    assert pq.read_table(job.out).column_names == ["label", "p(fresh)", "p(rotten)"]


@pytest.mark.parametrize("change", [lambda table: table.slice(1), lambda table: pa.concat_tables([table, table])])
def test_an_input_that_changes_while_it_is_read_is_noticed(job, monkeypatch, change, refused):
    table = pq.read_table(job.source)
    predict_proba = BaseTextClassifier.predict_proba

    def changing(self, X):
        pq.write_table(change(table), job.source)
        return predict_proba(self, X)

    monkeypatch.setattr(BaseTextClassifier, "predict_proba", changing)
    message = refused(job.run())
    assert message == f"{job.source} has changed while it was being read. Add --restart to begin anew."
    assert not job.out.exists()


def test_two_processes_at_once_are_refused(job, monkeypatch, refused):
    with monkeypatch.context() as patch:
        kill_at(patch, os, "replace", 5)
        job.killed()
    with open(job.parts / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refused(job.run()) == f"Another process is at work in {job.parts}."
        assert len(list(job.parts.glob("part-*.parquet"))) == 3
    assert job.run() == 0
    assert job.is_done()


def test_a_lock_that_was_removed_while_waiting_for_it_is_none(job, monkeypatch, refused):
    flock = fcntl.flock

    def late(lock, how):
        flock(lock, how)
        os.unlink(lock.name)

    monkeypatch.setattr(fcntl, "flock", late)
    assert refused(job.run()) == f"Another process is at work in {job.parts}."


def no_locks(lock, how):
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("change", [(resume, "fcntl", None), (fcntl, "flock", no_locks)])
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
    assert job.run("--overwrite") == 0
    assert job.out.is_symlink()
    assert pq.read_table(real).equals(job.expected)


def test_a_process_that_is_killed_goes_on_when_started_again(
    text_model, tmp_path, capsys, texts, write_table, read_table, predict
):
    n = 3000
    source = write_table(tmp_path / "in.csv", {"id": range(n), "text": texts(n)})
    out, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    command = [
        sys.executable,
        "-m",
        "skweight",
        "predict",
        str(text_model),
        str(source),
        "--out",
        str(out),
        "--keep",
        "id",
    ]
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

    assert predict(text_model, source, out, "--keep", "id", "--chunk-rows", 1000) == 0
    shown = capsys.readouterr()
    assert f"resuming: {done} of {n} rows done" in shown.err
    assert shown.out == f"{n} rows written to {out}\n"
    rows = read_table(out)
    assert rows["id"] == [str(i) for i in range(n)]
    assert [label.isupper() for label in rows["label"]] == [True] * done + [False] * (n - done)
    assert not parts.exists()
