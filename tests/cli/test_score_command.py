"""The command ``score``."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skweight.__main__ import main
from skweight.scale import Scorer, score_file, weights


@pytest.fixture
def rows(tmp_path, toy):
    """Folder with two files of six rows."""
    (tmp_path / "in").mkdir()
    for i in range(2):
        part = slice(6 * i, 6 * (i + 1))
        pq.write_table(pa.table({"text": toy["X"][part], "label": toy["y"][part]}), tmp_path / "in" / f"{i}.parquet")
    return tmp_path / "in"


@pytest.fixture
def score(tmp_path, text_model, rows):
    """Run the command on those files; return its exit status."""

    def run(*options):
        return main(["score", f"{rows}/*", "--out", str(tmp_path / "out"), "--quality", str(text_model), *options])

    return run


@pytest.mark.slow
def test_files_are_scored_and_one_with_another_column_is_named_with_the_option_for_it(
    score, rows, text_model, tmp_path, refused
):
    (rows / "2.csv").write_text("text,stars\na good film,fresh\n")
    message = refused(score("--workers", "2", "--keep", "label", "--batch-rows", "4"))
    assert message.startswith("1 of 3 files could not be finished; the others are.")
    assert message.endswith("perhaps --label-column stars.")
    scorer, how = Scorer(text_model), {"keep": ["label"], "batch_rows": 4}
    for name in ("0.parquet", "1.parquet"):
        score_file(rows / name, tmp_path / "expected" / name, scorer, **how)
        assert pq.read_table(tmp_path / "out" / name).equals(pq.read_table(tmp_path / "expected" / name))


def test_it_says_what_there_is_and_what_it_weighs(score, rows, text_model, tmp_path, capsys):
    for name in ("0.parquet", "1.parquet"):
        score_file(rows / name, tmp_path / "out" / name, Scorer(text_model))
    assert score() == 0
    found = weights(tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"12 rows in 2 files in {tmp_path / 'out'} (2 of them were there)"
    assert lines[1] == f"mean weight {found.mean:.4g}, effective sample size {found.effective_sample_size:.0f}"
    assert lines[2] == f"  fresh: 6 rows, mean weight {found.by_class()['fresh']['weight']:.4g}"
    assert lines[3].startswith("  rotten: 6 rows, ")


def test_options_are_those_of_python(score, rows, text_model, tmp_path):
    scorer = Scorer(text_model, text_model, text=["text"], label="stars")
    how = {"keep": ["text", "id"], "batch_rows": 4, "fill_missing": True, "raw": True, "encoding": "utf-16"}
    for name in ("0.parquet", "1.parquet"):
        table = pq.read_table(rows / name).rename_columns(["text", "stars"])
        pq.write_table(table.append_column("id", pa.array(range(len(table)))), rows / name)
        score_file(rows / name, tmp_path / "out" / name, scorer, **how)
    options = ["--diversity", str(text_model), "--text-column", "text", "--label-column", "stars", "--batch-rows", "4"]
    assert score(*options, "--keep", "text", "--keep", "id", "--fill-missing", "--raw", "--encoding", "utf-16") == 0


def test_scores_made_of_something_else_are_not_replaced_without_being_asked(score, rows, text_model, tmp_path, refused):
    score_file(rows / "0.parquet", tmp_path / "out" / "0.parquet", Scorer(text_model))
    before = (tmp_path / "out" / "0.parquet").read_bytes()
    assert "0.parquet was made of something else (batch_rows: 8192 → 3)" in refused(score("--batch-rows", "3"))
    assert (tmp_path / "out" / "0.parquet").read_bytes() == before


def test_what_is_not_there_is_named(score, tmp_path, text_model, refused):
    arguments = ["score", str(tmp_path / "no*.csv"), "--out", str(tmp_path / "out"), "--quality"]
    assert refused(main([*arguments, str(text_model)])).endswith("no*.csv: there are no such files.")
    assert "nothing is no folder, expected one that save_pretrained wrote" in refused(score("--diversity", "nothing"))
