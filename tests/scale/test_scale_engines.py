"""Many files by several workers: the same bits, every row once, whoever is killed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scale_checkers import LetterChecker, MortalChecker, WaitingChecker, WarningChecker

from skweight.exceptions import SkweightWarning
from skweight.scale import Scorer, score, score_file, weights
from skweight.scale._many import _jobs


def expected_of(folder, tmp_path, quality, diversity=None, **how):
    """What one call for each file gives in this process."""
    tables = {}
    for path in sorted(folder.rglob("*.parquet")):
        score_file(path, tmp_path / "expected" / path.name, Scorer(quality, diversity), **how)
        tables[path.name] = pq.read_table(tmp_path / "expected" / path.name)
    return tables


def tables_of(folder):
    return {path.name: pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))}


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix == ".unfinished"]


def is_running(process):
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def mortal(tmp_path):
    """Make a checker that kills its process that many times."""

    def make(lives):
        (tmp_path / "lives").mkdir()
        for i in range(lives):
            (tmp_path / "lives" / str(i)).touch()
        return MortalChecker(tmp_path / "lives")

    return make


def check_against_one_process(folder, tmp_path, checkers, *, n_workers=2, **how):
    """Score with workers, and compare with this process to the last bit."""
    scored = score(folder, tmp_path / "out", **checkers, n_workers=n_workers, keep=["id"], batch_rows=4, **how)
    expected = expected_of(folder, tmp_path, **checkers, keep=["id"], batch_rows=4)
    found = tables_of(tmp_path / "out")
    assert len(expected) == 4
    assert found == expected
    assert np.unique(np.concatenate([table["log_ratio"].to_numpy() for table in found.values()])).size > 10
    assert sorted(np.concatenate([table["id"].to_numpy() for table in found.values()]).tolist()) == list(range(40))
    assert (scored.n_rows, scored.n_unknown, scored.n_found, leftovers(tmp_path / "out")) == (40, 0, 0, [])
    assert weights(tmp_path / "out").sketch.n_rows == 40


def test_a_worker_gives_the_bits_of_this_process(text_model, write_files, tmp_path):
    folder = write_files(4, labels=("fresh", "rotten"))
    check_against_one_process(folder, tmp_path, {"quality": text_model}, n_workers=1)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_what_a_worker_that_was_killed_had_in_its_hands_is_scored_by_another(
    engine, write_files, mortal, tmp_path, request
):
    if engine == "ray":
        request.getfixturevalue("ray_session")
    checker = mortal(1)
    check_against_one_process(write_files(4, file2="a fatal film"), tmp_path, {"quality": checker}, engine=engine)
    assert not list(checker.lives.iterdir())  # it has been killed


@pytest.mark.slow
def test_actors_of_ray_of_which_one_is_killed_give_the_bits_of_this_process(
    ray_session, text_model, write_files, mortal, tmp_path
):
    checkers = {"quality": text_model, "diversity": mortal(1).set_params(classes=["fresh", "rotten"])}
    folder = write_files(4, labels=("fresh", "rotten"), file2="a fatal film")
    check_against_one_process(folder, tmp_path, checkers, engine="ray")
    assert not list((tmp_path / "lives").iterdir())


def test_a_file_that_kills_every_worker_is_given_up_and_the_others_are_scored(write_files, mortal, tmp_path):
    folder = write_files(3, file0="a fatal film")
    checker = mortal(5)
    said = r"in/0\.parquet: 3 workers have ended while they worked on it \(exit code -9\)\."
    with pytest.raises(ValueError, match=rf"^1 of 3 files could not be finished; the others are\. .*{said}"):
        score(folder, tmp_path / "out", quality=checker, n_workers=1)
    assert len(list(checker.lives.iterdir())) == 2
    assert list(tables_of(tmp_path / "out")) == ["1.parquet", "2.parquet"]
    assert leftovers(tmp_path / "out") == []


def test_a_call_that_was_killed_goes_on_where_it_was(write_files, tmp_path):
    folder = write_files(3, file1="wait")
    gate = tmp_path / "gate"
    gate.touch()
    program = [sys.executable, str(Path(__file__).parent / "score_until_killed.py"), str(tmp_path), str(gate)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(program, env=environment) as driver:
        wait_for(lambda: gate.read_text().endswith("\n") or driver.poll() is not None)
        driver.send_signal(signal.SIGKILL)
    (worker,) = map(int, gate.read_text().split())
    wait_for(lambda: not is_running(worker))
    assert list(tables_of(tmp_path / "out")) == ["0.parquet"]
    assert len(leftovers(tmp_path / "out")) == 1  # half of a file, under a name that nobody reads
    first = (tmp_path / "out" / "0.parquet").stat()
    gate.unlink()
    scored = score(folder, tmp_path / "out", quality=WaitingChecker(str(gate)), n_workers=1, batch_rows=4)
    assert (scored.n_rows, scored.n_found) == (30, 1)
    assert (tmp_path / "out" / "0.parquet").stat().st_mtime_ns == first.st_mtime_ns
    expected = expected_of(folder, tmp_path, WaitingChecker(str(gate)), batch_rows=4)
    found = tables_of(tmp_path / "out")
    assert all(found[name].equals(table) for name, table in expected.items())
    assert leftovers(tmp_path / "out") == []


def test_what_is_finished_needs_no_worker_and_other_settings_are_refused_before_any_work(write_files, tmp_path):
    folder = write_files(2)
    for path in folder.iterdir():
        score_file(path, tmp_path / "out" / path.name, Scorer(LetterChecker()))
    scored = score(folder, tmp_path / "out", quality=LetterChecker(), n_workers=1)
    assert (scored.n_found, scored.n_rows) == (2, 20)
    assert scored.files == [tmp_path / "out" / "0.parquet", tmp_path / "out" / "1.parquet"]
    (tmp_path / "out" / "0.parquet").unlink()
    with pytest.raises(FileExistsError, match=r"out/1\.parquet was made of something else \(batch_rows: 8192 → 3\)"):
        score(folder, tmp_path / "out", quality=LetterChecker(), batch_rows=3)
    assert list(tables_of(tmp_path / "out")) == ["1.parquet"]


def test_a_file_with_an_error_is_named_after_the_others_are_scored(write_files, tmp_path):
    folder = write_files(1)
    (folder / "1.csv").write_text('text,label\n"a good film,fresh\n')
    with pytest.raises(ValueError, match=r"^1 of 2 files could not be finished; the others are\. .*in/1\.csv: the row"):
        score(folder, tmp_path / "out", quality=LetterChecker(), n_workers=1)
    assert list(tables_of(tmp_path / "out")) == ["0.parquet"]


def test_warnings_of_workers_come_once_and_rows_without_a_ratio_are_counted(write_files, tmp_path):
    folder = write_files(3, labels=("good", "so-so"))
    with pytest.warns(SkweightWarning) as caught:
        score(folder, tmp_path / "out", quality=WarningChecker(), n_workers=1)
    said = [str(warning.message) for warning in caught]
    assert [text[:6] for text in said] == ["SKW099", "SKW060"]
    assert re.fullmatch(r"SKW099: 10 rows were seen\. In .*/in/0\.parquet, perhaps in other files too\.", said[0])
    assert said[1].startswith("SKW060: 15 of 30 rows have a label that is missing or no class of the checkers")


def test_a_model_that_cannot_be_loaded_ends_the_call(write_files, text_model, tmp_path):
    folder = write_files(3)
    (tmp_path / "model").mkdir()
    with pytest.raises(RuntimeError, match=r"has no skweight\.json: it was not saved by save_pretrained"):
        score(folder, tmp_path / "out", quality=tmp_path / "model", n_workers=1)
    assert tables_of(tmp_path / "out") == {}


# -- what is scored, and where it goes --------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.parquet", "in/deep/a.parquet", "in/b.csv", "in/.hidden/c.csv", "in/_SUCCESS", "in/.b.csv.crc"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("in", {"in/a.parquet": "o/a.parquet", "in/b.csv": "o/b.csv.parquet", "in/deep/a.parquet": "o/deep/a.parquet"}),
        ("in/*.parquet", {"in/a.parquet": "o/a.parquet"}),
        ("in/**/*.parquet", {"in/a.parquet": "o/a.parquet", "in/deep/a.parquet": "o/deep/a.parquet"}),
        ("in/deep/a.parquet", {"in/deep/a.parquet": "o/a.parquet"}),
        (["in/b.csv", Path("in/a.parquet")], {"in/b.csv": "o/b.csv.parquet", "in/a.parquet": "o/a.parquet"}),
        (["in/*.csv", "in/b.csv"], {"in/b.csv": "o/b.csv.parquet"}),
    ],
    ids=str,
)
def test_files_go_where_their_names_say(inputs, expected):
    assert {str(path): str(target) for path, target in _jobs(inputs, Path("o"))} == expected


@pytest.mark.usefixtures("tree")
def test_two_inputs_with_one_output_and_inputs_among_outputs_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"^in/a\.parquet and in/deep/a\.parquet would both be written to o/a\.parquet"
    ):
        score(["in/a.parquet", "in/deep/a.parquet"], "o", quality=LetterChecker())
    with pytest.raises(ValueError, match=r"^in/deep/a\.parquet, an input, lies in in/deep, where the outputs go"):
        score("in", "in/deep", quality=LetterChecker())
    for nothing in ("nothing", "in/*.json", "in/nothing.csv"):
        with pytest.raises(FileNotFoundError, match=r": there are no such files"):
            score(nothing, "o", quality=LetterChecker())
    assert not Path("o").exists()


def test_two_calls_do_not_share_a_folder(write_files, tmp_path):
    from filelock import FileLock

    folder = write_files(1)
    (tmp_path / "out").mkdir()
    with (
        FileLock(tmp_path / "out" / ".lock"),
        pytest.raises(RuntimeError, match=r"^Another process is at work in .*out"),
    ):
        score(folder, tmp_path / "out", quality=LetterChecker())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "spark"}, "engine must be 'local' or 'ray', got 'spark'"),
        ({"n_workers": 0}, "n_workers and threads must be at least 1, got 0 and 1"),
        ({"threads": 0}, "n_workers and threads must be at least 1, got None and 0"),
        ({"batch_rows": 0}, "batch_rows must be at least 1, got 0"),
    ],
    ids=str,
)
def test_options_of_a_call_are_checked(write_files, tmp_path, options, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        score(write_files(1), tmp_path / "out", quality=LetterChecker(), **options)


def test_without_ray_the_extra_is_named(write_files, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'^engine="ray" needs Ray\. Run: pip install "skweight\[ray\]"'):
        score(write_files(1), tmp_path / "out", quality=LetterChecker(), engine="ray")
