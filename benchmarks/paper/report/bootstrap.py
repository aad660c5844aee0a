"""Intervals from which test rows were right, by resampling rows and seeds."""

import zlib
from functools import lru_cache

import numpy as np


def correct_rows(line, n_rows):
    """Which of the scored test rows a run got right."""
    packed = np.frombuffer(bytes.fromhex(line["test_correct"]), dtype=np.uint8)
    return np.unpackbits(packed, count=n_rows).astype(np.float32)


def number_scored(lines):
    """Test rows that the runs were scored on.

    The mask is padded to whole bytes with zeros, and ``scored`` may exceed the rows of a small test set, so the number
    is what makes the bits of a mask the accuracy of its line.
    """
    numbers = set()
    for line in lines:
        right = bytes.fromhex(line["test_correct"])
        if line["test_accuracy"] > 0:
            n_rows = round(sum(byte.bit_count() for byte in right) / line["test_accuracy"])
            numbers.add(n_rows)
            if not 8 * len(right) - 8 < n_rows <= 8 * len(right):
                raise ValueError(f"The mask and the accuracy of a line contradict each other: {line['config']}")
    if len(numbers) > 1:
        raise ValueError(f"Lines of one task were scored on different numbers of rows: {sorted(numbers)}")
    return numbers.pop() if numbers else 8 * len(bytes.fromhex(lines[0]["test_correct"]))


def row_differences(lines, reference):
    """Seeds x test rows: 1 where only the first of two cells is right, -1 where only the reference is; None if none."""
    seeds = sorted(lines.keys() & reference.keys())
    if not seeds or any("test_correct" not in cell[seed] for cell in (lines, reference) for seed in seeds):
        return None
    n_rows = number_scored([cell[seed] for cell in (lines, reference) for seed in seeds])
    return np.array([correct_rows(lines[seed], n_rows) - correct_rows(reference[seed], n_rows) for seed in seeds])


@lru_cache(maxsize=64)
def resampled(name, size, resamples):
    """How often each of `size` things is drawn, in each resample, as a share; the same for the same name and size."""
    rng = np.random.default_rng([0, zlib.crc32(name.encode())])
    return (rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size).astype(np.float32)


def bootstrap(blocks, resamples=2000):
    """Mean over blocks of ``(task, row_differences)`` and its 95 % interval, in points.

    Within each task, test rows and seeds are resampled. Tasks are not: the interval is about these tasks. Blocks of one
    task (several generators) get the same draws, since they share their test rows, and by seed their quality checkers.
    Resampling both at once counts what is peculiar to a row and a seed up to three times (Owen, 2007, "The pigeonhole
    bootstrap"), so the interval is rather too wide than too narrow, unless seeds are few and differ a lot.
    """
    means = np.zeros(resamples)
    for task, block in blocks:
        n_seeds, n_rows = block.shape
        by_seed = resampled(f"rows of {task}", n_rows, resamples) @ block.T
        means += (by_seed * resampled(f"seeds of {task}", n_seeds, resamples)).sum(axis=1) / len(blocks)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = np.mean([block.mean() for _, block in blocks])
    return 100 * float(mean), 100 * float(low), 100 * float(high)
