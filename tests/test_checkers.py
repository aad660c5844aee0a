"""Checkers: default, cloned and seeded, fitted beforehand."""

import re

import numpy as np
import pytest
import torch
from helpers import ALL, QUICK, fit, parameters, quick, tfidf, watch
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import skweight._predicting
from skweight import DIMPClassifier, IMPClassifier, label_proba
from skweight._checkers import _seeded, _warn_if_one_class, _weight_params, fast_checker
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning

Y20 = np.arange(20) % 2 == 0


def test_default_quality_checker_is_the_same_encoder_on_the_real_rows(tiny_encoder, toy):
    clf = DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1)
    fit(clf, toy)
    assert isinstance(clf.quality_checker_, CrossEntropyClassifier)
    assert len(clf.quality_checker_.sample_weight_) == len(toy["real_X"])
    assert clf.quality_checker_.encoder == tiny_encoder


def test_default_diversity_checker_has_the_classifiers_own_training_parameters(tiny_encoder, toy):
    clf = fit(IMPClassifier(tiny_encoder, quality_checker=tfidf(), **QUICK), toy)
    assert isinstance(clf.diversity_checker_, CrossEntropyClassifier)
    assert len(clf.diversity_checker_.sample_weight_) == len(toy["X"])
    assert (clf.diversity_checker_.max_epochs, clf.diversity_checker_.batch_size) == (2, 4)


def test_parameters_of_default_checkers_can_be_listed_and_set():
    clf = IMPClassifier()
    assert clf.get_params()["quality_checker__max_epochs"] >= 1
    clf.set_params(quality_checker__max_epochs=7, diversity_checker__lr=0.5, gamma=2.0)
    assert (clf.quality_checker.max_epochs, clf.diversity_checker.lr, clf.gamma) == (7, 0.5, 2.0)
    assert clone(clf).quality_checker.max_epochs == 7
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        DIMPClassifier().set_params(quality_checker__epochs=7)


@pytest.mark.parametrize("cls", ALL)
def test_parameters_that_are_set_to_what_they_are_change_nothing(cls):
    clf = cls("some/encoder", max_epochs=7)
    before = clf.get_params(deep=False)
    assert clf.set_params(**clf.get_params()).get_params(deep=False) == before
    other = cls().set_params(**clf.get_params())
    assert other.get_params(deep=False) == before


def test_default_checkers_follow_after_their_parameters_were_set_to_what_they_are():
    clf = IMPClassifier(lr=1e-3)
    clf.set_params(**clf.get_params()).set_params(lr=2e-3)
    assert clf.get_params()["diversity_checker__lr"] == 2e-3
    changed = clf.set_params(**{**clf.get_params(), "diversity_checker__lr": 5e-5})
    assert changed.set_params(lr=3e-3).diversity_checker.lr == 5e-5


def test_one_parameter_of_a_default_checker_fixes_it_though_it_is_as_it_was():
    clf = IMPClassifier(lr=1e-3).set_params(diversity_checker__lr=1e-3)
    assert clf.set_params(lr=2e-3).get_params()["diversity_checker__lr"] == 1e-3


@pytest.mark.parametrize("value", ["fast", "drop"])
def test_parameters_of_a_checker_that_has_none_are_refused(value):
    message = rf"Invalid parameter 'diversity_checker__lr': diversity_checker='{value}' has no parameters of its own"
    with pytest.raises(ValueError, match=message):
        IMPClassifier(diversity_checker=value).set_params(diversity_checker__lr=5e-5)
    with pytest.raises(ValueError, match=message):
        IMPClassifier().set_params(diversity_checker=value, diversity_checker__lr=5e-5)


def test_parameters_of_a_checker_that_was_given_are_listed_and_set_as_usual():
    clf = IMPClassifier(quality_checker=LogisticRegression(C=3.0))
    assert clf.get_params()["quality_checker__C"] == 3.0
    assert "quality_checker__max_epochs" not in clf.get_params()
    assert not [name for name in clf.get_params(deep=False) if "__" in name]
    clf.set_params(quality_checker__C=2.0, diversity_checker__lr=0.5)
    assert (clf.quality_checker.C, clf.diversity_checker.lr) == (2.0, 0.5)
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        clf.set_params(quality_checker__nothing=1)


# Of every shared parameter another value than the default.
OWN = {
    "encoder": "some/encoder",
    "real_weight": 0.5,
    "max_epochs": 3,
    "lr": 0.5,
    "batch_size": 7,
    "max_length": 40,
    "weight_decay": 0.1,
    "warmup_ratio": 0.1,
    "max_grad_norm": None,
    "early_stopping": True,
    "validation_fraction": 0.5,
    "n_iter_no_change": 9,
    "on_bad_rows": "drop",
    "device": "cpu",
    "precision": "fp32",
    "compile": True,
    "checkpoint_dir": "some/folder",
    "checkpoint_steps": 9,
    "callbacks": [],
    "net_params": {},
    "random_state": 3,
    "verbose": 1,
}


@pytest.mark.parametrize(("encoder", "lr"), [("some/encoder", 2e-4), ("passthrough", "auto")])
def test_the_default_quality_checker_computes_as_the_classifier_does_and_trains_in_its_own_way(encoder, lr):
    checker = DIMPClassifier(**OWN | {"encoder": encoder})._default_checkers()["quality_checker"]
    same = {name: OWN[name] for name in ("max_length", "device", "precision", "compile", "verbose")}
    budget = {"max_epochs": 10, "batch_size": 32, "lr": lr}
    assert checker.get_params() == CrossEntropyClassifier(encoder, **same, **budget).get_params()


def test_the_default_diversity_checker_trains_as_the_classifier_does_on_synthetic_rows_alone():
    checkers = IMPClassifier(**OWN)._default_checkers()
    assert list(checkers) == ["quality_checker", "diversity_checker"]
    changed = {"real_weight": 0.0, "early_stopping": False, "random_state": None, "callbacks": None}
    assert checkers["diversity_checker"].get_params() == {**OWN, **changed}


def test_checkers_are_cloned_and_seeded(tiny_encoder, toy):
    checker = make_pipeline(TfidfVectorizer(), LogisticRegression(solver="saga", max_iter=5000))
    clf = fit(quick(DIMPClassifier, tiny_encoder, quality_checker=checker), toy)
    assert not hasattr(checker[-1], "coef_")
    assert checker[-1].random_state is None
    assert isinstance(clf.quality_checker_[-1].random_state, int)


def test_frozen_checker_is_used_as_it_is_and_needs_no_real_rows(tiny_encoder, toy):
    fitted = tfidf().fit(toy["real_X"], toy["real_y"])
    before = fitted[-1].coef_.copy()
    clf = quick(DIMPClassifier, tiny_encoder, quality_checker=FrozenEstimator(fitted)).fit(toy["X"], toy["y"])
    assert clf.quality_checker_.estimator is fitted
    np.testing.assert_array_equal(fitted[-1].coef_, before)
    np.testing.assert_array_equal(clf.quality_proba_, label_proba(fitted, toy["X"], toy["y"]))


def test_frozen_checker_of_this_package_gives_the_same_weights_as_one_fitted_inside(tiny_encoder, toy):
    inside = fit(DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    frozen = DIMPClassifier(tiny_encoder, quality_checker=FrozenEstimator(inside.quality_checker_), **QUICK)
    frozen.fit(toy["X"], toy["y"])
    np.testing.assert_array_equal(frozen.quality_proba_, inside.quality_proba_)
    assert torch.equal(parameters(frozen), parameters(inside))


def test_checkers_are_not_part_of_the_trained_model(tiny_encoder, toy):
    clf = fit(IMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    own = {id(p) for p in clf.module_.parameters()}
    assert own.isdisjoint(id(p) for p in clf.quality_checker_.module_.parameters())
    assert own.isdisjoint(id(p) for p in clf.diversity_checker_.module_.parameters())
    assert not clf.diversity_checker_.module_.training


def test_texts_are_tokenised_once_for_all_checkers_on_the_same_encoder(tiny_encoder, toy, monkeypatch):
    tokenised = watch(monkeypatch, skweight._predicting, "tokenize")
    fit(IMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    assert sorted(len(call.texts) for call in tokenised) == [6, 12]


def test_checker_on_another_length_reads_texts_not_tokens(tiny_encoder, toy):
    checker = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "max_length": 4})
    with pytest.warns(SkweightWarning, match="SKW011"):
        clf = fit(quick(DIMPClassifier, tiny_encoder, quality_checker=checker), toy)
    with pytest.warns(SkweightWarning, match="SKW011"):
        expected = label_proba(clf.quality_checker_, toy["X"], toy["y"])
    np.testing.assert_array_equal(clf.quality_proba_, expected)


def test_default_quality_checker_trains_for_more_epochs_than_the_classifier():
    X = np.random.RandomState(0).randn(40, 2)
    clf = DIMPClassifier("passthrough", max_epochs=2, random_state=0).fit(X, X[:, 0] > 0, real_X=X[:20] + 1, real_y=Y20)
    assert (clf.quality_checker_.n_iter_, clf.n_iter_) == (10, 2)


def test_default_diversity_checker_needs_no_real_rows_whatever_the_classifier_does_with_them():
    X = np.random.RandomState(0).randn(40, 2)
    clf = IMPClassifier(
        "passthrough", quality_checker=LogisticRegression(), real_weight=1.0, early_stopping=True, **QUICK
    )
    clf.fit(X, X[:, 0] > 0, real_X=X[:20] + 1, real_y=Y20)
    assert (clf.diversity_checker_.real_weight, clf.diversity_checker_.early_stopping) == (0.0, False)


class Interrupted(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["quality_checker", "diversity_checker"])
def test_ctrl_c_in_a_checker_is_passed_on_and_leaves_an_unfitted_classifier(name, tiny_encoder, toy):
    clf = fit(quick(IMPClassifier, tiny_encoder), toy)
    clf.set_params(**{name: make_pipeline(TfidfVectorizer(), Interrupted())})
    with pytest.raises(KeyboardInterrupt):
        fit(clf, toy)
    assert not [name for name in vars(clf) if name.endswith("_")]


# -- parts ------------------------------------------------------------------------------------------------------------


def test_fast_checker_of_texts_reads_words_and_pairs_of_words_in_lower_case():
    words, regression = (step for _, step in fast_checker(passthrough=False).steps)
    tfidf_values = words.fit_transform(["Good good FILM", ("A bad", "Film")]).toarray()
    assert sorted(words.vocabulary_) == ["bad", "bad film", "film", "good", "good film", "good good"]
    # Twice "good" counts 1 + log 2, not 2.
    assert tfidf_values[0, words.vocabulary_["good"]] / tfidf_values[0, words.vocabulary_["good film"]] == (
        pytest.approx(1 + np.log(2))
    )
    assert (regression.C, regression.max_iter) == (10, 300)


def test_fast_checker_of_numbers_is_a_regression_on_standardised_columns():
    scaler, regression = (step for _, step in fast_checker(passthrough=True).steps)
    assert isinstance(scaler, StandardScaler)
    assert (regression.C, regression.max_iter) == (1.0, 300)


@pytest.mark.parametrize("passthrough", [False, True])
def test_with_routing_the_fast_checkers_regression_alone_asks_for_weights(passthrough, routing):
    first, last = (step for _, step in fast_checker(passthrough).steps)
    assert last.get_metadata_routing().fit.requests == {"sample_weight": True}
    assert first.get_metadata_routing().fit.requests == ({"sample_weight": False} if passthrough else {})


def test_seeds_go_to_every_random_state_that_is_none_in_the_order_of_their_names():
    steps = [
        ("last", LogisticRegression()),
        ("first", LogisticRegression()),
        ("set", LogisticRegression(random_state=5)),
    ]
    seeded = _seeded(VotingClassifier(steps), seed=3)
    rng = np.random.RandomState(3)
    first, last = rng.randint(2**31 - 1), rng.randint(2**31 - 1)
    assert [step.random_state for _, step in seeded.estimators] == [last, first, 5]
    assert {type(step.random_state) for _, step in seeded.estimators} == {int}
    assert seeded.get_params()["first__max_iter"] == 100
    # Where another parameter is None, or the checker itself has the only random_state.
    alone = _seeded(LogisticRegression(class_weight=None), seed=3)
    assert (alone.random_state, alone.class_weight) == (np.random.RandomState(3).randint(2**31 - 1), None)


REGRESSION, NEIGHBOURS = LogisticRegression(), KNeighborsClassifier()


@pytest.mark.parametrize(
    ("checker", "name"),
    [
        (REGRESSION, "sample_weight"),
        (NEIGHBOURS, None),
        (make_pipeline(StandardScaler(), REGRESSION), "logisticregression__sample_weight"),
        (make_pipeline(StandardScaler(), MinMaxScaler(), REGRESSION), "logisticregression__sample_weight"),
        (make_pipeline(StandardScaler(), NEIGHBOURS), None),
        (GridSearchCV(REGRESSION, {}), "sample_weight"),
        (GridSearchCV(make_pipeline(StandardScaler(), REGRESSION), {}), "logisticregression__sample_weight"),
        (GridSearchCV(NEIGHBOURS, {}), None),
    ],
    ids="regression neighbours pipeline three pipeline-neighbours search search-pipeline search-neighbours".split(),
)
def test_weights_of_rows_go_to_the_step_that_can_take_them(checker, name):
    weight = np.ones(3)
    given = _weight_params(checker, weight)
    assert given.keys() == ({name} if name else set())
    assert all(values is weight for values in given.values())


def test_with_routing_weights_of_rows_go_where_they_are_asked_for(routing):
    weight = np.ones(3)
    asks = LogisticRegression().set_fit_request(sample_weight=True)
    assert _weight_params(make_pipeline(StandardScaler(), asks), weight).keys() == {"sample_weight"}
    assert _weight_params(make_pipeline(MinMaxScaler(), NEIGHBOURS), weight) == {}
    asks_for_other_weights = LogisticRegression().set_fit_request(sample_weight="other_weight")
    assert _weight_params(make_pipeline(MinMaxScaler(), asks_for_other_weights), weight) == {}


CLASSES = np.array(["bad", "good", "odd"])


def test_a_checker_that_finds_one_class_most_probable_in_all_rows_is_reported():
    proba = np.array([[0.3, 0.4, 0.3], [0.1, 0.8, np.nan], [0.0, 0.51, 0.49]])
    message = (
        "SKW043: the quality_checker finds 'good' most probable in all 3 synthetic rows, so that weights tell labels "
        "apart, and hardly rows. Fit it on more real rows, train it longer (quality_checker__max_epochs), or bring "
        "another."
    )
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}$"):
        _warn_if_one_class("quality_checker", proba, CLASSES)


@pytest.mark.filterwarnings("error:SKW043")
@pytest.mark.parametrize(
    "last", [[0.4, 0.4, 0.2], [0.2, 0.3, 0.5], [np.nan, np.nan, np.nan]], ids=["tie", "other", "unknown"]
)
def test_a_checker_is_not_reported_if_another_class_is_as_probable_in_one_row(last):
    _warn_if_one_class("quality_checker", np.array([[0.3, 0.4, 0.3], last]), CLASSES)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_checker_is_asked_in_the_precision_of_the_training_and_predicts_in_float32(precision, tiny_encoder, toy):
    clf = DIMPClassifier(tiny_encoder, **QUICK | {"precision": precision}).fit(**toy)
    own = np.searchsorted(clf.classes_, toy["y"])
    predicted = clf.quality_checker_.predict_proba(toy["X"])[np.arange(len(own)), own]
    assert clf.quality_proba_ == pytest.approx(predicted, abs=0.02)
    assert np.array_equal(clf.quality_proba_, predicted) == (precision == "fp32")
