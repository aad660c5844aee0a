import numpy as np
import pytest
from helpers import ALL, passthrough

from skweight import DIMPClassifier, OpinionPoolClassifier
from skweight.inspection import TrainingDynamicsDisplay

HISTORY = [
    {"train_loss": 0.7, "weight_mean": 1.0, "weight_max": 3.0, "effective_sample_size": 9.0, "seconds": 1.0},
    {"train_loss": 0.5, "weight_mean": 0.8, "weight_max": 5.0, "effective_sample_size": 7.0, "seconds": 1.0},
]


def curves(display):
    """What each panel shows: its label, and its curves."""
    return {
        panel.get_ylabel().replace("\n", " "): [list(line.get_ydata()) for line in panel.lines]
        for panel in display.plot().axes_
    }


def test_each_quantity_is_drawn_by_epoch():
    display = TrainingDynamicsDisplay.from_history(HISTORY)
    assert curves(display) == {
        "loss (nats per row)": [[0.7, 0.5]],
        "weight of a row": [[1.0, 0.8], [3.0, 5.0]],
        "effective sample size (rows)": [[9.0, 7.0]],
    }
    for panel in display.axes_:
        assert panel.get_xlabel() == "epoch"
        assert list(panel.lines[0].get_xdata()) == [1, 2]


def test_the_frame_has_what_is_drawn():
    assert TrainingDynamicsDisplay.from_history(HISTORY).frame().to_dict("list") == {
        "epoch": [1, 2],
        "train_loss": [0.7, 0.5],
        "weight_mean": [1.0, 0.8],
        "weight_max": [3.0, 5.0],
        "effective_sample_size": [9.0, 7.0],
    }


@pytest.fixture(scope="module")
def rows():
    X = np.random.RandomState(0).normal(size=(40, 3))
    return {"X": X, "y": X[:, 0] > 0, "real_X": X[:20] + 0.1, "real_y": X[:20, 0] > 0}


@pytest.mark.parametrize("cls", ALL)
def test_it_works_for_every_classifier(cls, rows):
    clf = passthrough(cls, max_epochs=2).fit(**rows)
    frame = TrainingDynamicsDisplay.from_estimator(clf).frame()
    assert frame["train_loss"].tolist() == [epoch["train_loss"] for epoch in clf.history_]
    assert frame["effective_sample_size"].gt(0).all()


def test_with_early_stopping_accuracy_and_the_epoch_that_was_kept_are_shown(rows, legend):
    clf = passthrough(DIMPClassifier, max_epochs=2, early_stopping=True).fit(**rows)
    display = TrainingDynamicsDisplay.from_estimator(clf)
    shown = curves(display)
    assert shown["accuracy on held-out real rows"][0] == [epoch["valid_accuracy"] for epoch in clf.history_]
    for panel in display.axes_:
        assert list(panel.lines[-1].get_xdata()) == [clf.best_epoch_] * 2
    loss, _, weight, _ = display.axes_
    assert legend(loss) == ["training rows", "held-out real rows", "epoch that was kept"]
    assert legend(weight) == ["mean", "largest"]


def test_axes_of_weights_begin_at_zero():
    _, weight, size = TrainingDynamicsDisplay.from_history(HISTORY).plot().axes_
    assert weight.get_ylim()[0] == size.get_ylim()[0] == 0


def test_a_pool_that_has_trained_no_epoch_is_refused(rows):
    clf = passthrough(OpinionPoolClassifier, student=False).fit(**rows)
    with pytest.raises(ValueError, match=r"^The history has no epoch: nothing was trained"):
        TrainingDynamicsDisplay.from_estimator(clf)


def test_an_estimator_without_a_history_is_refused(rows):
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(rows["X"], rows["y"])
    with pytest.raises(TypeError, match=r"^LogisticRegression has no history_, and no classifier inside that has"):
        TrainingDynamicsDisplay.from_estimator(fitted)
