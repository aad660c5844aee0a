"""One file is scored, by itself: no engine."""

import gzip
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import full_disk, watch
from scale_checkers import LetterChecker, MeddlingChecker

from skweight.datasets._input import COMMAND_LINE
from skweight.scale import Scorer, Sketch, score_file

TEXTS, LABELS = ["warm", "a dull film", "poor", "great cast"], ["good", "bad", "good", "bad"]


@pytest.fixture
def rows(write_rows):
    return write_rows(text=TEXTS, label=LABELS, id=[3, 1, 4, 1])


def test_rows_are_scored_in_their_order_and_the_columns_asked_for_are_kept(rows, tmp_path, letters):
    sketch = score_file(rows, tmp_path / "out.parquet", letters, keep=["id", "label"], batch_rows=3)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["id", "label", "quality", "log_ratio"]
    assert table["id"].to_pylist() == [3, 1, 4, 1]
    assert table.schema.field("id").type == pa.int64()
    expected = letters({"text": TEXTS, "label": LABELS})
    np.testing.assert_array_equal(table["quality"], expected["quality"])
    np.testing.assert_array_equal(table["log_ratio"], expected["log_ratio"])
    assert sketch == Sketch.of(expected["log_ratio"], LABELS)


def test_by_default_there_are_scores_alone_and_the_sketch_is_in_the_file(rows, tmp_path):
    scorer = Scorer(LetterChecker(), LetterChecker())
    sketch = score_file(rows, tmp_path / "out.parquet", scorer)
    file = pq.read_table(tmp_path / "out.parquet")
    assert [(field.name, field.type) for field in file.schema] == [
        (name, pa.float32()) for name in ("quality", "diversity", "log_ratio")
    ]
    assert file["log_ratio"].to_pylist() == [0.0] * 4
    note = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"skweight.scale"])
    assert Sketch.from_dict(note["sketch"]) == sketch
    assert note["made of"]["label column"] == "label"


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.csv.gz", "rows.tsv"])
def test_other_kinds_of_files_give_the_same_scores(rows, name, tmp_path, letters):
    separator = "\t" if "tsv" in name else ","
    lines = [f"{separator.join(['text', 'label', 'id'])}"]
    lines += [separator.join(map(str, row)) for row in zip(TEXTS, LABELS, [3, 1, 4, 1], strict=True)]
    if name == "rows.jsonl":
        lines = [json.dumps({"text": t, "label": la, "id": 1}) for t, la in zip(TEXTS, LABELS, strict=True)]
    content = "\n".join(lines).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    score_file(tmp_path / name, tmp_path / "out.parquet", letters, keep=["id"])
    score_file(rows, tmp_path / "expected.parquet", letters)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.field("id").type == pa.string()
    assert found["log_ratio"].equals(pq.read_table(tmp_path / "expected.parquet")["log_ratio"])


def test_a_finished_file_is_not_computed_again(rows, tmp_path, letters, monkeypatch):
    first = score_file(rows, tmp_path / "out.parquet", letters)
    before = (tmp_path / "out.parquet").read_bytes()
    asked = watch(monkeypatch, LetterChecker, "predict_proba")
    assert score_file(rows, tmp_path / "out.parquet", letters) == first
    assert asked == []
    assert (tmp_path / "out.parquet").read_bytes() == before


def other_columns(scorer):
    return Scorer(scorer.quality, text=["text"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows, letters: (letters, {"batch_rows": 3}), "batch_rows: 8192 → 3"),
        (lambda rows, letters: (letters, {"keep": ["id"]}), r"kept columns: \[\] → \['id'\]"),
        (lambda rows, letters: (Scorer(letters.quality, letters.quality), {}), "diversity checker: None → "),
        (lambda rows, letters: (other_columns(letters), {}), r"text column: None → \['text'\]"),
        (lambda rows, letters: (os.utime(rows, (1, 1)), (letters, {}))[1], r"input mtime_ns: \d+ → 1000000000\)"),
    ],
    ids=["batches", "columns", "models", "texts", "input"],
)
def test_an_output_made_of_something_else_is_refused_unless_it_may_be_replaced(rows, tmp_path, letters, change, said):
    out = tmp_path / "out.parquet"
    score_file(rows, out, letters)
    before = out.read_bytes()
    scorer, how = change(rows, letters)
    with pytest.raises(FileExistsError, match=rf"out\.parquet was made of something else \({said}"):
        score_file(rows, out, scorer, **how)
    assert out.read_bytes() == before
    score_file(rows, out, scorer, **how, overwrite=True)
    assert out.read_bytes() != before
    score_file(rows, out, scorer, **how)


def test_another_version_of_the_package_is_something_else(rows, tmp_path, letters, monkeypatch):
    score_file(rows, tmp_path / "out.parquet", letters)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    with pytest.raises(FileExistsError, match=r"skweight: .* → 99\.0"):
        score_file(rows, tmp_path / "out.parquet", letters)


def test_a_file_of_somebody_else_is_not_written_over(rows, tmp_path, letters):
    for content in (rows.read_bytes(), b"text", b""):
        (tmp_path / "out.parquet").write_bytes(content)
        with pytest.raises(FileExistsError, match=r"was not written by skweight\.scale\. Move it, or pass overwrite"):
            score_file(rows, tmp_path / "out.parquet", letters)
        assert (tmp_path / "out.parquet").read_bytes() == content


def test_a_file_without_rows_gives_one_without_rows(write_rows, tmp_path, letters):
    rows = write_rows(text=pa.array([], pa.string()), label=pa.array([], pa.string()))
    assert score_file(rows, tmp_path / "out.parquet", letters) == Sketch()
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0
    (tmp_path / "rows.csv").write_text("text,label\n")
    assert score_file(tmp_path / "rows.csv", tmp_path / "csv.parquet", letters) == Sketch()


def test_rows_without_a_label_or_with_an_unknown_one_are_kept_without_a_ratio(write_rows, tmp_path, letters):
    rows = write_rows(text=["warm"] * 3, label=["good", None, "so-so"])
    sketch = score_file(rows, tmp_path / "out.parquet", letters)
    assert np.isnan(pq.read_table(tmp_path / "out.parquet")["log_ratio"].to_numpy()).tolist() == [False, True, True]
    assert (sketch.n_rows, sketch.n_unknown, list(sketch.classes)) == (3, 2, ["good"])


def test_a_file_without_a_column_of_labels_is_refused(write_rows, tmp_path, letters):
    rows = write_rows(text=["warm"], stars=["good"])
    with pytest.raises(ValueError, match=r"rows\.parquet has no column 'label'.* perhaps label='stars'"):
        score_file(rows, tmp_path / "out.parquet", letters)


def test_on_the_command_line_columns_are_offered_as_options(write_rows, tmp_path, letters):
    rows = write_rows(text=["warm"], stars=["good"])
    with pytest.raises(ValueError, match=r"no column 'label'.* perhaps --label-column stars\.$"):
        score_file(rows, tmp_path / "out.parquet", letters, _options=COMMAND_LINE)


def test_a_missing_text_is_named_by_its_row_in_the_file_or_filled(write_rows, tmp_path, letters):
    rows = write_rows(text=["warm", "dull", "poor", None], label=["good"] * 4)
    with pytest.raises(
        ValueError, match=r"column 'text' contains a missing value at row 3\. .* with fill_missing=True"
    ):
        score_file(rows, tmp_path / "out.parquet", letters, batch_rows=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.parquet"]
    score_file(rows, tmp_path / "out.parquet", letters, batch_rows=2, fill_missing=True)
    assert pq.read_table(tmp_path / "out.parquet")["quality"][3].as_py() == pytest.approx(1 / 102)


def test_a_column_that_the_scores_need_cannot_be_kept(write_rows, tmp_path, letters):
    rows = write_rows(text=["warm"], label=["good"], quality=[1])
    with pytest.raises(ValueError, match=r"^The output would have two columns 'quality'; do not keep that one"):
        score_file(rows, tmp_path / "out.parquet", letters, keep=["quality"])


def test_batches_have_a_row_or_more(rows, tmp_path, letters):
    with pytest.raises(ValueError, match=r"^batch_rows must be at least 1, got 0"):
        score_file(rows, tmp_path / "out.parquet", letters, batch_rows=0)


def test_an_input_that_changes_while_it_is_read_leaves_no_output(rows, tmp_path):
    with pytest.raises(ValueError, match=r"rows\.parquet has changed while it was being read"):
        score_file(rows, tmp_path / "out.parquet", Scorer(MeddlingChecker(rows)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.parquet"]


def test_a_full_disk_is_an_error_and_leaves_no_output(write_rows, tmp_path, letters):
    n = 5000
    rows = write_rows(text=[f"a film {i:030d}" for i in range(n)], label=["good"] * n)
    with full_disk(20_000), pytest.raises(OSError, match="File too large"):
        score_file(rows, tmp_path / "out.parquet", letters, keep=["text"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.parquet"]


def test_the_output_is_on_the_disk_before_it_has_its_name(rows, tmp_path, letters, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        function = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, f=function, name=name: done.append(name) or f(*args))
    score_file(rows, tmp_path / "out.parquet", letters)
    assert done == ["fsync", "replace", "fsync"]
