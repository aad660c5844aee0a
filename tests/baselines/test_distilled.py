from functools import partial

import numpy as np
import pytest
import torch
from helpers import QUICK, ConstantChecker, CountedRegression, fit, parameters, quick, tfidf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skweight import IMPClassifier, label_proba
from skweight.baselines import CrossEntropyClassifier, DistilledClassifier
from skweight.exceptions import SkweightWarning
from skweight.model_selection import stack_real

distilled = partial(quick, DistilledClassifier)


def frozen(**proba):
    return FrozenEstimator(ConstantChecker(proba))


# -- what the classifier learns from ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_real_text_it_learns_what_the_teacher_knows_and_not_the_wrong_labels(minilm, themes):
    training = {"lr": 3e-4, "batch_size": 16, "random_state": 0}
    teacher = CrossEntropyClassifier(minilm, max_epochs=8, **training).fit(themes["real_X"], themes["real_y"])
    plain = CrossEntropyClassifier(minilm, max_epochs=6, **training).fit(themes["X"], themes["y"])
    clf = DistilledClassifier(minilm, quality_checker=FrozenEstimator(teacher), max_epochs=6, **training)
    clf.fit(themes["X"], themes["y"])
    assert clf.score(themes["test_X"], themes["test_y"]) > plain.score(themes["test_X"], themes["test_y"])
    proba = np.array([each.predict_proba(themes["test_X"])[:, 0] for each in (teacher, clf, plain)])
    _, learnt, fine_tuned = np.corrcoef(proba)[0]  # with the teacher
    assert learnt > max(0.5, fine_tuned + 0.1)


def test_targets_are_the_probabilities_of_the_quality_checker(tiny_encoder, toy):
    clf = fit(distilled(tiny_encoder), toy)
    teacher = tfidf().fit(toy["real_X"], toy["real_y"])
    np.testing.assert_allclose(clf.target_proba_, teacher.predict_proba(toy["X"]))
    np.testing.assert_allclose(clf.quality_proba_, label_proba(teacher, toy["X"], toy["y"]))
    assert not hasattr(clf, "diversity_checker_")
    assert not hasattr(clf, "diversity_proba_")


def test_labels_of_synthetic_rows_do_not_matter(tiny_encoder, toy):
    clf = fit(distilled(tiny_encoder), toy)
    swapped = fit(distilled(tiny_encoder), {**toy, "y": toy["y"][::-1]})
    assert torch.equal(parameters(swapped), parameters(clf))
    np.testing.assert_allclose(swapped.quality_proba_, 1 - clf.quality_proba_)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_model_ends_at_the_probabilities_of_the_teacher(share, tiny_encoder, toy):
    teacher = frozen(fresh=share, rotten=1 - share)
    clf = distilled(tiny_encoder, quality_checker=teacher, max_epochs=30, lr=3e-3).fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.predict_proba(toy["X"])[:, 0], share, atol=0.05)


def test_a_teacher_that_is_certain_of_the_labels_is_plain_fine_tuning_to_the_last_bit(tiny_encoder, toy):
    class Certain(ConstantChecker):
        def predict_proba(self, X):
            return np.eye(2)[[0, 1] * 6]

    teacher = FrozenEstimator(Certain({"fresh": 1.0, "rotten": 0.0}))
    clf = fit(distilled(tiny_encoder, quality_checker=teacher), toy)
    assert torch.equal(parameters(clf), parameters(fit(CrossEntropyClassifier(tiny_encoder, **QUICK), toy)))


def test_imp_with_the_same_seed_has_the_same_quality_checker(tiny_encoder, toy):
    settings = {**QUICK, "quality_checker": None}
    clf, imp = DistilledClassifier(tiny_encoder, **settings), IMPClassifier(tiny_encoder, **settings)
    for classifier in (clf, imp.set_params(diversity_checker="drop")):
        fit(classifier.set_params(quality_checker__max_epochs=1), toy)
    np.testing.assert_array_equal(clf.quality_proba_, imp.quality_proba_)


def test_smoothing_mixes_the_uniform_distribution_into_the_targets(tiny_encoder, toy):
    clf = distilled(tiny_encoder, quality_checker=frozen(fresh=0.9, rotten=0.1), smoothing=0.5).fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.target_proba_, [[0.7, 0.3]] * 12)


# -- the product of experts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [
        # sqrt(0.7 * 0.4), sqrt(0.2 * 0.35), sqrt(0.1 * 0.25), normalised: where DIMP-Loss ends
        (0.5, [0.555924, 0.277962, 0.166114]),
        (1.0, [0.746667, 0.186667, 0.066667]),
    ],
)
def test_with_a_diversity_checker_targets_are_the_normalised_product(exponent, expected, tiny_encoder, toy):
    quality, diversity = frozen(c=0.1, a=0.7, b=0.2), frozen(b=0.35, c=0.25, a=0.4)
    clf = distilled(tiny_encoder, quality_checker=quality, diversity_checker=diversity, exponent=exponent)
    clf.fit(toy["X"], ["a", "b", "c"] * 4)
    np.testing.assert_allclose(clf.target_proba_, [expected] * 12, atol=1e-6)
    np.testing.assert_allclose(clf.quality_proba_, [0.7, 0.2, 0.1] * 4)
    np.testing.assert_allclose(clf.diversity_proba_, [0.4, 0.35, 0.25] * 4)


@pytest.mark.parametrize("diversity_checker", [tfidf(), "fast"], ids=["classifier", "fast"])
def test_second_expert_is_fitted_on_the_synthetic_rows(diversity_checker, tiny_encoder, toy):
    clf = fit(distilled(tiny_encoder, diversity_checker=diversity_checker), toy)
    product = np.sqrt(clf.quality_checker_.predict_proba(toy["X"]) * clf.diversity_checker_.predict_proba(toy["X"]))
    np.testing.assert_allclose(clf.target_proba_, product / product.sum(axis=1, keepdims=True))
    assert clf.diversity_checker_.score(toy["X"], toy["y"]) == 1
    assert clf.quality_checker_.score(toy["real_X"], toy["real_y"]) == 1


def test_default_diversity_checker_has_the_classifiers_own_training_parameters(tiny_encoder, toy):
    clf = fit(distilled(tiny_encoder, diversity_checker=None), toy)
    assert isinstance(clf.diversity_checker_, CrossEntropyClassifier)
    assert (clf.diversity_checker_.max_epochs, clf.diversity_checker_.batch_size) == (2, 4)


def test_experts_that_rule_out_each_others_class_leave_both_as_likely(tiny_encoder, toy):
    experts = {"quality_checker": frozen(fresh=1.0, rotten=0.0), "diversity_checker": frozen(fresh=0.0, rotten=1.0)}
    clf = distilled(tiny_encoder, **experts).fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.target_proba_, 0.5)


# -- classes ----------------------------------------------------------------------------------------------------------


def test_columns_of_a_teacher_are_matched_by_name_and_further_classes_left_out(tiny_encoder, toy):
    teacher = frozen(rotten=0.2, odd=0.5, fresh=0.3)
    clf = distilled(tiny_encoder, quality_checker=teacher).fit(toy["X"], toy["y"])
    assert clf.classes_.tolist() == ["fresh", "rotten"]
    np.testing.assert_allclose(clf.target_proba_, [[0.6, 0.4]] * 12)
    np.testing.assert_allclose(clf.quality_proba_, [0.3, 0.2] * 6)


def test_rows_of_a_class_without_real_rows_can_keep_their_label(tiny_encoder, toy):
    toy["y"][9:] = ["mixed"] * 3
    with pytest.raises(
        ValueError, match=r"no rows of \['mixed'\].*missing_real='warn': those rows then keep their labels"
    ):
        fit(distilled(tiny_encoder), toy)
    clf = distilled(tiny_encoder, missing_real="warn", max_epochs=30, lr=3e-3)
    with pytest.warns(SkweightWarning, match=r"SKW021: .*\['mixed'\]; their 3 synthetic rows keep their labels"):
        fit(clf, toy)
    assert clf.classes_.tolist() == ["fresh", "mixed", "rotten"]
    np.testing.assert_array_equal(clf.target_proba_[9:], [[0, 1, 0]] * 3)
    teacher = clf.quality_checker_.predict_proba(toy["X"][:9])
    np.testing.assert_allclose(clf.target_proba_[:9, [0, 2]], teacher)
    np.testing.assert_array_equal(clf.target_proba_[:9, 1], 0)
    assert clf.predict(toy["X"][9:]).tolist() == ["mixed"] * 3


def test_rows_of_a_class_that_the_second_expert_does_not_know_keep_their_label(tiny_encoder, toy):
    toy["y"][9:] = ["mixed"] * 3
    quality = frozen(fresh=0.6, mixed=0.2, rotten=0.2)
    diversity = frozen(fresh=0.5, rotten=0.5)
    clf = distilled(tiny_encoder, quality_checker=quality, diversity_checker=diversity, exponent=1.0)
    clf.fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.target_proba_, [[0.75, 0, 0.25]] * 9 + [[0, 1, 0]] * 3)


# -- real rows, weights of the rows -----------------------------------------------------------------------------------


def test_marked_and_dropped_rows_have_no_target(tiny_encoder, toy):
    X, y, is_real = stack_real(**toy)
    X = list(X)
    X[3] = None
    clf = distilled(tiny_encoder, on_bad_rows="drop")
    with pytest.warns(SkweightWarning, match="SKW014"):
        clf.fit(X, y, is_real=is_real)
    without = is_real | (np.arange(18) == 3)
    assert clf.target_proba_.shape == (18, 2)
    assert np.isnan(clf.target_proba_[without]).all()
    np.testing.assert_allclose(clf.target_proba_[~without].sum(axis=1), 1)
    teacher = clf.quality_checker_.predict_proba([X[i] for i in np.flatnonzero(~without)])
    np.testing.assert_allclose(clf.target_proba_[~without], teacher)


def test_real_rows_that_join_the_training_teach_their_own_labels(tiny_encoder, toy):
    knows_nothing = {"quality_checker": frozen(fresh=0.5, rotten=0.5), "max_epochs": 30, "lr": 3e-3}
    alone = fit(distilled(tiny_encoder, **knows_nothing), toy)
    joined = fit(distilled(tiny_encoder, real_weight=5.0, **knows_nothing), toy)
    assert label_proba(alone, toy["real_X"], toy["real_y"]).max() < 0.6
    assert label_proba(joined, toy["real_X"], toy["real_y"]).min() > 0.7
    np.testing.assert_array_equal(joined.target_proba_, np.full((12, 2), 0.5))


def test_weight_of_real_rows_is_a_multiple_of_the_mean_weight(tiny_encoder, toy):
    X, y, is_real = stack_real(**toy)
    clf = distilled(tiny_encoder, real_weight=3.0).fit(X, y, is_real=is_real)
    np.testing.assert_array_equal(clf.sample_weight_, np.where(is_real, 3.0, 1.0))


def test_sample_weight_says_how_much_a_text_counts(tiny_encoder, toy):
    class Halves(ConstantChecker):
        def predict_proba(self, X):
            return np.repeat([[0.9, 0.1], [0.1, 0.9]], 6, axis=0)

    toy["X"] = ["good film", "bad film"] * 6  # the same texts in both halves, of which the teacher thinks otherwise
    teacher = FrozenEstimator(Halves({"fresh": 0.5, "rotten": 0.5}))
    clf = distilled(tiny_encoder, quality_checker=teacher, max_epochs=20, lr=3e-3)
    weight = np.repeat([1.75, 0.25], 6)
    fit(clf, toy, sample_weight=weight)
    np.testing.assert_allclose(clf.sample_weight_, weight)
    # (1.75 * 0.9 + 0.25 * 0.1) / 2
    np.testing.assert_allclose(clf.predict_proba(["good film", "bad film"])[:, 0], 0.8, atol=0.06)


def test_early_stopping_watches_the_labels_of_held_out_real_rows(tiny_encoder, toy):
    clf = fit(distilled(tiny_encoder, early_stopping=True, validation_fraction=0.4, max_epochs=5, lr=1e-2), toy)
    held = clf.real_validation_indices_
    X, y = [toy["real_X"][i] for i in held], [toy["real_y"][i] for i in held]
    best = clf.history_[clf.best_epoch_ - 1]
    assert -np.log(label_proba(clf, X, y)).mean() == pytest.approx(best["valid_loss"], abs=1e-5)


# -- saving, caching, parameters --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:SKW051")
def test_saved_classifier_comes_back_with_its_targets(tiny_encoder, toy, tmp_path):
    clf = fit(distilled(tiny_encoder, exponent=0.25, diversity_checker="fast"), toy)
    clf.save_pretrained(tmp_path)
    loaded = DistilledClassifier.from_pretrained(tmp_path)
    assert (loaded.exponent, loaded.diversity_checker, loaded.quality_checker) == (0.25, "fast", None)
    for name in ("target_proba_", "quality_proba_", "diversity_proba_", "sample_weight_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(clf, name))
    np.testing.assert_array_equal(loaded.predict_proba(toy["X"]), clf.predict_proba(toy["X"]))


def test_with_memory_both_experts_are_fitted_and_asked_once(tiny_encoder, toy, tmp_path):
    checkers = {
        name: make_pipeline(TfidfVectorizer(), CountedRegression(C=C)) for name, C in (("quality", 1), ("diversity", 9))
    }
    checkers = {f"{name}_checker": checker for name, checker in checkers.items()}
    CountedRegression.count_from_zero()
    for exponent in (0.5, 1.0, 0.5):
        cached = fit(distilled(tiny_encoder, memory=tmp_path, exponent=exponent, **checkers), toy)
    assert (CountedRegression.fits, CountedRegression.scores) == (2, 2)
    plain = fit(distilled(tiny_encoder, **checkers), toy)
    np.testing.assert_array_equal(cached.target_proba_, plain.target_proba_)
    assert torch.equal(parameters(cached), parameters(plain))
    # IMP asks the same experts the same.
    CountedRegression.count_from_zero()
    imp = fit(IMPClassifier(tiny_encoder, memory=tmp_path, **checkers, **QUICK), toy)
    assert (CountedRegression.fits, CountedRegression.scores) == (0, 0)
    np.testing.assert_array_equal(imp.quality_proba_, plain.quality_proba_)


@pytest.mark.parametrize("params", [{"exponent": 0}, {"diversity_checker": "none"}, {"smoothing": 2}], ids=str)
def test_invalid_parameters_are_refused_at_fit(params, tiny_encoder, toy):
    (name,) = params
    with pytest.raises(ValueError, match=f"The '{name}' parameter of DistilledClassifier must be"):
        fit(distilled(tiny_encoder, **params), toy)


def test_without_real_rows_a_fitted_teacher_is_asked_for(tiny_encoder, toy):
    with pytest.raises(ValueError, match=r"DistilledClassifier.fit needs real data: .*FrozenEstimator\(checker\)"):
        distilled(tiny_encoder).fit(toy["X"], toy["y"])
