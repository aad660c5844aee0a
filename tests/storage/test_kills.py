"""A save that is killed, or that meets another one: never half a model, never parts of two."""

import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest
from filelock import FileLock
from saved_models import fork, has_exited, is_whole

from skweight._base import BaseTextClassifier
from skweight._storage import files

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod")


def kill_before(step):
    """Kill this process before it changes a file for the `step`-th time, whatever code does so."""
    left = step

    def watch(event, args):
        nonlocal left
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def save_and_die(classifier, folder, step):
    kill_before(step)
    classifier.save_pretrained(folder, training=False)


def load(folder):
    return BaseTextClassifier.from_pretrained(folder)


def visible(folder):
    return {path.name for path in folder.iterdir()}


def test_a_save_killed_at_any_step_leaves_the_old_model_or_the_new_one(old, new, tmp_path):
    """It is read without writing, brought in order by the next save that begins, and replaced by one that ends."""
    old.save_pretrained(tmp_path / "old")
    (tmp_path / "old" / "notes.txt").write_text("mine")
    found = []
    for step in range(1, 200):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "old", folder)
        if has_exited(fork(save_and_die, new, folder, step)):
            break
        left = visible(folder)
        loaded = load(folder)
        assert is_whole(loaded, old) or is_whole(loaded, new, training=False)
        assert visible(folder) == left
        found.append(type(loaded))
        with pytest.raises(KeyboardInterrupt), files.replaced(folder):
            raise KeyboardInterrupt  # the next save begins, and does not end either
        assert type(load(folder)) is type(loaded)
        old.save_pretrained(folder)
        assert visible(folder) == visible(tmp_path / "old")
    steps_before = found.count(type(old))
    assert found == [type(old)] * steps_before + [type(new)] * (len(found) - steps_before)
    assert steps_before > 10  # while files were written
    assert len(found) - steps_before > len(os.listdir(folder)) - 3  # each was moved into place
    assert visible(folder) == visible(tmp_path / "old") - {"training.npz"}
    assert (folder / "notes.txt").read_text() == "mine"


def test_the_first_save_killed_at_any_step_leaves_the_model_or_none(new, tmp_path):
    found = []
    for step in range(1, 200):
        folder = tmp_path / str(step)
        if has_exited(fork(save_and_die, new, folder, step)):
            break
        try:
            loaded = load(folder)
        except FileNotFoundError:
            found.append(False)
        else:
            assert is_whole(loaded, new, training=False)
            found.append(True)
    assert sorted(found) == found
    assert set(found) == {False, True}


def save_again_and_again(classifier, folder, times):
    for _ in range(times):
        classifier.save_pretrained(folder)


def is_at_work(process):
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def load_while(processes, folder, *saved):
    """Load as long as one of the processes is at work; return what was loaded how often."""
    counts = [0] * len(saved)
    running = list(processes)
    while running:
        loaded = load(folder)
        which = [type(classifier) for classifier in saved].index(type(loaded))
        assert is_whole(loaded, saved[which])
        counts[which] += 1
        running = [process for process in running if is_at_work(process)]
    assert all(map(has_exited, processes))
    return counts


@pytest.mark.parametrize("times", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_two_processes_that_save_into_one_folder_take_turns_and_a_third_reads_either(times, old, new, tmp_path):
    folder = tmp_path / "model"
    old.save_pretrained(folder)
    processes = [fork(save_again_and_again, classifier, folder, times) for classifier in (old, new)]
    assert sum(load_while(processes, folder, old, new)) > 1
    loaded = load(folder)
    assert is_whole(loaded, old) or is_whole(loaded, new)


@pytest.mark.parametrize("name", ["skweight.sha256", "config.json", "model.safetensors", "training.npz"])
def test_a_reader_that_is_overtaken_by_a_save_reads_the_new_model(name, old, new, tmp_path, monkeypatch):
    old.save_pretrained(tmp_path)
    read_file = files._bytes

    def overtaken(folder, asked):
        if asked == name:
            monkeypatch.undo()
            new.save_pretrained(tmp_path, training=False)
        return read_file(folder, asked)

    monkeypatch.setattr(files, "_bytes", overtaken)
    assert is_whole(load(tmp_path), new, training=False)


def test_who_waits_too_long_for_another_save_is_told_the_folder(old, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)
    with FileLock(tmp_path / ".skweight.lock"):  # another save, at work
        with pytest.raises(TimeoutError, match=rf"has been saving into {tmp_path} for 0\.1 seconds"):
            old.save_pretrained(tmp_path)
        assert visible(tmp_path) == {".skweight.lock"}
    old.save_pretrained(tmp_path)


@pytest.mark.slow
def test_sixty_saves_killed_at_any_moment_leave_a_whole_model(old, new, tmp_path):
    rng, folder, kinds, n_kills, seconds = np.random.RandomState(0), tmp_path / "model", set(), 0, 0.05
    old.save_pretrained(folder)
    while n_kills < 60 or len(kinds) < 2:
        process = fork(save_again_and_again, [old, new][rng.randint(2)], folder, 1)
        time.sleep(rng.uniform(0, 2 * seconds))
        os.kill(process, signal.SIGKILL)
        ended = has_exited(process)
        seconds *= 0.8 if ended else 1.1  # about as long as a save takes here and now
        n_kills += not ended
        loaded = load(folder)
        assert is_whole(loaded, old) or is_whole(loaded, new)
        kinds.add(type(loaded))


@pytest.mark.slow
def test_three_thousand_loads_beside_saves_are_whole(old, new, tmp_path):
    folder, n, counts = tmp_path / "model", 0, [0, 0]
    old.save_pretrained(folder)
    while n < 3000:
        found = load_while([fork(save_again_and_again, one, folder, 100) for one in (old, new)], folder, old, new)
        counts = [a + b for a, b in zip(counts, found, strict=True)]
        n = sum(counts)
    assert min(counts) > 0
