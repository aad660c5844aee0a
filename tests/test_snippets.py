"""Twelve short programs as users write them, on a toy that can be learnt: each must run, and must learn.

A row is a sentence with one of eight words of praise or blame. In a quarter of the synthetic rows, those with three of
the words, the label is wrong, so that training on them as they are cannot do better than about 0.65 on clean rows.
"""

import copy
import os
import pickle
import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
import transformers
from helpers import tfidf
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_task
from skweight.model_selection import RealKFold, stack_real

PRAISE, BLAME = ("good", "great", "warm", "funny"), ("bad", "dull", "poor", "boring")
MISLABELLED = ("warm", "funny", "boring")
THINGS = ("film", "plot", "cast", "acting", "story", "scene", "score", "ending")
# With these, eight seeds of eight learn the toy; without warm-up one of them does not.
TRAINING = {"max_epochs": 8, "lr": 5e-3, "warmup_ratio": 0.2, "batch_size": 16, "max_length": 16}
TRAINING |= {"precision": "fp32", "device": "cpu"}
CHECKER_TRAINING = {"max_epochs": 12, "lr": 3e-3, "warmup_ratio": 0.1, "batch_size": 8}


def sentences(n, rng, taken, *, spoiled=False):
    """Rows that are not in `taken` yet, their labels, and which of the labels are wrong."""
    X, y, wrong = [], [], []
    while len(X) < n:
        i = len(X)
        word = (PRAISE, BLAME)[i % 2][i // 2 % 4]
        one, other = rng.choice(THINGS, 2, replace=False)
        text = f"{rng.choice(['very', 'quite', 'always', 'never'])} {word} {one} and {other}"
        if text not in taken:
            taken.add(text)
            X.append(text)
            wrong.append(spoiled and word in MISLABELLED and i // 8 % 3 > 0)
            y.append(("fresh", "rotten")[i % 2 ^ wrong[-1]])
    return X, np.array(y), np.array(wrong)


def make_film():
    rng, taken = np.random.default_rng(0), set()
    synth_X, synth_y, wrong = sentences(120, rng, taken, spoiled=True)
    real_X, real_y, _ = sentences(40, rng, taken)
    test_X, test_y, _ = sentences(64, rng, taken)
    return SimpleNamespace(
        synth_X=synth_X, synth_y=synth_y, wrong=wrong, real_X=real_X, real_y=real_y, test_X=test_X, test_y=test_y
    )


@pytest.fixture(scope="module")
def film():
    return make_film()


@pytest.fixture(scope="module")
def stacked(film):
    return stack_real(film.synth_X, film.synth_y, film.real_X, film.real_y)


@pytest.fixture(scope="module")
def clf(tiny_encoder):
    """What the snippets call ``clf``: unfitted, with the default quality checker on the same encoder."""
    budget = {f"quality_checker__{name}": value for name, value in CHECKER_TRAINING.items()}
    return DIMPClassifier(tiny_encoder, random_state=0, **TRAINING).set_params(**budget)


@pytest.fixture(scope="module")
def quick(tiny_encoder):
    """The same with a checker that takes no time, for snippets that fit it again and again."""
    return DIMPClassifier(tiny_encoder, quality_checker=tfidf(C=30.0), random_state=0, **TRAINING)


@pytest.fixture(scope="module")
def fitted(clf, film):
    return clone(clf).fit(film.synth_X, film.synth_y, real_X=film.real_X, real_y=film.real_y)


# -- 1: fit, predict, score -------------------------------------------------------------------------------------------


def test_1_weighted_training_learns_what_plain_training_on_the_same_rows_cannot(fitted, film, tiny_encoder):
    plain = CrossEntropyClassifier(tiny_encoder, random_state=0, **TRAINING).fit(film.synth_X, film.synth_y)
    assert film.wrong.mean() == 0.25
    assert plain.score(film.test_X, film.test_y) < 0.8
    assert fitted.score(film.test_X, film.test_y) > 0.9


def test_1_predictions_probabilities_and_score_belong_together(fitted, film):
    proba = fitted.predict_proba(film.test_X)
    assert fitted.classes_.tolist() == ["fresh", "rotten"]
    assert proba.shape == (64, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    predicted = fitted.predict(film.test_X)
    np.testing.assert_array_equal(predicted, fitted.classes_[proba.argmax(axis=1)])
    assert fitted.score(film.test_X, film.test_y) == np.mean(predicted == film.test_y)


def test_1_rows_with_wrong_labels_weigh_less(fitted, film):
    assert fitted.sample_weight_.shape == (120,)
    assert fitted.sample_weight_[film.wrong].mean() < 0.5 * fitted.sample_weight_[~film.wrong].mean()
    assert fitted.quality_proba_[film.wrong].max() < fitted.quality_proba_[~film.wrong].min()


# -- 2 and 3: in a pipeline -------------------------------------------------------------------------------------------


def clean(texts):
    return [text.removeprefix("<br> ") for text in texts]


def dirty(texts):
    return [f"<br> {text}" for text in texts]


def test_2_a_pipeline_cleans_the_real_rows_by_the_same_steps(clf, fitted, film, routing):
    pipeline = Pipeline([("clean", FunctionTransformer(clean)), ("clf", clone(clf))], transform_input=["real_X"])
    pipeline.fit(dirty(film.synth_X), film.synth_y, real_X=dirty(film.real_X), real_y=film.real_y)
    np.testing.assert_array_equal(pipeline.predict_proba(dirty(film.test_X)), fitted.predict_proba(film.test_X))
    np.testing.assert_array_equal(pipeline[-1].quality_proba_, fitted.quality_proba_)
    assert pipeline.score(dirty(film.test_X), film.test_y) > 0.9


def test_2_real_rows_that_no_step_cleaned_would_give_another_model(clf, fitted, film, routing):
    """What the test above would see if `transform_input` did nothing."""
    pipeline = Pipeline([("clean", FunctionTransformer(clean)), ("clf", clone(clf))])
    pipeline.fit(dirty(film.synth_X), film.synth_y, real_X=dirty(film.real_X), real_y=film.real_y)
    assert np.abs(pipeline[-1].quality_proba_ - fitted.quality_proba_).max() > 1e-3


def test_3_a_pipeline_without_routing_takes_the_mask(clf, fitted, film):
    X, y, is_real = stack_real(dirty(film.synth_X), film.synth_y, dirty(film.real_X), film.real_y)
    pipeline = Pipeline([("clean", FunctionTransformer(clean)), ("clf", clone(clf))]).fit(X, y, clf__is_real=is_real)
    np.testing.assert_array_equal(pipeline.predict_proba(dirty(film.test_X)), fitted.predict_proba(film.test_X))
    assert pipeline.score(dirty(film.test_X), film.test_y) > 0.9


# -- 4, 5 and 6: searches ---------------------------------------------------------------------------------------------


def test_4_a_search_over_gamma_is_scored_on_held_out_real_rows(quick, stacked, film, routing):
    X, y, is_real = stacked
    search = GridSearchCV(
        quick, {"gamma": [0.0, 0.5, 1.0]}, cv=RealKFold(2), scoring="neg_log_loss", error_score="raise"
    ).fit(X, y, is_real=is_real)
    scores = dict(zip(search.cv_results_["param_gamma"].tolist(), search.cv_results_["mean_test_score"], strict=True))
    assert scores[0.0] < scores[0.5] < scores[1.0]
    assert search.best_params_ == {"gamma": 1.0}
    assert search.best_estimator_.score(film.test_X, film.test_y) > 0.9
    # The refit has every row that the search was given.
    assert search.best_estimator_.sample_weight_.shape == y.shape


def test_4_the_score_is_that_of_a_model_fitted_without_the_scored_rows(quick, stacked, routing):
    X, y, is_real = stacked
    search = GridSearchCV(
        quick, {"gamma": [1.0]}, cv=RealKFold(2), scoring="neg_log_loss", error_score="raise", refit=False
    ).fit(X, y, is_real=is_real)
    for fold, (train, test) in enumerate(RealKFold(2).split(X, y, is_real=is_real)):
        alone = clone(quick).fit([X[i] for i in train], y[train], is_real=is_real[train])
        by_hand = -log_loss(y[test], alone.predict_proba([X[i] for i in test]), labels=alone.classes_)
        assert search.cv_results_[f"split{fold}_test_score"][0] == pytest.approx(by_hand, abs=1e-12)


def test_5_several_options_are_searched_without_routing_and_with_the_mask_in_the_splitter(quick, stacked, film):
    X, y, is_real = stacked
    grid = {"clip": [None, 5.0], "normalize": [None, "batch"]}
    search = GridSearchCV(quick, grid, cv=RealKFold(2, is_real=is_real), error_score="raise")
    search.fit(X, y, is_real=is_real)
    assert len(search.cv_results_["params"]) == 4
    assert (search.cv_results_["mean_test_score"] > 0.75).all()
    assert search.best_score_ > 0.85
    assert search.score(film.test_X, film.test_y) > 0.85


def test_6_a_nested_search_estimates_what_the_search_will_reach(quick, stacked, routing):
    X, y, is_real = stacked
    search = GridSearchCV(quick, {"gamma": [0.0, 1.0]}, cv=RealKFold(2), error_score="raise")
    result = cross_validate(
        search, X, y, cv=RealKFold(2), params={"is_real": is_real}, error_score="raise", return_estimator=True
    )
    assert [inner.best_params_ for inner in result["estimator"]] == [{"gamma": 1.0}] * 2
    assert result["test_score"].shape == (2,)
    assert result["test_score"].min() > 0.8
    # Each inner search had all 120 synthetic rows and half of the real ones.
    assert [len(inner.best_estimator_.sample_weight_) for inner in result["estimator"]] == [140, 140]


# -- 7: checkers ------------------------------------------------------------------------------------------------------


def test_7_any_classifier_is_a_checker_and_its_parameters_can_be_set(quick, film):
    checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    c = clone(quick).set_params(quality_checker=checker)
    c.set_params(quality_checker__logisticregression__C=30.0)
    c.fit(film.synth_X, film.synth_y, real_X=film.real_X, real_y=film.real_y)
    assert c.quality_checker_[-1].C == 30.0
    assert c.quality_checker_.score(film.test_X, film.test_y) > 0.9
    assert c.score(film.test_X, film.test_y) > 0.9


def test_7_a_ready_checker_needs_no_real_rows_and_gives_the_same_model(quick, film, tiny_encoder):
    c = clone(quick).fit(film.synth_X, film.synth_y, real_X=film.real_X, real_y=film.real_y)
    ready = DIMPClassifier(
        tiny_encoder, quality_checker=FrozenEstimator(c.quality_checker_), random_state=0, **TRAINING
    )
    ready.fit(film.synth_X, film.synth_y)
    np.testing.assert_array_equal(ready.predict_proba(film.test_X), c.predict_proba(film.test_X))
    assert ready.score(film.test_X, film.test_y) > 0.9


# -- 8: early stopping ------------------------------------------------------------------------------------------------


def test_8_the_number_of_epochs_is_chosen_on_held_out_real_rows(quick, film):
    c = clone(quick).set_params(early_stopping=True, max_epochs=20, n_iter_no_change=3)
    c.fit(film.synth_X, film.synth_y, real_X=film.real_X, real_y=film.real_y)
    losses = [epoch["valid_loss"] for epoch in c.history_]
    assert c.best_epoch_ == 1 + int(np.argmin(losses))
    assert c.best_epoch_ <= c.n_iter_ == len(losses) <= 20
    held = c.real_validation_indices_
    assert len(held) == len(set(held.tolist())) == 8
    assert c.validation_score_ == c.score([film.real_X[i] for i in held], film.real_y[held])
    assert c.score(film.test_X, film.test_y) > 0.85


# -- 9: meta-estimators -----------------------------------------------------------------------------------------------


def test_9_calibration_on_held_out_real_rows(quick, stacked, film, routing):
    X, y, is_real = stacked
    calibrated = CalibratedClassifierCV(quick, cv=RealKFold(3)).fit(X, y, is_real=is_real)
    assert len(calibrated.calibrated_classifiers_) == 3
    assert calibrated.score(film.test_X, film.test_y) > 0.9
    assert log_loss(film.test_y, calibrated.predict_proba(film.test_X)) < 0.5


def test_9_voting_of_both_methods(clf, stacked, film, tiny_encoder, routing):
    X, y, is_real = stacked
    imp = IMPClassifier(tiny_encoder, random_state=0, **{**TRAINING, "max_epochs": 12})
    imp.set_params(**{f"quality_checker__{name}": value for name, value in CHECKER_TRAINING.items()})
    vote = VotingClassifier([("d", clf), ("i", imp)], voting="soft").fit(X, y, is_real=is_real)
    assert vote.classes_.tolist() == ["fresh", "rotten"]
    assert vote.score(film.test_X, film.test_y) > 0.9
    mean = np.mean([one.predict_proba(film.test_X) for one in vote.estimators_], axis=0)
    np.testing.assert_allclose(vote.predict_proba(film.test_X), mean)


# -- 10: containers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def from_lists(quick, film):
    c = clone(quick).fit(film.synth_X, film.synth_y, real_X=film.real_X, real_y=film.real_y)
    return c.predict_proba(film.test_X)


@pytest.mark.parametrize(
    "wrap",
    [
        tuple,
        np.array,
        lambda a: np.array(a, dtype=object),
        lambda a: np.array(a)[:, None],
        lambda a: pd.Series(a, index=np.arange(len(a))[::-1] * 7),
        lambda a: pd.Series(a, dtype="category"),
        lambda a: pd.DataFrame({"text": a}),
        lambda a: pl.Series(a),
        lambda a: pl.DataFrame({"text": a}),
        lambda a: pa.array(a),
    ],
    ids="tuple array object column Series category DataFrame polars polars-frame pyarrow".split(),
)
def test_10_containers_agree_to_the_bit(wrap, quick, from_lists, film):
    c = clone(quick).fit(wrap(film.synth_X), film.synth_y, real_X=wrap(film.real_X), real_y=film.real_y)
    np.testing.assert_array_equal(c.predict_proba(wrap(film.test_X)), from_lists)
    assert c.score(wrap(film.test_X), film.test_y) > 0.9


def test_10_pairs_of_texts_come_as_tuples_or_as_two_columns(quick, film):
    def halves(texts):  # "very good film and plot" -> ("very good film", "plot")
        return [tuple(text.split(" and ")) for text in texts]

    c = clone(quick).set_params(quality_checker=CrossEntropyClassifier(quick.encoder, **TRAINING))
    c.set_params(quality_checker__max_epochs=20)
    c.fit(halves(film.synth_X), film.synth_y, real_X=halves(film.real_X), real_y=film.real_y)
    frame = pd.DataFrame(halves(film.test_X), columns=["s1", "s2"])
    np.testing.assert_array_equal(c.predict_proba(frame[["s1", "s2"]]), c.predict_proba(halves(film.test_X)))
    assert c.score(frame, film.test_y) > 0.85


# -- 11: copies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [lambda c: pickle.loads(pickle.dumps(c)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_11_copies_predict_the_same_bits(copied, fitted, film):
    again = copied(fitted)
    np.testing.assert_array_equal(again.predict_proba(film.test_X), fitted.predict_proba(film.test_X))
    assert again.score(film.test_X, film.test_y) > 0.9


@pytest.mark.filterwarnings("ignore:SKW051")
def test_11_a_saved_folder_gives_the_same_bits_and_opens_as_a_transformers_pipeline(fitted, film, tmp_path):
    fitted.save_pretrained(tmp_path)
    loaded = DIMPClassifier.from_pretrained(tmp_path)
    proba = fitted.predict_proba(film.test_X)
    np.testing.assert_array_equal(loaded.predict_proba(film.test_X), proba)
    np.testing.assert_array_equal(loaded.predict(film.test_X), fitted.predict(film.test_X))
    np.testing.assert_array_equal(loaded.sample_weight_, fitted.sample_weight_)
    answers = transformers.pipeline("text-classification", str(tmp_path), device="cpu")(film.test_X, top_k=None)
    for row, answer in zip(proba, answers, strict=True):
        by_name = {one["label"]: one["score"] for one in answer}
        np.testing.assert_allclose([by_name["fresh"], by_name["rotten"]], row, atol=1e-6)


# -- 12: determinism --------------------------------------------------------------------------------------------------


def test_12_the_same_random_state_gives_the_same_bits_and_another_one_others(clf, fitted, film):
    fit = {"real_X": film.real_X, "real_y": film.real_y}
    again = clone(clf).fit(film.synth_X, film.synth_y, **fit)
    np.testing.assert_array_equal(again.predict_proba(film.test_X), fitted.predict_proba(film.test_X))
    np.testing.assert_array_equal(again.sample_weight_, fitted.sample_weight_)
    other = clone(clf).set_params(random_state=1).fit(film.synth_X, film.synth_y, **fit)
    assert not np.array_equal(other.predict_proba(film.test_X), fitted.predict_proba(film.test_X))
    assert other.score(film.test_X, film.test_y) > 0.9


def test_12_global_generators_are_neither_used_nor_moved(quick, film, from_lists):
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    c = clone(quick).fit(film.synth_X, film.synth_y, real_X=film.real_X, real_y=film.real_y)
    # Other states of the generators than at the first fit, and still its bits.
    np.testing.assert_array_equal(c.predict_proba(film.test_X), from_lists)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


def test_12_shuffled_rows_give_shuffled_predictions(fitted, film):
    order = np.random.default_rng(1).permutation(len(film.test_X))
    shuffled = fitted.predict_proba([film.test_X[i] for i in order])
    np.testing.assert_allclose(shuffled, fitted.predict_proba(film.test_X)[order], atol=1e-6)


# -- on a real encoder and real tweets --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tweets():
    """Tweets of three sentiments: 1,000 that GPT-4 wrote, and 300 + 500 that people wrote and labelled."""
    if "SKWEIGHT_DATA" not in os.environ:
        pytest.skip("SKWEIGHT_DATA names no folder with tweet_sentiment/real_train.csv, test.csv, synthetic_gpt-4.csv")
    task = load_task(os.path.join(os.environ["SKWEIGHT_DATA"], "tweet_sentiment"), "gpt-4")
    rng = np.random.default_rng(0)
    picked = {}
    for name, size in {"synth": 1000, "real": 300, "test": 500}.items():
        rows = rng.permutation(len(task[f"{name}_X"]))[:size]
        picked[f"{name}_X"] = [task[f"{name}_X"][i] for i in rows]
        picked[f"{name}_y"] = np.array(task[f"{name}_y"])[rows]
    return SimpleNamespace(**picked)


TWEET_TRAINING = {"max_epochs": 1, "lr": 2e-4, "max_length": 64, "random_state": 0}


@pytest.mark.slow
@pytest.mark.filterwarnings("default::skweight.exceptions.SkweightWarning")  # what real tweets are like
def test_1_learns_the_sentiment_of_real_tweets(minilm, tweets):
    c = DIMPClassifier(minilm, **TWEET_TRAINING).set_params(quality_checker__max_epochs=3, quality_checker__lr=2e-4)
    c.fit(tweets.synth_X, tweets.synth_y, real_X=tweets.real_X, real_y=tweets.real_y)
    accuracy = c.score(tweets.test_X, tweets.test_y)
    print(f"accuracy {accuracy:.3f}, quality checker {c.quality_checker_.score(tweets.test_X, tweets.test_y):.3f}")
    assert len(c.classes_) == 3
    assert accuracy > 0.5
    assert c.sample_weight_.shape == (1000,)


@pytest.mark.slow
@pytest.mark.filterwarnings("default::skweight.exceptions.SkweightWarning")
def test_4_picks_gamma_on_held_out_real_tweets(minilm, tweets, routing, tmp_path):
    X, y, is_real = stack_real(tweets.synth_X, tweets.synth_y, tweets.real_X, tweets.real_y)
    c = DIMPClassifier(minilm, memory=tmp_path, **TWEET_TRAINING)
    c.set_params(quality_checker__max_epochs=3, quality_checker__lr=2e-4)
    search = GridSearchCV(c, {"gamma": [0.5, 1.0]}, cv=RealKFold(2), scoring="neg_log_loss", error_score="raise")
    search.fit(X, y, is_real=is_real)
    accuracy = accuracy_score(tweets.test_y, search.predict(tweets.test_X))
    print(f"picked {search.best_params_}, scores {search.cv_results_['mean_test_score']}, accuracy {accuracy:.3f}")
    # Three classes that are told apart at random have a log-loss of 1.10.
    assert search.best_score_ > -1.08
    assert accuracy > 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("default::skweight.exceptions.SkweightWarning")
def test_7_takes_a_checker_of_word_counts_for_real_tweets(minilm, tweets):
    checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    c = DIMPClassifier(minilm, quality_checker=checker, **TWEET_TRAINING)
    c.set_params(quality_checker__logisticregression__C=10.0)
    c.fit(tweets.synth_X, tweets.synth_y, real_X=tweets.real_X, real_y=tweets.real_y)
    accuracy = c.score(tweets.test_X, tweets.test_y)
    print(f"accuracy {accuracy:.3f}, quality checker {c.quality_checker_.score(tweets.test_X, tweets.test_y):.3f}")
    assert accuracy > 0.5
    ready = DIMPClassifier(minilm, quality_checker=FrozenEstimator(c.quality_checker_), **TWEET_TRAINING)
    ready.fit(tweets.synth_X, tweets.synth_y)
    np.testing.assert_array_equal(ready.predict(tweets.test_X), c.predict(tweets.test_X))
