import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skweight._frozen import FrozenEncoder
from skweight.inspection import MapDisplay

FEATURES = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0]])
REAL = np.array([[4.0, 2.0]])


def test_rows_are_on_their_first_two_principal_components():
    # The four corners of a rectangle with its centre at (2, 1): the long side is the first component. Variances of the
    # sides are in the ratio 16 : 4.
    display = MapDisplay.from_features(FEATURES, REAL)
    assert np.abs(display.places) == pytest.approx(np.array([[2, 1]] * 3))
    assert np.abs(display.real_places) == pytest.approx(np.array([[2, 1]]))
    ax = display.plot().ax_
    assert ax.get_xlabel() == "first principal component (80% of the variance)"
    assert ax.get_ylabel() == "second principal component (20%)"


def test_two_calls_draw_the_same_map():
    features = np.random.RandomState(0).normal(size=(600, 30))
    maps = [MapDisplay.from_features(features, features[:5]).places for _ in range(2)]
    np.testing.assert_array_equal(*maps)


def test_the_area_of_a_mark_is_proportional_to_the_weight_and_never_nothing():
    ax = MapDisplay.from_features(FEATURES, REAL, weights=[1.0, 0.0, 3.0]).plot().ax_
    sizes = ax.collections[0].get_sizes()
    assert sizes.tolist() == sorted(sizes, reverse=True)  # light rows are drawn on heavy ones
    assert sizes[0] == pytest.approx(3 * sizes[1])
    assert 0 < sizes[2] < sizes[1] / 5


def test_no_weight_makes_a_mark_that_hides_the_map():
    weights = [1.0] * 999 + [1e6]
    features = np.random.RandomState(0).normal(size=(1000, 3))
    ax = MapDisplay.from_features(features, features, weights=weights).plot().ax_
    assert ax.collections[0].get_sizes().max() == pytest.approx(400)


def test_real_rows_are_open_marks_on_top(legend):
    ax = MapDisplay.from_features(FEATURES, REAL, groups=["a", "a", "b"]).plot().ax_
    *groups, real = ax.collections
    assert [len(group.get_offsets()) for group in groups] == [2, 1]
    assert len(real.get_offsets()) == 1
    assert len(real.get_facecolors()) == 0
    assert legend(ax) == ["a (2)", "b (1)", "real rows (1)"]


def test_the_legend_has_marks_of_three_weights_at_their_size(legend):
    ax = MapDisplay.from_features(FEATURES, REAL, weights=[1.0, 4.0, 16.0]).plot().ax_
    assert legend(ax) == ["all rows (3)", "real rows (1)", "weight 1", "weight 4", "weight 20"]
    marks = ax.get_legend().legend_handles[2:]
    (largest, *_) = ax.collections[0].get_sizes()
    assert [mark.get_markersize() ** 2 for mark in marks] == pytest.approx([largest / 16 * w for w in (1, 4, 20)])


def test_any_transformer_makes_the_map():
    display = MapDisplay.from_features(FEATURES, REAL, projection=StandardScaler(with_std=False))
    assert display.places.tolist() == (FEATURES - [2, 1]).tolist()
    assert display.plot().ax_.get_xlabel() == "StandardScaler, first column"


def test_the_frame_has_every_row_and_its_place():
    frame = MapDisplay.from_features(
        FEATURES, REAL, weights=[1.0, 2.0, 3.0], groups=["a", "b", None], projection=StandardScaler(with_std=False)
    ).frame()
    assert frame["source"].tolist() == ["synthetic"] * 3 + ["real"]
    assert frame["group"].tolist()[:3] == ["a", "b", "missing"]
    assert frame["weight"].tolist()[:3] == [1, 2, 3]
    assert frame[["group", "weight"]].isna().iloc[3].all()
    assert frame["x"].tolist() == [-2, -2, 2, 2]
    assert frame["y"].tolist() == [-1, 1, -1, 1]


def test_texts_are_read_by_the_encoder_as_it_is(tiny_encoder, toy):
    display = MapDisplay.from_texts(toy["X"], toy["real_X"], encoder=tiny_encoder, groups=toy["y"])
    features = FrozenEncoder(tiny_encoder).features([*toy["X"], *toy["real_X"]])
    expected = PCA(2, svd_solver="full").fit_transform(features)
    assert np.concatenate([display.places, display.real_places]) == pytest.approx(expected, abs=1e-5)
    assert repr(display).splitlines()[1].split() == ["synthetic:", "fresh", "6", "1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"real_features": [[1.0]]}, r"features and real_features must be of as many columns, got .* \(3, 2\) and \(1"),
        ({"weights": [1.0]}, r"weights must be one for each of the 3 rows, got shape \(1,\)"),
        ({"weights": [1.0, -1.0, 1.0]}, "weights must be 0 or more, and finite, got -1 in row 1"),
        ({"groups": ["a"]}, r"features and groups must be of one length, got 3 and \(1,\)"),
        ({"projection": PCA(1)}, r"PCA\.fit_transform returned an array of shape \(4, 1\); a map needs two columns"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = {"features": FEATURES, "real_features": REAL, **change}
    with pytest.raises(ValueError, match=f"^{message}"):
        MapDisplay.from_features(**arguments)
