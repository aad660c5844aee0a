"""Real rows marked among the others in fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import brief, own_number
from sklearn.model_selection import GridSearchCV

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning
from skweight.model_selection import RealKFold


@pytest.mark.parametrize("options", [{}, {"real_weight": 1.0}, {"early_stopping": True, "max_epochs": 3}], ids=str)
@pytest.mark.parametrize("cls", [DIMPClassifier, IMPClassifier, CrossEntropyClassifier])
def test_the_mask_gives_the_model_of_real_rows_passed_apart_to_the_bit(cls, options, small):
    apart = brief(cls, **options).fit(small.synth_X, small.synth_y, real_X=small.real_X, real_y=small.real_y)
    among = brief(cls, **options).fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_array_equal(among.predict_proba(small.test_X), apart.predict_proba(small.test_X))
    np.testing.assert_array_equal(among.sample_weight_[:48], apart.sample_weight_)


def test_where_the_real_rows_stand_does_not_matter(small):
    woven_mask = np.random.default_rng(0).permutation(small.is_real)
    order = np.empty(64, dtype=int)
    order[~woven_mask], order[woven_mask] = np.arange(48), np.arange(48, 64)  # each kind in its own order, as before
    stacked = brief().fit(small.X, small.y, is_real=small.is_real)
    woven = brief().fit(small.X[order], small.y[order], is_real=woven_mask)
    np.testing.assert_array_equal(woven.predict_proba(small.test_X), stacked.predict_proba(small.test_X))
    np.testing.assert_array_equal(woven.sample_weight_, stacked.sample_weight_[order])
    np.testing.assert_array_equal(woven.quality_proba_, stacked.quality_proba_[order])


@pytest.mark.parametrize("cls", [DIMPClassifier, IMPClassifier])
def test_attributes_have_one_entry_per_row_of_x(cls, small):
    clf = brief(cls).fit(small.X, small.y, is_real=small.is_real)
    assert clf.sample_weight_.shape == clf.quality_proba_.shape == (64,)
    np.testing.assert_array_equal(clf.sample_weight_ == 0, small.is_real)
    np.testing.assert_array_equal(np.isnan(clf.quality_proba_), small.is_real)
    if cls is IMPClassifier:
        np.testing.assert_array_equal(np.isnan(clf.diversity_proba_), small.is_real)


def test_real_rows_that_join_the_training_have_their_weight_there(small):
    weight = np.r_[np.ones(48), np.linspace(0.5, 1.5, 16)]
    clf = brief(IMPClassifier, real_weight=2.0).fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    expected = 2.0 * clf.sample_weight_[:48].mean() * weight[48:]
    np.testing.assert_allclose(clf.sample_weight_[48:], expected, rtol=1e-5)
    assert np.isnan(clf.quality_proba_[48:]).all()


def test_rows_held_out_for_early_stopping_are_rows_of_x(small, checker_fits):
    clf = brief(early_stopping=True, validation_fraction=0.25)
    clf.fit(small.X, small.y, is_real=small.is_real)
    held = clf.real_validation_indices_
    assert len(held) == 4
    assert small.is_real[held].all()
    (checked,) = checker_fits
    assert sorted(own_number(checked.X) + own_number(small.X[held])) == sorted(own_number(small.X[small.is_real]))
    assert clf.validation_score_ == clf.score(small.X[held], small.y[held])


@pytest.mark.parametrize("given", [("real_X", "real_y"), ("real_X",), ("real_y",)], ids=str)
def test_the_mask_and_real_rows_apart_exclude_each_other(given, small):
    with pytest.raises(ValueError, match=r"^Pass real_X and real_y, or is_real, not both\.$"):
        brief().fit(small.X, small.y, is_real=small.is_real, **{name: getattr(small, name) for name in given})


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones(63, dtype=bool), ValueError, r"^is_real has 63 entries but X has 64 rows\.$"),
        (["yes"] * 64, TypeError, "^is_real must hold one boolean per row"),
        (np.arange(64), TypeError, "^is_real must hold one boolean per row"),
        (pd.array([True, None] * 32, dtype="boolean"), TypeError, "^is_real must hold one boolean per row"),
        (np.ones((64, 1), dtype=bool), TypeError, r"^is_real must hold .* got an array of shape \(64, 1\)"),
        (np.zeros(64, dtype=bool), ValueError, r"it marks 0 of 64\. Was the data split by a splitter"),
        (np.ones(64, dtype=bool), ValueError, r"it marks 64 of 64\. Was the data split by a splitter"),
    ],
    ids="length text numbers NA 2-D none all".split(),
)
def test_masks_that_fit_refuses(mask, error, message, small):
    with pytest.raises(error, match=message):
        brief().fit(small.X, small.y, is_real=mask)


@pytest.mark.parametrize(
    "wrap",
    [list, lambda m: m.astype(int), lambda m: pd.Series(m, index=np.arange(64)[::-1]), pl.Series],
    ids="list int Series polars".split(),
)
def test_masks_come_to_fit_in_many_containers(wrap, small):
    expected = brief().fit(small.X, small.y, is_real=small.is_real)
    clf = brief().fit(small.X, small.y, is_real=wrap(small.is_real))
    np.testing.assert_array_equal(clf.predict_proba(small.test_X), expected.predict_proba(small.test_X))


def test_a_series_with_an_odd_index_goes_through_a_search_as_an_array_does(small):
    index = np.random.default_rng(0).permutation(64) + 100
    cv = RealKFold(2, is_real=small.is_real)
    arrays = GridSearchCV(brief(), {"gamma": [1.0]}, cv=cv, scoring="neg_log_loss", error_score="raise")
    arrays.fit(small.X, small.y, is_real=small.is_real)
    mask = pd.Series(small.is_real, index=index)
    cv = RealKFold(2, is_real=mask)
    columns = [f"c{i}" for i in range(9)]
    frames = GridSearchCV(brief(), {"gamma": [1.0]}, cv=cv, scoring="neg_log_loss", error_score="raise")
    frames.fit(pd.DataFrame(small.X, index=index, columns=columns), pd.Series(small.y, index=index), is_real=mask)
    assert frames.best_score_ == arrays.best_score_


def test_labels_of_real_rows_that_no_synthetic_row_has_are_refused(small):
    y = small.y.astype(object)
    y[-1] = "sideways"
    with pytest.raises(ValueError, match=r"^The real rows hold labels that the synthetic rows do not: \['sideways'\]"):
        brief().fit(small.X, y, is_real=small.is_real)


def test_bad_rows_of_both_kinds_are_dropped_and_the_others_keep_their_places(small):
    X, weight = small.X.copy(), np.arange(1.0, 65.0)
    dropped = np.isin(np.arange(64), [5, 50])
    X[dropped] = np.nan
    options = {"on_bad_rows": "drop", "early_stopping": True}
    with pytest.warns(SkweightWarning, match="^SKW014: dropped 2 of 64 rows of X with a missing value or label"):
        clf = brief(**options).fit(X, small.y, is_real=small.is_real, sample_weight=weight)
    kept = ~dropped
    alone = brief(**options).fit(X[kept], small.y[kept], is_real=small.is_real[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(clf.predict_proba(small.test_X), alone.predict_proba(small.test_X))
    np.testing.assert_array_equal(clf.sample_weight_ == 0, small.is_real | dropped)
    np.testing.assert_array_equal(np.isnan(clf.quality_proba_), small.is_real | dropped)
    np.testing.assert_array_equal(clf.sample_weight_[kept], alone.sample_weight_)
    np.testing.assert_array_equal(clf.real_validation_indices_, np.flatnonzero(kept)[alone.real_validation_indices_])
