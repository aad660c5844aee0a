import numpy as np
import pytest
from report_lines import make_line

from benchmarks.paper.report.bootstrap import bootstrap, correct_rows, number_scored, resampled, row_differences
from benchmarks.paper.report.runs import Runs


def test_number_of_scored_rows_comes_from_the_accuracy():
    rng = np.random.default_rng(0)
    lines = [make_line("tweets", "IMP", seed, rng.random(423) < 0.7) for seed in range(3)]
    assert number_scored(lines) == 423
    assert correct_rows(lines[0], 423).mean() == pytest.approx(lines[0]["test_accuracy"])
    with pytest.raises(ValueError, match="different numbers of rows"):
        number_scored([*lines, make_line("tweets", "IMP", 3, rng.random(400) < 0.7)])
    with pytest.raises(ValueError, match="contradict"):
        number_scored([lines[0] | {"test_accuracy": 0.5}])
    # All wrong: every number of rows explains the mask.
    assert number_scored([make_line("tweets", "IMP", 0, np.zeros(40))]) == 40


def noisy_pairs(n_tasks, gain, rng):
    """Lines of two methods: the second right on `gain` more of the rows, apart from noise."""
    lines = []
    for task in range(n_tasks):
        chance = rng.uniform(0.2, 0.9 - gain, size=200)
        for seed in range(4):
            lines.append(make_line(f"task{task}", "cross-entropy", seed, rng.random(200) < chance))
            lines.append(make_line(f"task{task}", "IMP", seed, rng.random(200) < chance + gain))
    return lines


@pytest.mark.parametrize("gain", [0.0, 0.05])
def test_bootstrap_interval_covers_a_known_difference(gain):
    rng = np.random.default_rng(0)
    covered, widths = 0, []
    for _ in range(20):
        runs = Runs(noisy_pairs(2, gain, rng))
        blocks = [
            (column[0], row_differences(runs.lines(column, "IMP"), runs.lines(column, "cross-entropy")))
            for column in runs.columns
        ]
        mean, low, high = bootstrap(blocks, resamples=300)
        assert low < mean < high
        covered += low <= 100 * gain <= high
        widths.append(high - low)
    assert covered >= 17
    assert np.mean(widths) < 12


def test_bootstrap_of_a_certain_difference_has_no_width():
    better, worse = np.ones(30, dtype=bool), np.zeros(30, dtype=bool)
    one = [make_line("tweets", "IMP", seed, better) for seed in range(3)]
    other = [make_line("tweets", "cross-entropy", seed, worse) for seed in range(3)]
    block = row_differences(dict(enumerate(one)), dict(enumerate(other)))
    assert block.shape == (3, 30)
    assert bootstrap([("tweets", block)]) == pytest.approx((100, 100, 100))


def test_bootstrap_repeats_itself():
    block = np.random.default_rng(0).integers(-1, 2, size=(3, 50)).astype(np.float32)
    first = bootstrap([("tweets", block)])
    resampled.cache_clear()
    assert bootstrap([("tweets", block)]) == first
