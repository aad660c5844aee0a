"""What the command ``predict`` makes of a file."""

import numpy as np
import pyarrow as pa
import pytest

from skweight.__main__ import main
from skweight._base import BaseTextClassifier
from skweight.baselines import CrossEntropyClassifier


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
def test_a_file_gives_what_its_rows_give(
    text_classifier, text_model, tmp_path, capsys, source, out, texts, write_table, read_table, predict
):
    X = texts(30)
    source = write_table(tmp_path / source, {"id": [f"r{i}" for i in range(30)], "text": X})
    out = tmp_path / out
    assert predict(text_model, source, out, "--keep", "id", "--keep", "text", "--chunk-rows", 8) == 0
    assert capsys.readouterr().out == f"30 rows written to {out}\n"
    rows = read_table(out)
    assert list(rows) == ["id", "text", "label", "p(fresh)", "p(rotten)"]
    assert rows["id"] == [f"r{i}" for i in range(30)]
    assert rows["text"] == X
    assert rows["label"] == text_classifier.predict(X).tolist()
    proba = np.array([rows["p(fresh)"], rows["p(rotten)"]]).astype(float).T
    np.testing.assert_allclose(proba, text_classifier.predict_proba(X), atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_the_screen_shows_csv(text_model, tmp_path, capsys, texts, write_table, predict):
    source = write_table(tmp_path / "in.parquet", {"id": [1, 2, 3], "text": texts(3)})
    assert main(["predict", str(text_model), str(source), "--keep", "id", "--chunk-rows", "2"]) == 0
    shown = capsys.readouterr().out
    assert predict(text_model, source, tmp_path / "out.csv", "--keep", "id") == 0
    assert shown == (tmp_path / "out.csv").read_text()
    assert shown.startswith("id,label,p(fresh),p(rotten)\n1,")


def test_files_hold_pairs_too(tiny_encoder, tmp_path, texts, write_table, read_table, predict):
    X = [(text, "a film") for text in texts(8)]
    clf = CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16, random_state=0).fit(X, ["a", "b"] * 4)
    clf.save_pretrained(tmp_path / "model")
    for name in ("in.csv", "in.parquet"):
        source = write_table(tmp_path / name, {"text_a": [a for a, _ in X], "text_b": [b for _, b in X]})
        out = tmp_path / f"{name}.parquet"
        assert predict(tmp_path / "model", source, out, "--chunk-rows", 3) == 0
        rows = read_table(out)
        np.testing.assert_allclose(rows["p(a)"], clf.predict_proba(X)[:, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_file_without_rows_gives_one(text_model, tmp_path, name, write_table, read_table, predict):
    source = write_table(tmp_path / name, {"text": pa.array([], pa.string())} if "parquet" in name else {"text": []})
    for out in (tmp_path / "out.csv", tmp_path / "out.parquet"):
        assert predict(text_model, source, out) == 0
        assert read_table(out) == {"label": [], "p(fresh)": [], "p(rotten)": []}


def test_a_file_is_warned_of_once(text_model, tmp_path, capsys, write_table, predict):
    source = write_table(tmp_path / "in.csv", {"id": range(6), "text": [" ", "a film"] * 3})
    assert predict(text_model, source, tmp_path / "out.csv", "--chunk-rows", 2) == 0
    shown = capsys.readouterr().err
    assert shown.count("warning: ") == shown.count("warning: SKW010: 3 of 6 texts in X are empty.\n") == 1


def test_a_missing_text_is_named_by_its_row_in_the_file_before_anything_is_predicted(
    text_model, tmp_path, monkeypatch, texts, write_table, predict, refused
):
    monkeypatch.setattr(BaseTextClassifier, "predict_proba", None)
    source = write_table(tmp_path / "in.parquet", {"text": [*texts(17), None, "a film"]})
    message = refused(predict(text_model, source, tmp_path / "out.csv", "--chunk-rows", 5))
    assert message.startswith(f"{source}: column 'text' contains a missing value at row 17. Fill it in, or take")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_not_overwritten(text_model, tmp_path, link, write_table, predict, refused):
    source = out = write_table(tmp_path / "in.csv", {"text": ["a film"]})
    if link:
        out = tmp_path / "link.csv"
        out.symlink_to(source)
    assert "is the input. Write somewhere else." in refused(predict(text_model, source, out))
    assert source.read_text() == "text\na film\n"


def test_an_output_that_cannot_be_written_is_refused_and_its_folder_made(
    text_model, tmp_path, write_table, predict, refused
):
    source = write_table(tmp_path / "in.csv", {"text": ["a film"]})
    assert predict(text_model, source, tmp_path / "some" / "where" / "out.csv") == 0
    assert [path.name for path in (tmp_path / "some" / "where").iterdir()] == ["out.csv"]
    assert "Cannot write into /proc: " in refused(predict(text_model, source, "/proc/out.csv"))


def test_a_model_of_numbers_is_refused(numeric_classifier, tmp_path, write_table, refused):
    numeric_classifier.save_pretrained(tmp_path / "model")
    source = write_table(tmp_path / "in.csv", {"text": ["a film"]})
    for out in ([], ["--out", str(tmp_path / "out.csv")]):
        message = refused(main(["predict", str(tmp_path / "model"), str(source), *out]))
        assert "was fitted on rows of numbers, and not on texts." in message
