"""A list of labels to change goes to somebody, and comes back."""

import csv

import numpy as np
import pytest
from helpers import replaced

from skweight import read_relabelling


@pytest.fixture
def target():
    """What a pool says: "rotten" of rows 4 (sure) and 0 (less so), and the labels of the others."""
    target = np.eye(2)[[0, 1] * 30]
    target[0], target[4] = [0.3, 0.7], [0.1, 0.9]
    return target


@pytest.fixture
def written(report, pool, target, rows, tmp_path):
    """The list as a file: the rows of it, and a function that reads them back after a change."""
    report(pool, target_proba_=target).relabelling(tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))

    def read_back(X=rows["X"], y=rows["y"], **changes):
        edited = [{**line, **changes.get(f"row{line['row']}", {})} for line in lines]
        with open(tmp_path / "edited.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, lines[0])
            writer.writeheader()
            writer.writerows(edited)
        return read_relabelling(tmp_path / "edited.csv", X, y)

    return lines, read_back


def test_the_list_holds_what_the_pool_would_change_most_certain_first(report, pool, target, rows):
    table = report(pool, target_proba_=target).relabelling()
    assert table.columns.tolist() == ["row", "text", "label", "suggested", "probability", "keep"]
    assert table["row"].tolist() == [4, 0]
    assert table["text"].tolist() == [rows["X"][4], rows["X"][0]]
    assert table["label"].tolist() == ["fresh", "fresh"]
    assert table["suggested"].tolist() == ["rotten", "rotten"]
    assert table["probability"].tolist() == [0.9, 0.7]


def test_the_file_is_the_list(written, rows):
    lines, _ = written
    assert lines[0] == {
        "row": "4",
        "text": rows["X"][4],
        "label": "fresh",
        "suggested": "rotten",
        "probability": "0.9",
        "keep": "",
    }


def test_a_list_that_nobody_edited_changes_the_labels_that_it_names(written, rows):
    _, read_back = written
    assert read_back().tolist() == replaced(rows["y"], row0="rotten", row4="rotten")


@pytest.mark.parametrize("edit", [{"keep": "x"}, {"suggested": ""}, {"suggested": "fresh"}])
def test_a_row_that_is_kept_keeps_its_label(written, rows, edit):
    _, read_back = written
    assert read_back(row4=edit).tolist() == replaced(rows["y"], row0="rotten")


def test_space_case_and_punctuation_of_a_text_may_change_on_the_way(written, rows):
    lines, read_back = written
    assert read_back(row4={"text": lines[0]["text"].upper() + " \r\n."})[4] == "rotten"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"text": "another text"}, r"row 4: its text is \('another text',\), but X\[4\] is "),
        ({"label": "rotten"}, r"row 4: its label is 'rotten', but y\[4\] is "),
        (
            {"suggested": "Rotten"},
            r"row 4: suggested is 'Rotten', which is no label of y; those are \['fresh', 'rot",
        ),
        ({"row": "60"}, "row '60' is none of the 60 rows of X"),
        ({"row": "4.0"}, r"row '4\.0' is none of the 60 rows of X"),
        ({"row": "0", "text": ""}, "row 0: its text is"),
    ],
    ids=["text", "label", "suggested", "row", "spreadsheet's row", "another row's text"],
)
def test_a_line_that_does_not_match_is_refused_with_its_row(written, edit, message):
    _, read_back = written
    with pytest.raises(ValueError, match=message):
        read_back(row4=edit)


def test_a_row_that_is_there_twice_is_refused(written, tmp_path, rows):
    text = (tmp_path / "labels.csv").read_text()
    (tmp_path / "twice.csv").write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(ValueError, match=r"has row 4 twice\. Leave one of them out\.$"):
        read_relabelling(tmp_path / "twice.csv", rows["X"], rows["y"])


def test_what_a_spreadsheet_would_run_is_written_harmless_and_read_as_it_was(report, pool, target, rows, tmp_path):
    X = replaced(rows["X"], row4="=HYPERLINK(1)")
    path = tmp_path / "labels.csv"
    report(pool, X=X, target_proba_=target).relabelling(path)
    assert "4,'=HYPERLINK(1),fresh" in path.read_text()
    assert read_relabelling(path, X, rows["y"])[4] == "rotten"


def test_numbers_as_labels_and_missing_ones_come_back_as_they_are(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("row,text_a,text_b,label,suggested,keep\n1,b,c,1,0,\n")
    X = [("a", "b"), ("b", "c"), ("c", "d")]
    assert read_relabelling(path, X, [0, 1, 0]).tolist() == [0, 0, 0]
    assert read_relabelling(path, X, np.array([0, 1, None], dtype=object)).tolist() == [0, 0, None]


def test_a_classifier_that_keeps_nobody_who_could_suggest_labels_says_so(text_classifier):
    from skweight import weight_report

    X, y = ["a good film", "a bad film", "great cast", "poor cast"] * 2, ["fresh", "rotten"] * 4
    with pytest.raises(ValueError, match=r"^CrossEntropyClassifier keeps nobody who could suggest labels: no quality"):
        weight_report(text_classifier, X, y).relabelling()
