"""Each code: rows that it is found in, and rows that it is not found in."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, ConstantChecker, replaced

from skweight._report.findings import _CHECKS

N, N_REAL = 60, 20


@pytest.fixture
def quiet(findings):
    """Codes that are found in the rows as they are."""
    return findings()


# -- R1x: rows --------------------------------------------------------------------------------------------------------


def test_r11_copies_of_earlier_rows(rows, findings):
    X = replaced(rows["X"], row7=rows["X"][3].upper() + "!", row9=rows["X"][3], row20=rows["X"][4] + " dull")
    found = findings(X=X)["R11"]
    assert found.rows.tolist() == [7, 9, 20]
    assert (found.name, found.n_rows, found.severity) == ("duplicates", 3, "note")  # 3 of 60 are not above 5 %
    assert found.title == "3 of 60 rows (5.0%) repeat an earlier row."
    assert found.detail.startswith("The same but for case, space and punctuation: 2; nearly the same: 1. Most often: ")
    assert "(3 times)" in found.detail
    assert findings(X=replaced(X, row30=X[3]))["R11"].severity == "warning"


def test_r11_is_not_found_among_rows_that_differ(quiet):
    assert "R11" not in quiet


def test_r12_copies_with_another_label(rows, findings):
    X = replaced(rows["X"], row6=rows["X"][3], row7=rows["X"][3])  # rows 3 and 7 are rotten, row 6 is fresh
    found = findings(X=X)["R12"]
    assert found.rows.tolist() == [3, 6]
    assert found.severity == "warning"  # 1 of 60 is above 1 %
    assert "Rows 3 and 6" in found.detail
    assert "'rotten' and 'fresh'" in found.detail


def test_r12_is_not_found_if_copies_agree(rows, findings):
    found = findings(X=replaced(rows["X"], row7=rows["X"][3]))
    assert "R11" in found
    assert "R12" not in found


def test_r13_copies_of_real_rows(rows, findings):
    found = findings(X=replaced(rows["X"], row8=rows["real_X"][5]))["R13"]
    assert found.rows.tolist() == [8]
    assert found.title == "1 of 60 rows (1.7%) copy 1 of 20 real rows (5.0%)."
    assert found.detail.startswith("Copied: real row 5. ")


def test_r13_is_not_found_without_copies(quiet):
    assert "R13" not in quiet


def test_r14_copies_of_test_rows(rows, findings):
    found = findings(test_X=["never seen", rows["X"][2], rows["X"][2]])["R14"]
    assert found.rows.tolist() == [2]
    assert found.title == "1 of 60 rows (1.7%) copy 1 of 3 test rows (33.3%)."


def test_r14_is_not_found_without_copies_and_not_checked_without_a_test_set(findings, report):
    assert "R14" not in findings(test_X=["never seen", "nor this"])
    assert report().not_checked["R14 copies of test rows"] == "pass test_X"


def test_r15_words_that_many_rows_begin_or_end_with(rows, findings):
    X = [f"Here is one more text: {text}" if i < 12 else text for i, text in enumerate(rows["X"])]
    found = findings(X=X)["R15"]
    assert found.rows.tolist() == list(range(12))
    assert found.detail.startswith('"here is one more text" (12 rows). ')
    X = [f"{text}, end of user turn <|eot|>" if i % 2 else text for i, text in enumerate(rows["X"])]
    assert "(30 rows)" in findings(X=X)["R15"].detail


def test_r15_is_not_found_in_ten_rows_nor_where_real_rows_begin_so_too(rows, findings):
    X = [f"Here is one more text: {text}" if i < 10 else text for i, text in enumerate(rows["X"])]
    assert "R15" not in findings(X=X)
    X = [f"I would like to ask: {text}" if i < 12 else text for i, text in enumerate(rows["X"])]
    real_X = [f"I would like to ask: {text}" if i < 2 else text for i, text in enumerate(rows["real_X"])]
    assert "R15" not in findings(X=X, real_X=real_X)  # a fifth of the rows here, a tenth there
    assert "R15" in findings(X=X)


def test_r15_names_a_text_once_that_is_repeated_as_a_whole(rows, findings):
    X = [" today, date: JUL" if i < 11 else text for i, text in enumerate(rows["X"])]
    assert findings(X=X)["R15"].detail.startswith('"today date jul" (11 rows). ')


# -- R2x: weights -----------------------------------------------------------------------------------------------------


def test_r21_weights_that_few_rows_carry(findings):
    found = findings(sample_weight_=np.array([1.0] * 5 + [0.0] * 55))["R21"]
    assert found.title == "The weights have collapsed: 60 rows count as 5.0 (effective sample size)."
    assert findings(sample_weight_=np.zeros(60))["R21"].severity == "warning"


def test_r21_is_not_found_if_a_tenth_of_the_rows_carries_them(findings):
    assert "R21" not in findings(sample_weight_=np.array([1.0] * 6 + [0.0] * 54))


def test_r22_one_row_that_carries_much(findings):
    # 15 of 74 are 20 %, above ten rows' share of 17 %.
    found = findings(sample_weight_=np.array([1.0] * 30 + [15.0] + [1.0] * 29))["R22"]
    assert found.rows.tolist() == [30]
    assert found.title == "Row 30 carries 20% of the weight of all 60 rows."


def test_r22_is_not_found_below_ten_rows_share(findings):
    # 11 of 70 are 16 %.
    assert "R22" not in findings(sample_weight_=np.array([1.0] * 30 + [11.0] + [1.0] * 29))


def test_r23_a_group_that_weighs_next_to_nothing(findings):
    groups, weight = ["a"] * 30 + ["b"] * 18 + ["c"] * 12, np.array([1.0] * 48 + [0.1] * 12)
    found = findings(groups=groups, sample_weight_=weight)["R23"]
    assert found.rows.tolist() == list(range(48, 60))
    assert found.title == "1 of 3 groups weigh less than a quarter of the average."
    assert "c (12 rows, mean weight 0.1); the average of all rows is 0.82." in found.detail


def test_r23_is_not_found_in_small_groups_or_above_a_quarter(findings, report):
    groups = ["a"] * 30 + ["b"] * 18 + ["c"] * 12
    assert "R23" not in findings(groups=groups, sample_weight_=np.array([1.0] * 48 + [0.3] * 12))
    groups = ["a"] * 51 + ["c"] * 9
    assert "R23" not in findings(groups=groups, sample_weight_=np.array([1.0] * 51 + [0.1] * 9))
    assert report().not_checked["R23 weightless group"] == "pass groups"


# -- R3x: checkers and classes ----------------------------------------------------------------------------------------


def pool_that_says(proba):
    """Attributes of a pool of one expert that says `proba` of the real rows."""
    return {"oof_proba_": np.array([proba]), "coef_": np.ones(1), "intercept_": np.zeros(2), "teacher_": "real"}


def test_r31_a_checker_that_is_surer_than_right(findings, pool):
    # 90 % sure of "fresh" for all, of which half are: 40 points too sure.
    found = findings(pool, **pool_that_says([[0.9, 0.1]] * N_REAL))["R31"]
    assert found.severity == "warning"
    assert found.title == (
        "The real expert is over-confident: 90% sure on average of real rows that it has not seen, and right on "
        "50% of them."
    )


def test_r31_is_not_found_in_a_checker_that_is_as_sure_as_right(findings, pool):
    assert "R31" not in findings(pool, **pool_that_says([[0.55, 0.45]] * N_REAL))


def test_r31_looks_at_real_rows_that_were_held_out_of_the_quality_checkers_training(imp, findings, report):
    clf = copy.copy(imp)
    clf.real_validation_indices_ = np.array([1, 3, 5])  # these are rotten
    clf.quality_checker_ = ConstantChecker({"rotten": 0.1, "fresh": 0.9})
    assert "right on 0% of them" in findings(clf)["R31"].title
    assert report().not_checked["R31 over-confident checker"].startswith("there are no real rows")


def test_r32_a_class_without_real_rows(rows, findings):
    found = findings(real_y=["fresh"] * N_REAL)["R32"]
    assert found.title == "1 of 2 classes have no real rows: ['rotten']."
    assert found.rows.tolist() == list(range(1, N, 2))


def test_r32_is_not_found_if_every_class_has_one(findings, quiet):
    assert "R32" not in quiet
    assert "R32" not in findings(real_y=["rotten"] + ["fresh"] * (N_REAL - 1))


def test_r33_other_shares_of_the_classes(findings):
    # Half of the rows are rotten, and one of 20 real ones: 45 points.
    found = findings(real_y=["rotten"] + ["fresh"] * (N_REAL - 1))["R33"]
    assert found.title.endswith("45% of the rows would have to change class.")
    assert "fresh 50% here, 95% there, rotten 50% here, 5% there (total variation 0.45," in found.detail


def test_r33_is_not_found_where_chance_may_have_done_it(findings, quiet):
    assert "R33" not in quiet
    assert "R33" not in findings(real_y=["rotten"] * 7 + ["fresh"] * 13)  # 15 points, on 20 rows


def test_r34_one_class_predicted_for_all(findings, imp):
    for constant in (0, 1):
        classifier = predicting(imp, np.full(N_REAL, constant))
        label = ["fresh", "rotten"][constant]
        assert findings(classifier)["R34"].title == f"The classifier predicts '{label}' for all of 20 real rows."
    without_real = predicting(imp, np.zeros(N, dtype=int))
    assert "all of 60 synthetic rows" in findings(without_real, real_X=None, real_y=None)["R34"].title


def test_r34_is_not_found_if_two_classes_are_predicted(findings, imp):
    assert "R34" not in findings(predicting(imp, np.arange(N_REAL) == 3))


def predicting(classifier, columns):
    """Copy of a classifier that predicts those classes."""
    changed = copy.copy(classifier)
    changed._predict_proba_of_tokens = lambda tokens: np.eye(2)[np.asarray(columns, dtype=int)]
    return changed


def test_r35_many_labels_that_the_pool_would_change(rows, findings, pool):
    target = np.eye(2)[[0, 1] * (N // 2)]
    target[:13] = 1 - target[:13]  # 13 of 60 are more than a fifth
    found = findings(pool, target_proba_=target)["R35"]
    assert found.severity == "warning"
    assert found.rows.tolist() == list(range(13))
    assert "more than 90 % sure of 13 of them" in found.detail
    target[4:13] = 1 - target[4:13]
    assert findings(pool, target_proba_=target)["R35"].severity == "note"


def test_r35_is_not_found_in_few_rows(findings, pool):
    target = np.eye(2)[[0, 1] * (N // 2)]
    target[:3] = 1 - target[:3]
    assert "R35" not in findings(pool, target_proba_=target)


# -- all of them ------------------------------------------------------------------------------------------------------


def test_warnings_come_first_and_each_kind_in_the_order_of_the_codes(rows, findings):
    X = replaced(rows["X"], row7=rows["X"][3], row8=rows["real_X"][5])
    found = findings(X=X, sample_weight_=np.array([1.0] * 5 + [0.0] * 55), groups=["a"] * 48 + ["b"] * 12)
    order = [(finding.severity == "note", finding.code) for finding in found.values()]
    assert order == sorted(order)
    assert {"R11", "R13", "R21", "R23"} <= found.keys()


def test_the_guide_lists_every_code_with_its_name():
    guide = Path(ROOT, "docs/guide/report.md").read_text()
    listed = re.findall(r"^\| (R\d\d) \| ([^|]+?) \|", guide, flags=re.M)
    assert listed == [(check.code, check.name) for check in _CHECKS]
