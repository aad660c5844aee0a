"""What holds for every display."""

import copy
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest

from skweight import inspection
from skweight.inspection import (
    AuditDisplay,
    ConcentrationDisplay,
    MapDisplay,
    QualityDiversityDisplay,
    ReliabilityDisplay,
    TrainingDynamicsDisplay,
    WeightDisplay,
)

NAME = "<script>_$x"  # of a group
AUDIT = SimpleNamespace(
    sentence=f"With {NAME}: +4.1 points.",
    scores=[
        {"name": "real only", "difference": None},
        {"name": NAME, "difference": 0.04, "difference_low": 0.01, "difference_high": 0.07},
    ],
    groups=[{"group": NAME, "rows": 10, "difference": 0.0, "low": -0.1, "high": 0.1}],
    learning_curve=[
        {"rows": 10, "difference": 0.0, "low": -0.1, "high": 0.1},
        {"rows": 20, "difference": 0.04, "low": 0.01, "high": 0.07},
    ],
    rope=0.01,
)
HISTORY = [{"train_loss": 0.7, "weight_mean": 1.0, "weight_max": 3.0, "effective_sample_size": 9.0}]
MAKERS = {
    "audit": lambda: AuditDisplay.from_audit(AUDIT),
    "concentration": lambda: ConcentrationDisplay.from_weights([1.0, 2.0, 0.0]),
    "dynamics": lambda: TrainingDynamicsDisplay.from_history(HISTORY),
    "map": lambda: MapDisplay.from_features(np.eye(3), [[1, 1, 1]], groups=[NAME, "b", "b"]),
    "quality": lambda: QualityDiversityDisplay.from_probas([0.9, 0.2], [0.5, 0.5], groups=[NAME, "b"]),
    "reliability": lambda: ReliabilityDisplay.from_probas({NAME: [[0.9, 0.1], [0.3, 0.7]]}, [0, 1], n_bins=2),
    "weights": lambda: WeightDisplay.from_weights([1.0, 2.0], groups=[NAME, "b"]),
}


@pytest.fixture(params=MAKERS)
def display(request):
    return MAKERS[request.param]()


def test_every_public_display_is_tested_here():
    assert {type(make()).__name__ for make in MAKERS.values()} == set(inspection.__all__)


def test_plot_draws_into_a_figure_of_its_own_and_returns_the_display(display):
    assert display.plot() is display
    assert display.ax_.figure is display.figure_
    display.figure_.canvas.draw()  # no name is read as a formula


def test_plot_draws_where_told_and_closes_nothing(display):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2)
    display.plot(axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not axes[0].has_data()


def test_plot_draws_into_an_axes_outside_of_a_grid(display):
    import matplotlib.pyplot as plt

    figure = plt.figure()
    ax = figure.add_axes((0.3, 0.4, 0.5, 0.5))
    display.plot(ax)
    for panel in getattr(display, "axes_", [ax]):
        box = panel.get_position()
        assert box.x0 >= 0.3 - 1e-9
        assert box.y1 <= 0.9 + 1e-9


def test_settings_of_matplotlib_stay_as_they_are(display):
    before = copy.deepcopy(dict(matplotlib.rcParams))
    display.plot()
    assert dict(matplotlib.rcParams) == before


def colours(figure):
    """Colours of all lines and texts of a figure, but for those of groups."""
    from matplotlib.colors import to_hex
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    artists = figure.findobj(lambda artist: isinstance(artist, Line2D | Text))
    return {to_hex(artist.get_color()) for artist in artists}


def test_on_a_dark_background_nothing_is_black_and_on_a_light_one_nothing_is_white(display):
    import matplotlib.pyplot as plt

    assert "#ffffff" not in colours(copy.copy(display).plot().figure_)
    with plt.style.context("dark_background"):
        assert "#000000" not in colours(display.plot().figure_)


# -- notebooks and terminals ------------------------------------------------------------------------------------------


def test_a_notebook_shows_the_picture_with_the_escaped_table_behind_it(display):
    import matplotlib.pyplot as plt

    page = display._repr_html_()
    assert page.startswith("<img ")
    assert 'src="data:image/png;base64,iVBORw' in page  # the first bytes of every PNG
    assert plt.get_fignums() == []
    assert "<script>" not in page
    assert ("&lt;script&gt;" in page) == (NAME in repr(display))


def test_a_notebook_that_shows_the_figure_does_not_get_the_picture_twice(display):
    display.plot()
    assert display._repr_png_() is None
    assert display._repr_html_() is None


def test_the_table_of_a_terminal_has_columns_of_one_width(display):
    lines = repr(display).splitlines()
    assert len({len(line) for line in lines[-2:]}) == 1


def test_without_matplotlib_a_notebook_shows_the_table(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert display._repr_html_() is None


def test_missing_matplotlib_names_the_extra(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'^Plots need matplotlib\. Run: pip install "skweight\[plot\]"$'):
        display.plot()


def test_the_frame_is_one_of_pandas(display):
    frame = display.frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame)
    assert all(f"``{column}``" in type(display).__doc__ or column in type(display).table.__doc__ for column in frame)


def test_missing_pandas_names_the_extra(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'^Frames need pandas\. Run: pip install "skweight\[plot\]"$'):
        display.frame()
