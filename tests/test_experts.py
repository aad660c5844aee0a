"""Experts of an opinion pool: which there are, what they read, are fitted on, and are asked about."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers import Reads, SecondOfTwo, UniformChecker, encoded, watch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

import skweight._opinion_pool
from skweight import OpinionPoolClassifier, _engine, cross_fit_proba
from skweight._frozen import frozen_features
from skweight._pools import folds
from skweight._rows.rows import Rows
from skweight._rows.tokens import tokenize
from skweight.baselines import CrossEntropyClassifier

FOLD_SEED = 5


def begun(encoder="passthrough", **params):
    """A pool whose fit has just begun."""
    clf = OpinionPoolClassifier(encoder, **{"random_state": 0, "precision": "fp32", "cv": 3, **params})
    clf._begin()
    return clf


# -- which there are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ["some/encoder", "passthrough"])
def test_frozen_experts_are_regressions_on_either_kind_of_rows_and_on_both(encoder):
    experts = OpinionPoolClassifier(encoder)._list_experts()
    assert [(name, rows) for name, _, rows in experts] == [(kind, kind) for kind in ("real", "synthetic", "both")]
    for _, expert, _ in experts:
        *before, regression = [step for _, step in expert.steps] if encoder == "passthrough" else [expert]
        assert [type(step).__name__ for step in before] == ["StandardScaler"] * (encoder == "passthrough")
        assert regression.get_params() == LogisticRegression(max_iter=500).get_params()


@pytest.mark.parametrize(("encoder", "lr"), [("some/encoder", 2e-4), ("passthrough", "auto")])
def test_finetuned_experts_train_as_the_classifier_does_but_for_the_budget_of_real_rows(encoder, lr):
    own = {"max_epochs": 3, "lr": 0.5, "batch_size": 7, "max_length": 40, "weight_decay": 0.1, "verbose": 1}
    others = {"real_weight": 0.5, "early_stopping": True, "random_state": 3, "callbacks": []}
    clf = OpinionPoolClassifier(encoder, experts="finetuned", **own, **others)
    (name, real, rows), (other_name, synthetic, other_rows) = clf._list_experts()
    assert (name, rows, other_name, other_rows) == ("real", "real", "synthetic", "synthetic")
    expected = CrossEntropyClassifier(encoder, **own).get_params()
    assert synthetic.get_params() == expected
    assert real.get_params() == {**expected, "max_epochs": 10, "batch_size": 32, "lr": lr}


def test_one_classifier_is_three_experts_and_a_list_is_what_it_says():
    expert = LogisticRegression()
    experts = OpinionPoolClassifier(experts=expert)._list_experts()
    assert experts == [("real", expert, "real"), ("synthetic", expert, "synthetic"), ("both", expert, "both")]
    for kind in ("real", "synthetic", "both"):
        listed = [("mine", expert, kind)]
        assert OpinionPoolClassifier(experts=listed)._list_experts() is listed


# -- what they read ---------------------------------------------------------------------------------------------------


@pytest.fixture
def copied_encoder(tiny_encoder, tmp_path):
    """A tiny encoder that a test may edit."""
    return str(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


def text_data(clf, pairs):
    """Two synthetic texts, or pairs of texts, and one real one."""
    tokenizer = clf._load_tokenizer()

    def rows(X):
        X = [(text, "a film") for text in X] if pairs else X
        y = np.arange(len(X))
        return Rows(X, y, None, y, y, tokenize(X, tokenizer, 16, clf._token_source))

    return type("Data", (), {"synthetic": rows(["a good film", "dull"]), "real": rows(["great cast"])})


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_frozen_experts_read_features_of_the_encoder_in_the_precision_of_the_training(pairs, precision, tiny_encoder):
    clf = begun(tiny_encoder, precision=precision, max_length=16)
    data = text_data(clf, pairs)
    read = clf._read_by_experts(data)
    assert list(read) == ["synthetic", "real"]
    module, tokenizer = _engine.load_encoder(tiny_encoder), clf._load_tokenizer()
    for kind, rows in read.items():
        own = getattr(data, kind)
        expected = frozen_features(module, own, lambda texts: tokenize(texts, tokenizer, 16, None), precision=precision)
        assert_allclose(rows.X, expected, atol=1e-6)
        assert_array_equal(rows.tokens.values, rows.X)
        assert_array_equal(rows.y, own.y)


def test_each_process_computes_the_features_of_its_share(tiny_encoder, monkeypatch):
    clf = begun(tiny_encoder, max_length=16)
    data = text_data(clf, pairs=False)
    whole = clf._read_by_experts(data)["synthetic"].X
    monkeypatch.setattr(_engine, "world", SecondOfTwo)
    own = clf._read_by_experts(data)["synthetic"].X
    assert_allclose(own[1], whole[1], atol=1e-6)
    assert (own[0] < 0).all()


@pytest.mark.parametrize("experts", ["finetuned", LogisticRegression()], ids=["finetuned", "classifier"])
def test_other_experts_read_the_rows_as_they_are(experts, tiny_encoder):
    clf = begun(tiny_encoder, experts=experts, max_length=16)
    data = text_data(clf, pairs=False)
    read = clf._read_by_experts(data)
    assert list(read) == ["synthetic", "real"]
    assert read["synthetic"] is data.synthetic
    assert read["real"] is data.real


def test_with_memory_features_are_computed_once_for_the_same_texts_and_encoder(copied_encoder, tmp_path, monkeypatch):
    embedded = watch(monkeypatch, skweight._opinion_pool, "frozen_features")
    settings = {"memory": tmp_path / "memory", "max_length": 16}
    clf = begun(copied_encoder, **settings)
    read = [clf._read_by_experts(text_data(clf, pairs=False)) for _ in range(2)]
    assert [len(call.rows) for call in embedded] == [2, 1]
    for kind in ("synthetic", "real"):
        assert_array_equal(read[0][kind].X, read[1][kind].X)
    clf = begun(copied_encoder, **settings, precision="bf16")
    clf._read_by_experts(text_data(clf, pairs=False))
    assert len(embedded) == 4
    encoder = _engine.load_encoder(copied_encoder)
    next(encoder.parameters()).data.mul_(10)
    encoder.save_pretrained(copied_encoder)
    clf = begun(copied_encoder, **settings)
    clf._read_by_experts(text_data(clf, pairs=False))
    assert len(embedded) == 6


def test_without_a_place_to_keep_features_the_files_of_the_encoder_are_not_looked_at(tiny_encoder, monkeypatch):
    looked_at = watch(monkeypatch, skweight._opinion_pool, "encoder_fingerprint")
    clf = begun(tiny_encoder, max_length=16)
    clf._read_by_experts(text_data(clf, pairs=False))
    assert not looked_at


def test_checkpoints_keep_the_features_of_both_kinds_of_rows(tiny_encoder, tmp_path, monkeypatch):
    embedded = watch(monkeypatch, skweight._opinion_pool, "frozen_features")
    clf = begun(tiny_encoder, max_length=16)
    with _engine.Checkpoints(tmp_path, 100).active():
        read = [clf._read_by_experts(text_data(clf, pairs=False)) for _ in range(2)]
    assert len(embedded) == 2
    for kind in ("synthetic", "real"):
        assert_array_equal(read[0][kind].X, read[1][kind].X)
    assert [path.name.rpartition("-")[0] for path in tmp_path.iterdir()] == ["frozen-features"] * 2


def test_the_encoder_of_frozen_experts_is_on_the_device_of_the_training(tiny_encoder):
    clf = OpinionPoolClassifier(tiny_encoder)
    assert clf._load_frozen().device.type == _engine.resolve_device("auto").type
    assert clf.set_params(device="meta")._load_frozen().device.type == "meta"


# -- what they are fitted on ------------------------------------------------------------------------------------------


@pytest.fixture
def read():
    """Twelve synthetic and nine real rows of three classes, weighted by the user."""
    rng = np.random.RandomState(0)

    def rows(n):
        y = np.arange(n) % 3
        return encoded(rng.randn(n, 2) + np.eye(3)[y, :2], y, weight=np.linspace(0.5, 1.5, n))

    return {"synthetic": rows(12), "real": rows(9)}


def test_weights_of_real_rows_are_multiplied_by_their_share_for_an_expert_on_both_kinds(read):
    """Real rows weigh half of what the synthetic ones do together, each by its own weight."""
    clf, some = OpinionPoolClassifier(real_weight=0.5), read["real"].take([1, 2, 5])
    both = clf._choose("both", read, some)
    assert_array_equal(both.X, np.concatenate([read["synthetic"].X, some.X]))
    assert_array_equal(both.y, np.concatenate([read["synthetic"].y, [1, 2, 2]]))
    # Three real rows of mean weight 1 would weigh 0.5 * 12 / 3 = 2 each.
    assert_allclose(both.sample_weight, [*np.linspace(0.5, 1.5, 12), *(2 * np.linspace(0.5, 1.5, 9)[[1, 2, 5]])])
    assert clf._choose("real", read, some) is some
    assert clf._choose("synthetic", read, some) is read["synthetic"]


# -- what they are asked about ----------------------------------------------------------------------------------------


def ask(clf, read, expert, rows, name="mine", seed=3):
    return clf._ask_expert(name, expert, rows, read, seed, FOLD_SEED)


class Recorded(LogisticRegression):
    """Notes what it is fitted on, and its seed."""

    fits = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append((X, sample_weight, self.random_state))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("rows", ["real", "both"])
def test_an_expert_that_knows_real_rows_is_asked_about_others_than_those(rows, read):
    clf, real = begun(real_weight=0.5), read["real"]
    Recorded.fits.clear()
    opinion = ask(clf, read, Recorded(), rows)
    splits = folds(real.target, 3, FOLD_SEED)
    seen = [real.take(train) for train, _ in splits]
    for (X, weight, _), own in zip(Recorded.fits, [real, *seen], strict=True):
        chosen = clf._choose(rows, read, own)
        assert_array_equal(X, chosen.X)
        assert_array_equal(weight, chosen.sample_weight)
    assert {seed for _, _, seed in Recorded.fits} == {np.random.RandomState(3).randint(2**31 - 1)}
    whole = clf._choose(rows, read, real)
    expected = LogisticRegression().fit(whole.X, whole.y, whole.sample_weight)
    assert_allclose(opinion.expert.coef_, expected.coef_)
    assert_allclose(opinion.synthetic, expected.predict_proba(read["synthetic"].X))
    assert opinion.real.dtype == np.float64
    for own, (_, test) in zip(seen, splits, strict=True):
        chosen = clf._choose(rows, read, own)
        copy = LogisticRegression().fit(chosen.X, chosen.y, chosen.sample_weight)
        assert_allclose(opinion.real[test], copy.predict_proba(real.X[test]))


def test_cross_fitting_is_that_of_cross_fit_proba(read):
    read = {kind: replace(rows, sample_weight=None) for kind, rows in read.items()}
    real = read["real"]
    expected = cross_fit_proba(LogisticRegression(), real.X, real.y, cv=3, random_state=FOLD_SEED)
    assert_allclose(ask(begun(), read, LogisticRegression(), "real").real, expected)


def test_an_expert_on_synthetic_rows_is_fitted_once_and_asked_about_all_rows(read):
    Recorded.fits.clear()
    opinion = ask(begun(), read, Recorded(), "synthetic")
    assert len(Recorded.fits) == 1
    assert_array_equal(Recorded.fits[0][0], read["synthetic"].X)
    assert not isinstance(opinion.expert, FrozenEstimator)
    assert_allclose(opinion.synthetic, opinion.expert.predict_proba(read["synthetic"].X))
    assert_allclose(opinion.real, opinion.expert.predict_proba(read["real"].X))


@pytest.mark.parametrize("rows", ["real", "synthetic", "both"])
def test_a_frozen_estimator_is_asked_about_all_rows_as_it_is(rows, read):
    fitted = LogisticRegression().fit(read["real"].X, read["real"].y)
    expert = FrozenEstimator(fitted)
    opinion = ask(begun(), read, expert, rows)
    assert opinion.expert is expert
    assert_allclose(opinion.synthetic, fitted.predict_proba(read["synthetic"].X))
    assert_allclose(opinion.real, fitted.predict_proba(read["real"].X))


@pytest.mark.parametrize("rows", ["real", "synthetic"])
def test_a_fitted_classifier_of_this_package_reads_what_was_encoded(rows, numeric_classifier):
    def encoded_only(n):
        given = encoded(np.random.RandomState(n).randn(n, 3), np.arange(n) % 2 == 0)
        return replace(given, X="not to be read")

    read = {"synthetic": encoded_only(6), "real": encoded_only(4)}
    opinion = ask(begun(), read, FrozenEstimator(numeric_classifier), rows)
    for kind in ("synthetic", "real"):
        expected = numeric_classifier.predict_proba(read[kind].tokens.values)
        assert_allclose(getattr(opinion, kind), expected, rtol=1e-6)


@pytest.mark.parametrize("rows", ["real", "synthetic"])
def test_a_class_that_a_frozen_estimator_does_not_know_has_no_probability(rows, read):
    expert = UniformChecker().fit(read["real"].X, np.where(read["real"].y == 2, 0, read["real"].y))
    opinion = ask(begun(), read, FrozenEstimator(expert), rows)
    assert opinion.real.tolist() == [[0.5, 0.5, 0.0]] * 9
    assert opinion.synthetic.tolist() == [[0.5, 0.5, 0.0]] * 12


def test_a_class_that_a_copy_has_not_seen_has_no_probability_there(read):
    """Of class 0 there is one real row. The copy that is asked about it knows the two other classes alone."""
    real = encoded(read["real"].X, [1, 0, 1, 2, 1, 2, 1, 2, 1])
    opinion = ask(begun(), {**read, "real": real}, UniformChecker(), "real")
    fold = next(test for _, test in folds(real.target, 3, FOLD_SEED) if 1 in test)
    expected = np.full((9, 3), 1 / 3)
    expected[fold] = [0, 0.5, 0.5]
    assert_allclose(opinion.real, expected)


@pytest.mark.parametrize("single", range(9))
def test_a_copy_that_has_seen_one_class_is_certain_of_it(single, read):
    """All real rows but one are of class 2; the copy that is asked about that row knows of no other class."""
    synthetic, real = read["synthetic"], encoded(read["real"].X, np.where(np.arange(9) == single, 1, 2), [0, 1, 2])
    opinion = ask(begun(), {"synthetic": synthetic, "real": real}, UniformChecker(), "real")
    fold = next(test for _, test in folds(real.target, 3, FOLD_SEED) if single in test)
    expected = np.tile([0, 0.5, 0.5], (9, 1))
    expected[fold] = [0, 0, 1]
    assert_allclose(opinion.real, expected)


def test_two_real_rows_of_two_classes_are_enough_for_an_expert(read):
    real = encoded(read["real"].X[:2], [1, 2], [0, 1, 2])
    opinion = ask(begun(), {**read, "real": real}, UniformChecker(), "real")
    assert opinion.real.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert opinion.synthetic.tolist() == [[0, 0.5, 0.5]] * 12


@pytest.mark.parametrize(
    ("rows", "kind", "who"),
    [
        ("real", "synthetic", "mine expert"),
        ("synthetic", "real", "mine expert"),
        ("real", "real", "mine expert, fold {}"),
    ],
)
def test_an_answer_that_is_no_probability_is_refused_under_the_name_of_the_expert(rows, kind, who):
    def proba(n, wrong):
        X = np.full((n, 2), 0.5)
        X[4] = 9 if wrong else 0.5
        return encoded(X, np.arange(n) % 2, index=100 + np.arange(n))

    read = {name: proba(9, name == kind) for name in ("synthetic", "real")}
    fold = [4 in test for _, test in folds(read["real"].target, 3, FOLD_SEED)].index(True)
    message = rf"^predict_proba of {who.format(fold + 1)} \(Reads\) returned \[9\.0, 9\.0\] for row 104, "
    with pytest.raises(ValueError, match=message):
        ask(begun(), read, Reads([0, 1]), rows)
