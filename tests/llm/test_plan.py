import math

import numpy as np
import pandas as pd
import pytest

from skweight.llm import plan


def table(**columns):
    return pd.DataFrame(columns)


def only(plan, factor, value):
    return next(line for line in plan.of(factor) if line["value"] == value)


def test_a_mean_is_relative_to_the_class_and_its_error_is_over_requests():
    # Two requests for each model. The mean weight of the class is 1.5: relative weights 4/3, 4/3, 4/3, 0 and the like.
    frame = table(label=["a"] * 8, model=["x"] * 4 + ["y"] * 4, request=[0, 0, 1, 1, 2, 2, 3, 3])
    found = plan([2, 2, 2, 0, 0, 2, 2, 2], frame)
    line = only(found, "model", "x")
    assert line["score"] == pytest.approx(1.0)
    # Sums of deviations of the requests: 2/3 and -2/3. sqrt(2/1 * 8/9) / 4 = 1/3. Two intervals of 97.5 %: t with one
    # degree of freedom at 98.75 %.
    assert line["high"] - 1 == pytest.approx(25.4517 / 3, rel=1e-4)
    assert line["low"] == pytest.approx(2 - line["high"])
    assert line["rows"] == 4
    assert line["effective_rows"] == 3.0


def test_a_class_that_weighs_little_does_not_make_its_models_look_poor():
    frame = table(label=["a"] * 4 + ["b"] * 4, model=list("xxyy" * 2))
    found = plan([3, 3, 3, 3, 1, 1, 1, 1], frame)
    assert [line["score"] for line in found.of("model")] == [1.0, 1.0]
    assert [(line["value"], line["score"]) for line in found.of("label")] == [("a", 1.5), ("b", 0.5)]


def test_tokens_are_those_of_the_rows():
    frame = table(
        label=["a"] * 4, model=list("xxyy"), prompt_tokens=[100, 100, 50, 50], completion_tokens=[25, 25, 25, 25]
    )
    found = plan([1, 1, 1, 1], frame)
    assert only(found, "model", "x")["tokens"] == 250
    assert only(found, "model", "x")["weight_per_1000_tokens"] == pytest.approx(8.0)
    assert only(found, "model", "y")["weight_per_1000_tokens"] == pytest.approx(2 / 0.15)


def test_a_row_counts_for_every_real_row_that_its_prompt_showed():
    frame = table(label=["a"] * 3, shown=[["r1", "r2"], ["r2"], ["r3"]])
    found = plan([1, 1, 4], frame)
    assert {line["value"]: line["rows"] for line in found.of("shown")} == {"r1": 1, "r2": 2, "r3": 1}
    assert only(found, "shown", "r3")["score"] == pytest.approx(2.0)


def test_attributes_are_found_and_columns_that_tell_rows_apart_are_not():
    n = 40
    frame = table(
        text=[f"text {i}" for i in range(n)],
        label=["a", "b"] * (n // 2),
        model=["m"] * n,
        length=["short", "short", "long", "long"] * (n // 4),
        note=[f"note {i}" for i in range(n)],
        copy_of=[-1] * (n - 1) + [0],
    )
    factors = dict.fromkeys(line["factor"] for line in plan(np.ones(n), frame).lines)
    assert list(factors) == ["label", "length"]
    assert {line["factor"] for line in plan(np.ones(n), frame, by=["note"]).lines} == {"note"}


@pytest.fixture
def three():
    """Of three models one is plainly poor, and one has too few rows to say so."""
    model = ["good"] * 40 + ["poor"] * 40 + ["new"] * 5
    return plan([2.0] * 40 + [0.5] * 40 + [0.5] * 5, table(label=["a"] * 85, model=model))


def test_the_next_rows_come_from_what_is_not_plainly_below_the_average(three):
    assert three.keep("model") == ["good", "new"]
    # Shares 2 to 0.5.
    assert three.split(10, "model") == {"good": 8, "poor": 0, "new": 2}


@pytest.mark.parametrize("n", [0, 1, 7, 100, 101])
def test_a_split_adds_up(three, n):
    assert sum(three.split(n, "model").values()) == n


def test_where_all_are_alike_nothing_is_left_out():
    found = plan(np.ones(60), table(label=["a"] * 60, model=["x", "y", "z"] * 20))
    assert found.split(9, "model") == {"x": 3, "y": 3, "z": 3}


def test_it_prints_what_to_leave_out(three):
    text = str(three)
    assert "model:" in text
    assert text.endswith("Ask for no more of model: poor.")
    assert "inf" not in text


def test_a_fitted_classifier_brings_its_weights():
    class Fitted:
        sample_weight_ = np.array([1.0, 3.0])

    lines = plan(Fitted(), table(label=["a", "b"])).of("label")
    assert [(line["value"], line["mean_weight"]) for line in lines] == [("b", 1.5), ("a", 0.5)]


def test_values_are_judged_by_the_quality_of_their_rows_where_it_is_known():
    class Fitted:
        sample_weight_ = np.array([1.0, 1.0, 1.0, 5.0])
        quality_proba_ = np.array([0.9, 0.9, 0.3, 0.3])

    found = plan(Fitted(), table(label=["a"] * 4, model=list("xxyy")))
    assert found.score == "quality"
    assert [(line["value"], line["score"]) for line in found.of("model")] == [("x", 1.5), ("y", 0.5)]
    assert [line["mean_weight"] for line in found.of("model")] == [0.5, 1.5]


@pytest.mark.parametrize(
    ("weights", "frame", "message"),
    [
        ([1.0], table(label=["a", "b"]), "There are 1 weights, but provenance of 2 rows"),
        ([1.0], table(model=["a"]), "no column 'label'"),
        ([0.0, 0.0], table(label=["a", "b"]), "All weights are 0"),
    ],
)
def test_what_does_not_fit_is_refused(weights, frame, message):
    with pytest.raises(ValueError, match=message):
        plan(weights, frame)


def test_an_unknown_factor_is_named(three):
    with pytest.raises(ValueError, match="no factor 'prompt'; it has"):
        three.split(10, "prompt")
    with pytest.raises(ValueError, match="no column 'tone'"):
        plan([1.0], table(label=["a"]), by=["tone"])


def test_a_class_without_weight_says_nothing_of_its_models():
    found = plan([0, 0, 1, 1], table(label=list("aabb"), model=list("xyxy")))
    assert all(math.isclose(line["score"], 1.0) for line in found.of("model"))
