"""Classifiers that fit others before they train: what those others are given, asked and called, and what is kept."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import CountedRegression, Reads, SecondOfTwo, encoded, fit_data, watch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import skweight._checkers
import skweight._predicting
from skweight import DIMPClassifier, IMPClassifier, _engine
from skweight._checkers import _fit_on, _reads_tokens, _shared_proba, proba_of_classes
from skweight._engine.processes import World
from skweight._rows.features import Features
from skweight._storage.cache import Cache
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning

LARGEST_SEED = 2**31 - 1


def begun(cls=DIMPClassifier, **params):
    """A classifier of numbers whose fit has just begun."""
    clf = cls("passthrough", **{"random_state": 0, "max_epochs": 1, "precision": "fp32", **params})
    clf._begin()
    return clf


def some_rows(n=8, seed=0):
    rng, y = np.random.RandomState(seed), np.arange(n) % 2
    return encoded(rng.randn(n, 2) + y[:, None], y)


# -- seeds ------------------------------------------------------------------------------------------------------------


def seeds(clf):
    return clf._checker_seeds(np.random.RandomState(5), 3).tolist()


@pytest.mark.parametrize("params", [{"random_state": 0}, {}, {"random_state": 0, "memory": "folder"}], ids=str)
def test_seeds_of_checkers_are_drawn_from_the_generator_of_the_fit(params):
    assert seeds(DIMPClassifier(**params)) == np.random.RandomState(5).randint(LARGEST_SEED, size=3).tolist()


def test_with_memory_and_no_random_state_they_are_always_the_same():
    clf = DIMPClassifier(memory="folder")
    assert seeds(clf) == np.random.RandomState(0).randint(LARGEST_SEED, size=3).tolist()


# -- classes without real rows ----------------------------------------------------------------------------------------


def check_classes(known, **params):
    data = SimpleNamespace(classes=np.array([0, 1, 2, 3]), synthetic=SimpleNamespace(y=np.array([0, 1, 2, 3, 3, 0])))
    DIMPClassifier(**params)._check_classes(data, known, "the real data")


@pytest.mark.parametrize("missing_real", ["raise", "warn"])
def test_at_least_two_classes_must_be_known(missing_real):
    message = "The quality checker needs at least 2 classes, but the real data has one: [3]."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_classes({3}, missing_real=missing_real)


def test_missing_classes_are_refused_and_the_way_out_named():
    message = (
        "the real data has no rows of [1, 3], so nothing is known about the quality of their synthetic rows. Add real "
        "rows of every class, or pass missing_real='warn': those rows then get the neutral weight 1."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_classes({0, 2})


def test_missing_classes_are_warned_of_with_the_number_of_their_rows():
    message = "SKW021: the real data has no rows of [1, 3]; their 3 synthetic rows get the neutral weight 1."
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}$"):
        check_classes({0, 2}, missing_real="warn")


def test_classes_that_are_all_known_are_no_matter():
    check_classes({0, 1, 2, 3, 4})


@pytest.mark.parametrize(
    ("checker", "who"),
    [(Reads([0, 1]), "the real data"), (FrozenEstimator(Reads([0, 1])), "the fitted quality_checker")],
    ids=["checker", "frozen"],
)
def test_a_quality_checker_must_know_all_classes_from_the_real_rows_or_from_before(checker, who):
    data = fit_data(encoded([[0.5, 0.5]] * 3, [0, 1, 2]), encoded([[0.5, 0.5]] * 2, [0, 1]))
    with pytest.raises(ValueError, match=rf"^{who} has no rows of \[2\], so nothing is known"):
        begun(quality_checker=checker)._fit_quality_checker(data, 0)


# -- fitted and asked -------------------------------------------------------------------------------------------------


def test_a_checker_is_cloned_seeded_fitted_and_asked():
    rows, asked, checker = some_rows(), some_rows(seed=1), LogisticRegression()
    fitted, proba = begun()._fit_and_ask("quality_checker", checker, rows, asked, [1, 0, 2], 3)
    expected = LogisticRegression().fit(rows.X, rows.y)
    assert_array_equal(fitted.coef_, expected.coef_)
    assert_array_equal(proba[:, :2], expected.predict_proba(asked.X)[:, ::-1])
    assert np.isnan(proba[:, 2]).all()
    assert fitted.random_state == np.random.RandomState(3).randint(LARGEST_SEED)
    assert checker.random_state is None
    assert not hasattr(checker, "coef_")


def test_weights_of_rows_reach_a_checker():
    rows = some_rows()
    weighted = encoded(rows.X, rows.y, weight=np.linspace(0.5, 1.5, 8))
    fitted = _fit_on(LogisticRegression(), weighted, title="checker")
    assert_array_equal(fitted.coef_, LogisticRegression().fit(rows.X, rows.y, weighted.sample_weight).coef_)


def test_where_rows_have_no_weights_a_checker_is_given_none():
    class Given(LogisticRegression):
        def fit(self, X, y, sample_weight="none was given"):
            self.given_ = sample_weight
            return self

    assert _fit_on(Given(), some_rows(), title="checker").given_ == "none was given"


def test_a_frozen_checker_is_asked_as_it_is():
    asked = encoded([[0.25, 0.75], [1.0, 0.0]], [0, 1])
    checker = FrozenEstimator(Reads([0, 1]))
    fitted, proba = begun()._fit_and_ask("quality_checker", checker, None, asked, [0, 1], 3)
    assert fitted is checker
    assert proba.tolist() == [[0.25, 0.75], [1.0, 0.0]]


def test_a_frozen_checker_that_was_never_fitted_is_refused():
    with pytest.raises(NotFittedError, match=r"^This FrozenEstimator instance is not fitted yet"):
        begun()._fit_and_ask("quality_checker", FrozenEstimator(LogisticRegression()), None, some_rows(), [0, 1], 3)


class Mute(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise AssertionError("it was fitted, for nothing")


@pytest.mark.parametrize("checker", [Mute(), FrozenEstimator(Mute())], ids=["", "frozen"])
def test_a_checker_without_probabilities_is_refused_before_it_is_fitted(checker):
    message = (
        "quality_checker is Mute, which has no predict_proba; weights need the probability of a label. Wrap it in "
        "CalibratedClassifierCV, for example."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        begun()._fit_and_ask("quality_checker", checker, some_rows(), some_rows(), [0, 1], 0)


def test_a_stack_is_judged_once_it_is_fitted():
    rows = some_rows(12)
    stack = StackingClassifier([("one", LogisticRegression())], cv=2)
    _, proba = begun()._fit_and_ask("quality_checker", stack, rows, rows, [0, 1], 0)
    assert_allclose(proba.sum(axis=1), 1)
    with pytest.raises(TypeError, match=r"^quality_checker is StackingClassifier, which has no predict_proba"):
        begun()._fit_and_ask("quality_checker", stack.set_params(final_estimator=LinearSVC()), rows, rows, [0, 1], 0)


def test_answers_that_are_no_probabilities_are_refused_under_the_names_of_checker_and_row():
    asked = encoded([[0.5, 0.5], [0.5, np.nan]], [0, 1], index=[4, 7])
    message = r"^predict_proba of quality_checker \(Reads\) returned \[0\.5, nan\] for row 7, expected"
    with pytest.raises(ValueError, match=message):
        begun()._fit_and_ask("quality_checker", FrozenEstimator(Reads([0, 1])), None, asked, [0, 1], 0)


def test_the_training_of_a_checker_of_this_package_is_called_by_its_name(monkeypatch):
    trained = watch(monkeypatch, _engine, "train")
    checker = CrossEntropyClassifier("passthrough", max_epochs=1)
    fitted, _ = begun()._fit_and_ask("my_own_checker", checker, some_rows(), some_rows(), [0, 1], 0)
    assert [call.title for call in trained] == ["my own checker"]
    assert len(fitted.sample_weight_) == 8


# -- what a checker of this package reads -----------------------------------------------------------------------------


class OwnFit(CrossEntropyClassifier):
    def fit(self, X, y):
        return super().fit(X, y)


class OwnProba(CrossEntropyClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X)


@pytest.mark.parametrize(
    ("checker", "reads"),
    [
        (CrossEntropyClassifier("passthrough"), True),
        (CrossEntropyClassifier("some/encoder"), False),
        (OwnFit("passthrough"), False),
        (OwnProba("passthrough"), False),
        (LogisticRegression(), False),
    ],
    ids=["same", "other encoder", "own fit", "own predict_proba", "not ours"],
)
def test_a_checker_of_this_package_reads_what_was_encoded_if_it_would_make_the_same_of_it(checker, reads):
    assert _reads_tokens(checker, some_rows()) == reads


@pytest.mark.parametrize("wrap", [lambda checker: checker, FrozenEstimator], ids=["", "frozen"])
def test_it_is_asked_about_what_was_encoded(wrap, numeric_classifier):
    X = np.random.RandomState(1).randn(5, 3).astype(np.float32)
    rows = SimpleNamespace(X="not to be read", tokens=Features(X))
    proba = proba_of_classes(wrap(numeric_classifier), rows, [True, False])
    assert_allclose(proba, numeric_classifier.predict_proba(X)[:, ::-1], rtol=1e-6)


def test_what_it_says_is_checked_like_that_of_others(numeric_classifier):
    tokens = Features(np.array([[0.0, 0.0, 0.0], [np.nan, 0.0, 0.0]], dtype=np.float32))
    message = r"^predict_proba of checker \(CrossEntropyClassifier\) returned \[nan, nan\] for row 7, expected"
    with pytest.raises(ValueError, match=message):
        proba_of_classes(
            numeric_classifier, SimpleNamespace(tokens=tokens), [False, True], name="checker", index=[4, 7]
        )


# -- several processes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_each_process_asks_about_its_share_of_the_rows_if_there_are_enough(n_rows, monkeypatch):
    X = np.c_[np.arange(n_rows), 8 - np.arange(n_rows)] / 8
    rows = encoded(X, np.zeros(n_rows))
    monkeypatch.setattr(_engine, "world", SecondOfTwo)
    proba = _shared_proba(Reads([0, 1]), rows, [0, 1], "quality_checker")
    assert_array_equal(proba, X if n_rows == 1 else np.where(np.arange(n_rows)[:, None] % 2, X, -1))


@pytest.mark.parametrize(("n_rows", "world"), [(4, World), (4, SecondOfTwo), (1, SecondOfTwo)])
def test_rows_are_called_by_their_numbers_in_the_users_data_in_all_processes(n_rows, world, monkeypatch):
    monkeypatch.setattr(_engine, "world", world)
    rows = encoded([[0.5, 0.5]] * (n_rows - 1) + [[2.0, 0.5]], [0] * n_rows, index=10 + np.arange(n_rows))
    with pytest.raises(ValueError, match=rf"^predict_proba of checker \(Reads\) .* for row {9 + n_rows}, expected"):
        _shared_proba(Reads([0, 1]), rows, [0, 1], "checker")


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_a_cache_is_used_where_there_is_a_folder_and_one_process(tmp_path, monkeypatch):
    assert begun()._cache is None
    clf = DIMPClassifier("passthrough", memory=tmp_path)
    assert clf._begin().keys() == {"training", "validation", "weights", "steps"}
    assert isinstance(clf._cache, Cache)
    monkeypatch.setattr(_engine, "world", SecondOfTwo)
    clf._begin()
    assert clf._cache is None


def test_without_a_place_to_keep_anything_nothing_is_fingerprinted(monkeypatch):
    """It would cost time: files of encoders are read for it."""
    fingerprinted = watch(monkeypatch, skweight._checkers, "code_fingerprint")
    for checker in (LogisticRegression(), FrozenEstimator(Reads([0, 1]))):
        begun()._fit_and_ask("quality_checker", checker, some_rows(), encoded([[0.5, 0.5]] * 2, [0, 1]), [0, 1], 0)
    assert not fingerprinted


def ask_counted(clf, checker=None, rows=None, asked=None, classes=(0, 1), seed=0):
    """Fits, and questions, that it takes to know what a checker says."""
    CountedRegression.count_from_zero()
    rows, asked = (some_rows(seed=i) if given is None else given for i, given in enumerate((rows, asked)))
    checker = CountedRegression() if checker is None else checker
    fitted, proba = clf._fit_and_ask("quality_checker", checker, rows, asked, np.array(classes), seed)
    counted = CountedRegression.fits, CountedRegression.scores
    assert_array_equal(proba[:, 0], fitted.predict_proba(asked.X)[:, list(fitted.classes_).index(classes[0])])
    return counted


def test_a_checker_is_fitted_and_asked_again_only_where_something_is_another(tmp_path):
    clf, rows = begun(memory=tmp_path), some_rows()
    assert [ask_counted(clf) for _ in range(2)] == [(1, 1), (0, 0)]
    others = {
        "asked": some_rows(seed=2),
        "classes": [1, 0],
    }
    for name, other in others.items():
        assert [ask_counted(clf, **{name: other}) for _ in range(2)] == [(0, 1), (0, 0)], name
    refitted = {
        "checker": CountedRegression(C=0.5),
        "seed": 1,
        "X": encoded(rows.X + 1, rows.y),
        "y": encoded(rows.X, 1 - rows.y),
        "weight": encoded(rows.X, rows.y, weight=np.linspace(0.5, 1.5, 8)),
    }
    for name, other in refitted.items():
        changed = {name if name in ("checker", "seed") else "rows": other}
        assert [ask_counted(clf, **changed) for _ in range(2)] == [(1, 1), (0, 0)], name


def test_a_frozen_checker_is_asked_once(tmp_path):
    clf, rows = begun(memory=tmp_path), some_rows()
    for checker in (CountedRegression().fit(rows.X, rows.y), CountedRegression(C=0.5).fit(rows.X, rows.y)):
        assert [ask_counted(clf, FrozenEstimator(checker)) for _ in range(2)] == [(0, 1), (0, 0)]


def test_checkpoints_keep_the_answers_of_each_checker(tmp_path):
    clf, rows = begun(), some_rows()
    with _engine.Checkpoints(tmp_path, 100).active():
        assert [ask_counted(clf) for _ in range(2)] == [(1, 1), (1, 0)]
        assert ask_counted(clf, rows=encoded(rows.X, 1 - rows.y)) == (1, 1)
    names = sorted(path.name.rpartition("-")[0] for path in tmp_path.iterdir())
    assert names == ["answers-of-the-quality-checker"] * 2


def test_tokens_are_kept_for_the_same_texts_and_encoder(tmp_path, tiny_encoder, monkeypatch):
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    clf = DIMPClassifier(str(encoder), memory=tmp_path / "memory", max_length=16)
    clf._begin()
    tokenizer = clf._load_tokenizer()
    tokenised = watch(monkeypatch, skweight._predicting, "tokenize")
    for texts in (["a good film"], ["a good film"], ["a bad film"]):
        tokens = clf._tokenize(texts, tokenizer)
        assert len(tokens) == 1
        assert tokens.source == (str(encoder), 16)
    assert [call.texts for call in tokenised] == [["a good film"], ["a bad film"]]
    clf.set_params(max_length=8)._tokenize(["a good film"], tokenizer)
    (encoder / "tokenizer.json").write_text((encoder / "tokenizer.json").read_text().replace('"good"', '"gud"'))
    clf._tokenize(["a good film"], clf._load_tokenizer())
    assert len(tokenised) == 4


# -- what a classifier learns of its checkers -------------------------------------------------------------------------

# Of four rows that fit was given, the third was dropped.
ASSESSED = fit_data(encoded([[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]], [0, 1, 0], index=[0, 1, 3]), n_rows=4)


def test_the_quality_checker_says_how_probable_each_class_is():
    """Half of its answers is the uniform distribution over its classes."""
    checker = FrozenEstimator(Reads([0, 1]))
    quality = begun(quality_checker=checker, smoothing=0.5)._fit_quality_checker(ASSESSED, 0)
    assert quality.proba.tolist() == [[0.375, 0.625], [0.5, 0.5], [0.625, 0.375]]
    assert quality.label_proba.tolist() == [0.375, 0.5, 0.625]
    assert quality.learnt.keys() == {"quality_checker_", "quality_proba_"}
    assert quality.learnt["quality_checker_"] is checker
    assert_array_equal(quality.learnt["quality_proba_"], [0.375, 0.5, np.nan, 0.625])


def test_the_diversity_checker_does_so_without_smoothing():
    checker = FrozenEstimator(Reads([0, 1]))
    clf = begun(IMPClassifier, diversity_checker=checker, smoothing=0.5)
    diversity = clf._fit_diversity_checker(ASSESSED, 0)
    assert diversity.proba.tolist() == [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]
    assert diversity.label_proba.tolist() == [0.25, 0.5, 0.75]
    assert diversity.learnt.keys() == {"diversity_checker_", "diversity_proba_"}
    assert_array_equal(diversity.learnt["diversity_proba_"], [0.25, 0.5, np.nan, 0.75])


def test_without_a_diversity_checker_nothing_is_known():
    nothing = begun(IMPClassifier, diversity_checker="drop")._fit_diversity_checker(ASSESSED, 0)
    assert (nothing.proba, nothing.label_proba, nothing.learnt) == (None, None, {})


@pytest.mark.parametrize("name", ["quality", "diversity"])
def test_a_checker_that_finds_one_class_most_probable_is_called_by_its_name(name):
    rows = encoded([[0.25, 0.75], [0.25, 0.75]], [0, 1])
    clf = begun(IMPClassifier, **{f"{name}_checker": FrozenEstimator(Reads([0, 1]))})
    with pytest.warns(SkweightWarning, match=f"^SKW043: the {name}_checker finds 1 most probable in all 2 synthetic"):
        getattr(clf, f"_fit_{name}_checker")(fit_data(rows), 0)


@pytest.mark.parametrize(("name", "rows"), [("quality", "real"), ("diversity", "synthetic")])
def test_each_checker_is_fitted_on_its_own_rows_and_with_its_own_seed(name, rows):
    data = fit_data(some_rows(), some_rows(seed=1))
    clf = begun(IMPClassifier, **{f"{name}_checker": LogisticRegression()})
    checker = getattr(clf, f"_fit_{name}_checker")(data, 3).learnt[f"{name}_checker_"]
    own = getattr(data, rows)
    assert_array_equal(checker.coef_, LogisticRegression().fit(own.X, own.y).coef_)
    assert checker.random_state == np.random.RandomState(3).randint(LARGEST_SEED)


def test_a_default_checker_and_the_fast_one_are_made_when_they_are_fitted():
    data = fit_data(some_rows(), some_rows(seed=1))
    clf = begun(IMPClassifier, diversity_checker="fast").set_params(quality_checker__max_epochs=1)
    quality = clf.set_params(quality_checker=None)._fit_quality_checker(data, 0).learnt["quality_checker_"]
    assert (type(quality), quality.n_iter_, quality.lr) == (CrossEntropyClassifier, 10, "auto")
    diversity = clf._fit_diversity_checker(data, 0).learnt["diversity_checker_"]
    assert [name for name, _ in diversity.steps] == ["standardscaler", "logisticregression"]
