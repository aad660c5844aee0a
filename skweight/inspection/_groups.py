"""Groups of rows: their names, and how each is drawn."""

from dataclasses import dataclass, replace

import numpy as np

from skweight._rows.values import is_missing
from skweight.inspection._base import GREY, PALETTE, legend_beside

_MARKERS = "o^s"
_MOST = len(PALETTE) * len(_MARKERS)  # groups that can be told apart


def name_groups(groups, n_rows, what="weights"):
    """Turn any accepted container of groups into an array.

    Parameters
    ----------
    groups : array-like of shape (n_rows,), or None
        None puts all rows in one. Rows whose own group is None or NaN are the group "missing".
    n_rows : int
    what : str, default="weights"
        What there is one of for each row, for the message.

    Returns
    -------
    named : ndarray of shape (n_rows,), object
    """
    if groups is None:
        groups = ["all rows"] * n_rows
    # Not by numpy, which makes the text "nan" of a NaN among texts.
    listed = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    if getattr(groups, "ndim", 1) != 1 or len(listed) != n_rows:
        raise ValueError(f"{what} and groups must be of one length, got {n_rows} and {np.shape(groups)}.")
    named = np.empty(n_rows, dtype=object)
    named[:] = ["missing" if is_missing(group) else group for group in listed]
    return named


def shorten(name, most=28):
    """Cut a long name, so that it leaves room for the picture."""
    name = " ".join(str(name).split())
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


@dataclass(frozen=True)
class Style:
    """How the rows of a group are drawn.

    Attributes
    ----------
    label : str
    rows : ndarray of bool
    colour, marker : str
    """

    label: str
    rows: np.ndarray
    colour: str
    marker: str

    def only(self, rows):
        """Return the style for those rows of the group alone."""
        return replace(self, rows=self.rows & rows)


def styles(groups):
    """Colour and marker for each group, the largest first; groups beyond the 18th share grey.

    Parameters
    ----------
    groups : ndarray of shape (n_rows,)

    Returns
    -------
    styles : list of Style
    """
    names = list(dict.fromkeys(groups.tolist()))
    rows = {name: groups == name for name in names}
    names.sort(key=lambda name: -rows[name].sum())
    several = len(names) > _MOST
    own, others = (names[: _MOST - 1], names[_MOST - 1 :]) if several else (names, [])
    styles = [
        Style(
            # A space, as matplotlib's legends leave out labels that start with an underscore.
            f"{' ' * str(name).startswith('_')}{shorten(name)} ({rows[name].sum():,})",
            rows[name],
            PALETTE[i % len(PALETTE)],
            _MARKERS[i // len(PALETTE)],
        )
        for i, name in enumerate(own)
    ]
    if others:
        rest = np.any([rows[name] for name in others], axis=0)
        styles.append(Style(f"{len(others)} other groups ({rest.sum():,})", rest, GREY, "o"))
    return styles


def scatter(ax, x, y, styles, sizes=None):
    """Draw a point for each row in the style of its group.

    Rows of one group are drawn together; a large group first, so that it does not hide a small one.
    """
    for style in styles:
        ax.scatter(
            x[style.rows],
            y[style.rows],
            s=16 if sizes is None else sizes[style.rows],
            c=style.colour,
            marker=style.marker,
            alpha=0.7,
            linewidths=0,
            rasterized=True,
        )


def group_legend(ax, styles, further=(), notes=()):
    """Put a legend beside an Axes: a line for each group, further handles, and notes.

    Parameters
    ----------
    ax : matplotlib Axes
    styles : list of Style
    further : sequence of matplotlib artists
    notes : sequence of str
        Lines without a mark.
    """
    from matplotlib.lines import Line2D

    options: dict = {"linestyle": "none", "markeredgewidth": 0, "markersize": 6}
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, label=style.label, **options) for style in styles
    ]
    handles += [*further, *(Line2D([], [], linestyle="none", label=note) for note in notes)]
    for text in legend_beside(ax, handles).get_texts():
        text.set_parse_math(False)
