import contextlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
import types
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
from fit_with_cache import fits_and_results
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
from skweight._storage.cache import Cache
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


def test_a_checker_that_cannot_be_pickled_is_fitted_in_every_fit_and_its_probabilities_are_kept(tmp_path, numbers):
    checker = make_pipeline(FunctionTransformer(lambda X: X), CountedRegression())
    clf = DIMPClassifier("passthrough", quality_checker=checker, memory=tmp_path, **BRIEF)
    for _ in range(2):
        with pytest.warns(SkweightWarning, match=r"SKW050: .* cannot be pickled \(.*lambda.*\)") as caught:
            fit(clf, numbers)
        assert len(caught) == 1
    assert (CountedRegression.fits, CountedRegression.scores) == (2, 1)


def test_a_checker_that_holds_what_cannot_be_pickled_is_asked_in_every_fit(tmp_path, numbers):
    checker = CountedRegression().fit(numbers["X"], numbers["y"])
    checker.lock = threading.Lock()
    clf = counted(memory=tmp_path).set_params(quality_checker=FrozenEstimator(checker))
    CountedRegression.count_from_zero()
    for _ in range(2):
        with pytest.warns(SkweightWarning, match=r"SKW050: .* cannot be pickled"):
            clf.fit(numbers["X"], numbers["y"])
    assert CountedRegression.scores == 2


def test_the_two_checkers_of_imp_are_not_mixed_up(tmp_path, numbers):
    same = {**numbers, "X": np.concatenate([numbers["real_X"]] * 2), "y": np.concatenate([numbers["real_y"]] * 2)}
    clf = counted(IMPClassifier, memory=tmp_path, diversity_checker=CountedRegression(C=1e-6))
    with pytest.warns(SkweightWarning, match="SKW030"):
        fitted = fit(clf, same)
    assert CountedRegression.fits == 2
    assert np.abs(fitted.diversity_proba_ - 0.5).max() < 0.01 < np.abs(fitted.quality_proba_ - 0.5).max()


# -- other processes --------------------------------------------------------------------------------------------------


def start_fits(folder, hash_seed):
    """Start a process that fits on rows of its own; strings hash otherwise in each, and so do sets of them."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": os.pathsep.join(sys.path)}
    code = (
        "import json, pathlib, sys, fit_with_cache\n"
        "print(json.dumps(fit_with_cache.fits_and_results(pathlib.Path(sys.argv[1]))))\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def results_of(process):
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def entries(folder):
    return sorted(path.parent.name for path in Path(folder).rglob("output.pkl"))


def test_what_one_process_has_computed_all_others_find(tmp_path, numbers):
    """Two at once compute each result once between them; a third, this one, none."""
    network = CrossEntropyClassifier("passthrough", **BRIEF).fit(numbers["real_X"], numbers["real_y"])
    (tmp_path / "network.pkl").write_bytes(pickle.dumps(network))
    at_once = [results_of(process) for process in [start_fits(tmp_path, seed) for seed in (1, 2)]]
    assert sum(fits for fits, _, _ in at_once) == 2 + 3 + 2 * 2  # IMP; three experts, two of them cross-fitted twice
    kept = entries(tmp_path)
    fits, scores, weights = fits_and_results(tmp_path)
    assert (fits, scores) == (0, 0)
    assert weights == at_once[0][2] == at_once[1][2]
    assert entries(tmp_path) == kept


def test_workers_of_a_search_share_what_they_compute(tmp_path, numbers):
    X, y, is_real = stack_real(**numbers)
    clf = counted(IMPClassifier, memory=tmp_path, diversity_checker=CountedRegression(C=0.1))
    search = GridSearchCV(clf, {"gamma": [0.5, 1.0]}, cv=RealKFold(2, is_real=is_real), n_jobs=2, error_score="raise")
    search.set_params(refit=False).fit(X, y, is_real=is_real)
    # Of each fold a quality checker and what it says; of both together a diversity checker and what it says.
    assert len(entries(tmp_path)) == 2 * 2 + 2


def test_of_those_who_ask_at_once_one_computes_and_the_others_wait(tmp_path):
    both_compute, computed = threading.Barrier(2), []

    def compute():
        computed.append(threading.get_ident())
        with contextlib.suppress(threading.BrokenBarrierError):
            both_compute.wait(timeout=0.3)
        return "result"

    threads = [threading.Thread(target=lambda: Cache(tmp_path).get(compute, "content")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(computed) == 1


def test_layout_and_origin_of_an_array_are_not_content(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "values.npy", values)
    same = [values, np.asfortranarray(values), np.repeat(values, 2, axis=0)[::2], np.load(tmp_path / "values.npy", "r")]
    other = [values.reshape(4, 3), values.astype(np.float32), values + 1]
    cache, computed = Cache(tmp_path), []
    for array in (*same, *other):
        cache.get(lambda array=array: computed.append(array), array)
    assert len(computed) == 1 + len(other)


# -- damage, and folders that cannot be used --------------------------------------------------------------------------


def flipped(content, bit):
    content = bytearray(content)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def test_a_damaged_result_is_computed_again_whatever_the_damage(tmp_path):
    Cache(tmp_path).get(lambda: ("checker", 0.5), "content")
    (path,) = tmp_path.rglob("output.pkl")
    whole = path.read_bytes()
    damages = [flipped(whole, bit) for bit in range(8 * len(whole))]
    damages += [b"", b"garbage" * 100, *(whole[:size] for size in range(0, len(whole), 7))]
    for damaged in damages:
        path.write_bytes(damaged)
        found = Cache(tmp_path).get(lambda: "computed again", "content")
        assert found == "computed again"
        assert Cache(tmp_path).get(pytest.fail, "content") == "computed again"


def test_a_result_that_does_not_unpickle_any_more_is_computed_again(tmp_path, monkeypatch):
    made = module_with("class Result:\n    pass\nResult.__module__ = 'user_code'", monkeypatch).Result()
    Cache(tmp_path).get(lambda: made, "content")
    module_with("", monkeypatch)  # the class is gone
    assert Cache(tmp_path).get(lambda: "computed again", "content") == "computed again"


def test_a_fit_on_a_damaged_cache_equals_one_without(tmp_path, numbers):
    fit(counted(IMPClassifier, memory=tmp_path), numbers)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes()[::-1])
    damaged, without = [fit(counted(IMPClassifier, memory=memory), numbers) for memory in (tmp_path, None)]
    np.testing.assert_array_equal(damaged.predict_proba(numbers["X"]), without.predict_proba(numbers["X"]))


def test_a_folder_that_cannot_be_made_costs_one_warning_that_names_it(tmp_path, numbers):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "cache"
    with pytest.warns(SkweightWarning) as caught:
        cached = fit(counted(IMPClassifier, memory=place, diversity_checker=CountedRegression()), numbers)
    (warning,) = caught
    assert str(warning.message).startswith(f"SKW052: nothing is kept in memory={str(place)!r}, which cannot be written")
    without = fit(counted(IMPClassifier, diversity_checker=CountedRegression()), numbers)
    np.testing.assert_array_equal(cached.sample_weight_, without.sample_weight_)


def test_a_full_disk_costs_one_warning_and_leaves_no_unfinished_file(tmp_path):
    pytest.importorskip("resource")
    code = (
        "import resource, sys, warnings\n"
        "from skweight._storage.cache import Cache\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # larger files fail as on a full disk
        "warnings.simplefilter('always')\n"
        "cache = Cache(sys.argv[1])\n"
        "print(*(len(cache.get(lambda: b'x' * size, size)) for size in (100, 5000, 6000)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100", "5000", "6000"]
    assert done.stderr.count("SKW052") == 1
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(entries(tmp_path)) == 1


def test_memory_that_is_a_file_is_refused_before_any_work(tmp_path, numbers):
    place = tmp_path / "notes.txt"
    place.write_text("mine")
    with pytest.raises(NotADirectoryError, match=re.escape(f"memory={str(place)!r} is a file; it must be a folder")):
        fit(counted(memory=place), numbers)
    assert (CountedRegression.fits, place.read_text()) == (0, "mine")


def test_memory_without_a_location_keeps_nothing(numbers):
    for _ in range(2):
        fit(counted(memory=joblib.Memory(None)), numbers)
    assert CountedRegression.fits == 2


def test_a_joblib_memory_clears_what_was_kept(tmp_path, numbers):
    memory = joblib.Memory(tmp_path, verbose=0)
    fit(counted(memory=memory), numbers)
    memory.reduce_size(items_limit=1)
    assert len(entries(tmp_path)) == 1
    memory.clear(warn=False)
    assert not entries(tmp_path)


def test_a_classifier_outlives_its_cache(tmp_path, numbers):
    clf = fit(counted(memory=tmp_path / "cache"), numbers)
    copied = pickle.dumps(clf)
    shutil.rmtree(tmp_path / "cache")
    loaded = pickle.loads(copied)
    np.testing.assert_array_equal(loaded.predict_proba(numbers["X"]), clf.predict_proba(numbers["X"]))
