"""What displays share: a place to draw, a picture in a notebook, a table in a terminal, a data frame."""

import base64
import html
import io

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

# Of Okabe and Ito's palette: distinct to readers with any colour vision, and on white as on black. Black and yellow,
# which are in it too, cannot be seen on one of them.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)
GREY = "#888888"


class Display:
    """Base of the displays.

    A subclass has `_draw`, `_figure_size`, `_columns` (of the frame) and `_lines` (of the table in a terminal).
    """

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure. Colours of lines and texts are those of this object, so that it may be
            dark.

        Returns
        -------
        display : Display
            This object, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError('Plots need matplotlib. Run: pip install "skweight[plot]"') from error
        if ax is None:
            _, ax = plt.subplots(figsize=self._figure_size(), layout="constrained")
        panels = self._draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        if panels is not None:
            self.axes_ = panels
        return self

    def frame(self):
        """Return what is drawn as a table.

        Returns
        -------
        frame : pandas DataFrame
            Its columns are listed in the description of the class.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError('Frames need pandas. Run: pip install "skweight[plot]"') from error
        return pd.DataFrame(self._columns())

    def _figure_size(self):
        """Width and height in inches; at the usual 120 dots per inch a README shows all of 7.5."""
        raise NotImplementedError

    def _draw(self, ax):
        """Draw into an Axes, or into panels in its place; return the panels."""
        raise NotImplementedError

    def _columns(self):
        """Columns of the frame: a dictionary of sequences."""
        raise NotImplementedError

    def _lines(self):
        """Lines of a small table, each a list of texts."""
        raise NotImplementedError

    def __repr__(self):
        lines = self._lines()
        first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
        form = f"{{:<{first}}}" + "".join(f"  {{:>{width}}}" for width in others)
        return "\n".join(form.format(*line) for line in lines)

    def _repr_png_(self):
        if hasattr(self, "ax_"):  # the notebook shows that figure itself
            return None
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return None  # the table is shown instead
        figure, file = Figure(figsize=self._figure_size(), layout="constrained"), io.BytesIO()
        self._draw(figure.subplots())
        figure.savefig(file, format="png", dpi=120)
        return file.getvalue()

    def _repr_html_(self):
        picture = self._repr_png_()
        if picture is None:
            return None
        source = base64.b64encode(picture).decode("ascii")
        return f'<img alt="{html.escape(repr(self))}" src="data:image/png;base64,{source}">'


def as_columns(records):
    """Columns of a list of dictionaries with the same keys."""
    return {name: [record[name] for record in records] for name in records[0]} if records else {}


# -- what was fitted ---------------------------------------------------------------------------------------------------


def find_fitted(estimator, *names, otherwise):
    """Return the classifier inside an estimator that has some attributes.

    Parameters
    ----------
    estimator : classifier, Pipeline or search
    *names : str
        The attributes.
    otherwise : str
        How the message ends that there are none: what to do instead.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If nothing inside has the attributes.
    """
    inner = estimator
    while not all(hasattr(inner, name) for name in names):
        check_is_fitted(inner)
        missing = " and ".join(name for name in names if not hasattr(inner, name))
        inner = inside(inner)
        if inner is None:
            raise TypeError(
                f"{type(estimator).__name__} has no {missing}, and no classifier inside that has. {otherwise}"
            )
    return inner


def inside(estimator):
    """Return the fitted estimator that another one passes its rows on to; None if there is no such, or several."""
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    return getattr(estimator, "best_estimator_", getattr(estimator, "estimator_", None))


# -- drawing -----------------------------------------------------------------------------------------------------------


def ink(ax):
    """Return the colour of an Axes' own texts, dark on light or light on dark."""
    return ax.xaxis.label.get_color()


def legend_below(ax, handles=None, *, columns=2, lines=1, **options):
    """Put a legend below an Axes, under a label of so many lines, whatever the height of the Axes."""
    from matplotlib.transforms import ScaledTranslation

    inches = 0.37 + 0.17 * lines
    below = ax.transAxes + ScaledTranslation(0, -inches, ax.figure.dpi_scale_trans)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "bbox_transform": below, "borderaxespad": 0}
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    return ax.legend(handles=handles, ncols=columns, fontsize="small", frameon=False, **place, **options)


def legend_beside(ax, handles, **options):
    """Put a legend to the right of an Axes."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0}
    return ax.legend(handles=handles, fontsize="small", frameon=False, **place, **options)


def panels(ax, rows, columns, **options):
    """Divide the place of an Axes, which itself becomes invisible; return the grid."""
    from matplotlib.gridspec import GridSpec

    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is None:  # an Axes that somebody has put somewhere
        box = ax.get_position()
        edges = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
        grid = GridSpec(rows, columns, figure=ax.figure, **edges, **options)
    else:
        grid = spec.subgridspec(rows, columns, **options)
    return grid
