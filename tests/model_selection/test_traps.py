"""What goes wrong in searches without the mask or with a splitter that does not know it, and what is said then."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from helpers import brief, own_number
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score

from skweight.exceptions import RealDataSlicedWarning, SkweightWarning
from skweight.model_selection import RealKFold


@pytest.mark.parametrize("enabled", [True, False])
def test_real_rows_that_scikit_learn_has_sliced_are_reported(enabled, small, checker_fits):
    """As many real rows as synthetic ones: cross-validation takes them for a column of X."""
    X, y, real_X, real_y = small.synth_X, small.synth_y, small.test_X[:48], small.test_y[:48]
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=3, error_score="raise")
    with (
        sklearn.config_context(enable_metadata_routing=enabled),
        pytest.warns(RealDataSlicedWarning, match="^SKW032: real_X and X both have (32|48) rows") as caught,
    ):
        search.fit(X, y, real_X=real_X, real_y=real_y)
    assert [len(c.X) for c in checker_fits] == [32, 32, 32, 48]  # the trap itself
    assert {str(w.message).split()[6] for w in caught} == {"32", "48"}
    assert all("pass is_real, or wrap the real rows as real_X=(real_X,)" in str(w.message) for w in caught)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_tuple_around_the_real_rows_keeps_them_whole_and_silent(enabled, small, checker_fits):
    X, y, real_X, real_y = small.synth_X, small.synth_y, small.test_X[:48], small.test_y[:48]
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=3, error_score="raise")
    with sklearn.config_context(enable_metadata_routing=enabled):
        search.fit(X, y, real_X=(real_X,), real_y=(real_y,))
    assert len(checker_fits) == 4
    assert all(own_number(c.X) == own_number(real_X) for c in checker_fits)


@pytest.mark.parametrize("n_real", [47, 49])
def test_real_rows_of_another_number_are_left_whole_and_silent(n_real, small, checker_fits):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=3, error_score="raise")
    search.fit(small.synth_X, small.synth_y, real_X=small.test_X[:n_real], real_y=small.test_y[:n_real])
    assert [len(c.X) for c in checker_fits] == [n_real] * 4


@pytest.mark.parametrize("name", ["real_X", "real_y"])
def test_a_tuple_around_one_of_the_two_is_found_out(name, small):
    real = {"real_X": small.test_X[:48], "real_y": small.test_y[:48]}
    real[name] = (real[name],)
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=3, error_score="raise")
    with pytest.raises(ValueError, match=r"^real_X has (48|32) rows but real_y has (32|48)\.$"):
        search.fit(small.synth_X, small.synth_y, **real)


def test_a_plain_fit_with_as_many_real_rows_asks_whether_they_were_sliced(small):
    real = {"real_X": small.test_X[:48], "real_y": small.test_y[:48]}
    with pytest.warns(RealDataSlicedWarning, match="the numbers are equal by chance"):
        brief().fit(small.synth_X, small.synth_y, **real)
    brief().fit(small.synth_X, small.synth_y, **{name: (value,) for name, value in real.items()})


def test_real_labels_that_a_meta_estimator_did_not_encode_are_an_error_that_names_the_mask(small, routing):
    vote = VotingClassifier([("d", brief())], voting="soft")
    with pytest.raises(ValueError, match=r"^real_y holds labels that y does not: \['down', 'up'\].*pass is_real"):
        vote.fit(small.synth_X, small.synth_y, real_X=small.real_X, real_y=small.real_y)


def test_a_splitter_that_does_not_know_the_mask_is_found_out(small):
    """Real rows come last: the last of four plain folds tests all of them and trains on none."""
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=KFold(4), error_score="raise")
    with pytest.raises(
        ValueError, match=r"it marks 0 of 48.*splitter that does not know about is_real\? Use RealKFold"
    ):
        search.fit(small.X, small.y, is_real=small.is_real)


def test_a_search_whose_fits_fail_picks_the_first_candidate_unless_it_raises(small):
    """Why every search in the documentation has ``error_score="raise"``."""
    search = GridSearchCV(brief(), {"gamma": [0.0, 2.0]}, cv=KFold(4))
    with (
        pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 8"),
        pytest.warns(UserWarning, match="nan"),
    ):
        search.fit(small.X, small.y, is_real=small.is_real)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"gamma": 0.0}
    with pytest.raises(ValueError, match="it marks 0 of 48"):
        search.set_params(error_score="raise").fit(small.X, small.y, is_real=small.is_real)


@pytest.fixture
def rare(small):
    """A third class, with one real row: in one of two folds none is left to train on."""
    y = small.y.copy()
    y[[3, 11, 19, 27, 50]] = "odd"
    return SimpleNamespace(X=small.X, y=y, is_real=small.is_real)


@pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 members")
def test_a_class_that_a_fold_has_no_real_rows_of_is_an_error(rare):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2, is_real=rare.is_real), error_score="raise")
    with pytest.raises(ValueError, match=r"^the real data has no rows of \['odd'\].*missing_real='warn'"):
        search.fit(rare.X, rare.y, is_real=rare.is_real)


@pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 members")
def test_a_class_that_a_fold_has_no_real_rows_of_can_get_neutral_weights(rare):
    cv = RealKFold(2, is_real=rare.is_real)
    search = GridSearchCV(brief(missing_real="warn"), {"gamma": [1.0]}, cv=cv, error_score="raise")
    with pytest.warns(SkweightWarning, match=r"^SKW021: .*\['odd'\]; their 4 synthetic rows get the neutral weight 1"):
        search.fit(rare.X, rare.y, is_real=rare.is_real)
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_nested_search_with_the_mask_in_the_splitters_is_told_to_turn_routing_on(enabled, small):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2, is_real=small.is_real), error_score="raise")
    # With routing on, the inner splitter is given the mask of the fold, which goes before its own.
    with sklearn.config_context(enable_metadata_routing=enabled):
        arguments = {"cv": RealKFold(4, is_real=small.is_real), "params": {"is_real": small.is_real}}
        if enabled:
            scores = cross_val_score(search, small.X, small.y, error_score="raise", **arguments)
            assert scores.shape == (4,)
            return
        with pytest.raises(
            ValueError, match=r"has 64 entries but X has 60 rows; in a nested search.*Turn metadata rou"
        ):
            cross_val_score(search, small.X, small.y, error_score="raise", **arguments)


def test_without_routing_the_splitter_needs_a_mask_of_its_own(small):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2), error_score="raise")
    with pytest.raises(ValueError, match=r"RealKFold needs to know which rows are real.*RealKFold\(is_real=is_real\)"):
        search.fit(small.X, small.y, is_real=small.is_real)


def test_functions_that_predict_every_row_once_refuse_the_splitters(small, routing):
    with pytest.raises(ValueError, match="cross_val_predict only works for partitions"):
        cross_val_predict(brief(), small.X, small.y, cv=RealKFold(2), params={"is_real": small.is_real})
    stack = StackingClassifier([("lr", LogisticRegression())], cv=RealKFold(2, is_real=small.is_real))
    with pytest.raises(ValueError, match="only works for partitions"):
        stack.fit(small.X, small.y)


def test_warnings_from_inside_a_search_point_at_the_line_of_the_user(small):
    size = len(small.real_y)
    X, y, real_X, real_y = small.synth_X[:size], small.synth_y[:size], small.real_X, small.real_y
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=2, refit=False)
    with pytest.warns(RealDataSlicedWarning) as caught:
        search.fit(X, y, real_X=real_X, real_y=real_y)
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}
