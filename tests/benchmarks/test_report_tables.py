import re

import pytest
from report_lines import cells, make_line, make_lines

from benchmarks.paper.report.differences import Difference, never_worse
from benchmarks.paper.report.never_worse import never_worse_table
from benchmarks.paper.report.runs import Runs, with_choice
from benchmarks.paper.report.tables import NONE, difference_table, score_table, signed, spread


def test_mean_and_spread_with_the_number_of_seeds_where_it_is_lower():
    assert spread([50, 60, 70], most=3) == "60.0 ± 10.0"
    assert spread([50, 60], most=3) == "55.0 ± 7.1 [2]"
    assert spread([50], most=1) == "50.0"
    assert spread([], most=3) == NONE
    assert spread([0.25, 0.35, None], most=2, digits=2) == "0.30 ± 0.07"


def test_table_of_scores_has_the_methods_in_order_and_the_best_in_bold():
    lines = make_lines({"tweets": {"new": [0.5], "DIMP": [0.8, 0.6], "cross-entropy": [0.6, 0.6], "IMP": [0.75, 0.5]}})
    table = score_table(Runs(lines), "test_accuracy")
    assert re.findall(r"^\| ([^|]*) \|", table, flags=re.MULTILINE)[2:] == ["cross-entropy", "IMP", "DIMP", "new"]
    assert cells(table, "DIMP")[0][0] == "**70.0 ± 14.1**"
    assert cells(table, "new")[0][0] == "50.0 [1]"


def test_marks_follow_the_corrected_p_value():
    mark = [signed(Difference(1.0, 0.5, p, 3)) for p in (0.0004, 0.009, 0.04, 0.05)]
    assert mark == [
        "+1.0 ± 0.5\\*\\*, p < .001",
        "+1.0 ± 0.5\\*\\*, p .009",
        "+1.0 ± 0.5\\*, p .040",
        "+1.0 ± 0.5, p .050",
    ]


def test_pooled_difference_counts_tasks_alike():
    lines = make_lines({"tweets": {"cross-entropy": [0.5] * 3, "IMP": [0.6] * 3}})
    lines += make_lines({"news": {"cross-entropy": [0.5] * 3, "IMP": [0.8] * 3}}, n_rows=200)
    lines += make_lines({"pairs": {"cross-entropy": [0.5] * 3}})
    table = difference_table(Runs(lines), "test_accuracy", lambda column, row: "cross-entropy")
    ((*_, pooled),) = cells(table, "IMP")
    assert re.fullmatch(r"\+20\.0 \[\+\d+\.\d, \+\d+\.\d\] \(2 of 3 tasks\)", pooled)
    table = difference_table(Runs(lines), "test_macro_f1", lambda column, row: "cross-entropy")
    assert cells(table, "IMP")[0][-1] == "+10.0 ± 0.0 (2 of 3 tasks)"


def test_never_worse():
    lines = make_lines(
        {
            "tweets": {"real only": [0.6], "cross-entropy": [0.5], "pooled": [0.55], "IMP": [0.625], "DIMP": [0.55]},
            "news": {"real only": [0.6], "cross-entropy": [0.7], "pooled": [0.8], "IMP": [0.775], "DIMP": [0.9]},
            "pairs": {"real only": [0.5], "cross-entropy": [0.5], "filter": [0.7]},
        }
    )
    runs = Runs(lines)
    found = never_worse(runs, "test_accuracy")
    assert found["IMP"] == (pytest.approx(-2.5), ("news", "gpt-4"), 1, 2)
    assert found["DIMP"] == (pytest.approx(-5), ("tweets", "gpt-4"), 1, 2)
    assert found["pooled"] == (pytest.approx(-5), ("tweets", "gpt-4"), 1, 2)  # equal on the news, where it is the best
    assert found["filter"] == (pytest.approx(20), ("pairs", "gpt-4"), 1, 1)
    table = never_worse_table(runs)
    assert "pooled on pairs (gpt-4)" in table
    assert "No other method has all tasks" in table
    without_pairs = never_worse_table(Runs([x for x in lines if x["config"]["task"] != "pairs"]))
    assert "IMP (-2.5; -2.5 on the test rows)" in without_pairs


def test_the_choice_on_held_out_rows_is_made_seed_by_seed_and_scored_on_the_test_rows():
    lines = [
        make_line("tweets", method, seed, test, pool)
        for method, seeds in {"real only": [(0.5, 0.9), (0.6, 0.3)], "IMP": [(0.8, 0.4), (0.7, 0.4)]}.items()
        for seed, (test, pool) in enumerate(seeds)
    ]
    lines += make_lines({"tweets": {"pooled": [0.3, 0.3], "cross-entropy": [0.4, 0.6]}})
    runs = with_choice(Runs(lines))
    name = "best of real only, pooled, IMP on held-out real rows"
    assert runs.values(("tweets", "gpt-4"), name, "test_accuracy") == pytest.approx({0: 50, 1: 70})
    assert cells(never_worse_table(Runs(lines)), name) == [
        [NONE, NONE, "+5.0, tweets (gpt-4)", "1 of 1"]  # 60 less the 55 of the real rows
    ]
