"""How groups of rows are drawn, whatever their number and names."""

import numpy as np
import pytest

from skweight.inspection import MapDisplay
from skweight.inspection._groups import shorten, styles


def named(n):
    return np.array([f"group {i}" for i in range(n)], dtype=object)


@pytest.mark.parametrize("n", [1, 6, 18])
def test_up_to_18_groups_have_a_colour_and_marker_of_their_own(n):
    assert len({(style.colour, style.marker) for style in styles(named(n))}) == n


def test_more_groups_share_grey_and_every_row_is_drawn_once():
    groups = np.concatenate([named(35), named(2)])
    drawn = styles(groups)
    assert [style.label for style in drawn[:3]] == ["group 0 (2)", "group 1 (2)", "group 2 (1)"]  # the largest first
    assert drawn[-1].label == "18 other groups (18)"
    assert len({(style.colour, style.marker) for style in drawn}) == 18
    assert (np.sum([style.rows for style in drawn], axis=0) == 1).all()


def test_a_long_name_is_cut():
    assert shorten("a name of\nseveral lines") == "a name of several lines"
    assert shorten("n" * 28) == "n" * 28
    assert shorten("n" * 29) == "n" * 27 + "…"


def test_a_legend_shows_names_as_they_are(legend):
    groups = ["_hidden", "$x_1", "a" * 40]
    ax = MapDisplay.from_features(np.eye(3), np.eye(3), groups=groups).plot().ax_
    ax.figure.canvas.draw()
    assert legend(ax)[:3] == [" _hidden (1)", "$x_1 (1)", "a" * 27 + "… (1)"]
