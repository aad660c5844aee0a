import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import write_tiny_bert
from run_in_processes import fits

from skweight._engine.processes import World, join, world
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_film_reviews

SCRIPT = Path(__file__).with_name("run_in_processes.py")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny BERT that knows the reviews' words; without dropout, whose masks differ from process to process."""
    words = {word for text in load_film_reviews().X for word in re.findall(r"\w+|[^\w\s]", text.lower())}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return write_tiny_bert(tmp_path_factory.mktemp("still-bert"), sorted(words), positions=128, **still)


@pytest.fixture(scope="module")
def two_processes(encoder, tmp_path_factory):
    """What each of two processes found."""
    out = tmp_path_factory.mktemp("processes")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    # Of the package's own warnings none is expected, and none may go unseen.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONWARNINGS"] = "ignore:SKW043,ignore:SKW045"  # so few rows do fit as one class
    done = subprocess.run([*command, str(SCRIPT), encoder, str(out)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "SKW" not in done.stderr
    return [dict(np.load(out / f"rank{rank}.npz")) for rank in range(2)], out


def test_two_processes_train_the_model_of_one(two_processes, encoder, tmp_path):
    ranks, _ = two_processes
    assert [int(rank["size"]) for rank in ranks] == [2, 2]
    for name, values in fits(encoder, tmp_path).items():
        if name == "numbers":
            continue  # a head with dropout
        for i, expected in enumerate(values):
            for rank in ranks:
                # Adam turns a difference in the last bit of a tiny gradient into a visible one; the weights of Hu et
                # al. are small differences of losses, divided by their spread.
                atol, mean = (5e-3, 5e-4) if (name, i) == ("Hu", 1) else (1e-4, 2e-7)
                np.testing.assert_allclose(rank[f"{name} {i}"], expected, rtol=0, atol=atol, err_msg=f"{name} {i}")
                if len(expected) > 1:
                    assert np.abs(rank[f"{name} {i}"] - expected).mean() < mean


def test_processes_end_with_the_very_same_model(two_processes):
    (one, two), _ = two_processes
    for name in [name for name in one if not name.startswith("own ")]:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_processes_agree_on_a_seed_where_none_is_given(two_processes):
    (one, two), _ = two_processes
    np.testing.assert_array_equal(one["unseeded"], two["unseeded"])
    assert one["unseeded"].any()


def test_each_process_draws_its_own_dropout_masks(two_processes):
    (one, two), _ = two_processes
    assert one["own dropout seed"] != two["own dropout seed"]


def test_processes_that_were_interrupted_end_as_if_they_had_not_been(two_processes):
    ranks, out = two_processes
    for rank in ranks:
        np.testing.assert_array_equal(rank["interrupted"], rank["uninterrupted"])
    assert not (out / "fits").exists()


def test_each_process_weighs_its_share_of_the_rows(two_processes):
    (one, two), _ = two_processes
    assert (int(one["own rows weighed"]), int(two["own rows weighed"])) == (16, 15)


def test_processes_with_different_rows_are_refused(two_processes):
    (one, two), _ = two_processes
    assert str(one["other rows"]).startswith("The processes were given different rows")
    assert str(two["other rows"]) == str(one["other rows"])


def test_no_cache_is_used_by_several_processes(two_processes):
    _, out = two_processes
    assert not (out / "memory").exists()


def test_alone_there_is_nothing_to_gather():
    assert world() == World(rank=0, size=1)
    values = torch.arange(3.0, requires_grad=True)
    assert World().gather(values, 3) is values
    assert World().broadcast("x") == "x"
    np.testing.assert_array_equal(World().shard(np.arange(5)), np.arange(5))
    np.testing.assert_array_equal(World(1, 2).shard(np.arange(5)), [1, 3])


def test_without_accelerate_the_extra_is_named(monkeypatch, tiny_encoder, toy):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r'one of 2 processes .*pip install "skweight\[distributed\]"'):
        CrossEntropyClassifier(tiny_encoder).fit(toy["X"], toy["y"])


def test_a_single_launched_process_is_alone(monkeypatch):
    for name, value in {"WORLD_SIZE": "1", "RANK": "0", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    assert join("cpu") == World()
