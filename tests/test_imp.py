"""Weights of IMP and DIMP, and what training with them learns."""

import re

import numpy as np
import pytest
import torch
from helpers import QUICK, WEIGHTED, UniformChecker, encoded, fit, parameters, quick, tfidf
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skweight import DIMPClassifier, IMPClassifier, importance_weights, label_proba
from skweight.baselines import CrossEntropyClassifier
from skweight.model_selection import stack_real


def test_weights_see_wrong_labels_and_training_on_them_is_better_on_real_text(minilm, themes):
    training = {"max_epochs": 3, "lr": 3e-4, "batch_size": 16, "random_state": 0}
    X, y, swapped = themes["X"], themes["y"], themes["swapped"]
    real = {"real_X": themes["real_X"], "real_y": themes["real_y"]}
    plain = CrossEntropyClassifier(minilm, **training).fit(X, y)
    budget = {"max_epochs": 5, "lr": 3e-4, "batch_size": 16}
    dimp = DIMPClassifier(minilm, **training).set_params(**{f"quality_checker__{k}": v for k, v in budget.items()})
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
    np.testing.assert_allclose(clf.compute_weights(toy["X"], toy["y"]), clf.quality_proba_)
    assert not hasattr(clf, "diversity_checker_")


def test_fast_diversity_checker_tells_copies_and_strange_rows_apart(tiny_encoder):
    """Twelve different sentences, one of them there twice and one with another label than its words have elsewhere."""
    X = ["good film", "good cast", "good plot", "good story", "good score", "bad film", "bad cast", "bad plot"]
    X += ["bad story", "bad score", "good score", "good acting"]
    y = ["fresh"] * 5 + ["rotten"] * 5 + ["fresh", "rotten"]
    clf = quick(IMPClassifier, tiny_encoder, diversity_checker="fast", quality_checker=UniformChecker(), max_epochs=1)
    clf.fit(X, y, real_X=["warm film", "dull film"], real_y=["fresh", "rotten"])
    np.testing.assert_allclose(clf.sample_weight_, 0.5 / clf.diversity_proba_, rtol=1e-6)
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(clf.diversity_checker_, X, y))
    assert clf.sample_weight_[4] == clf.sample_weight_[10] == clf.sample_weight_.min()
    assert clf.sample_weight_.argmax() == 11


def test_fast_diversity_checker_reads_pairs_and_numbers(tiny_encoder, toy):
    pairs = {name: [(text, "a film") for text in toy[name]] for name in ("X", "real_X")}
    clf = quick(IMPClassifier, tiny_encoder, diversity_checker="fast", quality_checker=UniformChecker())
    fit(clf, {**toy, **pairs})
    reference = fit(clone(clf), {**toy, "X": [f"{text} a film" for text in toy["X"]]})
    np.testing.assert_allclose(clf.diversity_proba_, reference.diversity_proba_)
    X = np.random.RandomState(0).normal(size=(12, 3))
    clf.set_params(encoder="passthrough").fit(X, toy["y"], real_X=X[:6] + 1, real_y=toy["real_y"])
    expected = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, toy["y"])
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(expected, X, toy["y"]))


def asking(checker):
    """A pipeline whose last step asks for the weights of its rows, to fit and to score, if metadata routing is on."""
    if get_config()["enable_metadata_routing"]:
        checker[-1].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    return checker


@pytest.mark.parametrize("wrap", [lambda checker: checker, lambda checker: GridSearchCV(checker, {}, cv=2)])
@pytest.mark.parametrize("routing", [False, True])
def test_last_step_of_a_pipeline_gets_the_weights_of_the_rows(routing, wrap, tiny_encoder, toy):
    weight = np.linspace(0.1, 3, 12)
    with config_context(enable_metadata_routing=routing):
        clf = quick(IMPClassifier, tiny_encoder, diversity_checker=wrap(asking(tfidf())))
        fit(clf, toy, sample_weight=weight)
    diversity = tfidf().fit(toy["X"], toy["y"], logisticregression__sample_weight=weight / weight.mean())
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(diversity, toy["X"], toy["y"]))


def test_a_step_that_does_not_say_whether_it_asks_for_weights_is_an_error_of_scikit_learn(tiny_encoder, toy, routing):
    clf = quick(IMPClassifier, tiny_encoder, diversity_checker=tfidf())
    with pytest.raises(UnsetMetadataPassedError, match="set_fit_request"):
        fit(clf, toy, sample_weight=np.linspace(0.1, 3, 12))
    clf.diversity_checker[-1].set_fit_request(sample_weight=False)
    fit(clf, toy, sample_weight=np.linspace(0.1, 3, 12))
    unweighted = tfidf().fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.diversity_proba_, label_proba(unweighted, toy["X"], toy["y"]))


@pytest.mark.parametrize("encoder", ["texts", "passthrough"])
def test_fast_diversity_checker_gets_the_weights_with_routing_and_without(encoder, tiny_encoder, toy):
    weight, proba = np.linspace(0.1, 3, 12), []
    if encoder == "passthrough":
        rng = np.random.RandomState(0)
        toy |= {name: rng.normal(size=(len(toy[name]), 3)) for name in ("X", "real_X")}
    for routing in (False, True):
        with config_context(enable_metadata_routing=routing):
            clf = quick(IMPClassifier, tiny_encoder, quality_checker=UniformChecker(), diversity_checker="fast")
            clf.set_params(**({"encoder": encoder} if encoder == "passthrough" else {}))
            proba.append(fit(clone(clf), toy).diversity_proba_)
            proba.append(fit(clone(clf), toy, sample_weight=weight).diversity_proba_)
    np.testing.assert_array_equal(proba[0], proba[2])
    np.testing.assert_array_equal(proba[1], proba[3])
    assert not np.allclose(proba[0], proba[1])


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


@pytest.mark.parametrize("options", [{}, {"normalize": "global"}])
def test_equal_checkers_give_bit_identical_parameters_to_cross_entropy(options, tiny_encoder, toy):
    """w = 1 is plain fine-tuning: the same seed, the same batches, the same bits."""
    uniform = {"quality_checker": UniformChecker(), "diversity_checker": UniformChecker()}
    imp = fit(IMPClassifier(tiny_encoder, **uniform, **options, **QUICK), toy)
    plain = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    assert torch.equal(parameters(imp), parameters(plain))
    dimp = fit(DIMPClassifier(tiny_encoder, quality_checker=UniformChecker(), gamma=0, **QUICK), toy)
    assert torch.equal(parameters(dimp), parameters(plain))


def test_unequal_weights_change_the_parameters(tiny_encoder, toy):
    weighted = fit(quick(IMPClassifier, tiny_encoder), toy)
    plain = fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)
    assert not torch.equal(parameters(weighted), parameters(plain))


@pytest.mark.filterwarnings("ignore:SKW051")
@pytest.mark.parametrize("cls", WEIGHTED)
def test_a_loaded_classifier_says_that_its_checkers_were_not_saved(cls, tiny_encoder, toy, tmp_path):
    clf = fit(quick(cls, tiny_encoder), toy)
    clf.save_pretrained(tmp_path)
    loaded = cls.from_pretrained(tmp_path)
    message = (
        f"This {cls.__name__} has no quality_checker_: a folder that save_pretrained wrote holds the model, not its "
        "checkers. Fit it again, or pickle a classifier whose checkers you need."
    )
    with pytest.raises(NotFittedError, match=f"^{re.escape(message)}$"):
        loaded.compute_weights(toy["X"], toy["y"])
    loaded.quality_checker_ = clf.quality_checker_
    if cls is IMPClassifier:
        with pytest.raises(NotFittedError, match=r"^This IMPClassifier has no diversity_checker_: "):
            loaded.compute_weights(toy["X"], toy["y"])
        loaded.diversity_checker_ = clf.diversity_checker_
    weights = loaded.compute_weights(toy["X"], toy["y"])
    np.testing.assert_allclose(weights, clf.compute_weights(toy["X"], toy["y"]))


# -- options, seeds and weights of rows, on numbers -------------------------------------------------------------------


@pytest.fixture
def three_classes():
    """Synthetic and real rows of three classes."""
    rng = np.random.RandomState(0)
    y, real_y = np.arange(60) % 3, np.arange(30) % 3
    return {
        "X": rng.randn(60, 3) + np.eye(3)[y],
        "y": y,
        "real_X": rng.randn(30, 3) + np.eye(3)[real_y],
        "real_y": real_y,
    }


def on_numbers(cls, **params):
    checkers = {"quality_checker": LogisticRegression()}
    if cls is IMPClassifier:
        checkers["diversity_checker"] = LogisticRegression(C=0.1)
    return cls("passthrough", **{**checkers, **QUICK, **params})


@pytest.mark.parametrize("cls", WEIGHTED)
def test_smoothing_mixes_in_the_uniform_distribution_over_all_classes(cls, three_classes):
    clf = on_numbers(cls, smoothing=0.3).fit(**three_classes)
    X, y = three_classes["X"].astype(np.float32), three_classes["y"]
    np.testing.assert_allclose(clf.quality_proba_, 0.7 * label_proba(clf.quality_checker_, X, y) + 0.1)


@pytest.mark.parametrize("option", [{"smoothing": 0.3}, {"clip": 0.9}, {"gamma": 0.5}], ids=str)
@pytest.mark.parametrize("cls", WEIGHTED)
def test_computed_weights_know_the_options(cls, option, three_classes):
    """Those of IMP are the weights of the training; both are what the formula makes of the two probabilities."""
    clf = on_numbers(cls, **option).fit(**three_classes)
    X, y = three_classes["X"].astype(np.float32), three_classes["y"]
    quality = label_proba(clf.quality_checker_, X, y)
    below = label_proba(clf.diversity_checker_ if cls is IMPClassifier else clf, X, y)
    smoothing = option.get("smoothing", 0.0)
    ratio = ((1 - smoothing) * quality + smoothing / 3) / below
    expected = np.minimum(ratio ** option.get("gamma", 1.0), option.get("clip", np.inf))
    np.testing.assert_allclose(clf.compute_weights(X, y), expected, rtol=1e-5)
    if cls is IMPClassifier:
        np.testing.assert_allclose(clf.sample_weight_, expected, rtol=1e-5)


@pytest.mark.parametrize(("cls", "normalize"), [(IMPClassifier, "global"), (DIMPClassifier, "batch")])
def test_computed_weights_average_one_where_those_of_the_training_do(cls, normalize, three_classes):
    clf = on_numbers(cls, normalize=normalize).fit(**three_classes)
    weights = clf.compute_weights(three_classes["X"], three_classes["y"])
    assert weights.mean() == pytest.approx(1)
    plain = on_numbers(cls).fit(**three_classes).compute_weights(three_classes["X"], three_classes["y"])
    assert plain.mean() != pytest.approx(1, rel=1e-3)


def test_each_checker_has_a_seed_of_its_own(three_classes):
    clf = on_numbers(IMPClassifier).fit(**three_classes)
    assert clf.quality_checker_.random_state != clf.diversity_checker_.random_state


@pytest.mark.parametrize("cls", WEIGHTED)
def test_seeds_of_checkers_follow_from_that_of_the_classifier(cls, three_classes):
    one, same, other = (on_numbers(cls, random_state=seed).fit(**three_classes) for seed in (0, 0, 1))
    assert one.quality_checker_.random_state == same.quality_checker_.random_state
    assert one.quality_checker_.random_state != other.quality_checker_.random_state
    if cls is IMPClassifier:
        assert one.diversity_checker_.random_state == same.diversity_checker_.random_state


def test_weights_of_imp_are_multiplied_by_those_of_the_caller(three_classes):
    weight = np.linspace(0.5, 1.5, 60)  # of mean 1
    clf = on_numbers(IMPClassifier).fit(**three_classes, sample_weight=weight)
    ratio = clf.quality_proba_ / clf.diversity_proba_
    np.testing.assert_allclose(clf.sample_weight_, weight * ratio, rtol=1e-5)


@pytest.mark.parametrize("cls", WEIGHTED)
def test_real_rows_that_join_weigh_by_their_sample_weight(cls, three_classes):
    X, y, is_real = stack_real(**three_classes)
    weight = np.where(is_real, 1.0 + np.arange(len(y)) % 2, 1.0)
    # In one step all real rows weigh the same mean weight, times their own.
    clf = on_numbers(cls, real_weight=0.5, batch_size=len(y), max_epochs=1)
    weights = clf.fit(X, y, is_real=is_real, sample_weight=weight).sample_weight_[is_real]
    np.testing.assert_allclose(weights / weights.min(), weight[is_real], rtol=1e-5)


def test_real_rows_that_join_dimp_weigh_a_share_of_the_mean_and_no_checker_is_asked_about_them():
    real = encoded([[0.0], [0.0]], [0, 1], weight=[0.5, 1.5])
    columns = DIMPClassifier("passthrough", real_weight=0.5)._real_columns({}, real)
    assert columns["sample_weight"].tolist() == [0.25, 0.75]
    assert np.isnan(columns["log_quality"]).tolist() == [True, True]
