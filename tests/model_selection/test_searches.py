"""What every fit sees inside of everything of scikit-learn that slices, and what a search ranks."""

import numpy as np
import pytest
import sklearn
from helpers import brief, make_rows, own_number, passthrough, sizes
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - HalvingGridSearchCV cannot be imported without
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, make_scorer, roc_auc_score, top_k_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier

from skweight import IMPClassifier
from skweight.model_selection import RealKFold, RealShuffleSplit


def test_every_fit_of_a_search_sees_all_synthetic_rows_and_the_real_rows_it_is_not_scored_on(
    small, routing, fits, checker_fits
):
    search = GridSearchCV(brief(), {"gamma": [0.5, 1.0]}, cv=RealKFold(4), error_score="raise")
    search.fit(small.X, small.y, is_real=small.is_real)
    assert sizes(fits) == [(48, 12)] * 8 + [(48, 16)]
    expected = [train for train, _ in RealKFold(4).split(small.X, small.y, is_real=small.is_real)] * 2
    for fit, train in zip(fits, expected, strict=False):
        np.testing.assert_array_equal(fit.X, small.X[train])
        np.testing.assert_array_equal(fit.y, small.y[train])
        np.testing.assert_array_equal(fit.is_real, small.is_real[train])
    # The checker is given the real rows of each fit, and nothing else.
    real = [own_number(small.X[train[small.is_real[train]]]) for train in expected]
    assert [own_number(c.X) for c in checker_fits[:-1]] == real


def halving(clf, grid, cv):
    return HalvingGridSearchCV(
        clf, grid, cv=cv, resource="max_epochs", min_resources=1, max_resources=2, factor=2, error_score="raise"
    )


SEARCHES = {
    "grid": lambda clf, cv: GridSearchCV(clf, {"gamma": [0.0, 2.0]}, cv=cv, error_score="raise"),
    "random": lambda clf, cv: RandomizedSearchCV(
        clf, {"gamma": [0.0, 2.0]}, n_iter=2, cv=cv, random_state=0, error_score="raise"
    ),
    "halving": lambda clf, cv: halving(clf, {"gamma": [0.0, 2.0]}, cv),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_searches_give_the_same_scores_with_routing_and_without(kind, small):
    make = SEARCHES[kind]
    off = make(brief(), RealKFold(2, is_real=small.is_real)).fit(small.X, small.y, is_real=small.is_real)
    with sklearn.config_context(enable_metadata_routing=True):
        on = make(brief(), RealKFold(2)).fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_array_equal(on.cv_results_["mean_test_score"], off.cv_results_["mean_test_score"])
    assert on.best_params_ == off.best_params_
    np.testing.assert_array_equal(on.predict_proba(small.test_X), off.predict_proba(small.test_X))


def test_a_halving_search_over_epochs_keeps_all_rows_in_every_round(small, routing, fits):
    search = halving(brief(), {"gamma": [0.0, 2.0]}, RealKFold(2))
    search.fit(small.X, small.y, is_real=small.is_real)
    assert sizes(fits) == [(48, 8)] * (4 + 2) + [(48, 16)]
    assert [fit.self.max_epochs for fit in fits] == [1] * 4 + [2] * 3


def test_a_halving_search_takes_random_splits_with_a_seed_only(small, routing):
    seeded = halving(brief(), {"gamma": [0.0, 2.0]}, RealShuffleSplit(2, random_state=0))
    assert seeded.fit(small.X, small.y, is_real=small.is_real).best_params_["max_epochs"] == 2
    unseeded = halving(brief(), {"gamma": [0.0, 2.0]}, RealShuffleSplit(2))
    with pytest.raises(ValueError, match="must yield consistent folds"):
        unseeded.fit(small.X, small.y, is_real=small.is_real)


def test_a_nested_search_never_shows_a_fit_the_rows_of_the_outer_fold(small, routing, fits):
    search = GridSearchCV(brief(), {"gamma": [0.5, 1.0]}, cv=RealKFold(2), error_score="raise")
    cross_validate(search, small.X, small.y, cv=RealKFold(4), params={"is_real": small.is_real}, error_score="raise")
    # In each outer fold: two candidates on two inner folds, and the refit.
    assert sizes(fits) == ([(48, 6)] * 4 + [(48, 12)]) * 4
    outer = RealKFold(4).split(small.X, small.y, is_real=small.is_real)
    for fold, (_, test) in enumerate(outer):
        scored = set(own_number(small.X[test]))
        for fit in fits[5 * fold : 5 * fold + 5]:
            assert scored.isdisjoint(own_number(fit.X))


def test_a_plain_classifier_is_scored_on_the_same_folds(small):
    plain = LogisticRegression()
    by_hand = [
        clone(plain).fit(small.X[train], small.y[train]).score(small.X[test], small.y[test])
        for train, test in RealKFold(4).split(small.X, small.y, is_real=small.is_real)
    ]
    off = cross_val_score(plain, small.X, small.y, cv=RealKFold(4, is_real=small.is_real), error_score="raise")
    with sklearn.config_context(enable_metadata_routing=True):
        on = cross_val_score(
            plain, small.X, small.y, cv=RealKFold(4), params={"is_real": small.is_real}, error_score="raise"
        )
    assert off.tolist() == on.tolist() == by_hand


@pytest.mark.parametrize("enabled", [True, False])
def test_a_learning_curve_is_one_in_the_number_of_synthetic_rows(enabled, small, fits):
    with sklearn.config_context(enable_metadata_routing=enabled):
        trained_on, _, scores = learning_curve(
            brief(),
            small.X,
            small.y,
            cv=RealKFold(4, is_real=None if enabled else small.is_real),
            train_sizes=[20, 36, 60],
            params={"is_real": small.is_real},
            error_score="raise",
        )
    assert trained_on.tolist() == [20, 36, 60]
    assert sizes(fits) == [(8, 12), (24, 12), (48, 12)] * 4
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("enabled", [True, False])
def test_calibration_is_fitted_on_real_rows_that_the_model_has_not_seen(enabled, data, fits):
    cv = RealKFold(2, is_real=None if enabled else data.is_real)
    with sklearn.config_context(enable_metadata_routing=enabled):
        calibrated = CalibratedClassifierCV(brief(max_epochs=5, gamma=2.0), cv=cv)
        calibrated.fit(data.X, data.y, is_real=data.is_real)
    assert sizes(fits) == [(240, 24)] * 2
    assert calibrated.score(data.test_X, data.test_y) > 0.95


def test_a_threshold_is_tuned_on_real_rows_that_the_model_has_not_seen(data, routing, fits):
    tuned = TunedThresholdClassifierCV(brief(max_epochs=5, gamma=2.0), cv=RealKFold(2))
    tuned.fit(data.X, data.y, is_real=data.is_real)
    assert sorted(sizes(fits)) == [(240, 24), (240, 24), (240, 48)]
    assert 0 < tuned.best_threshold_ < 1
    assert tuned.best_score_ > 0.95
    assert tuned.score(data.test_X, data.test_y) > 0.95


def test_voting_encodes_the_labels_of_synthetic_and_real_rows_together(data, routing):
    vote = VotingClassifier([("d", passthrough()), ("i", passthrough(IMPClassifier))], voting="soft")
    vote.fit(data.X, data.y, is_real=data.is_real)
    assert vote.predict(data.test_X).dtype == data.y.dtype
    assert vote.score(data.test_X, data.test_y) > 0.95


def test_one_classifier_for_each_class_binarises_both_kinds_of_rows(routing, fits):
    three = make_rows(classes=("a", "b", "c"))
    rest = OneVsRestClassifier(brief(max_epochs=8)).fit(three.X, three.y, is_real=three.is_real)
    assert sizes(fits) == [(240, 48)] * 3
    assert [np.unique(fit.y).tolist() for fit in fits] == [[0, 1]] * 3
    assert rest.score(three.test_X, three.test_y) > 0.9


def test_parallel_fits_give_the_same_scores(small):
    scores = []
    for n_jobs in (1, 2):
        cv = RealKFold(2, is_real=small.is_real)
        search = GridSearchCV(
            brief(), {"gamma": [0.0, 2.0]}, cv=cv, n_jobs=n_jobs, scoring="neg_log_loss", error_score="raise"
        )
        search.fit(small.X, small.y, is_real=small.is_real)
        scores.append([search.cv_results_[f"split{fold}_test_score"].tolist() for fold in range(2)])
    assert scores[0] == scores[1]


# -- what a search ranks ----------------------------------------------------------------------------------------------

GAMMAS = [0.0, 0.5, 2.0]


def test_a_search_on_synthetic_rows_ranks_backwards_and_one_on_real_rows_does_not(data):
    naive = GridSearchCV(passthrough(), {"gamma": GAMMAS}, cv=3, scoring="neg_log_loss", error_score="raise")
    naive.fit(data.synth_X, data.synth_y, real_X=(data.real_X,), real_y=(data.real_y,))
    right = GridSearchCV(
        passthrough(),
        {"gamma": GAMMAS},
        cv=RealKFold(3, is_real=data.is_real),
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(data.X, data.y, is_real=data.is_real)
    assert naive.cv_results_["rank_test_score"].tolist() == [1, 2, 3]
    assert right.cv_results_["rank_test_score"].tolist() == [3, 2, 1]
    assert naive.best_params_ == {"gamma": 0.0}
    assert right.best_params_ == {"gamma": 2.0}
    assert accuracy_score(data.test_y, naive.predict(data.test_X)) < 0.6
    assert accuracy_score(data.test_y, right.predict(data.test_X)) > 0.95


# -- scores -----------------------------------------------------------------------------------------------------------


def test_scorers_of_scikit_learn_score_the_real_rows_of_a_fold():
    three = make_rows(n_synthetic=96, n_real=48, classes=("a", "b", "c"))
    scoring = {
        "accuracy": "accuracy",
        "loss": "neg_log_loss",
        "auc": "roc_auc_ovr",
        "f1": "f1_macro",
        "top2": make_scorer(top_k_accuracy_score, response_method="predict_proba", k=2),
    }
    cv = RealKFold(2, is_real=three.is_real)
    result = cross_validate(
        passthrough(max_epochs=3),
        three.X,
        three.y,
        cv=cv,
        scoring=scoring,
        params={"is_real": three.is_real},
        error_score="raise",
    )
    train, test = next(cv.split(three.X, three.y))
    clf = passthrough(max_epochs=3).fit(three.X[train], three.y[train], is_real=three.is_real[train])
    y, proba, predicted = three.y[test], clf.predict_proba(three.X[test]), clf.predict(three.X[test])
    by_hand = {
        "accuracy": np.mean(predicted == y),
        "loss": -log_loss(y, proba),
        "auc": roc_auc_score(y, proba, multi_class="ovr"),
        "f1": f1_score(y, predicted, average="macro"),
        "top2": top_k_accuracy_score(y, proba, k=2),
    }
    assert {name: result[f"test_{name}"][0] for name in scoring} == pytest.approx(by_hand)
    assert 0.34 < by_hand["accuracy"] < 1  # neither chance nor a score that everything has


def test_score_weighs_rows_by_sample_weight(data):
    clf = brief(gamma=0.0).fit(data.X, data.y, is_real=data.is_real)
    right = clf.predict(data.test_X) == data.test_y
    assert 0.2 < right.mean() < 0.8
    weight = np.where(right, 3.0, 1.0)
    expected = 3 * right.sum() / (3 * right.sum() + (~right).sum())
    assert clf.score(data.test_X, data.test_y, sample_weight=weight) == pytest.approx(expected)


# -- sample_weight ----------------------------------------------------------------------------------------------------


def test_sample_weight_reaches_every_fit_of_a_search_if_it_is_asked_for(small, routing, fits):
    weight = np.arange(1.0, 65.0)
    clf = brief().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    search = GridSearchCV(clf, {"gamma": [1.0]}, cv=RealKFold(2), error_score="raise")
    search.fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    train = [train for train, _ in RealKFold(2).split(small.X, small.y, is_real=small.is_real)]
    assert len(fits) == 3
    for fit, rows in zip(fits, [*train, np.arange(64)], strict=True):
        np.testing.assert_array_equal(fit.sample_weight, weight[rows])


def test_sample_weight_that_nobody_asked_for_is_an_error(small, routing):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2), error_score="raise")
    with pytest.raises(UnsetMetadataPassedError, match=r"\[sample_weight\] are passed but are not explicitly set"):
        search.fit(small.X, small.y, is_real=small.is_real, sample_weight=np.ones(64))


def test_sample_weight_of_real_rows_reaches_the_quality_checker_with_mean_one(small, checker_fits):
    weight = np.r_[np.ones(48), np.arange(16.0)]
    brief().fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    (checked,) = checker_fits
    np.testing.assert_allclose(checked.sample_weight, np.arange(16) / 7.5)


def test_only_ratios_of_sample_weight_among_rows_of_a_kind_matter(small):
    weight = np.random.default_rng(0).uniform(0.5, 2, 64)
    scaled = weight * np.where(small.is_real, 1e3, 1e-3)
    one = brief().fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    other = brief().fit(small.X, small.y, is_real=small.is_real, sample_weight=scaled)
    plain = brief().fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_allclose(other.predict_proba(small.test_X), one.predict_proba(small.test_X), rtol=1e-4)
    assert np.abs(plain.predict_proba(small.test_X) - one.predict_proba(small.test_X)).max() > 1e-3


def test_the_mask_may_go_by_another_name(small, routing, fits):
    clf = brief().set_fit_request(is_real="by_people")
    search = GridSearchCV(clf, {"gamma": [1.0]}, cv=RealKFold(2).set_split_request(is_real="by_people"))
    search.set_params(error_score="raise").fit(small.X, small.y, by_people=small.is_real)
    assert sizes(fits) == [(48, 8), (48, 8), (48, 16)]
