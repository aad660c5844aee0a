"""Tables that the command ``predict`` reads and writes."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skweight.baselines import CrossEntropyClassifier
from skweight.datasets._input import Input


def test_parquet_columns_keep_their_data_types(tiny_encoder, tmp_path, texts, predict):
    X = texts(8)
    model = tmp_path / "model"
    y = np.array([1, 2] * 4, dtype=np.int32)
    CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16).fit(X, y).save_pretrained(model)
    kept = pa.table(
        {
            "int8": pa.array(range(8), pa.int8()),
            "time": pa.array(range(8), pa.timestamp("us", tz="UTC")),
            "list": [[i, None] for i in range(8)],
            "kind": pa.array(["a", None] * 4).dictionary_encode(),
            "text": pa.array(X, pa.large_string()),
        }
    )
    pq.write_table(kept, tmp_path / "in.parquet", row_group_size=3)
    keep = [f"--keep={name}" for name in kept.column_names]
    assert predict(model, tmp_path / "in.parquet", tmp_path / "out.parquet", *keep) == 0
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(kept.column_names).equals(kept)
    assert found.schema.field("label").type == pa.int32()
    assert found.schema.field("p(1)").type == pa.float64()


def test_missing_values_of_kept_columns_are_empty_in_csv(text_model, tmp_path, texts, write_table, read_table, predict):
    source = write_table(tmp_path / "in.parquet", {"n": [1, None, 3], "text": texts(3)})
    assert predict(text_model, source, tmp_path / "out.csv", "--keep", "n") == 0
    assert read_table(tmp_path / "out.csv")["n"] == ["1", "", "3"]


@pytest.mark.parametrize("row_group_size", [3, 50_000])
def test_parquet_is_cut_into_chunks_whatever_its_row_groups_are(tmp_path, row_group_size, texts):
    table = pa.table({"text": texts(100), "kind": pa.array(["a", "b"] * 50).dictionary_encode()})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=row_group_size)
    source = Input(tmp_path / "in.parquet", keep=["kind"])
    chunks = list(source.chunks(30, skip=5))
    assert [len(chunk.texts) for chunk in chunks] == [30, 30, 30, 5]
    assert [text for chunk in chunks for text in chunk.texts] == texts(100)[5:]
    assert [kind for chunk in chunks for kind in chunk.kept[0].to_pylist()] == (["a", "b"] * 50)[5:]


@pytest.mark.parametrize("row_group_size", [5_000, 50_000])
def test_parquet_is_never_in_memory_as_a_whole(tmp_path, row_group_size):
    noise = np.random.RandomState(0)
    X = [noise.bytes(200).hex() for _ in range(50_000)]  # 10 MB, however well it is compressed
    pq.write_table(pa.table({"text": X}), tmp_path / "in.parquet", row_group_size=row_group_size, use_dictionary=False)
    start, most = pa.total_allocated_bytes(), 0
    for chunk in Input(tmp_path / "in.parquet").chunks(1000):
        assert len(chunk.texts) == 1000
        most = max(most, pa.total_allocated_bytes() - start)
    assert most < 5e6


def test_a_line_of_csv_with_other_fields_is_named(text_model, tmp_path, predict, refused):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,a film\n\n2\n")
    message = f"{source}, line 4: expected 2 fields as in the header, got 1; between two fields stands a comma."
    assert refused(predict(text_model, source, tmp_path / "out.csv")) == message
    source.write_text('id,text\n1,"a film\n2,another\n3,"a third"\n')
    assert "the row that begins in line 2 is not CSV" in refused(predict(text_model, source, tmp_path / "out.csv"))


def test_fields_of_any_size_are_read_and_kept(text_model, tmp_path, read_table, predict):
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(f"id,text\n{'1' * 200_000},a film\n")
    assert predict(text_model, source, out, "--keep", "id") == 0
    with open(out) as file:
        assert len(file.readlines()[1]) > 200_000


def test_formulas_are_kept_harmless_or_as_they_are(text_model, tmp_path, read_table, predict):
    cells = ["=cmd()", "@user", " =A1", "-1", "'=A1"]
    pq.write_table(pa.table({"=id": cells, "text": ["a film"] * 5}), tmp_path / "in.parquet")
    written = {}
    for raw in ([], ["--raw"]):
        out = tmp_path / f"out{len(raw)}.csv"
        assert predict(text_model, tmp_path / "in.parquet", out, "--keep", "=id", *raw) == 0
        written[bool(raw)] = read_table(out)
    assert written[False]["'=id"] == ["'=cmd()", "'@user", "' =A1", "-1", "''=A1"]
    assert written[True]["=id"] == cells


def test_formulas_that_were_written_harmless_are_read_as_what_they_were(text_model, tmp_path, read_table, predict):
    (tmp_path / "in.csv").write_text("id,text\n'=A1,a film\n'=A1,'=film\n")
    keep = ["--keep", "id", "--keep", "text"]
    assert predict(text_model, tmp_path / "in.csv", tmp_path / "out.csv", *keep) == 0
    assert predict(text_model, tmp_path / "in.csv", tmp_path / "out.parquet", *keep) == 0
    assert read_table(tmp_path / "out.csv")["id"] == ["'=A1", "'=A1"]
    assert read_table(tmp_path / "out.parquet")["id"] == ["=A1", "=A1"]
    assert read_table(tmp_path / "out.parquet")["text"] == ["a film", "=film"]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {"txt": ["a"]},
            [],
            "{source} has no column 'text', and no pair 'text_a', 'text_b'; its columns are ['txt']. Name the right",
        ),
        ({"text": ["a"]}, ["--text-column", "txt"], "{source} has no column 'txt'; its columns are ['text']. Name the"),
        (
            {"text": ["a"]},
            ["--keep", "id"],
            "{source} has no column 'id'; its columns are ['text']. Name the right ones with --keep.",
        ),
        (
            {"text": ["a"], "p(fresh)": ["b"]},
            ["--keep", "p(fresh)"],
            "The output would have two columns 'p(fresh)'; do not keep",
        ),
        (
            {"text": ["a"]},
            ["--keep", "text"] * 2,
            "The output would have two columns 'text'; do not keep that one.",
        ),
        ({"text": ["a"]}, ["--text-column", "text"] * 3, "A row holds one text or a pair of texts, not 3"),
        ({"text": ["a"]}, ["--chunk-rows", "0"], "--chunk-rows must be at least 1, got 0."),
        ({"text": [1]}, [], "{source}: column 'text' holds int64, expected string."),
        (
            {"text": ["a"], "list": [[1]]},
            ["--keep", "list"],
            "Column 'list' holds list<element: int64>, which has no place",
        ),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    text_model, tmp_path, columns, options, message, write_table, predict, refused
):
    source = write_table(tmp_path / "in.parquet", columns)
    assert refused(predict(text_model, source, tmp_path / "out.csv", *options)).startswith(
        message.format(source=source)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_columns_of_one_name_are_refused(text_model, tmp_path, predict, refused):
    (tmp_path / "in.csv").write_text("text,text\na,b\n")
    assert "has several columns 'text'" in refused(predict(text_model, tmp_path / "in.csv", tmp_path / "out.csv"))


def test_the_name_of_the_output_says_its_kind(text_model, tmp_path, write_table, predict, refused):
    source = write_table(tmp_path / "in.csv", {"text": ["a film"]})
    message = "expected a name that ends in .csv or .parquet."
    assert message in refused(predict(text_model, source, tmp_path / "out.xlsx"))


def test_parquet_without_pyarrow_names_the_extra(text_model, tmp_path, monkeypatch, write_table, predict, refused):
    source = write_table(tmp_path / "in.csv", {"text": ["a film"]})
    write_table(tmp_path / "in.parquet", {"text": ["a film"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for files in ((source, tmp_path / "out.parquet"), (tmp_path / "in.parquet", tmp_path / "out.csv")):
        assert (
            refused(predict(text_model, *files)) == 'Parquet files need pyarrow. Run: pip install "skweight[parquet]"'
        )
    assert predict(text_model, source, tmp_path / "out.csv") == 0
