import importlib
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def report():
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not part of the source distribution")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("report")


@pytest.fixture(scope="module")
def comparison(report):
    return importlib.import_module("comparison")


def make_line(task, method, seed, test, pool=None, n_rows=40, **more):
    """A line whose accuracy on the test rows is `test`, or whose mask is, if that is an array."""
    right = np.arange(n_rows) < round(test * n_rows) if np.isscalar(test) else np.asarray(test, dtype=bool)
    top = {name: more.pop(name) for name in ("mean_weight", "auc_swapped", "epochs", "seconds") if name in more}
    config = {"task": task, "synthetic": "gpt-4", "method": method, "seed": seed, "encoder": "minilm", "rows": 800}
    config |= {"real_rows": None, "scored": 1000, "settings": {"lr": 5e-5}, "quality_checker": {"lr": 1e-4}}
    return {
        "config": config | more,
        "test_accuracy": float(np.mean(right)),
        "test_macro_f1": float(np.mean(right)) / 2,
        "pool_accuracy": float(np.mean(right)) if pool is None else pool,
        "test_correct": np.packbits(right).tobytes().hex(),
        "versions": {"skweight": "0.1.0", "torch": "2.13.0"},
        "machine": "x86_64, 2 cores",
        "date": f"2026-11-2{seed}",
        "seconds": {"build DC": 10.0, "total": 10.0},
        **top,
    }


def make_lines(scores, **more):
    """Lines of `scores[task][method]`, a list by seed (None: no run)."""
    return [
        make_line(task, method, seed, value, **more)
        for task, methods in scores.items()
        for method, values in methods.items()
        for seed, value in enumerate(values)
        if value is not None
    ]


def cells(markdown, row):
    """Cells of the rows of all tables that begin with `row`."""
    return [line.strip("| ").split(" | ")[1:] for line in markdown.splitlines() if line.startswith(f"| {row} |")]


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_mean_and_spread_with_the_number_of_seeds_where_it_is_lower(report):
    assert report.spread([50, 60, 70], most=3) == "60.0 ± 10.0"
    assert report.spread([50, 60], most=3) == "55.0 ± 7.1 [2]"
    assert report.spread([50], most=1) == "50.0"
    assert report.spread([], most=3) == report.NONE
    assert report.spread([0.25, 0.35, None], most=2, digits=2) == "0.30 ± 0.07"


def test_table_of_scores_has_the_methods_in_order_and_the_best_in_bold(report, comparison):
    lines = make_lines({"tweets": {"new": [0.5], "DIMP": [0.8, 0.6], "cross-entropy": [0.6, 0.6], "IMP": [0.75, 0.5]}})
    table = report.score_table(comparison.Runs(lines), "test_accuracy")
    assert re.findall(r"^\| ([^|]*) \|", table, flags=re.MULTILINE)[2:] == ["cross-entropy", "IMP", "DIMP", "new"]
    assert cells(table, "DIMP")[0][0] == "**70.0 ± 14.1**"
    assert cells(table, "new")[0][0] == "50.0 [1]"


def test_ranks_share_ties_and_need_every_method(report, comparison):
    lines = make_lines(
        {
            "tweets": {"cross-entropy": [0.5, 0.5], "focal": [0.5, 0.6], "IMP": [0.7, 0.9], "DIMP": [0.9, 0.9]},
            "news": {"cross-entropy": [0.5, 0.5], "focal": [0.6, None], "IMP": [0.7, 0.6]},
        }
    )
    ranks, blocks = comparison.average_ranks(comparison.Runs(lines), "test_accuracy")
    # Three blocks of cross-entropy, focal and IMP; DIMP misses a task, focal the second seed of the news.
    assert blocks == {("tweets", "gpt-4"): [0, 1], ("news", "gpt-4"): [0]}
    assert ranks == pytest.approx({"cross-entropy": (2.5 + 3 + 3) / 3, "focal": (2.5 + 2 + 2) / 3, "IMP": 1})
    table = report.score_table(comparison.Runs(lines), "test_accuracy")
    assert cells(table, "DIMP")[0][1:] == [report.NONE, report.NONE]
    assert "3 methods over 3 blocks: seeds 0, 1 of tweets (gpt-4); seeds 0 of news (gpt-4)." in table
    assert "miss tasks: DIMP" in table


def test_no_seed_in_common_means_no_rank(report, comparison):
    runs = comparison.Runs(make_lines({"tweets": {"IMP": [0.5, None], "DIMP": [None, 0.5]}}))
    assert comparison.average_ranks(runs, "test_accuracy")[0] == {}
    assert "No average rank" in report.score_table(runs, "test_accuracy")


def test_paired_difference_agrees_with_scipy_over_shared_seeds(comparison):
    a, b = {0: 61.0, 1: 64.0, 2: 60.0, 7: 10.0}, {2: 59.0, 1: 60.0, 0: 60.0, 9: 99.0}
    difference = comparison.paired_difference(a, b)
    assert (difference.mean, difference.pairs) == (2.0, 3)
    assert difference.error == pytest.approx(1.0)  # differences 1, 4, 1: standard deviation of the square root of 3
    assert difference.p == pytest.approx(ttest_rel([61, 64, 60], [60, 60, 59]).pvalue)
    assert comparison.paired_difference({0: 1.0}, {1: 1.0}) is None


def test_differences_without_spread_are_no_evidence(report, comparison):
    assert math.isnan(comparison.paired_difference({0: 61.0, 1: 62.0}, {0: 60.0, 1: 61.0}).p)
    assert math.isnan(comparison.paired_difference({0: 60.0, 1: 61.0}, {0: 60.0, 1: 61.0}).p)
    only = comparison.paired_difference({0: 61.0}, {0: 60.0})
    assert report.signed(only) == "+1.0"


def test_holm(comparison):
    corrected = comparison.holm([0.04, 0.01, np.nan, 0.03])
    np.testing.assert_allclose(corrected, [0.06, 0.03, np.nan, 0.06])
    np.testing.assert_allclose(comparison.holm([0.9, 0.8]), [1, 1])
    assert len(comparison.holm([])) == 0


def test_marks_follow_the_corrected_p_value(report, comparison):
    mark = [report.signed(comparison.Difference(1.0, 0.5, p, 3)) for p in (0.0004, 0.009, 0.04, 0.05)]
    assert mark == [
        "+1.0 ± 0.5\\*\\*, p < .001",
        "+1.0 ± 0.5\\*\\*, p .009",
        "+1.0 ± 0.5\\*, p .040",
        "+1.0 ± 0.5, p .050",
    ]


def test_correction_is_over_the_methods_of_a_column(comparison):
    runs = comparison.Runs(
        make_lines({"tweets": {"cross-entropy": [0.5, 0.5, 0.55], "IMP": [0.7, 0.6, 0.7], "DIMP": [0.6, 0.5, 0.6]}})
    )
    found = comparison.differences(runs, "test_accuracy", lambda column, row: "cross-entropy")
    raw = [ttest_rel(a, [50, 50, 55]).pvalue for a in ([70, 60, 70], [60, 50, 60])]
    column = ("tweets", "gpt-4")
    assert [found[column, row].p for row in ("IMP", "DIMP")] == pytest.approx(comparison.holm(raw).tolist())
    assert (column, "cross-entropy") not in found


def test_best_single_source_is_chosen_on_the_pool(report, comparison):
    lines = [make_line("tweets", "real only", 0, 0.5, pool=0.7), make_line("tweets", "cross-entropy", 0, 0.6, pool=0.6)]
    lines += [make_line("news", "real only", 0, 0.7, pool=0.6), make_line("news", "cross-entropy", 0, 0.6, pool=0.7)]
    runs = comparison.Runs(lines)
    assert [comparison.best_single_source(runs, column) for column in runs.columns] == ["real only", "cross-entropy"]
    table = report.difference_parts(runs, "test_accuracy", "")[-1]
    assert "tweets (gpt-4); to real only | news (gpt-4); to cross-entropy" in table
    assert cells(table, "cross-entropy")[0][:2] == ["+10.0", "reference"]


def test_number_of_scored_rows_comes_from_the_accuracy(comparison):
    rng = np.random.default_rng(0)
    lines = [make_line("tweets", "IMP", seed, rng.random(423) < 0.7) for seed in range(3)]
    assert comparison.number_scored(lines) == 423
    assert comparison.correct_rows(lines[0], 423).mean() == pytest.approx(lines[0]["test_accuracy"])
    with pytest.raises(ValueError, match="different numbers of rows"):
        comparison.number_scored([*lines, make_line("tweets", "IMP", 3, rng.random(400) < 0.7)])
    with pytest.raises(ValueError, match="contradict"):
        comparison.number_scored([lines[0] | {"test_accuracy": 0.5}])
    # All wrong: every number of rows explains the mask.
    assert comparison.number_scored([make_line("tweets", "IMP", 0, np.zeros(40))]) == 40


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
def test_bootstrap_interval_covers_a_known_difference(comparison, gain):
    rng = np.random.default_rng(0)
    covered, widths = 0, []
    for _ in range(20):
        runs = comparison.Runs(noisy_pairs(2, gain, rng))
        blocks = [
            (column[0], comparison.row_differences(runs.lines(column, "IMP"), runs.lines(column, "cross-entropy")))
            for column in runs.columns
        ]
        mean, low, high = comparison.bootstrap(blocks, resamples=300)
        assert low < mean < high
        covered += low <= 100 * gain <= high
        widths.append(high - low)
    assert covered >= 17
    assert np.mean(widths) < 12


def test_bootstrap_of_a_certain_difference_has_no_width(comparison):
    better, worse = np.ones(30, dtype=bool), np.zeros(30, dtype=bool)
    one = [make_line("tweets", "IMP", seed, better) for seed in range(3)]
    other = [make_line("tweets", "cross-entropy", seed, worse) for seed in range(3)]
    block = comparison.row_differences(dict(enumerate(one)), dict(enumerate(other)))
    assert block.shape == (3, 30)
    assert comparison.bootstrap([("tweets", block)]) == pytest.approx((100, 100, 100))


def test_bootstrap_repeats_itself(comparison):
    block = np.random.default_rng(0).integers(-1, 2, size=(3, 50)).astype(np.float32)
    first = comparison.bootstrap([("tweets", block)])
    comparison.resampled.cache_clear()
    assert comparison.bootstrap([("tweets", block)]) == first


def test_pooled_difference_counts_tasks_alike(report, comparison):
    lines = make_lines({"tweets": {"cross-entropy": [0.5] * 3, "IMP": [0.6] * 3}})
    lines += make_lines({"news": {"cross-entropy": [0.5] * 3, "IMP": [0.8] * 3}}, n_rows=200)
    lines += make_lines({"pairs": {"cross-entropy": [0.5] * 3}})
    table = report.difference_table(comparison.Runs(lines), "test_accuracy", lambda column, row: "cross-entropy")
    ((*_, pooled),) = cells(table, "IMP")
    assert re.fullmatch(r"\+20\.0 \[\+\d+\.\d, \+\d+\.\d\] \(2 of 3 tasks\)", pooled)
    table = report.difference_table(comparison.Runs(lines), "test_macro_f1", lambda column, row: "cross-entropy")
    assert cells(table, "IMP")[0][-1] == "+10.0 ± 0.0 (2 of 3 tasks)"


def test_never_worse(report, comparison):
    lines = make_lines(
        {
            "tweets": {"real only": [0.6], "cross-entropy": [0.5], "pooled": [0.55], "IMP": [0.625], "DIMP": [0.55]},
            "news": {"real only": [0.6], "cross-entropy": [0.7], "pooled": [0.8], "IMP": [0.775], "DIMP": [0.9]},
            "pairs": {"real only": [0.5], "cross-entropy": [0.5], "filter": [0.7]},
        }
    )
    runs = comparison.Runs(lines)
    found = comparison.never_worse(runs, "test_accuracy")
    assert found["IMP"] == (pytest.approx(-2.5), ("news", "gpt-4"), 1, 2)
    assert found["DIMP"] == (pytest.approx(-5), ("tweets", "gpt-4"), 1, 2)
    assert found["pooled"] == (pytest.approx(-5), ("tweets", "gpt-4"), 1, 2)  # equal on the news, where it is the best
    assert found["filter"] == (pytest.approx(20), ("pairs", "gpt-4"), 1, 1)
    table = report.never_worse_table(runs)
    assert "pooled on pairs (gpt-4)" in table
    assert "No other method has all tasks" in table
    without_pairs = report.never_worse_table(comparison.Runs([x for x in lines if x["config"]["task"] != "pairs"]))
    assert "IMP (-2.5; -2.5 on the test rows)" in without_pairs


def test_never_worse_compares_shared_seeds(comparison):
    runs = comparison.Runs(make_lines({"tweets": {"real only": [0.5, 0.9], "cross-entropy": [0.4, 0.4], "IMP": [0.6]}}))
    assert comparison.margin(runs, runs.columns[0], "IMP", "test_accuracy") == pytest.approx(10)


def test_the_choice_on_held_out_rows_is_made_seed_by_seed_and_scored_on_the_test_rows(report, comparison):
    lines = [
        make_line("tweets", method, seed, test, pool)
        for method, seeds in {"real only": [(0.5, 0.9), (0.6, 0.3)], "IMP": [(0.8, 0.4), (0.7, 0.4)]}.items()
        for seed, (test, pool) in enumerate(seeds)
    ]
    lines += make_lines({"tweets": {"pooled": [0.3, 0.3], "cross-entropy": [0.4, 0.6]}})
    runs = comparison.with_choice(comparison.Runs(lines))
    name = "best of real only, pooled, IMP on held-out real rows"
    assert runs.values(("tweets", "gpt-4"), name, "test_accuracy") == pytest.approx({0: 50, 1: 70})
    assert cells(report.never_worse_table(comparison.Runs(lines)), name) == [
        [report.NONE, report.NONE, "+5.0, tweets (gpt-4)", "1 of 1"]  # 60 less the 55 of the real rows
    ]


def test_different_settings_do_not_share_a_table(report, comparison):
    lines = make_lines({"tweets": {"IMP": [0.5]}, "news": {"IMP": [0.5]}})
    # Rows may differ from task to task, and a method may have a setting of its own.
    more_rows = make_line("pairs", "IMP", 0, 0.5, rows=400)
    own = make_line("tweets", "SunGen", 0, 0.5, inner_steps=3)
    assert comparison.by_setting([*lines, more_rows, own])[0] == []
    other = make_line("tweets", "IMP", 0, 0.6, settings={"lr": 6e-5})
    split, groups = comparison.by_setting([*lines, other])
    assert split == ["settings"]
    assert [len(group) for group in groups] == [2, 1]
    section = report.main_section([*lines, other], report.Figures())
    assert "### lr 5e-05" in section
    assert "### lr 6e-05" in section


def test_repeated_lines_count_once(comparison):
    line = make_line("tweets", "IMP", 0, 0.5)
    assert len(comparison.select([line, line, make_line("tweets", "IMP", 0, 0.5, study="noise")])) == 1


def test_provenance_comes_from_the_lines(report):
    lines = make_lines({"tweets": {"IMP": [0.5, 0.5], "DIMP": [0.5]}})
    lines.append(make_line("news", "IMP", 0, 0.5, rows=400) | {"machine": "aarch64, 8 cores"})
    text = report.provenance(lines)
    assert "encoder minilm; rows 800 (tweets), 400 (news); real rows all" in text
    assert "lr 5e-05; quality checker: lr 0.0001" in text
    assert "1 to 2 per cell (0, 1); 4 runs" in text
    assert "x86_64, 2 cores (3 runs); aarch64, 8 cores (1 runs)" in text
    assert "skweight 0.1.0, torch 2.13.0" in text
    assert "2026-11-20 to 2026-11-21" in text


def test_a_checker_with_as_many_steps_is_a_row_of_the_same_table(report):
    lines = make_lines({"tweets": {"cross-entropy": [0.5]}}, study="checker size", share=None, budget=None)
    for budget, epochs, accuracy in (("epochs", 10, 0.6), ("steps", 100, 0.7)):
        checker = {"share": 0.1, "budget": budget, "quality_checker": {"max_epochs": epochs}}
        lines += make_lines({"tweets": {"DIMP": [accuracy]}}, study="checker size", **checker)
    page = report.checker_size_section(lines, report.Figures())
    assert page.count("- Settings: ") == 1
    assert cells(page, "DIMP")[0] == ["60.0"]
    assert cells(page, "DIMP, as many steps")[0] == ["70.0"]


def test_half_a_line_at_the_end_is_skipped(report, tmp_path, capsys):
    path = write(tmp_path / "main.jsonl", make_lines({"tweets": {"cross-entropy": [0.5, 0.6], "IMP": [0.6, 0.75]}}))
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(make_line("tweets", "DIMP", 0, 0.5))[:100])
    report.main(["main", path])
    printed = capsys.readouterr().out
    assert cells(printed, "IMP")[0][0] == "**67.5 ± 10.6**"
    assert cells(printed, "DIMP") == [["+5.3", "+1.5", "+3.8", report.NONE]]  # the paper's alone
    assert "![" not in printed


def test_methods_beyond_the_paper_have_a_table_of_their_own_on_their_seeds(report):
    methods = {"cross-entropy": [0.5, 0.6], "pooled": [0.6, 0.7], "focal": [0.5, 0.5], "filter": [0.55]}
    lines = make_lines({"tweets": methods, "news": {"cross-entropy": [0.3]}})
    main = report.main_section(lines, report.Figures())
    assert not cells(main, "filter")
    assert cells(main, "pooled")[0][:1] == ["**65.0 ± 7.1**"]
    more = report.more_section(lines, report.Figures())
    assert cells(more, "filter")[0] == ["55.0", "2.0"]
    assert cells(more, "pooled")[0] == ["**60.0**", "**1.0**"]  # seed 0 alone
    assert cells(more, "cross-entropy")[0] == ["50.0", "3.0"]  # and no news
    assert not cells(more, "focal")
    assert report.more_section(make_lines({"tweets": {"pooled": [0.6]}}), report.Figures()) is None


def test_the_papers_differences_stand_beside_ours(report):
    lines = make_lines({"tweets": {"cross-entropy": [0.5, 0.6], "IMP": [0.6, 0.75], "pooled": [0.6]}})
    page = report.main_section(lines, report.Figures()).partition("Beside the paper")[2]
    assert cells(page, "IMP") == [["+4.7", "+5.0", "+3.8", "+12.5"]]
    assert cells(page, "pooled") == [[report.NONE] * 3 + ["+10.0"]]
    assert cells(page, "SunGen") == [["+3.1", "+2.0", "-0.3", report.NONE]]


def test_no_runs_is_an_error(report, tmp_path, capsys):
    path = write(tmp_path / "main.jsonl", make_lines({"tweets": {"IMP": [0.5]}}))
    with pytest.raises(SystemExit):
        report.main(["noise", path])
    assert "no runs for noise" in capsys.readouterr().err


def test_times_are_medians_and_multiples_of_cross_entropy(report):
    lines = [
        make_line("tweets", method, seed, 0.5, seconds={"training": total, "total": total})
        for method, totals in {"cross-entropy": (10, 11, 90), "IMP": (20, 22, 25), "DIMP": (5, 6, 7)}.items()
        for seed, total in enumerate(totals)
    ]
    section = report.times_section(
        [*lines, lines[-1] | {"machine": "another", "seconds": {"total": 1}}], report.Figures()
    )
    assert cells(section, "IMP")[0] == ["–", "–", "–", "22.00", "22.00", "2.00", "2.20"]  # noqa: RUF001
    assert cells(section, "cross-entropy")[-1][-2:] == ["333.24", "1.00"]


def test_seconds_of_two_machines_do_not_share_a_table(report):
    lines = make_lines({"tweets": {"cross-entropy": [0.5]}})
    lines += [line | {"machine": "another"} for line in make_lines({"tweets": {"cross-entropy": [0.5], "IMP": [0.5]}})]
    lines[1]["seconds"] = {"total": 4.0}
    lines.append(make_line("tweets", "cross-entropy", 0, 0.5, study="noise", seconds={"total": 5.0}))
    section = report.times_section(lines, report.Figures())
    assert [row[4] for row in cells(section, "cross-entropy")] == ["10.00", "4.00", "5.00", "333.24"]
    assert cells(section, "IMP")[0][-2:] == ["2.50", "2.20"]
    assert "### machine another; study none" in section


def test_epochs_of_runs_of_different_length(report, comparison):
    epochs = [[0.5, 0.7, 0.5], [0.6, 0.5]]
    lines = [
        make_line("tweets", "IMP", seed, 0.5, epochs=[{"test_accuracy": a, "pool_accuracy": a} for a in own])
        for seed, own in enumerate(epochs)
    ]
    table = report.epoch_table(comparison.Runs(lines), ("tweets", "gpt-4"), "test_accuracy")
    assert cells(table, "IMP") == [["55.0 ± 7.1", "**60.0 ± 14.1**", "50.0 [1]"]]


@pytest.mark.parametrize(
    ("configured", "found"),
    [((None, None), None), ((300, 300), {0.5: 150, 1.0: 300}), ((150, 300), {0.5: 150, 1.0: 300})],
)
def test_numbers_of_real_rows(report, configured, found):
    lines = [
        make_line("tweets", "IMP", 0, 0.5, share=share, real_rows=n)
        for share, n in zip((0.5, 1.0), configured, strict=True)
    ]
    assert report.real_row_numbers(lines) == found
    told = [line | {"real_rows": n} for line, n in zip(lines, (149, 299), strict=True)]
    assert report.real_row_numbers(told) == {0.5: 149, 1.0: 299}


@pytest.fixture
def results(tmp_path):
    """A folder with a small file of every study."""
    folder = tmp_path / "results"
    folder.mkdir()
    methods = {"real only": [0.5, 0.55], "cross-entropy": [0.5, 0.6], "IMP": [0.6, 0.75], "DIMP": [0.7, 0.8]}
    scores = {"tweet_sentiment": methods, "news": methods}
    lines = make_lines(scores)
    write(folder / "main.jsonl", lines)
    write(folder / "times.jsonl", lines)
    weights = {"mean_weight": {"original": 0.8, "swapped": 0.3}, "auc_swapped": 0.75}
    noise = make_lines({"news": {"IMP": methods["IMP"]}}, study="noise", **weights)
    write(folder / "noise.jsonl", [*make_lines({"news": {"cross-entropy": [0.5, 0.6]}}, study="noise"), *noise])
    epochs = [{"test_accuracy": a, "pool_accuracy": a} for a in (0.5, 0.6, 0.55)]
    write(folder / "dynamics.jsonl", make_lines(scores, study="dynamics", epochs=epochs))
    sizes = make_lines({"news": {"cross-entropy": [0.5, 0.6]}}, study="checker size", share=None)
    for share in (0.1, 1.0):
        own = {"real only": methods["real only"], "DIMP": methods["DIMP"]}
        sizes += make_lines({"news": own}, study="checker size", share=share)
    write(folder / "checker_size.jsonl", sizes)
    larger = make_lines({"news": {"real only": [0.5, 0.6]}}, study="larger classifier", checker_encoder="minilm")
    own = {"cross-entropy": methods["cross-entropy"], "IMP, small DC": methods["IMP"]}
    more = {"study": "larger classifier", "checker_encoder": "minilm", "encoder": "mpnet"}
    write(folder / "larger.jsonl", larger + make_lines({"news": own}, **more))
    return folder


def test_all_writes_every_section(report, results, tmp_path):
    out = tmp_path / "page" / "RESULTS.md"
    report.main(["all", str(results), "--out", str(out), "--figures", str(tmp_path / "page" / "figures")])
    page = out.read_text(encoding="utf-8")
    titles = ["Main comparison", "Noise", "Dynamics", "Size of the quality checker's data", "A larger classifier"]
    assert re.findall(r"^## (.*)$", page, flags=re.MULTILINE) == [*titles, "Computational time"]
    assert page.count("- Settings: ") == page.count("- Machines: ") == page.count("- Dates: ") == 6
    figures = re.findall(r"!\[.*\]\((.*)\)", page)
    names = ("main", "noise", "dynamics", "checker-size", "larger", "times")
    assert figures == [f"figures/{name}.png" for name in names]
    for figure in figures:
        assert (out.parent / figure).read_bytes().startswith(b"\x89PNG")
    widths = [
        {line.count("|") for line in table.splitlines()} for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    ]
    assert all(len(width) == 1 for width in widths)
    assert not re.search(r"\bnan\b", page)
    assert cells(page, "IMP, small DC (checker minilm, classifier mpnet)")[1][0].startswith("+12.5 ± 2.5")


def test_all_leaves_out_what_has_no_file(report, results, tmp_path, capsys):
    for name in ("noise", "dynamics", "checker_size", "larger"):
        (results / f"{name}.jsonl").unlink()
    out = tmp_path / "RESULTS.md"
    report.main(["all", str(results), "--out", str(out), "--figures", str(tmp_path / "figures")])
    assert "main, times" in capsys.readouterr().out
    assert "## Noise" not in out.read_text(encoding="utf-8")
