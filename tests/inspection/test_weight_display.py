import matplotlib
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skweight._cli.weights_table import extreme_rows
from skweight.baselines import CrossEntropyClassifier
from skweight.inspection import WeightDisplay

matplotlib.use("Agg")


def test_table_has_one_row_for_each_group_heaviest_first():
    display = WeightDisplay.from_weights([1.0, 3.0, 0.0, 0.5, 0.1], groups=["b", "b", "a", "a", "a"])
    first, second = display.table()
    assert first == {
        "group": "b",
        "rows": 2,
        "mean_weight": 2.0,
        "median_weight": 2.0,
        "effective_sample_size": pytest.approx(16 / 10),
    }
    assert (second["group"], second["rows"], second["median_weight"]) == ("a", 3, 0.1)
    assert second["mean_weight"] == pytest.approx(0.2)


def test_weights_without_groups_are_one_group():
    (row,) = WeightDisplay.from_weights([1, 2]).table()
    assert (row["group"], row["rows"]) == ("all rows", 2)


@pytest.mark.parametrize(
    "nothing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT], ids=["None", "NaN", "float32", "NA", "NaT"]
)
def test_rows_without_a_group_are_the_group_missing(nothing):
    groups = ["a", nothing, "a", nothing]
    for container in (groups, pd.Series(groups, dtype=object, index=[3, 1, 2, 0])):
        table = WeightDisplay.from_weights([1.0, 2.0, 1.0, 4.0], groups=container).table()
        assert [(row["group"], row["rows"], row["mean_weight"]) for row in table] == [
            ("missing", 2, 3.0),
            ("a", 2, 1.0),
        ]


def test_groups_may_be_numbers_categories_or_mixed():
    for groups in ([1, "1", True], np.array([0.5, np.nan, 2]), pd.Series(["b", None, "a"], dtype="category")):
        assert len(WeightDisplay.from_weights([1.0, 2.0, 3.0], groups=groups).table()) in (2, 3)


# -- estimators -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    X = np.random.RandomState(0).normal(size=(40, 3))
    return X, X[:, 0] > 0


def classifier():
    return CrossEntropyClassifier("passthrough", max_epochs=1, random_state=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda clf: clf,
        lambda clf: make_pipeline(StandardScaler(), clf),
        lambda clf: GridSearchCV(clf, {"lr": [1e-3]}, cv=2),
        lambda clf: GridSearchCV(make_pipeline(StandardScaler(), clf), {}, cv=2),
        lambda clf: Pipeline([("search", GridSearchCV(clf, {}, cv=2))]),
        lambda clf: TunedThresholdClassifierCV(clf, cv=2),
    ],
    ids=["alone", "pipeline", "search", "search over a pipeline", "pipeline of a search", "threshold"],
)
def test_the_classifier_inside_is_found_once_it_is_fitted(wrap, rows):
    estimator = wrap(classifier())
    with pytest.raises(NotFittedError):
        WeightDisplay.from_estimator(estimator)
    (row,) = WeightDisplay.from_estimator(estimator.fit(*rows)).table()
    assert row["rows"] == 40


def test_the_classifier_inside_a_frozen_one_is_found(numeric_classifier):
    assert len(WeightDisplay.from_estimator(FrozenEstimator(numeric_classifier)).weights) == 40


@pytest.mark.parametrize("wrap", [lambda clf: clf, lambda clf: GridSearchCV(clf, {}, cv=2)])
def test_an_estimator_without_weights_is_refused_by_name(wrap, rows):
    fitted = wrap(LogisticRegression()).fit(*rows)
    with pytest.raises(TypeError, match=f"^{type(fitted).__name__} has no sample_weight_"):
        WeightDisplay.from_estimator(fitted)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="of one length"):
        WeightDisplay.from_weights([1, 2], groups=["a"])


def test_plot_labels_every_group_with_its_size_and_draws_where_told():
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    display = WeightDisplay.from_weights([1.0, 3.0, 0.0, 0.5], groups=["b", "b", "a", "a"]).plot(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a (2)", "b (2)"]  # heaviest on top
    assert display.ax_ is ax
    assert display.figure_ is figure
    plt.close(figure)


def drawn(weights, groups=None):
    import matplotlib.pyplot as plt

    display = WeightDisplay.from_weights(weights, groups=groups).plot()
    plt.close(display.figure_)
    return display.ax_


def test_the_axis_is_logarithmic_with_a_line_at_one_and_points_for_rows_far_out():
    weights = [*np.linspace(0.5, 2, 100), 1e-3, 50.0]
    ax = drawn(weights)
    assert ax.get_xscale() == "log"
    (at_one,) = (line for line in ax.lines if line.get_linestyle() == "--")
    assert list(at_one.get_xdata()) == [1.0, 1.0]
    points = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() == "."])
    assert {1e-3, 50.0} <= set(points)
    low, high = ax.get_xlim()
    assert low < 1e-3
    assert high > 50


def test_rows_that_weigh_nothing_have_a_place_on_the_axis():
    ax = drawn([0.0, 0.0, 0.02, 1.0, 3.0])
    low, high = ax.get_xlim()
    assert low < 0 < 3 < high
    assert low > -0.02  # no room for weights below zero, of which there are none
    drawn([0.0, 0.0])


def test_colour_says_on_which_side_of_the_overall_mean_a_group_is_and_the_legend_says_so():
    ax = drawn([0.2, 0.3, 2.0, 3.0, 4.0, 5.0], groups=list("aabbcc"))
    light, heavy, heaviest = (patch.get_facecolor() for patch in ax.patches)
    assert heavy == heaviest != light  # the means are 0.25, 2.5 and 4.5, that of all rows is 2.42
    legend = ax.get_legend()
    told = dict(zip((text.get_text() for text in legend.get_texts()), legend.legend_handles, strict=True))
    assert told["middle half of a group above the mean of all rows"].get_facecolor() == heavy
    assert told["middle half of a group below it"].get_facecolor() == light


def test_one_group_has_one_colour_and_is_compared_with_nothing():
    ax = drawn([0.2, 2.0, 3.0])
    assert ax.get_legend().get_texts()[0].get_text() == "box: middle half of the rows"


def test_the_mean_of_each_group_stands_beside_it():
    ax = drawn([1.0, 3.0, 0.0, 0.5], groups=["b", "b", "a", "a"])
    assert [text.get_text() for text in ax.texts] == ["0.250", "2.00", "mean"]


def test_a_name_of_a_group_is_shown_as_it_is():
    ax = drawn([1.0, 2.0], groups=["$x_1", "<b>"])
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$x_1 (1)", "<b> (1)"]


def test_extreme_rows_are_the_heaviest_and_the_lightest():
    X, y, weights = ["one", ("two", "2"), "three " * 50, "four"], list("abcd"), [0.5, 2.0, 0.1, 1.0]
    lines = extreme_rows(X, y, weights, n=2, width=40)
    assert lines[0] == "Highest 2 weights"
    assert lines[1].split() == ["2.000", "b", "two", "||", "2"]
    assert lines[2].split()[:3] == ["1.000", "d", "four"]
    assert lines[4] == "Lowest 2 weights"
    assert lines[5].split()[:3] == ["0.100", "c", "three"]
    assert lines[5].endswith("…")
    assert len(lines[5]) <= 40
    assert lines[6].split() == ["0.500", "a", "one"]
