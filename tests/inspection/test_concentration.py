import numpy as np
import pytest
from scipy.stats import genpareto

from skweight.inspection import ConcentrationDisplay
from skweight.inspection._pareto import fit_generalised_pareto, pareto_tail


def test_the_lorenz_curve_adds_up_the_weights_lightest_first():
    frame = ConcentrationDisplay.from_weights([2.0, 0.0, 1.0, 1.0]).frame()
    assert frame["share_of_rows"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert frame["share_of_weight"].tolist() == [0, 0, 0.25, 0.5, 1]


def test_gini_coefficient():
    # 1 - 2 * (areas of the four trapezia under the curve above: 0, 1/32, 3/32, 6/32) = 1 - 20/32
    assert ConcentrationDisplay.from_weights([2.0, 0.0, 1.0, 1.0]).gini == pytest.approx(0.375)
    assert ConcentrationDisplay.from_weights([3.0] * 7).gini == pytest.approx(0)
    assert ConcentrationDisplay.from_weights([0.0] * 99 + [5.0]).gini == pytest.approx(0.99)


def test_effective_sample_size():
    assert ConcentrationDisplay.from_weights([2.0, 0.0, 1.0, 1.0]).effective_sample_size == pytest.approx(16 / 6)


def test_weights_near_the_largest_float_do_not_overflow():
    display = ConcentrationDisplay.from_weights([1e308] * 40)
    assert display.gini == pytest.approx(0)


def test_the_picture_says_what_the_numbers_are(legend):
    ax = ConcentrationDisplay.from_weights([2.0, 0.0, 1.0, 1.0]).plot().ax_
    assert ax.lines[1].get_ydata().tolist() == [0, 0, 0.25, 0.5, 1]
    assert legend(ax) == [
        "Gini coefficient 0.38 (0: equal weights, 1: one row has all)",
        "equal weights",
        # Of the last quarter, from 50 % to 100 % of the weight, the last tenth has 40 % of the 50 %.
        "the heaviest 10% of the rows carry 20% of the weight",
        "effective sample size 3 of 4 rows",
        "Pareto k of the largest weights: too few rows above the others to tell",
    ]


@pytest.mark.parametrize(
    ("k", "said"),
    [
        (0.2, "not above 0.7, so the mean of the weights is stable"),
        (1.5, ": above 0.7, so the mean of the weights is not to"),
    ],
)
def test_the_picture_says_whether_the_mean_can_be_trusted(k, said, legend):
    weights = genpareto(k).rvs(2000, random_state=0)
    assert said in legend(ConcentrationDisplay.from_weights(weights).plot().ax_)[-1]


def test_the_weights_of_a_classifier_are_found_in_it(numeric_classifier):
    display = ConcentrationDisplay.from_estimator(numeric_classifier)
    assert display.weights.tolist() == numeric_classifier.sample_weight_.tolist()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "weights must be one number for each row"),
        ([[1.0]], "weights must be one number for each row"),
        ([1.0, -0.5], "weights must be 0 or more, and finite, got -0.5 in row 1"),
        ([np.nan], "weights must be 0 or more, and finite, got nan in row 0"),
        ([np.inf], "weights must be 0 or more, and finite, got inf in row 0"),
        ([0.0, 0.0], "All 2 weights are 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ConcentrationDisplay.from_weights(weights)


def test_a_heavy_tail_that_adds_next_to_nothing_is_no_reason_for_mistrust(legend):
    weights = 1 + 1e-7 * genpareto(1.5).rvs(2000, random_state=0)
    display = ConcentrationDisplay.from_weights(weights)
    tail = np.sort(weights)[-135:]  # 3 sqrt(2000) = 134.2
    assert display.tail_excess == pytest.approx((tail - np.sort(weights)[-136]).sum() / weights.sum())
    assert display.pareto_k > 0.7
    assert "a heavy tail, which adds less than 1% to the weight" in legend(display.plot().ax_)[-1]


# -- the tail ---------------------------------------------------------------------------------------------------------


def pareto_k(weights):
    return pareto_tail(weights)[0]


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.7, 1.5])
def test_shape_and_scale_of_a_generalised_pareto_distribution_are_recovered(k):
    x = np.sort(genpareto(k, scale=2.0).rvs(20_000, random_state=0))
    shape, scale = fit_generalised_pareto(x)
    assert shape == pytest.approx(k, abs=0.03)
    assert scale == pytest.approx(2.0, rel=0.05)


def test_quantiles_of_an_exponential_distribution_have_shape_zero():
    x = -np.log1p(-(np.arange(1, 1000) / 1000))  # k = 0 is the exponential distribution
    assert fit_generalised_pareto(x) == pytest.approx((0.0, 1.0), abs=0.02)


@pytest.mark.parametrize("k", [0.2, 1.0])
def test_the_tail_of_a_generalised_pareto_distribution_has_its_shape(k):
    weights = genpareto(k).rvs(50_000, random_state=1)
    assert pareto_k(weights) == pytest.approx(k, abs=0.1)


def test_the_tail_does_not_depend_on_the_unit_of_the_weights():
    weights = genpareto(0.8).rvs(500, random_state=0)
    assert pareto_k(1e300 * weights) == pytest.approx(pareto_k(weights))


def test_a_short_tail_is_drawn_towards_a_half():
    weights = genpareto(0.0).rvs(100, random_state=0)  # a tail of 20 rows: a third of the estimate is the prior
    tail = np.sort(weights)[-20:] - np.sort(weights)[-21]
    assert pareto_k(weights) == pytest.approx((20 * fit_generalised_pareto(tail)[0] + 5) / 30)


@pytest.mark.parametrize("weights", [np.arange(20.0), np.ones(1000), np.zeros(1000), [*np.ones(1000), 2.0, 3.0]])
def test_a_tail_of_few_rows_has_no_shape(weights):
    assert np.isnan(pareto_k(weights))
