"""Weights of the rows from two probabilities of their labels, and how many rows they amount to."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skweight import effective_sample_size, importance_weights, label_proba, smooth_proba

# Three rows used throughout: probability of their label under the quality checker, under the diversity checker and
# under the model being trained.
QUALITY = [0.9, 0.6, 0.1]
DIVERSITY = [0.5, 0.8, 0.95]
MODEL = [0.5, 0.75, 0.2]

# A world of two texts and three classes: P(y|x) of real text and Q(y|x) of synthetic text.
P = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]])
Q = np.array([[0.4, 0.35, 0.25], [0.5, 0.3, 0.2]])


class Laplace:
    """Counts the labels of every text, and adds one to each count."""

    def fit(self, X, y, n_classes):
        self.classes_ = np.arange(n_classes)
        self.counts = np.ones((max(X) + 1, n_classes))
        np.add.at(self.counts, (X, y), 1)
        return self

    def predict_proba(self, X):
        return (self.counts / self.counts.sum(axis=1, keepdims=True))[X]


# -- importance_weights -----------------------------------------------------------------------------------------------


def test_weight_is_quality_over_diversity():
    # 0.9/0.5, 0.6/0.8, 0.1/0.95
    np.testing.assert_allclose(importance_weights(QUALITY, DIVERSITY), [1.8, 0.75, 0.105263], atol=1e-6)


def test_weight_against_the_model_is_quality_over_model():
    np.testing.assert_allclose(importance_weights(QUALITY, MODEL), [1.8, 0.8, 0.5], atol=1e-6)


def test_weight_without_diversity_is_the_quality():
    np.testing.assert_allclose(importance_weights(QUALITY), QUALITY)


def test_equal_quality_and_diversity_weigh_exactly_one():
    proba = [0.3, 1e-200, 0.0, 1.0, 1 / 3]
    assert importance_weights(proba, proba).tolist() == [1.0] * 5


def test_gamma_is_the_exponent_of_the_whole_ratio():
    # sqrt(1.8), sqrt(0.75), sqrt(0.1/0.95)
    np.testing.assert_allclose(
        importance_weights(QUALITY, DIVERSITY, gamma=0.5), [1.341641, 0.866025, 0.324443], atol=1e-6
    )


def test_gamma_zero_weighs_every_row_one_even_with_zero_probabilities():
    assert importance_weights([0.9, 0.0, 0.5, 0.0], [0.5, 0.5, 0.0, 0.0], gamma=0).tolist() == [1.0] * 4


def test_unknown_quality_weighs_one():
    np.testing.assert_allclose(importance_weights([np.nan, 0.9], [0.1, 0.5]), [1.0, 1.8])


def test_unknown_diversity_weighs_one():
    np.testing.assert_allclose(importance_weights([0.9, 0.9], [np.nan, 0.5]), [1.0, 1.8])


def test_unknown_quality_counts_as_one_in_the_normalisation():
    # (1, 1.8) over their mean 1.4
    weights = importance_weights([np.nan, 0.9], [0.1, 0.5], normalize="global")
    np.testing.assert_allclose(weights, [0.714286, 1.285714], atol=1e-6)


def test_quality_zero_weighs_next_to_nothing():
    assert 0 <= importance_weights([0.0], [0.5])[0] < 1e-300


@pytest.mark.parametrize("diversity", [0.0, np.exp(-120.0), np.exp(-700.0)])
def test_diversity_next_to_zero_gives_a_large_finite_weight(diversity):
    (weight,) = importance_weights([0.5], [diversity])
    assert np.isfinite(weight)
    assert weight > 1e12


@pytest.mark.parametrize("gamma", [1.0, 2.0, 10.0])
def test_without_clip_a_weight_stops_at_exp_30(gamma):
    (weight,) = importance_weights([0.5], [0.0], gamma=gamma)
    assert weight == pytest.approx(1.0686e13, rel=1e-4)


def test_clip_bounds_the_weight_of_a_row_that_the_diversity_checker_rules_out():
    # 0.5 / exp(-120) is about 6e51
    np.testing.assert_allclose(importance_weights([0.5], [np.exp(-120.0)], clip=10), [10.0])


def test_clip_leaves_weights_below_it_alone():
    np.testing.assert_allclose(importance_weights(QUALITY, DIVERSITY, clip=1), [1.0, 0.75, 0.105263], atol=1e-6)


def test_clip_can_lie_above_the_overflow_guard():
    # With a diversity of 1e-20 the weight is 1e20; without a clip it would stop at exp(30), about 1e13.
    np.testing.assert_allclose(importance_weights([1.0], [1e-20], clip=1e25), [1e20])


def test_global_normalisation_divides_by_the_mean():
    # (1.8, 0.75, 0.105263) over their mean 0.885088
    weights = importance_weights(QUALITY, DIVERSITY, normalize="global")
    np.testing.assert_allclose(weights, [2.033697, 0.847374, 0.118930], atol=1e-6)


def test_clip_comes_before_normalisation():
    # ratios 9 and 0.2, clipped to 1 and 0.2, over their mean 0.6; the other order would give 1 and 0.043478
    weights = importance_weights([0.9, 0.1], [0.1, 0.5], clip=1, normalize="global")
    np.testing.assert_allclose(weights, [1.666667, 0.333333], atol=1e-6)


def test_global_normalisation_does_not_feel_a_common_factor():
    halved = np.array(QUALITY) / 2
    np.testing.assert_allclose(
        importance_weights(halved, DIVERSITY, normalize="global"),
        importance_weights(QUALITY, DIVERSITY, normalize="global"),
        rtol=1e-12,
    )


def test_swapped_label_weighs_little_only_if_the_diversity_checker_has_seen_it():
    # Quality 0.05 against a diversity checker that is sure of the wrong label, undecided, or knows better.
    weights = importance_weights([0.05, 0.05, 0.05], [0.99, 0.5, 0.05])
    np.testing.assert_allclose(weights, [0.050505, 0.1, 1.0], atol=1e-6)


def test_weights_of_all_classes_average_one_under_the_synthetic_distribution():
    weights = importance_weights(P.ravel(), Q.ravel()).reshape(2, 3)
    np.testing.assert_allclose((Q * weights).sum(axis=1), [1.0, 1.0])
    np.testing.assert_allclose((Q * weights**2).sum(axis=1), [1.379286, 1.43], atol=1e-6)  # 1 + chi squared


@pytest.mark.parametrize(
    ("n_classes", "diversity", "weights"),
    [
        # (copies + 1) / (copies + classes), and 0.9 over it
        (2, [0.666667, 0.75, 0.8], [1.35, 1.2, 1.125]),
        (3, [0.5, 0.6, 0.666667], [1.8, 1.5, 1.35]),
    ],
)
def test_copies_of_a_text_weigh_less_with_a_counting_diversity_checker(n_classes, diversity, weights):
    X = [0, 1, 1, 2, 2, 2]  # one, two and three copies
    checker = Laplace().fit(X, [1] * 6, n_classes)
    proba = label_proba(checker, [0, 1, 2], [1, 1, 1])
    np.testing.assert_allclose(proba, diversity, atol=1e-6)
    np.testing.assert_allclose(importance_weights([0.9, 0.9, 0.9], proba), weights, atol=1e-6)


def test_copies_of_a_text_weigh_less_with_a_logistic_regression_as_diversity_checker():
    texts, labels = [0, 1, 1, 2, 2, 2, 3], ["yes"] * 6 + ["no"]
    checker = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-12, max_iter=10_000)
    checker.fit(np.eye(4)[texts], labels)
    proba = label_proba(checker, np.eye(4)[:3], ["yes"] * 3)
    # The logit z of a text with m copies solves z = m * sigmoid(-z).
    np.testing.assert_allclose(proba, [0.598942, 0.662584, 0.706763], atol=1e-5)
    np.testing.assert_allclose(importance_weights([0.9] * 3, proba), [1.502650, 1.358318, 1.273412], atol=3e-5)


def test_weights_do_not_change_the_arrays_they_are_made_from():
    quality, diversity = np.array(QUALITY), np.array(DIVERSITY)
    importance_weights(quality, diversity, clip=1, normalize="global")
    assert quality.tolist() == QUALITY
    assert diversity.tolist() == DIVERSITY


def test_no_rows_have_no_weights():
    assert importance_weights([], []).shape == (0,)


def test_quality_a_hair_above_one_is_taken_for_rounding():
    np.testing.assert_allclose(importance_weights([1 + 1e-6], [0.5]), [2.0], rtol=2e-6)


def test_probabilities_may_come_in_a_column_with_missing_values():
    np.testing.assert_allclose(importance_weights(pd.Series([0.9, None], dtype="Float64")), [0.9, 1.0])
    np.testing.assert_allclose(importance_weights(np.array([0.9, None], dtype=object)), [0.9, 1.0])


@pytest.mark.parametrize("value", [1.5, -0.25])
def test_a_quality_that_is_no_probability_raises_with_its_row(value):
    with pytest.raises(ValueError, match=rf"^quality\[3\] is {value}, expected a probability between 0 and 1\.$"):
        importance_weights([0.0, 1.0, np.nan, value], [0.5] * 4)


@pytest.mark.parametrize("value", [1.5, -0.25])
def test_a_diversity_that_is_no_probability_raises_with_its_row(value):
    with pytest.raises(ValueError, match=rf"^diversity\[1\] is {value}, expected a probability between 0 and 1\.$"):
        importance_weights([0.5, 0.5, 0.5], [0.5, value, 0.5])


def test_infinite_quality_raises():
    with pytest.raises(ValueError, match="quality contains infinity"):
        importance_weights([np.inf], [0.5])


def test_a_matrix_of_probabilities_raises():
    with pytest.raises(
        ValueError, match=r"^quality must hold one probability per row, got an array of shape \(2, 3\)\.$"
    ):
        importance_weights(P)


def test_quality_and_diversity_of_different_lengths_raise():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        importance_weights([0.5, 0.5, 0.5], [0.5])


@pytest.mark.parametrize("clip", [0, -1.0, np.nan])
def test_a_clip_that_is_not_positive_raises(clip):
    with pytest.raises(ValueError, match=r"^clip must be None or a positive number, got "):
        importance_weights(QUALITY, DIVERSITY, clip=clip)


@pytest.mark.parametrize("normalize", ["batch", True, "mean"])
def test_an_unknown_normalisation_raises(normalize):
    with pytest.raises(ValueError, match=r"^normalize must be None or 'global', got "):
        importance_weights(QUALITY, DIVERSITY, normalize=normalize)


# -- effective_sample_size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "size"),
    [
        ([1.8, 0.75, 0.1 / 0.95], 1.848767),  # quality over diversity
        ([1.8, 0.8, 0.5], 2.326877),  # quality over model
        ([0.9, 0.6, 0.1], 2.169492),  # quality alone
        ([3.0, 1.0], 1.6),  # 16 / 10
    ],
)
def test_effective_sample_size_is_the_squared_sum_over_the_sum_of_squares(weights, size):
    assert effective_sample_size(weights) == pytest.approx(size, abs=1e-6)


def test_effective_share_of_synthetic_rows_is_one_over_one_plus_chi_squared():
    copies = (100 * Q.ravel()).round().astype(int)  # 200 rows, in proportion to Q
    weights = np.repeat(importance_weights(P.ravel(), Q.ravel()), copies)
    assert effective_sample_size(weights) / 200 == pytest.approx(0.711925, abs=1e-6)


def test_effective_sample_size_lies_between_one_and_the_number_of_rows():
    rng = np.random.default_rng(0)
    sizes = [effective_sample_size(rng.lognormal(sigma=sigma, size=50)) for sigma in (0.1, 1.0, 3.0, 10.0)]
    assert all(1 <= size < 50 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("weight", [0.1, 1.0, 1e300, 1e-300])
def test_effective_sample_size_of_equal_weights_is_the_number_of_rows(weight):
    assert effective_sample_size([weight] * 7) == 7.0


def test_effective_sample_size_is_one_if_one_row_carries_everything():
    assert effective_sample_size([0.0, 5.0, 0.0]) == 1.0


def test_effective_sample_size_of_huge_weights_does_not_overflow():
    assert effective_sample_size([3e200, 1e200]) == pytest.approx(1.6)


@pytest.mark.parametrize("weights", [[0.0, 0.0], []])
def test_effective_sample_size_of_zero_weights_is_zero(weights):
    assert effective_sample_size(weights) == 0.0


def test_effective_sample_size_of_many_weights_in_half_precision_does_not_overflow():
    assert effective_sample_size(np.ones(70_000, dtype=np.float16)) == 70_000


def test_effective_sample_size_of_groups_is_that_of_each():
    # 16 / 10 and 4 / 4
    sizes = effective_sample_size([3.0, 2.0, 1.0, 0.0], groups=["good", "bad", "good", "bad"])
    assert sizes == {"bad": 1.0, "good": pytest.approx(1.6)}


def test_weights_and_groups_of_different_lengths_raise():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[2, 1\]"):
        effective_sample_size([1.0, 1.0], groups=["good"])


def test_weights_that_are_all_zero_stay_zero_when_normalised():
    np.testing.assert_array_equal(importance_weights([0.0, 0.0], gamma=2.0, normalize="global"), [0.0, 0.0])


def test_infinite_clip_is_no_clip():
    assert np.isfinite(importance_weights([1.0], [0.0], gamma=2.0, clip=np.inf)).all()


@pytest.mark.parametrize("gamma", [-1.0, np.nan])
def test_gamma_that_would_invert_the_weights_is_refused(gamma):
    with pytest.raises(ValueError, match=r"^gamma must not be negative, got "):
        importance_weights([0.5], gamma=gamma)


def test_smoothing_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"^smoothing must be between 0 and 1, got "):
        smooth_proba([0.5], 1.5, 2)


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [np.nan, 1.0]])
def test_effective_sample_size_of_weights_that_are_none_is_refused(weights):
    with pytest.raises(ValueError, match=r"^weights must not be negative or NaN\.$"):
        effective_sample_size(weights)
