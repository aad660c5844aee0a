"""Many files are labelled: what a row gets, what is finished, and what is refused."""

import copy

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import watch
from scale_checkers import LetterChecker, MortalChecker

from skweight.datasets._input import PYTHON
from skweight.scale import Predicted, Scorer, predict, score, score_file, weights
from skweight.scale._file import Settings, work_on
from skweight.scale._predictor import Counts, Predictor

TEXTS = ["warm", "a" * 70, "poor", "b" * 90]
# (1 + letters) / 102 for "good"
GOOD = np.array([5, 71, 5, 91]) / 102


class SizeChecker(LetterChecker):
    """Finds "good" the more probable the more texts it is asked about at a time."""

    def predict_proba(self, X):
        return np.tile([1 - len(X) / 10, len(X) / 10], (len(X), 1))


def label_file(path, out, model, *, text=None, keep=(), batch_rows=8192, fill_missing=False, raw=False, encoding=None):
    """Label one file in this process, as a worker does it."""
    settings = Settings(keep, batch_rows, fill_missing, raw, encoding, False, PYTHON)
    return work_on(path, out, Predictor(model, text=text), settings)


# -- what a row gets --------------------------------------------------------------------------------------------------


def test_a_row_gets_the_most_probable_label_and_the_probability_of_each_class(write_rows, tmp_path):
    rows = write_rows(id=[3, 1, 4, 1], text=TEXTS)
    counts = label_file(rows, tmp_path / "out.parquet", LetterChecker(), keep=["id"], batch_rows=3)
    table = pq.read_table(tmp_path / "out.parquet")
    assert [(field.name, field.type) for field in table.schema] == [
        ("id", pa.int64()),
        ("label", pa.string()),
        ("p(bad)", pa.float64()),
        ("p(good)", pa.float64()),
    ]
    assert table["id"].to_pylist() == [3, 1, 4, 1]
    assert table["label"].to_pylist() == ["bad", "good", "bad", "good"]
    np.testing.assert_array_equal(table["p(good)"], GOOD)
    np.testing.assert_array_equal(table["p(bad)"], 1 - GOOD)
    assert counts == Counts({"bad": 2, "good": 2})


def test_a_model_is_asked_about_as_many_rows_as_a_batch_has(write_rows, tmp_path):
    label_file(write_rows(text=TEXTS), tmp_path / "out.parquet", SizeChecker(), batch_rows=3)
    assert pq.read_table(tmp_path / "out.parquet")["p(good)"].to_pylist() == [0.3, 0.3, 0.3, 0.1]


def test_a_saved_classifier_gives_its_bits(text_model, text_classifier, texts, write_rows, tmp_path):
    X = texts(10)
    label_file(write_rows(text=X), tmp_path / "out.parquet", text_model, batch_rows=4)
    table = pq.read_table(tmp_path / "out.parquet")
    expected = np.concatenate([text_classifier.predict_proba(X[i : i + 4]) for i in range(0, 10, 4)])
    np.testing.assert_array_equal(np.c_[table["p(fresh)"], table["p(rotten)"]], expected)
    assert table["label"].to_pylist() == text_classifier.classes_[expected.argmax(axis=1)].tolist()
    assert len(np.unique(expected)) > 10


def test_labels_have_the_data_type_of_the_classes(write_rows, tmp_path):
    label_file(write_rows(text=TEXTS), tmp_path / "out.parquet", MortalChecker(classes=(3, 7)))
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["label", "p(3)", "p(7)"]
    assert table["label"].to_pylist() == [3, 7, 3, 7]


def test_a_kept_label_stands_beside_the_predicted_one(write_rows, tmp_path):
    rows = write_rows(text=TEXTS, label=["x", None, "y", "z"])
    label_file(rows, tmp_path / "out.parquet", LetterChecker(), keep=["label"])
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["label", "predicted_label", "p(bad)", "p(good)"]
    assert table["label"].to_pylist() == ["x", None, "y", "z"]
    assert table["predicted_label"].to_pylist() == ["bad", "good", "bad", "good"]


@pytest.mark.parametrize("keep", [["p(good)"], ["label", "predicted_label"]], ids=str)
def test_a_column_that_the_predictions_need_cannot_be_kept(write_rows, tmp_path, keep):
    rows = write_rows(text=TEXTS, **{name: [1, 2, 3, 4] for name in keep})
    with pytest.raises(ValueError, match=r"^The output would have two columns '.*'; do not keep that one"):
        label_file(rows, tmp_path / "out.parquet", LetterChecker(), keep=keep)


def test_a_file_without_rows_gives_one_without_rows(write_rows, tmp_path, text_model):
    rows = write_rows(text=pa.array([], pa.string()))
    assert label_file(rows, tmp_path / "out.parquet", text_model).n_rows == 0
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["label", "p(fresh)", "p(rotten)"]


# -- columns of texts -------------------------------------------------------------------------------------------------


def test_a_missing_text_or_column_is_named(write_rows, tmp_path):
    with pytest.raises(ValueError, match=r"column 'text' contains a missing value at row 1\. .* fill_missing=True"):
        label_file(write_rows(text=["warm", None]), tmp_path / "out.parquet", LetterChecker())
    with pytest.raises(ValueError, match=r"rows\.parquet has no column 'text'.* perhaps text='review'\.$"):
        label_file(write_rows(review=["warm"]), tmp_path / "out.parquet", LetterChecker())
    label_file(write_rows(review=["warm"]), tmp_path / "out.parquet", LetterChecker(), text="review")
    assert pq.read_table(tmp_path / "out.parquet")["p(good)"].to_pylist() == [5 / 102]


def test_columns_of_texts_that_a_saved_model_remembers_are_taken(text_classifier, write_rows, tmp_path):
    classifier = copy.copy(text_classifier)
    classifier.text_columns_ = [["review"]]
    classifier.save_pretrained(tmp_path / "model")
    rows = write_rows(text=["a bad film"], review=["a good film"])
    label_file(rows, tmp_path / "out.parquet", tmp_path / "model")
    expected = classifier.predict_proba(["a good film"])[0, 0]
    assert pq.read_table(tmp_path / "out.parquet")["p(fresh)"].to_pylist() == [expected]


# -- many files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(write_files, texts):
    """Folder with two files of ten rows in Parquet, and one in CSV, which has no labels."""
    folder = write_files(2)
    lines = "".join(f"{i},{text}\n" for i, text in enumerate(texts(30)[20:], 20))
    (folder / "2.csv").write_text(f"id,text\n{lines}")
    return folder


def tables_of(out):
    return {path.name: pq.read_table(path) for path in sorted(out.rglob("*.parquet"))}


def check_against_this_process(predicted, model, X):
    """Compare with `model`, to the last bit, the predictions of files of ten rows in batches of four."""
    tables = [pq.read_table(path) for path in predicted.files]
    batches = [X[i : i + 10][k : k + 4] for i in range(0, len(X), 10) for k in range(0, 10, 4)]
    expected = np.concatenate([model.predict_proba(batch) for batch in batches])
    found = np.concatenate([np.array(table.columns[-2:]).T for table in tables])
    np.testing.assert_array_equal(found, expected)
    labels = model.classes_[expected.argmax(axis=1)].tolist()
    assert [label for table in tables for label in table["label"].to_pylist()] == labels
    assert [int(i) for table in tables for i in table["id"].to_pylist()] == list(range(len(X)))
    assert predicted.n_rows == len(X)
    assert predicted.n_of_class == {name: labels.count(name) for name in model.classes_.tolist()}


def test_files_of_several_kinds_are_labelled_by_several_workers(folder, texts, tmp_path):
    predicted = predict(folder, tmp_path / "out", LetterChecker(), keep=["id"], batch_rows=4, n_workers=2)
    assert [path.name for path in predicted.files] == ["0.parquet", "1.parquet", "2.csv.parquet"]
    check_against_this_process(predicted, LetterChecker(), texts(30))
    assert predicted.n_found == 0
    assert not list((tmp_path / "out").glob(".*.unfinished"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_workers_give_the_bits_of_a_saved_classifier(
    engine, text_model, text_classifier, folder, texts, tmp_path, request
):
    if engine == "ray":
        request.getfixturevalue("ray_session")
    how = {"keep": ["id"], "batch_rows": 4, "engine": engine, "n_workers": 2}
    predicted = predict(folder, tmp_path / "out", text_model, **how)
    check_against_this_process(predicted, text_classifier, texts(30))


def test_a_call_goes_on_with_the_files_that_are_not_finished(folder, tmp_path):
    out = tmp_path / "out"
    for name in ("0.parquet", "1.parquet"):
        label_file(folder / name, out / name, LetterChecker())
    whole, before = (out / "1.parquet").read_bytes(), (out / "0.parquet").stat()
    (out / "1.parquet").write_bytes(whole[: len(whole) // 2])
    (out / ".2.csv.parquet.0.unfinished").write_bytes(b"half")  # of a worker that was killed
    with pytest.raises(FileExistsError, match=r"1\.parquet is there and was not written by skweight\.scale"):
        predict(folder, out, LetterChecker())
    predicted = predict(folder, out, LetterChecker(), overwrite=True, n_workers=1)
    assert (predicted.n_found, predicted.n_rows) == (1, 30)
    assert (out / "0.parquet").stat().st_mtime_ns == before.st_mtime_ns
    assert (out / "1.parquet").read_bytes() == whole
    assert sorted(path.name for path in out.glob("*")) == [".lock", "0.parquet", "1.parquet", "2.csv.parquet"]


def test_what_is_finished_is_found_without_a_worker(folder, tmp_path, monkeypatch):
    for name in ("0.parquet", "1.parquet"):
        label_file(folder / name, tmp_path / "out" / name, LetterChecker())
    asked = watch(monkeypatch, LetterChecker, "predict_proba")
    predicted = predict(folder / "*.parquet", tmp_path / "out", LetterChecker())
    files = [tmp_path / "out" / "0.parquet", tmp_path / "out" / "1.parquet"]
    # None of the texts has half of a hundred letters.
    assert predicted == Predicted(files, 20, {"bad": 20, "good": 0}, 2)
    assert asked == []


def test_a_file_that_cannot_be_read_is_named_after_the_others_are_labelled(folder, tmp_path):
    (folder / "0.csv").write_text('text\n"a good film\n')
    said = r"^1 of 4 files could not be finished; the others are\. .*in/0\.csv: the row"
    with pytest.raises(ValueError, match=said):
        predict(folder, tmp_path / "out", LetterChecker(), n_workers=1)
    assert list(tables_of(tmp_path / "out")) == ["0.parquet", "1.parquet", "2.csv.parquet"]


@pytest.mark.parametrize(
    ("model", "how", "said"),
    [
        (SizeChecker(), {}, "model: [0-9a-f]+ → [0-9a-f]+"),
        (LetterChecker(), {"batch_rows": 3}, "batch_rows: 8192 → 3"),
        (LetterChecker(), {"keep": ["id"]}, r"kept columns: \[\] → \['id'\]"),
        (LetterChecker(), {"text": "label"}, "text column: None → label"),
    ],
    ids=["model", "batches", "columns", "texts"],
)
def test_predictions_made_of_something_else_are_refused_before_any_work(folder, tmp_path, model, how, said):
    label_file(folder / "1.parquet", tmp_path / "out" / "1.parquet", LetterChecker())
    with pytest.raises(FileExistsError, match=rf"out/1\.parquet was made of something else \({said}\)"):
        predict(folder, tmp_path / "out", model, **how)
    assert list(tables_of(tmp_path / "out")) == ["1.parquet"]


# -- beside scores ----------------------------------------------------------------------------------------------------


def test_predictions_have_no_weights(folder, tmp_path):
    label_file(folder / "0.parquet", tmp_path / "out" / "0.parquet", LetterChecker())
    for out in (tmp_path / "out", tmp_path / "out" / "0.parquet"):
        with pytest.raises(ValueError, match=r"0\.parquet holds predictions, and no scores\."):
            weights(out)


def test_scores_and_predictions_do_not_replace_each_other(folder, tmp_path):
    label_file(folder / "0.parquet", tmp_path / "out" / "0.parquet", LetterChecker())
    said = r"0\.parquet was made of something else \(what it holds: predictions → scores; "
    with pytest.raises(FileExistsError, match=said):
        score(folder / "0.parquet", tmp_path / "out", quality=LetterChecker())
    score_file(folder / "1.parquet", tmp_path / "out" / "1.parquet", Scorer(LetterChecker()))
    said = r"1\.parquet was made of something else \(what it holds: scores → predictions; "
    with pytest.raises(FileExistsError, match=said):
        predict(folder / "1.parquet", tmp_path / "out", LetterChecker())
