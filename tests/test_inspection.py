import sys

import matplotlib
import numpy as np
import pytest

from skweight._cli.weights_table import extreme_rows
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


def test_display_reads_a_fitted_classifier():
    class Fitted:
        sample_weight_ = np.array([1.0, 2.0])

    assert [row["group"] for row in WeightDisplay.from_estimator(Fitted(), groups=["a", "b"]).table()] == ["b", "a"]


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


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "skweight\[plot\]"'):
        WeightDisplay.from_weights([1.0]).plot()


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
