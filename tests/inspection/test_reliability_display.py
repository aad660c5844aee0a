import numpy as np
import pytest
from helpers import passthrough
from sklearn.linear_model import LogisticRegression

from skweight import OpinionPoolClassifier
from skweight.inspection import ReliabilityDisplay

# Two rows of confidence 0.6, one of them right, and four of 0.9, of which three are.
PROBA = [[0.6, 0.4], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
Y = ["a", "a", "a", "a", "b", "a"]


def test_each_bin_has_its_mean_confidence_accuracy_and_standard_error():
    frame = ReliabilityDisplay.from_probas({"checker": PROBA}, Y, n_bins=3).frame()
    first, second = frame.to_dict("records")
    assert first == pytest.approx(
        {"classifier": "checker", "confidence": 0.6, "accuracy": 0.5, "accuracy_se": np.sqrt(0.25 / 2), "rows": 2}
    )
    assert second == pytest.approx(
        {"classifier": "checker", "confidence": 0.9, "accuracy": 0.75, "accuracy_se": np.sqrt(0.1875 / 4), "rows": 4}
    )


def test_the_expected_calibration_error_is_the_mean_distance_over_the_rows(legend):
    display = ReliabilityDisplay.from_probas({"checker": PROBA}, Y, n_bins=3)
    # (2 * |0.6 - 0.5| + 4 * |0.9 - 0.75|) / 6
    assert display.expected_calibration_error == pytest.approx({"checker": 0.8 / 6})
    assert legend(display.plot().ax_) == [
        "right as often as it says",
        "checker: expected calibration error 13.3 points",
    ]


def test_each_classifier_has_a_curve_of_its_own():
    display = ReliabilityDisplay.from_probas({"one": PROBA, "two": np.flip(PROBA, axis=1)}, Y, n_bins=3)
    ax = display.plot().ax_
    diagonal, one, two = (container[0] if isinstance(container, tuple) else container for container in drawn(ax))
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert list(one.get_xdata()) == pytest.approx([0.6, 0.9])
    assert list(one.get_ydata()) == pytest.approx([0.5, 0.75])
    assert list(two.get_ydata()) == pytest.approx([0.5, 0.25])
    assert one.get_color() != two.get_color()
    assert ax.get_ylim()[0] <= 0.25 - np.sqrt(0.1875 / 4)  # no bar is cut


def drawn(ax):
    return [ax.lines[0], *ax.containers]


def test_columns_are_in_the_order_of_the_classes():
    display = ReliabilityDisplay.from_probas({"checker": np.flip(PROBA, axis=1)}, Y, classes=["b", "a"], n_bins=3)
    assert display.expected_calibration_error == pytest.approx({"checker": 0.8 / 6})


def test_a_classifier_that_is_always_right_is_one_bin_without_error():
    curve = ReliabilityDisplay.from_probas({"sure": np.eye(2)[[0, 1, 1]]}, [0, 1, 1]).frame()
    assert curve["accuracy"].tolist() == [1.0]
    assert curve["rows"].tolist() == [3]


def test_bins_hold_all_rows_whatever_their_ties():
    proba = np.random.RandomState(0).choice([0.5, 0.7, 0.8, 1.0], size=97, p=[0.1, 0.2, 0.2, 0.5])
    y = np.random.RandomState(1).randint(2, size=97)
    frame = ReliabilityDisplay.from_probas({"checker": np.c_[proba, 1 - proba]}, y).frame()
    assert frame["rows"].sum() == 97
    predicted = np.c_[proba, 1 - proba].argmax(axis=1)
    assert np.average(frame["accuracy"], weights=frame["rows"]) == pytest.approx((predicted == y).mean())
    assert np.average(frame["confidence"], weights=frame["rows"]) == pytest.approx(np.maximum(proba, 1 - proba).mean())


# -- the experts of a pool --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    X = np.random.RandomState(0).normal(size=(60, 3))
    return {"X": X, "y": X[:, 0] > 0, "real_X": X[:30] + 0.1, "real_y": X[:30, 0] > 0}


@pytest.fixture(scope="module")
def pool(rows):
    return passthrough(OpinionPoolClassifier, student=False).fit(**rows)


def test_experts_of_a_pool_are_judged_by_what_they_said_of_rows_that_they_had_not_seen(pool, rows):
    display = ReliabilityDisplay.from_estimator(pool, rows["real_y"], n_bins=5)
    assert list(display.curves) == ["real expert", "synthetic expert", "both expert"]
    for name, curve in display.curves.items():
        hits = np.average(curve.accuracy, weights=curve.rows)
        assert hits == pytest.approx(pool.scores_[name.removesuffix(" expert")]["accuracy"])


def test_labels_of_other_rows_are_refused(pool):
    with pytest.raises(ValueError, match=r"^real_y has 2 labels; the experts were asked about 30 real rows"):
        ReliabilityDisplay.from_estimator(pool, [True, False])


def test_a_classifier_without_experts_is_told_which_has_them(rows):
    fitted = LogisticRegression().fit(rows["X"], rows["y"])
    with pytest.raises(TypeError, match=r"^LogisticRegression has no oof_proba_.* OpinionPoolClassifier has it after"):
        ReliabilityDisplay.from_estimator(fitted, rows["real_y"])


@pytest.mark.parametrize(
    ("probas", "y", "message"),
    [
        ({"a": [[0.5, 0.5]]}, [0, 1], r"The probabilities of 'a' have the shape \(1, 2\); 2 labels and 2 classes need"),
        ({"a": [[0.2, 0.3, 0.5]]}, [0], r"The probabilities of 'a' have the shape \(1, 3\); 1 labels and 1 classes"),
        ({"a": [[0.5, 0.5], [np.nan, 0.5]]}, [0, 1], "The probabilities of 'a' are not finite in row 1"),
        ({}, [0, 1], "probas must hold the probabilities of one classifier"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(probas, y, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ReliabilityDisplay.from_probas(probas, y)
