"""OpinionPoolClassifier: who teaches, what is taught, and what no expert may have seen."""

import pickle
import re

import numpy as np
import pytest
from helpers import CountedRegression, UniformChecker, fit, make_rows, passthrough, quick, tfidf
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_validate
from skorch.callbacks import Callback

from skweight import OpinionPool, OpinionPoolClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning
from skweight.model_selection import RealKFold

EXACT = {"batch_size": 1000, "max_epochs": 1}


class Memory(ClassifierMixin, BaseEstimator):
    """Gives probability 1 to the labels of rows that it has seen, and knows nothing of others."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen_ = {str(row): label for row, label in zip(X, y, strict=True)}
        return self

    def predict_proba(self, X):
        uniform = np.full(len(self.classes_), 1 / len(self.classes_))
        return np.array([(self.classes_ == self.seen_[str(x)]) if str(x) in self.seen_ else uniform for x in X])


def pool_of(*experts, **params):
    """Classifier of numbers with the experts, each a pair of a classifier and its rows."""
    named = [(f"expert {i}", expert, rows) for i, (expert, rows) in enumerate(experts)]
    return OpinionPoolClassifier("passthrough", experts=named, max_epochs=1, random_state=0, precision="fp32", **params)


@pytest.fixture
def rows():
    return make_rows(n_synthetic=120, n_real=40)


def fit_rows(clf, rows, **kwargs):
    return clf.fit(rows.synth_X, rows.synth_y, real_X=rows.real_X, real_y=rows.real_y, **kwargs)


# -- leaks ------------------------------------------------------------------------------------------------------------


def test_no_expert_is_asked_about_a_real_row_that_it_has_seen(rows):
    clf = fit_rows(pool_of((Memory(), "real"), (Memory(), "synthetic"), (Memory(), "both"), cv=4), rows)
    assert (clf.oof_proba_ == 0.5).all()
    # The expert in use has seen them all, as it is asked about synthetic rows only.
    assert clf.experts_["expert 0"].predict_proba(np.float32(rows.real_X)).max(axis=1).min() == 1


def test_in_a_search_no_expert_has_seen_the_rows_that_are_scored(rows, monkeypatch):
    scored = []

    class Watched(Memory):
        def fit(self, X, y):
            scored.append({str(row) for row in np.asarray(X)})
            return super().fit(X, y)

    clf = pool_of((Watched(), "real"), (Watched(), "synthetic"), cv=2)
    X, y = np.concatenate([rows.synth_X, rows.real_X]).astype(np.float32), np.r_[rows.synth_y, rows.real_y]
    is_real = np.arange(len(X)) >= len(rows.synth_X)
    splits = list(RealKFold(2, is_real=is_real).split(X, y))
    cross_validate(clf, X, y, cv=splits, params={"is_real": is_real}, error_score="raise")
    assert len(scored) == 2 * 4  # of each of two folds: the real expert, two copies of it, the synthetic one
    for seen, (_, test) in zip(np.split(np.array(scored, dtype=object), 2), splits, strict=True):
        assert not set.union(*seen) & {str(row) for row in X[test]}


def test_an_expert_on_both_kinds_of_rows_weights_the_real_ones_by_their_share(rows):
    class Weights(LogisticRegression):
        totals = []

        def fit(self, X, y, sample_weight=None):
            self.totals.append((sample_weight[:120].sum(), sample_weight[120:].sum(), len(y)))
            return super().fit(X, y, sample_weight)

    fit_rows(pool_of((Weights(), "both"), cv=4, real_weight=0.5), rows)
    sizes = sorted(n for _, _, n in Weights.totals)
    assert sizes == [150] * 4 + [160]
    assert_allclose([real / synthetic for synthetic, real, _ in Weights.totals], 0.5)


# -- who teaches ------------------------------------------------------------------------------------------------------


def test_coefficients_are_those_of_a_pool_fitted_on_the_cross_fitted_rows(rows):
    clf = fit_rows(pool_of((LogisticRegression(), "real"), (LogisticRegression(), "synthetic")), rows)
    codes = np.searchsorted(clf.classes_, rows.real_y)
    pool = OpinionPool().fit(clf.oof_proba_, codes)
    assert clf.teacher_ == "pool"
    assert_allclose(clf.coef_, pool.coef_)
    assert_allclose(clf.intercept_, pool.intercept_)
    about_synthetic = [clf.experts_[name].predict_proba(np.float32(rows.synth_X)) for name in clf.experts_]
    assert_allclose(clf.target_proba_, pool.predict_proba(about_synthetic), atol=1e-6)


def test_what_a_label_is_worth_is_its_probability_in_the_pool(rows):
    clf = fit_rows(pool_of((LogisticRegression(), "real"), (LogisticRegression(), "synthetic")), rows)
    own = np.searchsorted(clf.classes_, rows.synth_y)
    assert_allclose(clf.sample_weight_, clf.target_proba_[np.arange(len(own)), own])


def test_the_best_expert_teaches_where_the_pool_is_no_better(rows):
    """A pool of one expert that needs no scaling, or of useless ones, can only be worse than that expert."""
    clf = fit_rows(pool_of((UniformChecker(), "real"), (UniformChecker(), "synthetic")), rows)
    assert clf.teacher_ == "expert 0"
    assert clf.coef_.tolist() == [1, 0]
    assert_allclose(clf.target_proba_, 0.5)
    assert clf.scores_["expert 0"]["log_loss"] <= clf.scores_["pool"]["log_loss"]


def test_scores_are_those_of_the_cross_fitted_rows(rows):
    clf = fit_rows(pool_of((LogisticRegression(), "real"), (UniformChecker(), "synthetic")), rows)
    own = np.searchsorted(clf.classes_, rows.real_y)
    hits = clf.oof_proba_[0].argmax(axis=1) == own
    score = clf.scores_["expert 0"]
    assert score["accuracy"] == pytest.approx(hits.mean())
    assert score["accuracy_se"] == pytest.approx(np.sqrt(hits.mean() * (1 - hits.mean()) / 40))
    assert score["log_loss"] == pytest.approx(-np.log(clf.oof_proba_[0][np.arange(40), own]).mean())
    assert clf.scores_["expert 1"]["log_loss"] == pytest.approx(np.log(2))
    assert score["macro_f1"] == pytest.approx(f1_score(own, clf.oof_proba_[0].argmax(axis=1), average="macro"))
    rng = np.random.RandomState(1)
    samples = [rng.randint(40, size=40) for _ in range(400)]
    f1 = [f1_score(own[i], clf.oof_proba_[0].argmax(axis=1)[i], average="macro") for i in samples]
    assert score["macro_f1_se"] == pytest.approx(np.std(f1), rel=0.2)
    assert set(clf.scores_) == {"expert 0", "expert 1", "pool"}


def test_prior_reaches_the_pool(rows):
    experts = (LogisticRegression(), "real"), (LogisticRegression(), "synthetic")
    assert fit_rows(pool_of(*experts, prior="real"), rows).intercept_.any()
    assert not fit_rows(pool_of(*experts, prior=None), rows).intercept_.any()


# -- without a student -------------------------------------------------------------------------------------------------


def test_without_a_student_the_pool_itself_predicts(rows):
    clf = fit_rows(pool_of((LogisticRegression(), "real"), (LogisticRegression(), "synthetic"), student=False), rows)
    X = np.float32(rows.real_X)
    opinions = [expert.predict_proba(X) for expert in clf.experts_.values()]
    pool = OpinionPool().fit(clf.oof_proba_, np.searchsorted(clf.classes_, rows.real_y))
    assert_allclose(clf.predict_proba(rows.real_X), pool.predict_proba(opinions))
    assert clf.history_ == []
    in_batches = np.concatenate(list(clf.predict_proba(X[i : i + 15] for i in range(0, len(X), 15))))
    assert_allclose(in_batches, clf.predict_proba(rows.real_X))


def test_without_a_student_the_teacher_is_the_same(rows):
    experts = (LogisticRegression(), "real"), (LogisticRegression(), "synthetic")
    taught, alone = (fit_rows(pool_of(*experts, student=student), rows) for student in (True, False))
    assert_allclose(alone.target_proba_, taught.target_proba_)
    # Whatever the parameter is set to afterwards, what was fitted predicts.
    for clf in (taught, alone):
        before = clf.predict_proba(rows.real_X)
        assert_allclose(clf.set_params(student=not clf.student).predict_proba(rows.real_X), before)
    assert_allclose(alone.sample_weight_, taught.sample_weight_)


@pytest.mark.parametrize("experts", ["frozen", tfidf()], ids=["frozen", "pipeline"])
def test_without_a_student_texts_are_predicted_as_the_experts_read_them(tiny_encoder, toy, experts):
    clf = fit(quick(OpinionPoolClassifier, tiny_encoder, experts=experts, cv=3, student=False), toy)
    # What the pool says of a row does not depend on whether it is asked in fit or later.
    for model in (clf, pickle.loads(pickle.dumps(clf))):
        assert_allclose(model.predict_proba(toy["X"]), clf.target_proba_, atol=1e-5)
        assert [len(proba) for proba in model.predict_proba(iter([toy["X"][:3], []]))] == [3, 0]
    with pytest.raises(ValueError, match=r"^OpinionPoolClassifier was fitted on single texts"):
        clf.predict_proba([("one", "other")])


def test_without_a_student_a_class_without_real_rows_has_no_probability(rows):
    rows.synth_y = np.where(np.arange(120) % 5 == 0, "sideways", rows.synth_y)
    experts = (LogisticRegression(), "real"), (LogisticRegression(), "both")
    with pytest.warns(SkweightWarning, match="SKW021"):
        clf = fit_rows(pool_of(*experts, student=False, missing_real="warn"), rows)
    proba = clf.predict_proba(rows.real_X)
    assert (proba[:, 1] == 0).all()
    assert_allclose(proba.sum(axis=1), 1)
    assert np.isfinite(clf.predict_log_proba(rows.real_X)).all()


def test_without_a_student_there_is_nothing_to_save_or_to_stop(rows, tmp_path):
    experts = (LogisticRegression(), "real"), (LogisticRegression(), "synthetic")
    message = "early_stopping=True needs student=True: without a student no epochs are trained."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit_rows(pool_of(*experts, student=False, early_stopping=True), rows)
    message = (
        "student=False leaves no model that a Hugging Face folder could hold: the experts predict. Pickle the "
        "classifier, or fit it with student=True."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit_rows(pool_of(*experts, student=False), rows).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# -- the student ------------------------------------------------------------------------------------------------------


def test_real_rows_weigh_a_share_of_all_synthetic_rows_together(rows):
    is_real = np.repeat([False, True], [120, 40])
    X, y = np.concatenate([rows.synth_X, rows.real_X]), np.r_[rows.synth_y, rows.real_y]
    clf = pool_of((UniformChecker(), "real"), (UniformChecker(), "synthetic"), real_weight=0.5)
    clf.fit(X, y, is_real=is_real)
    # 120 rows of weight 1, and 40 of 0.5 * 120 / 40 = 1.5: the mean is 1.125, the largest 1.5.
    assert clf.history_[0]["weight_mean"] == pytest.approx(180 / 160)
    assert clf.history_[0]["weight_max"] == pytest.approx(1.5)
    assert (clf.sample_weight_[is_real] == 0).all()


def test_half_of_the_target_of_a_real_row_is_what_an_expert_says_that_has_not_seen_it(rows):
    targets = []

    class Spy(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            targets.extend(batch.columns["target_proba"][batch.columns["is_real"]].tolist())

    # Of rows that it has seen, Memory is certain; of all others it knows nothing, and so does the pool.
    fit_rows(pool_of((Memory(), "real"), (Memory(), "both"), callbacks=[Spy()]), rows)
    assert len(targets) == 40
    assert_allclose(np.sort(targets), [[0.25, 0.75]] * 40, atol=1e-6)


def test_with_a_balanced_prior_all_classes_of_the_real_rows_weigh_the_same(rows):
    rows.real_y = np.array(["up"] * 8 + ["down"] * 32)
    experts = (UniformChecker(), "real"), (UniformChecker(), "synthetic")
    clf = fit_rows(pool_of(*experts, real_weight=0.5, prior="balanced"), rows)
    # 40 rows weigh 60 together, 30 of it are for the 8 rows of "up": 3.75 each.
    assert clf.history_[0]["weight_max"] == pytest.approx(3.75)


def test_with_a_balanced_prior_an_expert_that_knows_one_class_does_not_teach(rows):
    """Its log-loss is the best where nearly all rows are of that class, unless all classes count the same."""

    class Down(UniformChecker):
        def predict_proba(self, X):
            return np.tile([0.95, 0.05], (len(X), 1))

    rows.real_y = np.array(["up"] * 2 + ["down"] * 38)
    clf = fit_rows(pool_of((Down(), "synthetic"), (UniformChecker(), "synthetic"), prior="balanced"), rows)
    assert clf.scores_["expert 0"]["log_loss"] < clf.scores_["pool"]["log_loss"]
    assert clf.teacher_ != "expert 0"


def test_the_student_learns_what_the_pool_says_and_not_the_labels(rows):
    """Its experts know the real rows only, and the synthetic labels are turned round."""
    wrong = np.where(rows.synth_y == "up", "down", "up")
    clf = passthrough(OpinionPoolClassifier, experts=[("real", LogisticRegression(), "real")], max_epochs=20)
    clf.fit(rows.synth_X, wrong, real_X=rows.real_X, real_y=rows.real_y)
    plain = passthrough(CrossEntropyClassifier, max_epochs=20).fit(rows.synth_X, wrong)
    assert clf.score(rows.test_X, rows.test_y) > 0.5 + (0.5 - plain.score(rows.test_X, rows.test_y)) / 2


def test_a_student_that_has_not_learnt_what_the_pool_says_is_reported():
    """Its expert reads the class from decimals that no small network makes out."""

    class Decimals(UniformChecker):
        def predict_proba(self, X):
            return np.eye(10)[decimals(X)]

    def decimals(X):
        return (X[:, 0] * 1e4).astype(int) % 10

    X = np.random.RandomState(0).rand(210, 10)
    y = decimals(X)
    settings = {"experts": [("real", Decimals(), "real")], "batch_size": 10, "random_state": 0}
    message = (
        r"^SKW044: the student has not learnt what the pool says: its loss is [12]\.\d nats above the least there can "
        r"be\. Train longer \(max_epochs, lr\), or predict with the pool itself \(student=False\)\.$"
    )
    with pytest.warns(SkweightWarning, match=message):
        OpinionPoolClassifier("passthrough", max_epochs=1, lr=1e-6, **settings).fit(
            X[:100], y[:100], real_X=X[100:], real_y=y[100:]
        )
    X[np.arange(210), y] += 20  # now it is plain to see: a warning would be an error
    settings["experts"] = [("real", LogisticRegression(), "real")]
    clf = OpinionPoolClassifier("passthrough", max_epochs=20, lr=1e-2, **settings)
    assert clf.fit(X[:100], y[:100], real_X=X[100:], real_y=y[100:]).score(X, y) == 1


def test_the_students_last_layer_is_fitted_before_it_is_trained():
    """Ten classes, each with a number of its own: a student that hardly moves knows them all the same."""
    rng = np.random.RandomState(0)
    X, y = rng.randn(210, 10), rng.randint(10, size=210)
    X[np.arange(210), y] += 20
    experts = [("real", LogisticRegression(), "real")]
    clf = OpinionPoolClassifier("passthrough", experts=experts, max_epochs=1, lr=1e-6, random_state=0)
    assert clf.fit(X[:100], y[:100], real_X=X[100:], real_y=y[100:]).score(X, y) > 0.95


# -- kinds of experts -------------------------------------------------------------------------------------------------


def test_frozen_experts_read_embeddings_of_the_encoder(tiny_encoder, toy):
    clf = fit(quick(OpinionPoolClassifier, tiny_encoder), toy)
    assert list(clf.experts_) == ["real", "synthetic", "both"]
    assert [expert.n_features_in_ for expert in clf.experts_.values()] == [2 * 32] * 3  # two layers
    assert clf.oof_proba_.shape == (3, 6, 2)


def test_finetuned_experts_are_classifiers_on_the_encoder(tiny_encoder, toy):
    clf = fit(quick(OpinionPoolClassifier, tiny_encoder, experts="finetuned", cv=2), toy)
    assert all(isinstance(expert, CrossEntropyClassifier) for expert in clf.experts_.values())
    assert [expert.max_epochs for expert in clf.experts_.values()] == [10, 2]


def test_one_classifier_makes_an_expert_of_each_kind_of_row(tiny_encoder, toy):
    clf = fit(quick(OpinionPoolClassifier, tiny_encoder, experts=tfidf()), toy)
    vocabularies = [expert[0].vocabulary_ for expert in clf.experts_.values()]
    assert ["acting" in vocabulary for vocabulary in vocabularies] == [True, False, True]
    assert ["film" in vocabulary for vocabulary in vocabularies] == [False, True, True]


def test_a_frozen_estimator_is_used_as_it_is(tiny_encoder, toy):
    checker = tfidf().fit(toy["X"], toy["y"])
    experts = [("real", tfidf(), "real"), ("gpt-4", FrozenEstimator(checker), "synthetic")]
    clf = fit(quick(OpinionPoolClassifier, tiny_encoder, experts=experts), toy)
    assert_allclose(clf.oof_proba_[1], checker.predict_proba(toy["real_X"]))


@pytest.mark.parametrize(
    "experts",
    [[], [("one", tfidf(), "real"), ("one", tfidf(), "synthetic")], [("one", tfidf(), "generated")]],
)
def test_a_list_of_experts_that_cannot_be_read_is_refused(tiny_encoder, toy, experts):
    message = (
        "experts must be a list of (name, classifier, 'real', 'synthetic' or 'both') with names that differ, got "
        f"{experts!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(quick(OpinionPoolClassifier, tiny_encoder, experts=experts), toy)


def test_an_expert_without_probabilities_is_refused(tiny_encoder, toy):
    class Mute(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            return self

    with pytest.raises(TypeError, match=r"^real expert is Mute, which has no predict_proba"):
        fit(quick(OpinionPoolClassifier, tiny_encoder, experts=Mute()), toy)


def test_with_memory_experts_are_fitted_once_for_other_options_of_training(rows, tmp_path):
    CountedRegression.count_from_zero()
    experts = (CountedRegression(), "real"), (CountedRegression(), "synthetic")
    for lr in (1e-3, 1e-2):
        fit_rows(pool_of(*experts, cv=3, lr=lr, memory=tmp_path), rows)
    assert CountedRegression.fits == 5  # one on all real rows, three on folds, one on the synthetic rows


# -- few real rows ----------------------------------------------------------------------------------------------------


def test_thirty_real_rows_are_enough_to_fit():
    rows = make_rows(n_synthetic=120, n_real=30)
    clf = fit_rows(passthrough(OpinionPoolClassifier), rows)
    assert np.isfinite(clf.target_proba_).all()


def test_a_class_with_one_real_row_is_pooled(rows):
    rows.real_y = np.array(["up"] + ["down"] * 39)
    clf = fit_rows(pool_of((LogisticRegression(), "real"), (LogisticRegression(), "synthetic")), rows)
    assert clf.oof_proba_[0, 0].tolist() == [1, 0]  # "down": the copies that were asked know no other class
    assert np.isfinite(clf.target_proba_).all()


def test_a_class_without_real_rows_is_refused_or_keeps_its_labels(rows):
    rows.synth_y = np.where(np.arange(120) % 5 == 0, "sideways", rows.synth_y)
    experts = (LogisticRegression(), "real"), (LogisticRegression(), "synthetic")
    with pytest.raises(ValueError, match=r"has no rows of \['sideways'\].*those rows then keep their labels"):
        fit_rows(pool_of(*experts), rows)
    with pytest.warns(SkweightWarning, match="24 synthetic rows keep their labels"):
        clf = fit_rows(pool_of(*experts, missing_real="warn"), rows)
    sideways = rows.synth_y == "sideways"
    assert (clf.target_proba_[sideways] == [0, 1, 0]).all()
    assert (clf.target_proba_[~sideways, 1] == 0).all()
    assert np.isnan(clf.intercept_).tolist() == [False, True, False]
