"""The command ``predict`` with several inputs, a folder or a pattern."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skweight.__main__ import main
from skweight.datasets._input import COMMAND_LINE
from skweight.scale._file import Settings, work_on
from skweight.scale._predictor import Predictor

MANY = "--engine, --workers, --threads and --precision are for several files: name"


@pytest.fixture
def rows(tmp_path, texts):
    """Folder with two files of six rows."""
    (tmp_path / "in").mkdir()
    for i in range(2):
        table = {"id": range(6 * i, 6 * i + 6), "text": texts(12)[6 * i :][:6]}
        pq.write_table(pa.table(table), tmp_path / "in" / f"{i}.parquet")
    return tmp_path / "in"


@pytest.fixture
def label(rows, text_model, tmp_path):
    """Label those files in this process, as workers do it."""

    def run(text=None, **settings):
        given = {"keep": [], "batch_rows": 10_000, "fill_missing": False, "raw": False, "encoding": None}
        how = Settings(**{**given, **settings}, overwrite=False, options=COMMAND_LINE)
        for path in sorted(rows.iterdir()):
            work_on(path, tmp_path / "out" / path.name, Predictor(text_model, text=text), how)
        return tmp_path / "out"

    return run


def test_it_says_what_there_is(label, rows, text_model, text_classifier, texts, capsys):
    out = label()
    assert main(["predict", str(text_model), f"{rows}/*.parquet", "--out", str(out)]) == 0
    labels = text_classifier.predict(texts(12)).tolist()
    assert capsys.readouterr().out.splitlines() == [
        f"12 rows in 2 files in {out} (2 of them were there)",
        f"  fresh: {labels.count('fresh')} rows",
        f"  rotten: {labels.count('rotten')} rows",
    ]


@pytest.mark.slow
def test_workers_label_what_there_is_and_name_a_file_with_another_column(rows, label, text_model, tmp_path, refused):
    (rows / "2.csv").write_text("review\na good film\n")
    options = ["--chunk-rows", "4", "--keep", "text", "--workers", "2"]
    message = refused(main(["predict", str(text_model), str(rows), "--out", str(tmp_path / "many"), *options]))
    assert message.startswith("1 of 3 files could not be finished; the others are.")
    assert message.endswith("perhaps --text-column review.")
    (rows / "2.csv").unlink()
    out = label(batch_rows=4, keep=["text"])
    for name in ("0.parquet", "1.parquet"):
        assert pq.read_table(tmp_path / "many" / name).equals(pq.read_table(out / name))


@pytest.mark.parametrize("keep", [["id"], ["label", "id"]], ids=str)
def test_a_file_alone_gives_the_same_columns_types_and_bits(label, rows, text_model, tmp_path, predict, keep):
    for path in rows.iterdir():
        pq.write_table(pq.read_table(path).append_column("label", pa.array(["x"] * 6)), path)
    out = label(batch_rows=4, keep=keep)
    options = ["--chunk-rows", 4, *(f"--keep={name}" for name in keep)]
    for path in rows.iterdir():
        assert predict(text_model, path, tmp_path / "alone" / path.name, *options) == 0
        alone = pq.read_table(tmp_path / "alone" / path.name)
        assert alone.num_rows == 6
        assert alone.equals(pq.read_table(out / path.name))


def test_options_are_those_of_python(label, rows, text_model, predict):
    out = label(text=["text"], batch_rows=4, keep=["id"], fill_missing=True, raw=True, encoding="utf-16")
    options = ["--text-column", "text", "--chunk-rows", 4, "--keep", "id", "--fill-missing", "--raw"]
    assert predict(text_model, rows, out, *options, "--encoding", "utf-16", "--workers", 1, "--threads", 1) == 0


def test_predictions_made_of_something_else_are_not_replaced_without_being_asked(
    label, rows, text_model, predict, refused
):
    out = label()
    before = (out / "0.parquet").read_bytes()
    message = refused(predict(text_model, rows, out, "--chunk-rows", 3))
    assert "0.parquet was made of something else (batch_rows: 10000 → 3)" in message
    assert message.endswith("or pass --overwrite.")
    assert (out / "0.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("inputs", "options", "said"),
    [
        (["in"], [], "Several inputs, a folder or a pattern are predicted into a folder: name it with --out."),
        (["in/*.parquet"], [], "Several inputs, a folder or a pattern are predicted into a folder: name it"),
        (["in/0.parquet", "in/1.parquet"], [], "Several inputs, a folder or a pattern are predicted into a folder: "),
        (["in"], ["--out", "out.csv"], "Several inputs, a folder or a pattern are predicted into a folder, and --out "),
        (["in"], ["--out", "in/0.parquet"], "Several inputs, a folder or a pattern are predicted into a folder, and "),
        (["in"], ["--out", "out", "--restart"], "--restart is for one file. Without it, files that are finished stay,"),
        (["in/no*.csv"], ["--out", "out"], "in/no*.csv: there are no such files."),
        (["in/0.parquet"], ["--engine", "ray"], MANY),
        (["in/0.parquet"], ["--out", "out.csv", "--workers", "2"], MANY),
        (["in/0.parquet"], ["--precision", "bf16"], MANY),
        (["in/0.parquet"], ["--threads", "0"], MANY),
        (["in"], ["--out", "out", "--workers", "0"], "n_workers and threads must be at least 1, got 0 and 1."),
    ],
    ids=str,
)
@pytest.mark.usefixtures("rows")
def test_what_does_not_go_together_is_refused(tmp_path, monkeypatch, text_model, refused, inputs, options, said):
    monkeypatch.chdir(tmp_path)
    assert refused(main(["predict", str(text_model), *inputs, *options])).startswith(said)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_whose_name_looks_like_a_pattern_is_one_file(tmp_path, text_model, capsys):
    (tmp_path / "a[1].csv").write_text("text\na good film\n")
    assert main(["predict", str(text_model), str(tmp_path / "a[1].csv")]) == 0
    assert capsys.readouterr().out.startswith("label,p(fresh),p(rotten)\n")
