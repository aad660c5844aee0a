"""What a report takes and shows, whatever it finds."""

import copy
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import ALL, QUICK, brief, make_rows, passthrough, quick, replaced, tfidf
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skweight import IMPClassifier, OpinionPoolClassifier, weight_report
from skweight.baselines import CrossEntropyClassifier
from skweight.model_selection import RealKFold, stack_real


@pytest.fixture(scope="module")
def numbers():
    return make_rows(n_synthetic=60, n_real=20)


# -- classifiers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_every_classifier_can_be_reported_on(cls, numbers):
    real = {"real_X": numbers.real_X, "real_y": numbers.real_y}
    clf = passthrough(cls, max_epochs=2).fit(numbers.synth_X, numbers.synth_y, **real)
    report = weight_report(clf, numbers.synth_X, numbers.synth_y, **real)
    table = report.frame()
    np.testing.assert_array_equal(table["weight"], clf.sample_weight_)
    assert ("quality" in table) == hasattr(clf, "quality_proba_")
    assert ("diversity" in table) == hasattr(clf, "diversity_proba_")
    assert ("suggested" in table) == (hasattr(clf, "quality_checker_") or hasattr(clf, "target_proba_"))
    assert cls.__name__ in str(report)
    assert len(report.rows) == 20


def test_the_classifier_inside_a_pipeline_reads_what_the_steps_before_it_make(rows, tiny_encoder, routing):
    def clean(texts):
        return [text.removeprefix("<br> ") for text in texts]

    dirty = {name: [f"<br> {text}" for text in rows[name]] for name in ("X", "real_X")}
    real = {"real_X": dirty["real_X"], "real_y": rows["real_y"]}
    clf = IMPClassifier(tiny_encoder, quality_checker=tfidf(), diversity_checker="drop", **QUICK)
    pipeline = make_pipeline(FunctionTransformer(clean), clf, transform_input=["real_X"])
    pipeline.fit(dirty["X"], rows["y"], **real)
    (first, *_) = weight_report(pipeline, dirty["X"], rows["y"], **real, n_rows=1).rows
    assert first["text"] == rows["X"][first["row"]]
    assert first["nearest_text"] in rows["real_X"]
    assert first["label"] == rows["y"][first["row"]]


def test_the_best_classifier_of_a_search_on_stacked_rows(numbers):
    search = GridSearchCV(brief(), {"gamma": [0.0, 1.0]}, cv=RealKFold(2, is_real=numbers.is_real), error_score="raise")
    search.fit(numbers.X, numbers.y, is_real=numbers.is_real)
    table = weight_report(search, numbers.X, numbers.y, is_real=numbers.is_real).frame()
    assert table["row"].tolist() == np.flatnonzero(~numbers.is_real).tolist()
    np.testing.assert_array_equal(table["weight"], search.best_estimator_.sample_weight_[~numbers.is_real])


def test_rows_of_numbers_in_a_pipeline_have_their_nearest_real_row(numbers):
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0))
    pipeline.fit(numbers.synth_X, numbers.synth_y)
    report = weight_report(
        pipeline, numbers.synth_X, numbers.synth_y, real_X=numbers.real_X, real_y=numbers.real_y, n_rows=2
    )
    scaled, real = (pipeline[:-1].transform(X) for X in (numbers.synth_X, numbers.real_X))
    row = report.rows[0]
    own = scaled[row["row"]]
    cosine = real @ own / np.linalg.norm(real, axis=1) / np.linalg.norm(own)
    assert row["nearest_real"] == cosine.argmax()
    assert row["cosine"] == pytest.approx(cosine.max(), abs=1e-5)
    assert row["text"] is None


def test_dropped_rows_are_left_out_and_others_keep_their_numbers(rows, tiny_encoder):
    bad = {**rows, "X": replaced(rows["X"], row3=None), "y": replaced(rows["y"], row10=None)}
    clf = quick(IMPClassifier, tiny_encoder, on_bad_rows="drop")
    with pytest.warns(UserWarning, match="SKW014"):
        clf.fit(bad["X"], bad["y"], real_X=bad["real_X"], real_y=bad["real_y"])
    with pytest.warns(UserWarning, match="SKW014"):
        table = weight_report(clf, **bad, groups=["a", None] * 30).frame()
    kept = [i for i in range(60) if i not in (3, 10)]
    assert table["row"].tolist() == kept
    np.testing.assert_array_equal(table["weight"], clf.sample_weight_[kept])
    assert table["group"].tolist() == [["a", "missing"][i % 2] for i in kept]


def test_pairs_of_texts(rows, tiny_encoder):
    pairs = {**rows, **{name: list(zip(rows[name], rows[name][::-1], strict=True)) for name in ("X", "real_X")}}
    clf = quick(OpinionPoolClassifier, tiny_encoder, max_epochs=1, max_length=32)
    clf.fit(pairs["X"], pairs["y"], real_X=pairs["real_X"], real_y=pairs["real_y"])
    report = weight_report(clf, **pairs, test_X=pairs["real_X"][:2], n_rows=2)
    assert " || " in str(report)
    assert " || " in report._repr_html_()


def test_data_frames_and_a_loaded_classifier(rows, imp, pool, tmp_path):
    frame = pd.DataFrame({"text": rows["X"]}, index=range(100, 160))
    report = weight_report(imp, frame, pd.Series(rows["y"]), real_X=rows["real_X"], real_y=rows["real_y"])
    assert report.frame()["row"].tolist() == list(range(60))
    pool.save_pretrained(tmp_path)
    loaded = OpinionPoolClassifier.from_pretrained(tmp_path)
    changed = {name: weight_report(clf, **rows).frame() for name, clf in {"own": pool, "loaded": loaded}.items()}
    pd.testing.assert_frame_equal(changed["own"], changed["loaded"])


def test_an_encoder_that_is_gone_costs_the_nearest_rows_only(rows, imp):
    moved = copy.copy(imp)
    moved.encoder = "./gone"
    report = weight_report(moved, **rows, n_rows=1)
    assert report.not_checked["nearest real rows"].startswith("the encoder cannot be loaded: ")
    assert report.rows[0]["nearest_real"] is None


# -- errors -----------------------------------------------------------------------------------------------------------


def test_other_rows_than_those_of_the_fit_are_refused(rows, imp):
    with pytest.raises(ValueError, match=r"^X has 59 rows, but IMPClassifier was fitted on 60: X and y must be"):
        weight_report(imp, rows["X"][1:], rows["y"][1:])
    X, y, is_real = stack_real(rows["X"], rows["y"], rows["real_X"], rows["real_y"])
    with pytest.raises(ValueError, match=r"^X has 80 rows, but IMPClassifier was fitted on 60: X and"):
        weight_report(imp, X, y, is_real=is_real)
    with pytest.raises(ValueError, match=r"^y holds labels that IMPClassifier was not fitted on: \['odd'\]\.$"):
        weight_report(imp, rows["X"], replaced(rows["y"], row3="odd"))


def test_groups_must_be_one_for_each_row(rows, imp):
    with pytest.raises(ValueError, match=r"^groups has 2 entries but X has 60 rows\.$"):
        weight_report(imp, rows["X"], rows["y"], groups=["a", "b"])


def test_what_is_not_fitted_or_not_ours_is_refused(rows):
    with pytest.raises(NotFittedError):
        weight_report(CrossEntropyClassifier(), rows["X"], rows["y"])
    with pytest.raises(TypeError, match=r"^LogisticRegression has no sample_weight_, and no"):
        weight_report(LogisticRegression().fit([[0], [1]], [0, 1]), rows["X"], rows["y"])


def test_a_report_changes_nothing_about_the_classifier(rows, imp):
    before = {name: copy.copy(value) for name, value in vars(imp).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weight_report(imp, pd.DataFrame({"other": rows["X"]}), rows["y"])
    assert vars(imp).keys() == before.keys()


def test_missing_pandas_names_the_extra(report, monkeypatch):
    made = report()
    monkeypatch.setitem(sys.modules, "pandas", None)
    for method in (made.frame, made.relabelling):
        with pytest.raises(ImportError, match=r'^Tables need pandas\. Run: pip install "skweight\[report\]"$'):
            method()
    assert str(made)  # the text and the page do without
    assert made._repr_html_()


# -- what it shows ----------------------------------------------------------------------------------------------------


def test_rows_of_highest_weight_come_first_and_the_lowest_begin_with_the_least(rows, report):
    weight = np.arange(60.0)
    made = report(sample_weight_=weight, n_rows=2, groups=["even", "odd"] * 30)
    assert [(row["end"], row["row"], row["weight"]) for row in made.rows] == [
        ("highest", 59, 59.0),
        ("highest", 58, 58.0),
        ("lowest", 0, 0.0),
        ("lowest", 1, 1.0),
    ]
    assert (made.rows[0]["text"], made.rows[0]["label"], made.rows[0]["group"]) == (rows["X"][59], "rotten", "odd")
    assert made.rows[0]["nearest_text"] == rows["real_X"][made.rows[0]["nearest_real"]]


def test_a_text_is_shown_once_for_each_label_that_it_has(rows, report):
    # Rows 1 and 3 are rotten, row 2 is fresh.
    X = replaced(rows["X"], row1=rows["X"][1], row2=rows["X"][1], row3=rows["X"][1].upper())
    lowest = [
        row["row"] for row in report(X=X, sample_weight_=np.arange(60.0), n_rows=4).rows if row["end"] == "lowest"
    ]
    assert lowest == [0, 1, 2, 4]


def test_the_nearest_real_row_of_a_copy_is_what_it_copies(rows, report):
    X = replaced(rows["X"], row59=rows["real_X"][7])
    row = report(X=X, sample_weight_=np.arange(60.0), n_rows=1).rows[0]
    assert (row["row"], row["nearest_real"]) == (59, 7)
    assert row["cosine"] == pytest.approx(1, abs=1e-3)


def test_suggested_label_and_quality_come_from_the_quality_checker(rows, imp, report):
    table = report().frame()
    proba = imp.quality_checker_.predict_proba(rows["X"])
    assert table["suggested"].tolist() == imp.quality_checker_.predict(rows["X"]).tolist()
    np.testing.assert_allclose(table["suggested_proba"], proba.max(axis=1))
    np.testing.assert_array_equal(table["quality"], imp.quality_proba_)


def test_a_class_that_the_checker_does_not_know_keeps_its_label(rows, report, pool):
    target = np.full((60, 2), [0.7, np.nan])  # knows "fresh" alone
    table = report(pool, target_proba_=target).frame()
    assert table["suggested"].tolist() == rows["y"]
    assert table["suggested_proba"].isna().tolist() == [False, True] * 30


def test_the_table_of_all_rows_says_what_is_copied_and_which_findings_a_row_has(rows, report):
    X = replaced(rows["X"], row6=rows["X"][3])
    table = report(X=X).frame()
    assert table["copy_of"].isna().sum() == 59
    assert table["copy_of"][6] == 3
    assert table["findings"][6].split()[:2] == ["R11", "R12"]
    assert "group" not in table


def test_text_shows_findings_what_was_not_checked_and_rows(rows, report):
    X = replaced(rows["X"], row7=rows["X"][3], row59="\x1b[31mred \u202e text")
    lines = str(report(X=X, sample_weight_=np.arange(60.0), n_rows=2)).splitlines()
    assert lines[0].startswith("IMPClassifier: 60 synthetic rows, 20 real ones. By their weights they count as 45 ")
    assert any(line.startswith("note R11 duplicates: 1 of 60 rows (1.7%)") for line in lines)
    assert "  R14 copies of test rows: pass test_X" in lines
    (highest,) = [line for line in lines if line.startswith("  59.000  row 59  rotten")]
    assert r"\x1b[31mred \u202e text" in highest
    assert max(map(len, lines)) <= 160


def test_no_rows_are_shown_if_none_are_asked_for(report):
    assert report(n_rows=0).rows == []
    assert len(report(n_rows=1000).rows) == 60
    with pytest.raises(ValueError, match="n_rows"):
        report(n_rows=-1)
