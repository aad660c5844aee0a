"""What all classifiers have in common: real rows, early stopping, habits of scikit-learn, warnings, copies."""

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
from helpers import ALL, QUICK, WEIGHTED, UniformChecker, brief, fit, parameters, quick, tfidf
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB

from skweight import DIMPClassifier, IMPClassifier, OpinionPool, OpinionPoolClassifier, importance_weights, label_proba
from skweight.baselines import CrossEntropyClassifier, HuClassifier
from skweight.exceptions import SkweightWarning

# -- sample_weight and real rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_sample_weight_multiplies_the_weights(cls, tiny_encoder, toy):
    weight = np.array([0.5, 1.5] * 6)
    still = {"max_epochs": 1, "lr": 1e-12, "batch_size": 12}
    own = {
        IMPClassifier: {"diversity_checker": "drop"},
        HuClassifier: {"pretrain_epochs": 0},
        OpinionPoolClassifier: {"experts": [("real", tfidf(), "real")]},  # one that does not read these weights
    }.get(cls, {})
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
    class Recorder(UniformChecker):
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


def test_a_checker_whose_probabilities_underflow_fits_whatever_the_caller_makes_of_that():
    y = np.array([0, 1] * 10)
    X = np.random.RandomState(0).randn(20, 2) + 100 * y[:, None]
    clf = brief(IMPClassifier, quality_checker=GaussianNB(), diversity_checker=GaussianNB())
    expected = clf.fit(X, y, real_X=X[:10] + 1, real_y=y[:10]).sample_weight_
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(clf.fit(X, y, real_X=X[:10] + 1, real_y=y[:10]).sample_weight_, expected)


def test_a_probability_that_underflows_is_zero_whatever_the_caller_makes_of_that(numeric_classifier):
    clf = copy.deepcopy(numeric_classifier)
    with torch.no_grad():
        clf.module_.classifier.weight.mul_(1e5)
        clf.module_.classifier.bias.mul_(1e5)
    X = np.random.RandomState(0).randn(20, 3)
    with np.errstate(all="raise"):
        proba = clf.predict_proba(X)
    assert (proba == 0).any()
    np.testing.assert_array_equal(proba.argmax(axis=1), numeric_classifier.predict_proba(X).argmax(axis=1))


def test_weights_and_pools_that_underflow_are_zero_whatever_the_caller_makes_of_that():
    probas = np.array([[[1.0, 1e-300], [1e-300, 1.0]]] * 2)
    with np.errstate(all="raise"):
        assert importance_weights([1e-300], gamma=3.0) == [0]
        proba = OpinionPool(prior=None).fit(probas, [0, 1]).predict_proba(probas)
    np.testing.assert_allclose(proba, np.eye(2), atol=1e-6)


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
        warnings.filterwarnings("ignore", message="SKW04[35]")  # two epochs teach a tiny model nothing
        fit(DIMPClassifier(tiny_encoder, **QUICK).set_params(quality_checker__max_epochs=1), toy).predict(toy["X"])
    assert capfd.readouterr() == ("", "")


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
