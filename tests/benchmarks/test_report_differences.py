import math

import numpy as np
import pytest
from report_lines import cells, make_line, make_lines
from scipy.stats import ttest_rel

from benchmarks.paper.report.differences import (
    average_ranks,
    best_single_source,
    differences,
    holm,
    margin,
    paired_difference,
)
from benchmarks.paper.report.main import difference_parts
from benchmarks.paper.report.runs import Runs
from benchmarks.paper.report.tables import NONE, score_table, signed


def test_ranks_share_ties_and_need_every_method():
    lines = make_lines(
        {
            "tweets": {"cross-entropy": [0.5, 0.5], "focal": [0.5, 0.6], "IMP": [0.7, 0.9], "DIMP": [0.9, 0.9]},
            "news": {"cross-entropy": [0.5, 0.5], "focal": [0.6, None], "IMP": [0.7, 0.6]},
        }
    )
    ranks, blocks = average_ranks(Runs(lines), "test_accuracy")
    # Three blocks of cross-entropy, focal and IMP; DIMP misses a task, focal the second seed of the news.
    assert blocks == {("tweets", "gpt-4"): [0, 1], ("news", "gpt-4"): [0]}
    assert ranks == pytest.approx({"cross-entropy": (2.5 + 3 + 3) / 3, "focal": (2.5 + 2 + 2) / 3, "IMP": 1})
    table = score_table(Runs(lines), "test_accuracy")
    assert cells(table, "DIMP")[0][1:] == [NONE, NONE]
    assert "3 methods over 3 blocks: seeds 0, 1 of tweets (gpt-4); seeds 0 of news (gpt-4)." in table
    assert "miss tasks: DIMP" in table


def test_no_seed_in_common_means_no_rank():
    runs = Runs(make_lines({"tweets": {"IMP": [0.5, None], "DIMP": [None, 0.5]}}))
    assert average_ranks(runs, "test_accuracy")[0] == {}
    assert "No average rank" in score_table(runs, "test_accuracy")


def test_paired_difference_agrees_with_scipy_over_shared_seeds():
    a, b = {0: 61.0, 1: 64.0, 2: 60.0, 7: 10.0}, {2: 59.0, 1: 60.0, 0: 60.0, 9: 99.0}
    difference = paired_difference(a, b)
    assert (difference.mean, difference.pairs) == (2.0, 3)
    assert difference.error == pytest.approx(1.0)  # differences 1, 4, 1: standard deviation of the square root of 3
    assert difference.p == pytest.approx(ttest_rel([61, 64, 60], [60, 60, 59]).pvalue)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_differences_without_spread_are_no_evidence():
    assert math.isnan(paired_difference({0: 61.0, 1: 62.0}, {0: 60.0, 1: 61.0}).p)
    assert math.isnan(paired_difference({0: 60.0, 1: 61.0}, {0: 60.0, 1: 61.0}).p)
    only = paired_difference({0: 61.0}, {0: 60.0})
    assert signed(only) == "+1.0"


def test_holm():
    corrected = holm([0.04, 0.01, np.nan, 0.03])
    np.testing.assert_allclose(corrected, [0.06, 0.03, np.nan, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    assert len(holm([])) == 0


def test_correction_is_over_the_methods_of_a_column():
    runs = Runs(
        make_lines({"tweets": {"cross-entropy": [0.5, 0.5, 0.55], "IMP": [0.7, 0.6, 0.7], "DIMP": [0.6, 0.5, 0.6]}})
    )
    found = differences(runs, "test_accuracy", lambda column, row: "cross-entropy")
    raw = [ttest_rel(a, [50, 50, 55]).pvalue for a in ([70, 60, 70], [60, 50, 60])]
    column = ("tweets", "gpt-4")
    assert [found[column, row].p for row in ("IMP", "DIMP")] == pytest.approx(holm(raw).tolist())
    assert (column, "cross-entropy") not in found


def test_best_single_source_is_chosen_on_the_pool():
    lines = [make_line("tweets", "real only", 0, 0.5, pool=0.7), make_line("tweets", "cross-entropy", 0, 0.6, pool=0.6)]
    lines += [make_line("news", "real only", 0, 0.7, pool=0.6), make_line("news", "cross-entropy", 0, 0.6, pool=0.7)]
    runs = Runs(lines)
    assert [best_single_source(runs, column) for column in runs.columns] == ["real only", "cross-entropy"]
    table = difference_parts(runs, "test_accuracy", "")[-1]
    assert "tweets (gpt-4); to real only | news (gpt-4); to cross-entropy" in table
    assert cells(table, "cross-entropy")[0][:2] == ["+10.0", "reference"]


def test_never_worse_compares_shared_seeds():
    runs = Runs(make_lines({"tweets": {"real only": [0.5, 0.9], "cross-entropy": [0.4, 0.4], "IMP": [0.6]}}))
    assert margin(runs, runs.columns[0], "IMP", "test_accuracy") == pytest.approx(10)
