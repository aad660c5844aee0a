import copy
import inspect
import pickle
import random
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skweight import DIMPClassifier, IMPClassifier, importance_weights, label_proba
from skweight.baselines import (
    CrossEntropyClassifier,
    DistilledClassifier,
    FocalClassifier,
    HuClassifier,
    SunGenClassifier,
)
from skweight.exceptions import SkweightWarning

ALL = [
    IMPClassifier,
    DIMPClassifier,
    CrossEntropyClassifier,
    FocalClassifier,
    DistilledClassifier,
    SunGenClassifier,
    HuClassifier,
]
WEIGHTED = [IMPClassifier, DIMPClassifier]
QUICK = {"max_epochs": 2, "batch_size": 4, "max_length": 16, "random_state": 0, "precision": "fp32"}


def tfidf():
    return make_pipeline(TfidfVectorizer(), LogisticRegression())


def quick(cls, encoder, **params):
    checkers = {"quality_checker": tfidf()} if cls in [*WEIGHTED, DistilledClassifier] else {}
    if cls is IMPClassifier:
        checkers["diversity_checker"] = tfidf()
    if cls is SunGenClassifier:
        checkers |= {"n_outer_iter": 1, "outer_lr": 0.01}  # enough to test mechanics
    return cls(encoder, **{**QUICK, **checkers, **params})


def fit(classifier, toy, **kwargs):
    return classifier.fit(toy["X"], toy["y"], real_X=toy["real_X"], real_y=toy["real_y"], **kwargs)


def parameters(classifier):
    return torch.cat([p.detach().ravel() for p in classifier.module_.parameters()])


class Uniform(LogisticRegression):
    """A checker that knows nothing: every class is equally likely."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


# -- learning from real text ------------------------------------------------------------------------------------------


def test_weights_see_wrong_labels_and_training_on_them_is_better_on_real_text(minilm, themes):
    training = {"max_epochs": 3, "lr": 3e-4, "batch_size": 16, "random_state": 0}
    X, y, swapped = themes["X"], themes["y"], themes["swapped"]
    real = {"real_X": themes["real_X"], "real_y": themes["real_y"]}
    plain = CrossEntropyClassifier(minilm, **training).fit(X, y)
    dimp = DIMPClassifier(minilm, **training).set_params(quality_checker__max_epochs=5, quality_checker__lr=3e-4)
    dimp.fit(X, y, **real)
    checkers = {
        "quality_checker": FrozenEstimator(dimp.quality_checker_),
        "diversity_checker": FrozenEstimator(plain),
    }
    imp = IMPClassifier(minilm, **checkers, **training).fit(X, y)
    for clf in (imp, dimp):
        assert clf.sample_weight_[swapped].mean() < 0.75 * clf.sample_weight_[~swapped].mean()
    accuracy = {clf: clf.score(themes["test_X"], themes["test_y"]) for clf in (plain, imp, dimp)}
    assert (accuracy[imp] + accuracy[dimp]) / 2 > accuracy[plain]
    assert accuracy[imp] > 0.6


def test_imp_weights_are_the_ratio_of_the_two_checkers(tiny_encoder, toy):
    clf = fit(quick(IMPClassifier, tiny_encoder), toy)
    quality = tfidf().fit(toy["real_X"], toy["real_y"])
    diversity = tfidf().fit(toy["X"], toy["y"])
    expected = importance_weights(label_proba(quality, toy["X"], toy["y"]), label_proba(diversity, toy["X"], toy["y"]))
    np.testing.assert_allclose(clf.sample_weight_, expected, rtol=1e-6)
    np.testing.assert_allclose(clf.quality_proba_, label_proba(quality, toy["X"], toy["y"]))
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(diversity, toy["X"], toy["y"]))
    np.testing.assert_allclose(clf.compute_weights(toy["X"], toy["y"]), expected)


def test_imp_without_diversity_checker_weighs_by_quality_alone(tiny_encoder, toy):
    clf = fit(quick(IMPClassifier, tiny_encoder, diversity_checker="drop"), toy)
    np.testing.assert_allclose(clf.sample_weight_, clf.quality_proba_, rtol=1e-6)
    assert not hasattr(clf, "diversity_checker_")


def test_fast_diversity_checker_tells_copies_and_strange_rows_apart(tiny_encoder):
    """Twelve different sentences, one of them there twice and one with another label than its words have elsewhere."""
    X = ["good film", "good cast", "good plot", "good story", "good score", "bad film", "bad cast", "bad plot"]
    X += ["bad story", "bad score", "good score", "good acting"]
    y = ["fresh"] * 5 + ["rotten"] * 5 + ["fresh", "rotten"]
    clf = quick(IMPClassifier, tiny_encoder, diversity_checker="fast", quality_checker=Uniform(), max_epochs=1)
    clf.fit(X, y, real_X=["warm film", "dull film"], real_y=["fresh", "rotten"])
    np.testing.assert_allclose(clf.sample_weight_, 0.5 / clf.diversity_proba_, rtol=1e-6)
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(clf.diversity_checker_, X, y))
    assert clf.sample_weight_[4] == clf.sample_weight_[10] == clf.sample_weight_.min()
    assert clf.sample_weight_.argmax() == 11


def test_fast_diversity_checker_reads_pairs_and_numbers(tiny_encoder, toy):
    pairs = {name: [(text, "a film") for text in toy[name]] for name in ("X", "real_X")}
    clf = quick(IMPClassifier, tiny_encoder, diversity_checker="fast", quality_checker=Uniform())
    fit(clf, {**toy, **pairs})
    reference = fit(clone(clf), {**toy, "X": [f"{text} a film" for text in toy["X"]]})
    np.testing.assert_allclose(clf.diversity_proba_, reference.diversity_proba_)
    X = np.random.RandomState(0).normal(size=(12, 3))
    clf.set_params(encoder="passthrough").fit(X, toy["y"], real_X=X[:6] + 1, real_y=toy["real_y"])
    expected = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, toy["y"])
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(expected, X, toy["y"]))


@pytest.mark.parametrize("routing", [False, True])
def test_last_step_of_a_pipeline_gets_the_weights_of_the_rows(routing, tiny_encoder, toy):
    weight = np.linspace(0.1, 3, 12)
    with config_context(enable_metadata_routing=routing):
        clf = fit(quick(IMPClassifier, tiny_encoder, diversity_checker=tfidf()), toy, sample_weight=weight)
    own = {} if routing else {"logisticregression__sample_weight": weight / weight.mean()}
    diversity = tfidf().fit(toy["X"], toy["y"], **own)
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(diversity, toy["X"], toy["y"]))


def test_dimp_weights_of_the_last_step_use_the_model_of_that_step(tiny_encoder, toy):
    """One step of the whole set, no dropout: the denominator is the untrained model, read back from a learning rate
    too small to move it."""
    still = {"max_epochs": 1, "batch_size": 12, "lr": 1e-12}
    clf = quick(DIMPClassifier, tiny_encoder, **still)
    np.testing.assert_allclose(
        fit(clf, toy).sample_weight_, clf.compute_weights(toy["X"], toy["y"]), rtol=0.1
    )  # dropout apart
    ratio = clf.quality_proba_ / label_proba(clf, toy["X"], toy["y"])
    np.testing.assert_allclose(clf.compute_weights(toy["X"], toy["y"]), ratio)


def test_dimp_weights_move_while_training(tiny_encoder, toy):
    first = fit(quick(DIMPClassifier, tiny_encoder, max_epochs=1, lr=1e-2), toy)
    later = fit(quick(DIMPClassifier, tiny_encoder, max_epochs=20, lr=1e-2), toy)
    assert np.abs(first.sample_weight_ - later.sample_weight_).max() > 0.1


@pytest.mark.parametrize("option", [{"gamma": 0.5}, {"clip": 0.9}, {"smoothing": 0.5}])
@pytest.mark.parametrize("cls", WEIGHTED)
def test_options_of_the_weight_change_the_weights(cls, option, tiny_encoder, toy):
    plain, changed = fit(quick(cls, tiny_encoder), toy), fit(quick(cls, tiny_encoder, **option), toy)
    assert not np.allclose(plain.sample_weight_, changed.sample_weight_)
    if "clip" in option:
        assert changed.sample_weight_.max() <= 0.9 + 1e-6


def test_global_normalisation_makes_imp_weights_average_one(tiny_encoder, toy):
    clf = fit(quick(IMPClassifier, tiny_encoder, normalize="global"), toy)
    assert clf.sample_weight_.mean() == pytest.approx(1, abs=1e-6)


def test_batch_normalisation_makes_dimp_weights_average_one_in_each_step(tiny_encoder, toy):
    clf = fit(quick(DIMPClassifier, tiny_encoder, normalize="batch"), toy)
    assert clf.sample_weight_.mean() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("checkers", [{}, {"normalize": "global"}])
def test_equal_checkers_give_bit_identical_parameters_to_cross_entropy(checkers, tiny_encoder, toy):
    """w = 1 is plain fine-tuning: the same seed, the same batches, the same bits."""
    imp = fit(
        IMPClassifier(tiny_encoder, quality_checker=Uniform(), diversity_checker=Uniform(), **checkers, **QUICK), toy
    )
    plain = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    assert torch.equal(parameters(imp), parameters(plain))
    dimp = fit(DIMPClassifier(tiny_encoder, quality_checker=Uniform(), gamma=0, **QUICK), toy)
    assert torch.equal(parameters(dimp), parameters(plain))


def test_unequal_weights_change_the_parameters(tiny_encoder, toy):
    weighted = fit(quick(IMPClassifier, tiny_encoder), toy)
    plain = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    assert not torch.equal(parameters(weighted), parameters(plain))


# -- sample_weight and real rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_sample_weight_multiplies_the_weights(cls, tiny_encoder, toy):
    weight = np.array([0.5, 1.5] * 6)
    still = {"max_epochs": 1, "lr": 1e-12, "batch_size": 12}
    own = {IMPClassifier: {"diversity_checker": "drop"}, HuClassifier: {"pretrain_epochs": 0}}.get(cls, {})
    plain = fit(quick(cls, tiny_encoder, **still, **own), toy)
    weighted = fit(quick(cls, tiny_encoder, **still, **own), toy, sample_weight=weight)
    np.testing.assert_allclose(weighted.sample_weight_, plain.sample_weight_ * weight, rtol=1e-5)


def test_scale_of_sample_weight_does_not_matter(tiny_encoder, toy):
    weight = np.arange(1, 13)
    one = fit(quick(DIMPClassifier, tiny_encoder), toy, sample_weight=weight)
    other = fit(quick(DIMPClassifier, tiny_encoder), toy, sample_weight=8 * weight)
    assert torch.equal(parameters(one), parameters(other))


def test_sample_weight_reaches_the_diversity_checker(tiny_encoder, toy):
    weight = np.array([1e-3, 1] * 6)  # hardly any row of the first class counts
    checker = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "max_epochs": 20, "lr": 1e-3})
    plain = fit(quick(IMPClassifier, tiny_encoder, diversity_checker=checker), toy)
    weighted = fit(quick(IMPClassifier, tiny_encoder, diversity_checker=checker), toy, sample_weight=weight)
    assert weighted.diversity_proba_[::2].mean() < 0.5 * plain.diversity_proba_[::2].mean()


@pytest.mark.parametrize("cls", ALL)
def test_real_rows_join_the_training_when_they_have_a_weight(cls, tiny_encoder, toy):
    alone, joined = fit(quick(cls, tiny_encoder), toy), fit(quick(cls, tiny_encoder, real_weight=2.0), toy)
    assert not torch.equal(parameters(alone), parameters(joined))
    assert joined.sample_weight_.shape == (12,)


def test_real_rows_do_not_join_the_training_by_default(tiny_encoder, toy):
    with_real = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    without = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"])
    assert torch.equal(parameters(with_real), parameters(without))


@pytest.mark.parametrize("cls", [IMPClassifier, CrossEntropyClassifier])
def test_weight_of_real_rows_is_a_multiple_of_the_mean_weight(cls, tiny_encoder, toy):
    clf = fit(quick(cls, tiny_encoder, real_weight=3.0, max_epochs=1), toy)
    # The epoch's mean weight is over all 18 rows: 12 synthetic ones and 6 real ones.
    mean = clf.sample_weight_.mean()
    assert clf.history_[0]["weight_mean"] == pytest.approx((12 * mean + 6 * 3 * mean) / 18, rel=1e-5)


# -- checkers ---------------------------------------------------------------------------------------------------------


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
    import skweight._base

    tokenised = []
    real = skweight._base.tokenize
    monkeypatch.setattr(skweight._base, "tokenize", lambda texts, *a: tokenised.append(len(texts)) or real(texts, *a))
    fit(IMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy)
    assert sorted(tokenised) == [6, 12]


def test_checker_on_another_length_reads_texts_not_tokens(tiny_encoder, toy):
    checker = CrossEntropyClassifier(tiny_encoder, **{**QUICK, "max_length": 4})
    with pytest.warns(SkweightWarning, match="SKW011"):
        clf = fit(quick(DIMPClassifier, tiny_encoder, quality_checker=checker), toy)
    with pytest.warns(SkweightWarning, match="SKW011"):
        expected = label_proba(clf.quality_checker_, toy["X"], toy["y"])
    np.testing.assert_array_equal(clf.quality_proba_, expected)


# -- early stopping ---------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_epoch_of_least_loss_on_held_out_real_rows(tiny_encoder, toy):
    clf = quick(
        CrossEntropyClassifier,
        tiny_encoder,
        early_stopping=True,
        max_epochs=30,
        lr=2e-2,
        validation_fraction=0.4,
        n_iter_no_change=2,
    )
    fit(clf, toy)
    losses = [epoch["valid_loss"] for epoch in clf.history_]
    assert clf.n_iter_ == len(losses) < 30
    assert clf.best_epoch_ == 1 + int(np.argmin(losses))
    assert clf.n_iter_ == clf.best_epoch_ + 2
    held = clf.real_validation_indices_
    X, y = [toy["real_X"][i] for i in held], [toy["real_y"][i] for i in held]
    assert sorted(y) == ["fresh", "rotten"]
    # The kept parameters are those of the best epoch: they give its loss again.
    assert -np.log(label_proba(clf, X, y)).mean() == pytest.approx(min(losses), abs=1e-5)
    assert clf.validation_score_ == pytest.approx(clf.score(X, y))


def test_quality_checker_never_sees_the_held_out_rows(tiny_encoder, toy):
    class Recorder(Uniform):
        def fit(self, X, y):
            self.seen_ = list(X)
            return super().fit(X, y)

    clf = quick(DIMPClassifier, tiny_encoder, quality_checker=Recorder(), early_stopping=True, validation_fraction=0.4)
    fit(clf, toy)
    held = {toy["real_X"][i] for i in clf.real_validation_indices_}
    assert held
    assert held.isdisjoint(clf.quality_checker_.seen_)
    assert len(held) + len(clf.quality_checker_.seen_) == 6


def test_class_with_one_real_row_is_not_held_out(tiny_encoder, toy):
    clf = quick(DIMPClassifier, tiny_encoder, early_stopping=True)
    with pytest.warns(SkweightWarning, match="SKW023: class 'rotten' has one real row"):
        clf.fit(toy["X"], toy["y"], real_X=toy["real_X"][:3], real_y=["fresh", "rotten", "fresh"])
    assert 1 not in clf.real_validation_indices_


def test_early_stopping_needs_a_class_with_two_real_rows(tiny_encoder, toy):
    clf = quick(CrossEntropyClassifier, tiny_encoder, early_stopping=True)
    with pytest.warns(SkweightWarning, match="SKW023"), pytest.raises(ValueError, match="at least 2 real rows"):
        clf.fit(toy["X"], toy["y"], real_X=toy["real_X"][:2], real_y=toy["real_y"][:2])


@pytest.mark.parametrize("option", [{"early_stopping": True}, {"real_weight": 1.0}])
def test_options_on_real_rows_need_real_rows(option, tiny_encoder, toy):
    with pytest.raises(ValueError, match="needs real data: pass real_X and real_y, or is_real"):
        quick(CrossEntropyClassifier, tiny_encoder, **option).fit(toy["X"], toy["y"])


@pytest.mark.parametrize("cls", WEIGHTED)
def test_weighted_classifiers_without_real_rows_say_what_to_pass(cls, tiny_encoder, toy):
    with pytest.raises(ValueError, match=r"real_X and real_y.*FrozenEstimator\(checker\)"):
        quick(cls, tiny_encoder).fit(toy["X"], toy["y"])
    with pytest.raises(ValueError, match="both real_X and real_y"):
        quick(cls, tiny_encoder).fit(toy["X"], toy["y"], real_X=toy["real_X"])


# -- scikit-learn habits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_fitted_attributes_and_predictions(cls, tiny_encoder, toy):
    clf = quick(cls, tiny_encoder)
    with pytest.raises(NotFittedError):
        clf.predict(toy["X"])
    assert fit(clf, toy) is clf
    assert clf.classes_.tolist() == ["fresh", "rotten"]
    assert clf.sample_weight_.shape == (12,)
    assert clf.n_iter_ == len(clf.history_) == 2
    assert {"epoch", "train_loss", "weight_mean", "effective_sample_size"} <= set(clf.history_[0])
    proba = clf.predict_proba(toy["real_X"])
    assert proba.shape == (6, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(clf.predict(toy["real_X"]), clf.classes_[proba.argmax(axis=1)])
    assert clf.score(toy["real_X"], toy["real_y"]) == np.mean(clf.predict(toy["real_X"]) == toy["real_y"])


@pytest.mark.parametrize("cls", ALL)
def test_same_random_state_gives_the_same_bits_and_another_gives_others(cls, tiny_encoder, toy):
    one, two = fit(quick(cls, tiny_encoder), toy), fit(quick(cls, tiny_encoder), toy)
    other = fit(quick(cls, tiny_encoder, random_state=1), toy)
    assert torch.equal(parameters(one), parameters(two))
    np.testing.assert_array_equal(one.sample_weight_, two.sample_weight_)
    assert not torch.equal(parameters(one), parameters(other))


def test_global_generators_are_left_alone(tiny_encoder, toy):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    fit(IMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy).predict(toy["X"])
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]


def test_global_generators_do_not_enter_the_result(tiny_encoder, toy):
    torch.manual_seed(1)
    one = fit(quick(DIMPClassifier, tiny_encoder), toy)
    torch.manual_seed(2)
    two = fit(quick(DIMPClassifier, tiny_encoder), toy)
    assert torch.equal(parameters(one), parameters(two))


def test_second_fit_leaves_nothing_of_the_first(tiny_encoder, toy):
    clf = quick(IMPClassifier, tiny_encoder, early_stopping=True)
    fit(clf, toy)
    clf.set_params(early_stopping=False, diversity_checker="drop")
    three = ["fresh", "rotten", "so-so"]
    clf.fit(toy["X"], three * 4, real_X=toy["real_X"], real_y=three * 2)
    assert clf.classes_.tolist() == three
    assert clf.predict_proba(toy["X"]).shape == (12, 3)
    assert not hasattr(clf, "best_epoch_")
    assert not hasattr(clf, "diversity_proba_")


def test_order_of_texts_does_not_change_their_predictions(tiny_encoder, toy):
    clf = fit(quick(DIMPClassifier, tiny_encoder), toy)
    X = [*toy["X"], "film " * 12, "good"]
    order = np.random.RandomState(0).permutation(len(X))
    shuffled = clf.predict_proba([X[i] for i in order])
    np.testing.assert_allclose(shuffled, clf.predict_proba(X)[order], atol=1e-6)
    np.testing.assert_allclose(clf.predict_proba(X[:1]), clf.predict_proba(X)[:1], atol=1e-6)


def test_sentence_pairs(tiny_encoder, toy):
    def pairs(texts):
        return list(zip(texts, texts[::-1], strict=True))

    clf = DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1)
    clf.fit(pairs(toy["X"]), toy["y"], real_X=pairs(toy["real_X"]), real_y=toy["real_y"])
    forward, backward = clf.predict_proba([("good film", "bad plot")]), clf.predict_proba([("bad plot", "good film")])
    assert np.abs(forward - backward).max() > 1e-6
    with pytest.raises(ValueError, match="was fitted on pairs of texts, but X holds single texts"):
        clf.predict(["good film"])
    with pytest.raises(ValueError, match="must both hold single texts or both hold pairs"):
        clf.fit(pairs(toy["X"]), toy["y"], real_X=toy["real_X"], real_y=toy["real_y"])


def test_fit_does_not_change_its_inputs(tiny_encoder, toy):
    X, y = np.array(toy["X"], dtype=object), np.array(toy["y"])
    weight = np.arange(12.0)
    for array in (X, y, weight):
        array.flags.writeable = False
    params = quick(DIMPClassifier, tiny_encoder).get_params()
    clf = quick(DIMPClassifier, tiny_encoder)
    clf.fit(X, y, real_X=toy["real_X"], real_y=toy["real_y"], sample_weight=weight)
    assert {k: v for k, v in clf.get_params().items() if k in params and "checker" not in k} == {
        k: v for k, v in params.items() if "checker" not in k
    }


def test_invalid_parameters_are_refused_at_fit(tiny_encoder, toy):
    for params, match in [
        ({"gamma": -1}, "gamma"),
        ({"clip": 0}, "clip"),
        ({"normalize": "global"}, "normalize"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"precision": "half"}, "precision"),
        ({"missing_real": "ignore"}, "missing_real"),
    ]:
        with pytest.raises(ValueError, match=f"The '{match}' parameter of DIMPClassifier must be"):
            fit(quick(DIMPClassifier, tiny_encoder, **params), toy)


# -- warnings about data and weights ----------------------------------------------------------------------------------


def test_collapsed_weights_are_reported(tiny_encoder, toy):
    class OneRow(Uniform):
        def predict_proba(self, X):
            proba = np.full((len(X), 2), 1e-9)
            proba[0] = 1.0
            return proba

    with pytest.warns(SkweightWarning, match=r"SKW041: the weights have collapsed: 12 rows count as 1\.0"):
        fit(quick(IMPClassifier, tiny_encoder, quality_checker=OneRow(), diversity_checker="drop"), toy)


def test_texts_on_both_sides_are_reported(tiny_encoder, toy):
    toy["real_X"][2] = toy["X"][0]
    with pytest.warns(SkweightWarning, match="SKW030: 1 of the 6 real rows"):
        fit(quick(DIMPClassifier, tiny_encoder), toy)


def test_tokenizer_that_does_not_know_the_words_is_reported(tiny_encoder, toy):
    with pytest.warns(SkweightWarning, match="SKW013"):
        CrossEntropyClassifier(tiny_encoder, **QUICK).fit(["xyzzy plugh", "frotz gnusto"], ["a", "b"])


def test_plain_use_is_silent(tiny_encoder, toy, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy).predict(toy["X"])
    assert capfd.readouterr() == ("", "")


def test_verbose_shows_a_bar_for_the_checker_and_the_classifier(tiny_encoder, toy, capfd):
    clf = DIMPClassifier(tiny_encoder, verbose=1, **QUICK).set_params(quality_checker__max_epochs=1)
    fit(clf, toy)
    err = capfd.readouterr().err
    assert "quality checker: 100%" in err
    assert "DIMPClassifier: 100%" in err


# -- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copier", [lambda clf: pickle.loads(pickle.dumps(clf)), copy.deepcopy])
@pytest.mark.parametrize("cls", ALL)
def test_copies_predict_the_same_bits(cls, copier, tiny_encoder, toy):
    clf = fit(quick(cls, tiny_encoder), toy)
    np.testing.assert_array_equal(copier(clf).predict_proba(toy["X"]), clf.predict_proba(toy["X"]))


def test_pickle_holds_the_model_and_no_optimiser_state(tiny_encoder, toy):
    clf = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    size = 4 * sum(p.numel() for p in clf.module_.parameters())
    assert all(p.grad is None for p in clf.module_.parameters())
    assert len(pickle.dumps(clf)) < size + 100_000


# -- documentation ----------------------------------------------------------------------------------------------------


def documented(cls, section):
    """Names in a section of a class's docstring."""
    doc = inspect.cleandoc(cls.__doc__)
    (body,) = re.findall(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)", doc, flags=re.DOTALL | re.MULTILINE)
    return {name for names in re.findall(r"^(\w[\w, ]*) : ", body, flags=re.MULTILINE) for name in names.split(", ")}


@pytest.mark.parametrize("cls", ALL)
def test_every_parameter_and_fitted_attribute_is_documented(cls, tiny_encoder, toy):
    assert documented(cls, "Parameters") == set(cls().get_params(deep=False))
    frames = {name: pd.DataFrame({"text": toy[name]}) for name in ("X", "real_X")}
    clf = fit(quick(cls, tiny_encoder, early_stopping=True), {**toy, **frames})
    learned = {name for name in vars(clf) if name.endswith("_") and not name.startswith("_")}
    assert {"feature_names_in_", "best_epoch_"} <= learned
    assert learned <= documented(cls, "Attributes")
