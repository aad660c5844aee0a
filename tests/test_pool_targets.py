"""What an opinion pool teaches its student: targets and weights of synthetic and real rows; and what it keeps of it."""

import math
import re

import numpy as np
import pytest
from helpers import QUICK, Reads, UniformChecker, encoded, fit_data, make_rows, watch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skweight import OpinionPool, OpinionPoolClassifier, _engine
from skweight._base import Weighting
from skweight._pools import folds
from skweight._teachers import choose_teacher
from skweight.exceptions import SkweightWarning
from skweight.model_selection import stack_real

WITHOUT_REAL = pytest.mark.filterwarnings("ignore:SKW021")


def reads(*names):
    """Fitted experts of those names: each reads its probabilities of three classes in the rows."""
    return [(name, FrozenEstimator(Reads([0, 1, 2])), "synthetic") for name in names]


def begun(experts, **params):
    clf = OpinionPoolClassifier("passthrough", experts=experts, **{"random_state": 0, "cv": 2, **params})
    clf._begin()
    return clf


def weigh(clf, data, seed=7):
    return clf._weight_rows(data, np.random.RandomState(seed))


# -- by hand ----------------------------------------------------------------------------------------------------------

# Rows that every expert finds as likely of one class as of another; the weights have mean 1.
UNIFORM_DATA = fit_data(
    encoded(np.zeros((4, 1)), [0, 1, 2, 0], weight=[0.5, 1.5, 1.0, 1.0], index=[0, 1, 3, 4]),
    encoded(np.zeros((4, 1)), [0, 0, 2, 2], [0, 1, 2], weight=[1.0, 0.4, 0.8, 1.8]),
    n_rows=5,
)
UNIFORM = [("one", UniformChecker(), "real"), ("other", UniformChecker(), "real")]


@WITHOUT_REAL
def test_targets_are_what_the_teacher_says_or_the_label_where_it_knows_nothing_and_half_of_it_on_real_rows():
    """Of class 1 there are no real rows. Without a prior a pool of such experts says what each of them says."""
    weighting = weigh(begun(UNIFORM, missing_real="warn", prior=None), UNIFORM_DATA)
    assert weighting.columns.keys() == weighting.real_columns.keys() == {"sample_weight", "target_proba"}
    target, real_target = (kind["target_proba"] for kind in (weighting.columns, weighting.real_columns))
    assert_allclose(target, [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5], [0.5, 0, 0.5]])
    assert_allclose(real_target, [[0.75, 0, 0.25]] * 2 + [[0.25, 0, 0.75]] * 2)


@WITHOUT_REAL
@pytest.mark.parametrize(
    ("prior", "weights"),
    [
        # A quarter of the four synthetic rows is 1, for four real rows: 0.25 each, times its own weight.
        ("real", [0.25, 0.1, 0.2, 0.45]),
        (None, [0.25, 0.1, 0.2, 0.45]),
        # Half of it is for either class, and rows of a class share it by their weights, 1.4 and 2.6 together.
        ("balanced", [0.5 / 1.4, 0.2 / 1.4, 0.4 / 2.6, 0.9 / 2.6]),
    ],
)
def test_real_rows_weigh_a_share_of_the_synthetic_ones(prior, weights):
    weighting = weigh(begun(UNIFORM, missing_real="warn", prior=prior), UNIFORM_DATA)
    assert_array_equal(weighting.columns["sample_weight"], [0.5, 1.5, 1.0, 1.0])
    assert_allclose(weighting.real_columns["sample_weight"], weights)


@WITHOUT_REAL
def test_what_is_learnt_of_them():
    learnt = weigh(begun(UNIFORM, missing_real="warn", prior=None), UNIFORM_DATA).learnt
    assert learnt.keys() == {
        "experts_",
        "teacher_",
        "coef_",
        "intercept_",
        "oof_proba_",
        "scores_",
        "verdict_",
        "target_proba_",
        "sample_weight_",
    }
    assert [(name, type(expert)) for name, expert in learnt["experts_"].items()] == [
        ("one", UniformChecker),
        ("other", UniformChecker),
    ]
    assert learnt["teacher_"] == "one"
    assert learnt["coef_"].tolist() == [1, 0]
    assert_array_equal(learnt["intercept_"], [0, np.nan, 0])
    assert learnt["scores_"].keys() == {"one", "other", "pool"}
    assert learnt["scores_"]["one"]["log_loss"] == pytest.approx(math.log(2))
    # The third of five rows was dropped.
    target = [[0.5, 0, 0.5], [0, 1, 0], [np.nan] * 3, [0.5, 0, 0.5], [0.5, 0, 0.5]]
    assert_allclose(learnt["target_proba_"], target)
    assert_allclose(learnt["sample_weight_"], [0.25, 1.5, 0, 0.5, 0.5])


# -- from the parts ---------------------------------------------------------------------------------------------------


@pytest.fixture
def data():
    """Rows that hold probabilities of three classes, of which real rows know the first and the last alone."""
    rng = np.random.RandomState(0)

    def rows(n, classes):
        proba = rng.dirichlet(np.ones(3), n).astype(np.float32)
        return encoded(proba, np.array(classes)[np.arange(n) % len(classes)], [0, 1, 2], weight=rng.rand(n) * 2)

    return fit_data(rows(12, [0, 1, 2]), rows(10, [0, 2]))


@WITHOUT_REAL
@pytest.mark.parametrize("prior", ["real", "balanced", None])
def test_the_teacher_is_chosen_on_real_rows_and_classes_that_they_hold(prior, data):
    experts = [*reads("reader"), ("learner", LogisticRegression(), "real")]
    clf = begun(experts, missing_real="warn", prior=prior, real_weight=0.5)
    weighting = weigh(clf, data)
    fold_seed, *_ = clf._checker_seeds(np.random.RandomState(7), 3)
    oof, known = weighting.learnt["oof_proba_"], [0, 2]
    assert_allclose(oof[0], data.real.X)
    teacher, pool, on_real, scores = choose_teacher(
        OpinionPool(prior),
        {"reader": oof[0][:, known], "learner": oof[1][:, known]},
        np.where(data.real.y == 0, 0, 1),
        data.real.sample_weight,
        folds(data.real.y, 2, fold_seed),
    )
    assert (weighting.learnt["teacher_"], weighting.learnt["scores_"]) == (teacher, scores)
    assert_allclose(weighting.learnt["coef_"], pool.coef_)
    assert_allclose(weighting.learnt["intercept_"][known], pool.intercept_)
    experts, synthetic = weighting.learnt["experts_"], data.synthetic
    about = [synthetic.X[:, known], experts["learner"].predict_proba(synthetic.X)]
    unlabelled = synthetic.y != 1
    target = weighting.columns["target_proba"][unlabelled]
    assert_allclose(target[:, known], pool.predict_proba(about)[unlabelled])
    assert (target[:, 1] == 0).all()
    expected = np.eye(3)[data.real.y] / 2
    expected[:, known] += on_real / 2
    assert_allclose(weighting.real_columns["target_proba"], expected)


def test_two_fits_with_one_seed_are_the_same_and_with_another_seed_other_rows_share_a_fold(data):
    experts = [("learner", LogisticRegression(), "real")]
    data = fit_data(data.synthetic, encoded(data.real.X, np.arange(10) % 3))
    one, same, other = (weigh(begun(experts), data, seed).learnt for seed in (0, 0, 1))
    assert_array_equal(one["oof_proba_"], same["oof_proba_"])
    assert one["scores_"] == same["scores_"]
    assert one["experts_"]["learner"].random_state == same["experts_"]["learner"].random_state
    assert not np.array_equal(one["oof_proba_"], other["oof_proba_"])


def test_each_expert_has_a_seed_of_its_own(data):
    data = fit_data(data.synthetic, encoded(data.real.X, np.arange(10) % 3))
    clf = begun([("one", LogisticRegression(), "real"), ("other", LogisticRegression(), "synthetic")])
    seeds = clf._checker_seeds(np.random.RandomState(7), 3)
    drawn = [np.random.RandomState(seed).randint(2**31 - 1) for seed in seeds[1:]]
    assert [expert.random_state for expert in weigh(clf, data).learnt["experts_"].values()] == drawn


def test_a_class_that_an_expert_does_not_know_is_taught_by_the_others(data):
    """A fitted expert knows two of three classes: what the real rows say of the third counts all the same."""
    real = encoded(np.eye(3)[np.arange(12) % 3], np.arange(12) % 3)
    synthetic = encoded(np.eye(3)[np.arange(6) % 3], np.arange(6) % 3)
    for unknown in range(3):
        known = np.delete(np.arange(3), unknown)
        narrow = FrozenEstimator(UniformChecker().fit(None, known))
        learnt = weigh(begun([("narrow", narrow, "synthetic"), *reads("reader")]), fit_data(synthetic, real)).learnt
        assert (learnt["oof_proba_"][0] == np.where(np.arange(3) == unknown, 0, 0.5)).all()
        assert (learnt["target_proba_"].argmax(axis=1) == synthetic.y).all()
        assert np.isfinite(learnt["intercept_"]).all()


# -- refused ----------------------------------------------------------------------------------------------------------


def test_a_class_without_real_rows_is_refused_by_default():
    message = (
        "the real data has no rows of [1], so nothing is known about the quality of their synthetic rows. Add real "
        "rows of every class, or pass missing_real='warn': those rows then keep their labels."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        weigh(begun(UNIFORM), UNIFORM_DATA)


def test_without_real_rows_there_is_no_pool():
    message = "OpinionPoolClassifier.fit needs real data: pass real_X and real_y, or is_real."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        OpinionPoolClassifier("passthrough").fit(np.eye(4), [0, 1, 0, 1])


# -- training ---------------------------------------------------------------------------------------------------------


def test_the_student_starts_from_a_last_layer_that_was_fitted_with_the_fits_seed_and_precision(monkeypatch):
    fitted, trained = watch(monkeypatch, _engine, "fit_last_layer"), watch(monkeypatch, _engine, "train")
    rows = make_rows(n_synthetic=20, n_real=10)
    clf = OpinionPoolClassifier("passthrough", experts=UNIFORM, max_epochs=1, random_state=0, precision="bf16")
    clf.fit(rows.synth_X, rows.synth_y, real_X=rows.real_X, real_y=rows.real_y)
    (layer,), (training,) = fitted, trained
    assert layer.precision == "bf16"
    assert layer.seed == training.seed == np.random.RandomState(0).randint(2**31 - 1, size=4)[0]
    assert len(layer.rows) == len(training.data) == 30
    assert training.title == "OpinionPoolClassifier"
    assert layer.module is training.module is clf.module_


def not_learnt(loss, **params):
    """Compare a last epoch's loss with the least there can be, of two synthetic rows and a real one."""
    clf = OpinionPoolClassifier(**params)
    clf.history_ = [{"train_loss": 90.0}, {"train_loss": 80.0}, {"train_loss": loss}]
    synthetic = {"sample_weight": np.array([1.0, 3.0]), "target_proba": np.array([[0.5, 0.5], [1.0, 0.0]])}
    real = {"sample_weight": np.array([5.0 * clf.real_weight]), "target_proba": np.array([[0.25, 0.75]])}
    clf._warn_if_not_learnt(Weighting(synthetic, {}, real))


@pytest.mark.parametrize(
    ("params", "mean", "least"),
    [
        # (1 * log 2 + 2 * (log 4 - 0.75 log 3)) / 6; the weights 1, 3 and 5 * 0.4 = 2 have mean 2
        ({"real_weight": 0.4}, 2.0, 0.302969),
        # log(2) / 4
        ({"real_weight": 0.0}, 2.0, 0.173287),
    ],
    ids=["real rows", "synthetic rows alone"],
)
def test_a_student_is_reported_if_its_loss_is_one_and_a_half_nats_above_the_least(params, mean, least):
    message = (
        "SKW044: the student has not learnt what the pool says: its loss is 1.6 nats above the least there can be. "
        "Train longer (max_epochs, lr), or predict with the pool itself (student=False)."
    )
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}$"):
        not_learnt(mean * (least + 1.56), **params)
    not_learnt(mean * (least + 1.49), **params)  # a warning would be an error


# -- fitted -----------------------------------------------------------------------------------------------------------


def test_real_rows_that_are_marked_have_no_targets_and_no_weight():
    rows = make_rows(n_synthetic=20, n_real=10)
    X, y, is_real = stack_real(rows.synth_X, rows.synth_y, rows.real_X, rows.real_y)
    for student in (True, False):
        clf = OpinionPoolClassifier("passthrough", experts=UNIFORM, max_epochs=1, random_state=0, student=student)
        clf.fit(X, y, is_real=is_real)
        assert_array_equal(clf.sample_weight_, np.where(is_real, 0.0, 0.5))
        assert_array_equal(clf.target_proba_, np.where(is_real[:, None], [np.nan] * 2, [0.5] * 2))
        assert len(clf.history_) == student


# -- predicting -----------------------------------------------------------------------------------------------------


def fit_pairs(encoder, toy, **params):
    """A pool of pairs of texts, and the synthetic pairs that it was fitted on."""
    X, real_X = ([(text, "a film") for text in toy[name]] for name in ("X", "real_X"))
    clf = OpinionPoolClassifier(encoder, **{**QUICK, "max_epochs": 1, "cv": 2, **params})
    return clf.fit(X, toy["y"], real_X=real_X, real_y=toy["real_y"]), X


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_a_student_pairs_are_read_as_they_were_in_fit(precision, tiny_encoder, toy):
    clf, X = fit_pairs(tiny_encoder, toy, precision=precision, student=False)
    assert_allclose(clf.predict_proba(X), clf.target_proba_, atol=1e-6)
    assert_allclose(next(clf.predict_proba(iter([X[:5]]))), clf.target_proba_[:5], atol=1e-6)


@pytest.mark.parametrize("student", [False, True])
def test_single_texts_are_refused_by_a_pool_of_pairs(student, tiny_encoder, toy):
    clf, X = fit_pairs(tiny_encoder, toy, student=student)
    for predict in (clf.predict_proba, clf.predict_log_proba):
        for rows, name in ((toy["X"], "X"), (iter([X, toy["X"]]), "batch 1")):
            message = f"OpinionPoolClassifier was fitted on pairs of texts, but {name} holds single texts."
            with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
                list(predict(rows))


@pytest.mark.parametrize("student", [False, True])
def test_logarithms_of_probabilities_are_those_of_predict_proba(student):
    rows = make_rows(n_synthetic=20, n_real=10)
    experts = [("one", LogisticRegression(), "synthetic")]
    clf = OpinionPoolClassifier("passthrough", experts=experts, max_epochs=1, random_state=0, student=student)
    clf.fit(rows.synth_X, rows.synth_y, real_X=rows.real_X, real_y=rows.real_y)
    assert_allclose(clf.predict_log_proba(rows.test_X), np.log(clf.predict_proba(rows.test_X)))


def fitted_pool(**learnt):
    """A pool of two experts without a student, and rows that hold what those say."""
    clf = OpinionPoolClassifier("passthrough", student=False)
    first, second = Reads([0, 1, 2]), UniformChecker().fit(None, [0, 2])
    experts = {"first": first, "second": second}
    vars(clf).update(classes_=np.array([0, 1, 2]), experts_=experts, history_=[], module_=None, n_features_in_=3)
    vars(clf).update(learnt)
    return clf


def test_without_a_student_the_experts_are_asked_and_pooled():
    """0.2 ** 2 * 1.5 : 0.4 ** 2 * 0.5 = 0.06 : 0.08 of the two classes that are known; of an even expert no exponent
    makes a difference."""
    clf = fitted_pool(coef_=np.array([2.0, 0.7]), intercept_=np.array([math.log(1.5), np.nan, math.log(0.5)]))
    X = [[0.2, 0.4, 0.4], [0.4, 0.2, 0.4]]
    proba = [[3 / 7, 0, 4 / 7], [3 / 4, 0, 1 / 4]]
    assert_allclose(clf.predict_proba(X), proba, rtol=1e-6)
    log_proba = clf.predict_log_proba(X)
    assert_allclose(log_proba[:, [0, 2]], np.log(np.array(proba)[:, [0, 2]]), rtol=1e-6)
    assert_allclose(log_proba[:, 1], math.log(np.finfo(np.float64).tiny))


def test_without_a_student_an_expert_may_be_a_classifier_of_this_package(numeric_classifier):
    clf = fitted_pool(
        classes_=np.array([False, True]),
        experts_={"one": numeric_classifier},
        coef_=np.ones(1),
        intercept_=np.zeros(2),
    )
    X = np.random.RandomState(0).randn(5, 3)
    assert_allclose(clf.predict_proba(X), numeric_classifier.predict_proba(X), rtol=1e-6)


def test_without_a_student_an_expert_gives_a_class_that_it_does_not_know_no_probability():
    """No more than the floor of a pool, 1e-4: 0.2 * 0.5 : 0.4 * 1e-4 : 0.4 * 0.5."""
    clf = fitted_pool(coef_=np.ones(2), intercept_=np.zeros(3))
    expected = np.array([0.1, 0.00004, 0.2])
    assert_allclose(clf.predict_proba([[0.2, 0.4, 0.4]]), [expected / expected.sum()], rtol=1e-6)
