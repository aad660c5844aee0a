from report_lines import make_line, make_lines

from benchmarks.paper.report.main import main_section
from benchmarks.paper.report.plots import Figures
from benchmarks.paper.report.runs import by_setting, select
from benchmarks.paper.report.sections import provenance


def test_different_settings_do_not_share_a_table():
    lines = make_lines({"tweets": {"IMP": [0.5]}, "news": {"IMP": [0.5]}})
    # Rows may differ from task to task, and a method may have a setting of its own.
    more_rows = make_line("pairs", "IMP", 0, 0.5, rows=400)
    own = make_line("tweets", "SunGen", 0, 0.5, inner_steps=3)
    assert by_setting([*lines, more_rows, own])[0] == []
    other = make_line("tweets", "IMP", 0, 0.6, settings={"lr": 6e-5})
    split, groups = by_setting([*lines, other])
    assert split == ["settings"]
    assert [len(group) for group in groups] == [2, 1]
    section = main_section([*lines, other], Figures())
    assert "### lr 5e-05" in section
    assert "### lr 6e-05" in section


def test_repeated_lines_count_once():
    line = make_line("tweets", "IMP", 0, 0.5)
    assert len(select([line, line, make_line("tweets", "IMP", 0, 0.5, study="noise")])) == 1


def test_provenance_comes_from_the_lines():
    lines = make_lines({"tweets": {"IMP": [0.5, 0.5], "DIMP": [0.5]}})
    lines.append(make_line("news", "IMP", 0, 0.5, rows=400) | {"machine": "aarch64, 8 cores"})
    text = provenance(lines)
    assert "encoder minilm; rows 800 (tweets), 400 (news); real rows all" in text
    assert "lr 5e-05; quality checker: lr 0.0001" in text
    assert "1 to 2 per cell (0, 1); 4 runs" in text
    assert "x86_64, 2 cores (3 runs); aarch64, 8 cores (1 runs)" in text
    assert "skweight 0.1.0, torch 2.13.0" in text
    assert "2026-11-20 to 2026-11-21" in text
