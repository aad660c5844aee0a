"""What trainings leave behind in the memory of a process."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT

from skweight._engine import memory

# Trains on texts of varied lengths again and again; prints the resident memory in MiB after each.
FITS = """
import random, sys
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import minilm_folder

rng = random.Random(0)
for i in range(int(sys.argv[2])):
    X = [" ".join(rng.choices(["film", "plot", "cast", "good", "poor"], k=rng.randint(3, 90))) for _ in range(60)]
    clf = CrossEntropyClassifier(minilm_folder(), max_epochs=1, batch_size=4, precision=sys.argv[1], random_state=i)
    clf.fit(X, [0, 1] * 30)
    print(int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20, flush=True)
"""


def test_nothing_of_the_environment_is_changed(monkeypatch):
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    before = dict(os.environ)
    memory.bound_kernels.__wrapped__()
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY"])
def test_what_the_user_has_set_stays(monkeypatch, name):
    monkeypatch.setenv(name, "7")
    memory.bound_kernels.__wrapped__()
    assert os.environ[name] == "7"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_what_was_freed_is_given_back():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    # Pieces below the size that glibc maps on their own, with every hundredth still in use above the free ones.
    pieces = [bytearray(60_000) for _ in range(4_000)]
    kept = pieces[::100]
    before = resident()
    del pieces
    memory.give_back()
    assert resident() < before - 150
    assert len(kept) == 40


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_memory_does_not_grow_with_the_number_of_trainings(precision):
    done = subprocess.run(
        [sys.executable, "-c", FITS, precision, "40"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    resident = [float(line) for line in done.stdout.split()]
    assert resident[-1] < {"fp32": 1.05, "bf16": 1.25}[precision] * resident[3]
