from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from skweight.inspection import AuditDisplay


@dataclass(frozen=True)
class Audit:
    """What an audit returns."""

    sentence: str = "With the synthetic rows: +4.1 points [0.9, 7.3] on real text. Use them."
    rope: float = 0.01
    scores: list = field(
        default_factory=lambda: [
            {"name": "real only", "score": 0.6, "low": 0.5, "high": 0.7, "difference": None}
            | {"difference_low": None, "difference_high": None},
            {"name": "pooled", "score": 0.641, "low": 0.54, "high": 0.74, "difference": 0.041}
            | {"difference_low": 0.015, "difference_high": 0.073},
            {"name": "synthetic only", "score": 0.5, "low": 0.4, "high": 0.6, "difference": -0.1}
            | {"difference_low": -0.2, "difference_high": -0.05},
        ]
    )
    groups: list = field(
        default_factory=lambda: [
            {"group": "gpt", "rows": 1200, "difference": 0.02, "low": -0.01, "high": 0.05},
            {"group": "$llama_", "rows": 800, "difference": 0.001, "low": -0.005, "high": 0.01},
        ]
    )
    learning_curve: list = field(
        default_factory=lambda: [
            {"rows": 500, "difference": 0.01, "low": -0.02, "high": 0.04},
            {"rows": 2000, "difference": 0.041, "low": 0.009, "high": 0.073},
        ]
    )


@pytest.fixture
def display():
    return AuditDisplay.from_audit(Audit())


def marks(ax):
    """Place, value and interval of every mark of a forest plot, by its label."""
    labels = [label.get_text() for label in ax.get_yticklabels()]
    intervals, points = ax.lines[:-1:2], ax.lines[1:-1:2]
    return {
        labels[round(point.get_ydata()[0])]: np.round([*interval.get_xdata(), *point.get_xdata()], 9).tolist()
        for interval, point in zip(intervals, points, strict=True)
    }


def test_the_forest_has_every_difference_with_its_interval_in_points(display):
    forest, groups, _ = display.plot().axes_
    assert marks(forest) == {"pooled": [1.5, 7.3, 4.1], "synthetic only": [-20, -5, -10]}
    assert [label.get_text() for label in forest.get_yticklabels()] == ["synthetic only", "pooled"]  # the first on top
    assert marks(groups) == {"gpt (1,200)": [-1, 5, 2], "$llama_ (800)": [-0.5, 1, 0.1]}
    assert forest.get_xlabel() == "difference from real rows alone\n(percentage points)"
    assert groups.get_xlabel() == "what each group of synthetic rows adds\n(percentage points)"
    assert groups.get_xlim() == forest.get_xlim()


def test_the_learning_curve_has_its_interval_as_a_band(display):
    *_, curve = display.plot().axes_
    assert curve.lines[0].get_xydata().tolist() == [[500, 1.0], [2000, pytest.approx(4.1)]]
    corners = curve.collections[0].get_paths()[0].vertices
    assert {500, 2000} == set(corners[:, 0])
    assert corners[:, 1].min() == pytest.approx(-2)
    assert corners[:, 1].max() == pytest.approx(7.3)


def test_differences_that_do_not_matter_are_a_band_in_every_panel(display):
    forest, groups, curve = display.plot().axes_
    for ax in (forest, groups):
        (band,) = ax.patches
        assert (band.get_x(), band.get_width()) == (-1, 2)
    (band,) = curve.patches
    assert (band.get_y(), band.get_height()) == (-1, 2)


def test_colour_and_mark_say_what_the_interval_does(display, legend):
    forest, groups, _ = display.plot().axes_
    drawn = [line for ax in (forest, groups) for line in ax.lines[1:-1:2]]
    assert len({(line.get_color(), line.get_marker()) for line in drawn}) == 4
    assert legend(groups) == [
        "better: all of the interval above the band",
        "practically the same: all of it in the band",
        "worse: all of it below the band",
        "cannot tell: the interval leaves it open",
        "band: up to ±1 points do not matter",
    ]


def test_the_legend_leaves_out_verdicts_that_are_not_there(legend):
    audit = replace(Audit(), groups=[], scores=Audit().scores[:2])
    forest, _ = AuditDisplay.from_audit(audit).plot().axes_
    assert legend(forest) == ["better: all of the interval above the band", "band: up to ±1 points do not matter"]


@pytest.mark.parametrize(("parts", "n_panels"), [((), 1), (("groups",), 2), (("learning_curve",), 2)])
def test_only_what_the_audit_has_is_drawn(parts, n_panels):
    empty = {"groups": [], "learning_curve": []}
    audit = replace(Audit(), **{name: rows for name, rows in empty.items() if name not in parts})
    assert len(AuditDisplay.from_audit(audit).plot().axes_) == n_panels


def test_the_sentence_is_the_title_in_lines_that_fit():
    sentence = " ".join(["word"] * 40)
    display = AuditDisplay.from_audit(replace(Audit(), sentence=sentence)).plot()
    lines = display.axes_[0].get_title(loc="left").splitlines()
    assert " ".join(lines) == sentence
    assert max(map(len, lines)) <= 70


def test_the_frame_has_every_difference(display):
    frame = display.frame()
    assert frame["part"].tolist() == ["score"] * 2 + ["group"] * 2 + ["learning curve"] * 2
    assert frame["name"].tolist() == ["pooled", "synthetic only", "gpt", "$llama_", "500 rows", "2000 rows"]
    assert frame["difference"].tolist() == [0.041, -0.1, 0.02, 0.001, 0.01, 0.041]
    assert frame["low"].tolist() == [0.015, -0.2, -0.01, -0.005, -0.02, 0.009]
    assert frame["high"].tolist() == [0.073, -0.05, 0.05, 0.01, 0.04, 0.073]
    assert np.isnan(frame["rows"].tolist()[:2]).all()
    assert frame["rows"].tolist()[2:] == [1200, 800, 500, 2000]


def test_a_terminal_shows_the_sentence_and_the_differences(display):
    first, header, pooled, *_ = repr(display).splitlines()
    assert first == Audit().sentence
    assert header.split() == ["part", "name", "difference", "low", "high"]
    assert pooled.split() == ["score", "pooled", "+4.1", "+1.5", "+7.3"]


def test_what_is_no_audit_is_refused_with_what_it_lacks():
    with pytest.raises(TypeError, match=r"^dict has no sentence and no scores and no groups and no learning_curve"):
        AuditDisplay.from_audit({})
