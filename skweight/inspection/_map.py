"""MapDisplay: real and synthetic rows in the plane."""

import numpy as np
from sklearn.decomposition import PCA

from skweight._rows.texts import check_texts
from skweight.inspection._base import Display, ink
from skweight.inspection._groups import group_legend, name_groups, scatter, styles

_MEAN_SIZE, _LEAST_SIZE, _MOST_SIZE = (
    16,
    1.5,
    400,
)  # square points, of a row that weighs as much as the average row, ...


class MapDisplay(Display):
    """Real and synthetic rows in the plane: which real rows have synthetic ones near them, and what these weigh.

    Use :meth:`from_features` or :meth:`from_texts`. The area of a synthetic row's mark is proportional to its weight,
    down to a least size in which all rows can be seen. Real rows are open marks on top.

    :meth:`frame` has a row for each row: ``source``, "synthetic" or "real", ``group`` (None of real rows), ``weight``
    (NaN of real rows), and its place, ``x`` and ``y``.

    Parameters
    ----------
    places : ndarray of shape (n_samples, 2)
        Of the synthetic rows.
    real_places : ndarray of shape (n_real, 2)
    weights : ndarray of shape (n_samples,)
    groups : ndarray of shape (n_samples,)
    axis_names : sequence of two str
        What the axes are.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Set by :meth:`plot`.

    Examples
    --------
    >>> from skweight.inspection import MapDisplay
    >>> features, real_features = [[0.0, 0.0], [0.0, 2.0], [4.0, 0.0]], [[4.0, 2.0]]
    >>> display = MapDisplay.from_features(features, real_features, weights=[1.0, 0.2, 3.0], groups=["a", "a", "b"])
    >>> display
    rows          n  mean weight
    synthetic: a  2          0.6
    synthetic: b  1            3
    real          1            -
    """

    def __init__(self, places, real_places, weights, groups, axis_names=("x", "y")):
        self.places = places
        self.real_places = real_places
        self.weights = weights
        self.groups = groups
        self.axis_names = axis_names

    @classmethod
    def from_features(cls, features, real_features, *, weights=None, groups=None, projection=None):
        """Build from numeric rows, as embeddings.

        Parameters
        ----------
        features : array-like of shape (n_samples, n_features)
            The synthetic rows.
        real_features : array-like of shape (n_real, n_features)
            The real rows.
        weights : array-like of shape (n_samples,), default=None
            Non-negative weights of the synthetic rows; None gives all the weight 1.
        groups : array-like of shape (n_samples,), default=None
            Group of each synthetic row, as its label; None puts all rows in one. Rows whose own group is None or NaN
            are the group "missing".
        projection : transformer, default=None
            Its ``fit_transform`` takes the synthetic and the real rows in one array and returns two columns; of more,
            the first two are drawn. None takes the first two principal components.

        Returns
        -------
        display : MapDisplay

        Raises
        ------
        ValueError
            If lengths or numbers of columns differ, or a weight is negative or not finite.
        """
        features, real_features = np.asarray(features), np.asarray(real_features)
        if features.ndim != 2 or real_features.ndim != 2 or features.shape[1] != real_features.shape[1]:
            raise ValueError(
                "features and real_features must be of as many columns, got arrays of shapes "
                f"{features.shape} and {real_features.shape}."
            )
        weights = np.ones(len(features)) if weights is None else np.asarray(weights, dtype=np.float64)
        if weights.shape != (len(features),):
            raise ValueError(f"weights must be one for each of the {len(features)} rows, got shape {weights.shape}.")
        wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if wrong.size:
            raise ValueError(f"weights must be 0 or more, and finite, got {weights[wrong[0]]:g} in row {wrong[0]}.")
        groups = name_groups(groups, len(features), "features")
        own = projection is None
        projection = PCA(2, svd_solver="full") if own else projection
        places = np.asarray(projection.fit_transform(np.concatenate([features, real_features])), dtype=np.float64)
        if places.ndim != 2 or places.shape[1] < 2:
            raise ValueError(
                f"{type(projection).__name__}.fit_transform returned an array of shape {places.shape}; a map needs two "
                "columns."
            )
        names = [f"{type(projection).__name__}, {which} column" for which in ("first", "second")]
        if own:
            first, second = projection.explained_variance_ratio_
            names = [
                f"first principal component ({first:.0%} of the variance)",
                f"second principal component ({second:.0%})",
            ]
        synthetic, real = places[: len(features), :2], places[len(features) :, :2]
        return cls(synthetic, real, weights, groups, names)

    @classmethod
    def from_texts(
        cls, X, real_X, *, encoder, weights=None, groups=None, projection=None, max_length="auto", device="auto"
    ):
        """Build from texts, or pairs of texts, as an encoder that is not fine-tuned reads them.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 2)
            The synthetic texts.
        real_X : array-like of shape (n_real,) or (n_real, 2)
            The real texts.
        encoder : str or path
            Hub id or folder.
        weights, groups, projection
            As in :meth:`from_features`.
        max_length : int or "auto", default="auto"
            Tokens of a text that are read.
        device : str, default="auto"
            Where the encoder computes, as in training.

        Returns
        -------
        display : MapDisplay
        """
        from skweight._frozen import FrozenEncoder

        texts, real_texts = check_texts(X)[0], check_texts(real_X, "real_X")[0]
        frozen = FrozenEncoder(encoder, max_length=max_length, device=device)
        features = frozen.features([*texts, *real_texts])
        return cls.from_features(
            features[: len(texts)], features[len(texts) :], weights=weights, groups=groups, projection=projection
        )

    def _columns(self):
        n, n_real = len(self.places), len(self.real_places)
        x, y = np.concatenate([self.places, self.real_places]).T
        return {
            "source": np.repeat(["synthetic", "real"], [n, n_real]),
            "group": [*self.groups, *[None] * n_real],
            "weight": np.concatenate([self.weights, np.full(n_real, np.nan)]),
            "x": x,
            "y": y,
        }

    def _lines(self):
        groups = {group: self.weights[self.groups == group] for group in dict.fromkeys(self.groups.tolist())}
        return [
            ["rows", "n", "mean weight"],
            *([f"synthetic: {group}", f"{len(own)}", f"{own.mean():.3g}"] for group, own in groups.items()),
            ["real", f"{len(self.real_places)}", "-"],
        ]

    def _figure_size(self):
        return 7.5, 5.0

    @property
    def _square_points_of_one(self):
        """Area of the mark of a row of weight 1."""
        mean, largest = self.weights.mean(), self.weights.max()
        return min(_MEAN_SIZE / mean, _MOST_SIZE / largest) if largest else 0.0

    def _draw(self, ax):
        one = self._square_points_of_one
        heaviest_first = np.argsort(-self.weights, kind="stable")
        x, y = self.places[heaviest_first].T
        drawn = styles(self.groups[heaviest_first])
        sizes = np.maximum(one * self.weights[heaviest_first], _LEAST_SIZE)
        scatter(ax, x, y, drawn, sizes)
        real = ax.scatter(
            *self.real_places.T,
            s=18,
            marker="D",
            facecolors="none",
            edgecolors=ink(ax),
            linewidths=0.8,
            rasterized=True,
            label=f"real rows ({len(self.real_places):,})",
        )
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xlabel(self.axis_names[0])
        ax.set_ylabel(self.axis_names[1])
        group_legend(ax, drawn, [real, *self._size_legend(ax)])

    def _size_legend(self, ax):
        """Return marks of three weights, if weights differ."""
        if self.weights.min() == self.weights.max():
            return []
        from matplotlib.lines import Line2D

        shown = [float(f"{self.weights.max() / divisor:.1g}") for divisor in (16, 4, 1)]
        options = {"linestyle": "none", "marker": "o", "color": ink(ax), "alpha": 0.6, "markeredgewidth": 0}
        return [
            Line2D(
                [], [], markersize=np.sqrt(self._square_points_of_one * weight), label=f"weight {weight:g}", **options
            )
            for weight in shown
        ]
