import json
import re

import pytest
from report_lines import cells, make_line, make_lines, write

from benchmarks.paper.report.__main__ import main
from benchmarks.paper.report.tables import NONE


def test_half_a_line_at_the_end_is_skipped(tmp_path, capsys):
    path = write(tmp_path / "main.jsonl", make_lines({"tweets": {"cross-entropy": [0.5, 0.6], "IMP": [0.6, 0.75]}}))
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(make_line("tweets", "DIMP", 0, 0.5))[:100])
    main(["main", path])
    printed = capsys.readouterr().out
    assert cells(printed, "IMP")[0][0] == "**67.5 ± 10.6**"
    assert cells(printed, "DIMP") == [["+5.3", "+1.5", "+3.8", NONE]]  # the paper's alone
    assert "![" not in printed


def test_no_runs_is_an_error(tmp_path, capsys):
    path = write(tmp_path / "main.jsonl", make_lines({"tweets": {"IMP": [0.5]}}))
    with pytest.raises(SystemExit):
        main(["noise", path])
    assert "no runs for noise" in capsys.readouterr().err


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


def test_all_writes_every_section(results, tmp_path):
    out = tmp_path / "page" / "RESULTS.md"
    main(["all", str(results), "--out", str(out), "--figures", str(tmp_path / "page" / "figures")])
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


def test_all_leaves_out_what_has_no_file(results, tmp_path, capsys):
    for name in ("noise", "dynamics", "checker_size", "larger"):
        (results / f"{name}.jsonl").unlink()
    out = tmp_path / "RESULTS.md"
    main(["all", str(results), "--out", str(out), "--figures", str(tmp_path / "figures")])
    assert "main, times" in capsys.readouterr().out
    assert "## Noise" not in out.read_text(encoding="utf-8")
