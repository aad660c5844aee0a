import shutil
import sys
import types
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
from helpers import QUICK, CountedRegression, watch
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from transformers import AutoModelForSequenceClassification

import skweight._checkers
import skweight._predicting
from skweight import DIMPClassifier, IMPClassifier, _engine, label_proba
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning
from skweight.model_selection import RealKFold, stack_real

BRIEF = {**QUICK, "max_epochs": 1}


@pytest.fixture(autouse=True)
def _count_from_zero():
    CountedRegression.count_from_zero()


@pytest.fixture
def numbers():
    """Forty synthetic and twenty-four real rows of three numbers, two classes."""
    rng = np.random.RandomState(0)
    y, real_y = np.arange(40) % 2, np.arange(24) % 2
    return {
        "X": rng.randn(40, 3) + y[:, None],
        "y": y,
        "real_X": rng.randn(24, 3) + real_y[:, None],
        "real_y": real_y,
    }


def fit(classifier, data, **changed):
    return clone(classifier).fit(**{**data, **changed})


def counted(cls=DIMPClassifier, memory=None, **params):
    return cls("passthrough", quality_checker=CountedRegression(), memory=memory, **{**BRIEF, **params})


def text_checker():
    return make_pipeline(TfidfVectorizer(), CountedRegression())


# -- what is found again ----------------------------------------------------------------------------------------------


def test_a_grid_over_loss_and_training_options_fits_the_checker_once_for_each_fold(tmp_path, numbers):
    X, y, is_real = stack_real(**numbers)
    grid = {"gamma": [0.5, 1.0], "clip": [None, 5.0], "normalize": [None, "batch"], "lr": [1e-3, 1e-2]}
    settings = {"cv": RealKFold(3, is_real=is_real), "refit": False, "error_score": "raise"}
    plain = GridSearchCV(counted(), grid, **settings).fit(X, y, is_real=is_real)
    assert CountedRegression.fits == 16 * 3
    CountedRegression.count_from_zero()
    cached = GridSearchCV(counted(memory=tmp_path), grid, **settings).fit(X, y, is_real=is_real)
    assert (CountedRegression.fits, CountedRegression.scores) == (3, 3)
    for key, values in plain.cv_results_.items():
        if key.endswith("test_score"):
            np.testing.assert_array_equal(cached.cv_results_[key], values)


@pytest.mark.parametrize("kind", [str, Path, joblib.Memory])
def test_memory_is_a_folder_or_a_joblib_memory(kind, tmp_path, numbers):
    memory = kind(tmp_path, verbose=0) if kind is joblib.Memory else kind(tmp_path)
    for _ in range(2):
        fit(counted(memory=memory), numbers)
    assert CountedRegression.fits == 1


def test_a_hit_leaves_the_same_classifier_behind(tmp_path, numbers):
    first, second, without = [fit(counted(memory=memory), numbers) for memory in (tmp_path, tmp_path, None)]
    assert CountedRegression.fits == 2
    for other in (second, without):
        np.testing.assert_array_equal(first.quality_proba_, other.quality_proba_)
        np.testing.assert_array_equal(first.sample_weight_, other.sample_weight_)
        np.testing.assert_array_equal(first.predict_proba(numbers["X"]), other.predict_proba(numbers["X"]))
        np.testing.assert_array_equal(first.quality_checker_.coef_, other.quality_checker_.coef_)
    np.testing.assert_array_equal(
        first.compute_weights(numbers["X"], numbers["y"]), second.compute_weights(numbers["X"], numbers["y"])
    )


def test_network_checkers_are_trained_once_and_texts_tokenised_once(tmp_path, tiny_encoder, toy, monkeypatch):
    trained, tokenised = watch(monkeypatch, _engine, "train"), watch(monkeypatch, skweight._predicting, "tokenize")
    clf = IMPClassifier(tiny_encoder, memory=tmp_path, **BRIEF).set_params(quality_checker__max_epochs=1)
    fits = [fit(clf.set_params(gamma=gamma), toy) for gamma in (1.0, 0.0, 1.0)]
    assert len(trained) == 2 + 3
    assert len(tokenised) == 2  # X and real_X
    np.testing.assert_array_equal(fits[0].sample_weight_, fits[2].sample_weight_)
    np.testing.assert_array_equal(
        fits[0].predict_proba(toy["real_X"]), fit(clf.set_params(memory=None), toy).predict_proba(toy["real_X"])
    )


def test_eight_settings_on_three_folds_train_24_networks_and_three_checkers(tmp_path, tiny_encoder, toy, monkeypatch):
    trained = watch(monkeypatch, _engine, "train")
    X, y, is_real = stack_real(**toy)
    clf = DIMPClassifier(tiny_encoder, memory=tmp_path, **BRIEF).set_params(quality_checker__max_epochs=1)
    grid = {"gamma": [0.5, 1.0], "clip": [None, 5.0], "normalize": [None, "batch"]}
    folds = RealKFold(3, is_real=is_real)
    GridSearchCV(clf, grid, cv=folds, refit=False, error_score="raise").fit(X, y, is_real=is_real)
    assert Counter(call.title for call in trained) == {"DIMPClassifier": 24, "quality checker": 3}


def test_a_frozen_checker_is_neither_copied_nor_fitted_and_asked_once(tmp_path, numbers):
    checker = CountedRegression().fit(numbers["real_X"], numbers["real_y"])
    CountedRegression.count_from_zero()
    clf = counted(memory=tmp_path).set_params(quality_checker=FrozenEstimator(checker))
    fitted = [fit(clf.set_params(gamma=gamma), {"X": numbers["X"], "y": numbers["y"]}) for gamma in (1.0, 2.0)]
    assert (CountedRegression.fits, CountedRegression.scores) == (0, 1)
    for clf in fitted:
        assert clf.quality_checker_.estimator is checker
        np.testing.assert_allclose(clf.quality_proba_, label_proba(checker, numbers["X"], numbers["y"]), rtol=1e-6)


def test_a_frozen_checker_does_without_the_folder_of_its_encoder(tmp_path, tiny_encoder, toy):
    gone = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, gone)
    checker = CrossEntropyClassifier(str(gone), **BRIEF).fit(toy["real_X"], toy["real_y"])
    shutil.rmtree(gone)
    frozen = FrozenEstimator(checker)
    clf = DIMPClassifier(tiny_encoder, quality_checker=frozen, memory=tmp_path / "cache", **BRIEF)
    for _ in range(2):
        clf.fit(toy["X"], toy["y"])
    np.testing.assert_allclose(clf.quality_proba_, label_proba(checker, toy["X"], toy["y"]), rtol=1e-6)


def test_without_memory_nothing_is_looked_up(tiny_encoder, toy, monkeypatch):
    """Telling encoders apart reads their files, or asks the hub."""
    looked_up = []
    for name in ("code_fingerprint", "encoder_fingerprint"):
        monkeypatch.setattr(skweight._checkers, name, lambda value, _name=name: looked_up.append(_name))
    fit(IMPClassifier(tiny_encoder, quality_checker=text_checker(), diversity_checker=text_checker(), **BRIEF), toy)
    assert not looked_up


def test_a_search_over_lr_fits_imps_default_diversity_checker_once_if_it_is_set_apart(tmp_path, numbers, monkeypatch):
    trained = watch(monkeypatch, _engine, "train")
    clf = counted(IMPClassifier, memory=tmp_path)
    for lr in (1e-3, 1e-2):
        fit(clf.set_params(lr=lr), numbers)
    assert [call.title for call in trained].count("diversity checker") == 2
    clf.set_params(diversity_checker__lr=5e-3)
    for lr in (1e-3, 1e-2):
        fit(clf.set_params(lr=lr), numbers)
    assert [call.title for call in trained].count("diversity checker") == 3
    assert CountedRegression.fits == 1


def test_without_a_random_state_all_fits_share_the_checkers_seed(tmp_path, numbers):
    checker = CrossEntropyClassifier("passthrough", **{**BRIEF, "random_state": None})
    clf = DIMPClassifier("passthrough", quality_checker=checker, memory=tmp_path, **{**BRIEF, "random_state": None})
    first, second = fit(clf, numbers), fit(clf, numbers)
    np.testing.assert_array_equal(first.quality_proba_, second.quality_proba_)
    assert not np.array_equal(first.predict_proba(numbers["X"]), second.predict_proba(numbers["X"]))


def test_warnings_about_texts_come_again_when_the_tokens_are_found(tmp_path, tiny_encoder, toy):
    toy["X"][0] = "good " * 30
    clf = DIMPClassifier(tiny_encoder, quality_checker=text_checker(), memory=tmp_path, **BRIEF)
    for _ in range(2):
        with pytest.warns(SkweightWarning, match="SKW011: 1 of 12 texts in X"):
            fit(clf, toy)


# -- never a stale hit ------------------------------------------------------------------------------------------------


def swap(rows, i, j):
    rows = rows.copy()
    rows[[i, j]] = rows[[j, i]]
    return rows


CHANGES = {
    "a real row": lambda d: {"real_X": d["real_X"] + np.eye(24, 3)},
    "a real label": lambda d: {"real_y": swap(d["real_y"], 0, 1)},
    "the order of real rows": lambda d: {"real_X": d["real_X"][::-1], "real_y": d["real_y"][::-1]},
    "one real row less": lambda d: {"real_X": d["real_X"][1:], "real_y": d["real_y"][1:]},
    "other names of the labels": lambda d: {"y": d["y"].astype(str), "real_y": d["real_y"].astype(str)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_real_data_is_fitted_anew(change, tmp_path, numbers):
    fit(counted(memory=tmp_path), numbers)
    changed = {**numbers, **CHANGES[change](numbers)}
    cached = fit(counted(memory=tmp_path), changed)
    assert CountedRegression.fits == 2
    np.testing.assert_array_equal(cached.quality_proba_, fit(counted(), changed).quality_proba_)


@pytest.mark.parametrize(("change", "scores"), [("X", 2), ("y", 1)])
def test_the_same_checker_is_asked_about_other_synthetic_rows_but_not_about_other_labels(
    change, scores, tmp_path, numbers
):
    """What it says of a row holds for any label of it."""
    first = fit(counted(memory=tmp_path), numbers)
    changed = {**numbers, change: swap(numbers[change], 0, 1)}
    cached = fit(counted(memory=tmp_path), changed)
    assert (CountedRegression.fits, CountedRegression.scores) == (1, scores)
    assert not np.array_equal(cached.quality_proba_, first.quality_proba_)
    np.testing.assert_array_equal(cached.quality_proba_, fit(counted(), changed).quality_proba_)


def test_a_checker_is_asked_anew_when_the_classes_are_others(tmp_path, numbers):
    checker = FrozenEstimator(CountedRegression().fit(numbers["real_X"], numbers["real_y"]))
    clf = counted(memory=tmp_path, missing_real="warn").set_params(quality_checker=checker)
    X, y = numbers["X"], numbers["y"]
    clf.fit(X, y)
    with pytest.warns(SkweightWarning, match="SKW021"):
        clf.fit(X, y + 1)  # the checker knows 1, but not 2
    expected = np.where(y == 0, checker.predict_proba(X)[:, 1], np.nan)
    np.testing.assert_allclose(clf.quality_proba_, expected, rtol=1e-6)


def test_other_parameters_or_another_seed_of_a_checker_fit_it_anew(tmp_path, numbers):
    clf = counted(memory=tmp_path)
    fit(clf, numbers)
    fit(clf.set_params(quality_checker__C=0.1), numbers)
    assert CountedRegression.fits == 2
    fit(clf.set_params(random_state=1), numbers)  # the checker's own random_state is drawn from it
    assert CountedRegression.fits == 3


def test_a_random_state_instance_moves_on_and_so_do_the_checkers(tmp_path, numbers):
    clf = counted(memory=tmp_path, random_state=np.random.RandomState(0))
    clf.fit(**numbers)
    clf.fit(**numbers)
    assert CountedRegression.fits == 2


def test_weights_of_real_rows_are_part_of_the_data(tmp_path, numbers):
    X, y, is_real = stack_real(**numbers)
    clf = counted(memory=tmp_path)
    plain = clone(clf).fit(X, y, is_real=is_real)
    weight = np.where(is_real & (np.arange(len(y)) % 3 == 0), 5.0, 1.0)
    weighted = clone(clf).fit(X, y, is_real=is_real, sample_weight=weight)
    assert CountedRegression.fits == 2
    assert not np.allclose(plain.quality_proba_[~is_real], weighted.quality_proba_[~is_real])


def test_edited_files_of_an_encoder_are_another_encoder(tmp_path, tiny_encoder, toy):
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, encoder)
    clf = DIMPClassifier(str(encoder), memory=tmp_path / "cache", **BRIEF).set_params(quality_checker__max_epochs=1)
    first = fit(clf, toy)
    module = AutoModelForSequenceClassification.from_pretrained(encoder)
    next(module.base_model.parameters()).data.mul_(10)
    module.base_model.save_pretrained(encoder)
    second = fit(clf, toy)
    assert not np.array_equal(first.quality_proba_, second.quality_proba_)
    np.testing.assert_array_equal(second.quality_proba_, fit(clf.set_params(memory=None), toy).quality_proba_)


def test_an_edited_tokenizer_is_another_tokenizer(tmp_path, tiny_encoder, toy):
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, encoder)
    clf = DIMPClassifier(str(encoder), quality_checker=text_checker(), memory=tmp_path / "cache", **BRIEF)
    fit(clf, toy)
    tokenizer = (encoder / "tokenizer.json").read_text().replace('"good"', '"gud"')
    (encoder / "tokenizer.json").write_text(tokenizer)
    cached = fit(clf, toy)
    np.testing.assert_array_equal(
        cached.predict_proba(toy["X"]), fit(clf.set_params(memory=None), toy).predict_proba(toy["X"])
    )


def module_with(code, monkeypatch):
    """Import a module `user_code` of that source, as if the user had edited and reloaded it."""
    module = types.ModuleType("user_code")
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, "user_code", module)
    return module


@pytest.mark.parametrize(
    "after",
    [
        "def clean(X):\n    return X * -1.0",
        "def clean(X):\n    return (lambda Z: -Z)(X)",
        "def clean(X, sign=-1.0):\n    return X * sign",
    ],
)
def test_an_edited_function_of_a_checker_fits_it_anew(after, tmp_path, numbers, monkeypatch):
    for code in ("def clean(X):\n    return X * 1.0", after, after):
        clean = module_with(code, monkeypatch).clean
        checker = make_pipeline(FunctionTransformer(clean), CountedRegression())
        fit(DIMPClassifier("passthrough", quality_checker=checker, memory=tmp_path, **BRIEF), numbers)
    assert CountedRegression.fits == 2


def test_an_edited_class_of_a_checker_fits_it_anew(tmp_path, numbers, monkeypatch):
    code = (
        "import numpy as np\n"
        "from sklearn.base import BaseEstimator, ClassifierMixin\n"
        "class Constant(ClassifierMixin, BaseEstimator):\n"
        "    def fit(self, X, y):\n"
        "        self.classes_ = np.unique(y)\n"
        "        return self\n"
        "    def predict_proba(self, X):\n"
        "        return np.tile([SHARE, 1 - SHARE], (len(X), 1))\n"
    )
    means = []
    for share in ("0.25", "0.75"):
        checker = module_with(code.replace("SHARE", share), monkeypatch).Constant()
        clf = DIMPClassifier("passthrough", quality_checker=checker, memory=tmp_path, **BRIEF)
        means.append(fit(clf, numbers).quality_proba_[numbers["y"] == 0].mean())
    assert means == [0.25, 0.75]


def test_a_checker_that_cannot_be_pickled_is_fitted_without_the_cache(tmp_path, numbers):
    checker = make_pipeline(FunctionTransformer(lambda X: X), CountedRegression())
    clf = DIMPClassifier("passthrough", quality_checker=checker, memory=tmp_path, **BRIEF)
    for _ in range(2):
        with pytest.warns(SkweightWarning, match=r"SKW050: .* cannot be pickled"):
            fit(clf, numbers)
    assert CountedRegression.fits == 2


def test_the_two_checkers_of_imp_are_not_mixed_up(tmp_path, numbers):
    same = {**numbers, "X": np.concatenate([numbers["real_X"]] * 2), "y": np.concatenate([numbers["real_y"]] * 2)}
    clf = counted(IMPClassifier, memory=tmp_path, diversity_checker=CountedRegression(C=1e-6))
    with pytest.warns(SkweightWarning, match="SKW030"):
        fitted = fit(clf, same)
    assert CountedRegression.fits == 2
    assert np.abs(fitted.diversity_proba_ - 0.5).max() < 0.01 < np.abs(fitted.quality_proba_ - 0.5).max()
