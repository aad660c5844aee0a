import pytest
from report_lines import cells, make_line, make_lines

from benchmarks.paper.report.checker_size import checker_size_section, real_row_numbers
from benchmarks.paper.report.dynamics import epoch_table
from benchmarks.paper.report.main import main_section
from benchmarks.paper.report.more import more_section
from benchmarks.paper.report.plots import Figures
from benchmarks.paper.report.runs import Runs
from benchmarks.paper.report.tables import NONE
from benchmarks.paper.report.times import times_section


def test_a_checker_with_as_many_steps_is_a_row_of_the_same_table():
    lines = make_lines({"tweets": {"cross-entropy": [0.5]}}, study="checker size", share=None, budget=None)
    for budget, epochs, accuracy in (("epochs", 10, 0.6), ("steps", 100, 0.7)):
        checker = {"share": 0.1, "budget": budget, "quality_checker": {"max_epochs": epochs}}
        lines += make_lines({"tweets": {"DIMP": [accuracy]}}, study="checker size", **checker)
    page = checker_size_section(lines, Figures())
    assert page.count("- Settings: ") == 1
    assert cells(page, "DIMP")[0] == ["60.0"]
    assert cells(page, "DIMP, as many steps")[0] == ["70.0"]


def test_methods_beyond_the_paper_have_a_table_of_their_own_on_their_seeds():
    methods = {"cross-entropy": [0.5, 0.6], "pooled": [0.6, 0.7], "focal": [0.5, 0.5], "filter": [0.55]}
    lines = make_lines({"tweets": methods, "news": {"cross-entropy": [0.3]}})
    main = main_section(lines, Figures())
    assert not cells(main, "filter")
    assert cells(main, "pooled")[0][:1] == ["**65.0 ± 7.1**"]
    more = more_section(lines, Figures())
    assert cells(more, "filter")[0] == ["55.0", "2.0"]
    assert cells(more, "pooled")[0] == ["**60.0**", "**1.0**"]  # seed 0 alone
    assert cells(more, "cross-entropy")[0] == ["50.0", "3.0"]  # and no news
    assert not cells(more, "focal")
    assert more_section(make_lines({"tweets": {"pooled": [0.6]}}), Figures()) is None


def test_the_papers_differences_stand_beside_ours():
    lines = make_lines({"tweets": {"cross-entropy": [0.5, 0.6], "IMP": [0.6, 0.75], "pooled": [0.6]}})
    page = main_section(lines, Figures()).partition("Beside the paper")[2]
    assert cells(page, "IMP") == [["+4.7", "+5.0", "+3.8", "+12.5"]]
    assert cells(page, "pooled") == [[NONE] * 3 + ["+10.0"]]
    assert cells(page, "SunGen") == [["+3.1", "+2.0", "-0.3", NONE]]


def test_times_are_medians_and_multiples_of_cross_entropy():
    lines = [
        make_line("tweets", method, seed, 0.5, seconds={"training": total, "total": total})
        for method, totals in {"cross-entropy": (10, 11, 90), "IMP": (20, 22, 25), "DIMP": (5, 6, 7)}.items()
        for seed, total in enumerate(totals)
    ]
    section = times_section([*lines, lines[-1] | {"machine": "another", "seconds": {"total": 1}}], Figures())
    assert cells(section, "IMP")[0] == ["–", "–", "–", "22.00", "22.00", "2.00", "2.20"]  # noqa: RUF001
    assert cells(section, "cross-entropy")[-1][-2:] == ["333.24", "1.00"]


def test_seconds_of_two_machines_do_not_share_a_table():
    lines = make_lines({"tweets": {"cross-entropy": [0.5]}})
    lines += [line | {"machine": "another"} for line in make_lines({"tweets": {"cross-entropy": [0.5], "IMP": [0.5]}})]
    lines[1]["seconds"] = {"total": 4.0}
    lines.append(make_line("tweets", "cross-entropy", 0, 0.5, study="noise", seconds={"total": 5.0}))
    section = times_section(lines, Figures())
    assert [row[4] for row in cells(section, "cross-entropy")] == ["10.00", "4.00", "5.00", "333.24"]
    assert cells(section, "IMP")[0][-2:] == ["2.50", "2.20"]
    assert "### machine another; study none" in section


def test_epochs_of_runs_of_different_length():
    epochs = [[0.5, 0.7, 0.5], [0.6, 0.5]]
    lines = [
        make_line("tweets", "IMP", seed, 0.5, epochs=[{"test_accuracy": a, "pool_accuracy": a} for a in own])
        for seed, own in enumerate(epochs)
    ]
    table = epoch_table(Runs(lines), ("tweets", "gpt-4"), "test_accuracy")
    assert cells(table, "IMP") == [["55.0 ± 7.1", "**60.0 ± 14.1**", "50.0 [1]"]]


@pytest.mark.parametrize(
    ("configured", "found"),
    [((None, None), None), ((300, 300), {0.5: 150, 1.0: 300}), ((150, 300), {0.5: 150, 1.0: 300})],
)
def test_numbers_of_real_rows(configured, found):
    lines = [
        make_line("tweets", "IMP", 0, 0.5, share=share, real_rows=n)
        for share, n in zip((0.5, 1.0), configured, strict=True)
    ]
    assert real_row_numbers(lines) == found
    told = [line | {"real_rows": n} for line, n in zip(lines, (149, 299), strict=True)]
    assert real_row_numbers(told) == {0.5: 149, 1.0: 299}
