"""Pipelines whose last step needs real rows."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from helpers import brief
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skweight import DIMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.model_selection import RealKFold, stack_real


def double(X):
    return 2 * np.asarray(X) + 1


def test_a_pipeline_transforms_real_rows_in_both_spellings(small, checker_fits):
    expected = brief().fit(double(small.X), small.y, is_real=small.is_real).predict_proba(double(small.test_X))
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", brief())])
    pipeline.fit(small.X, small.y, clf__is_real=small.is_real)
    np.testing.assert_array_equal(pipeline.predict_proba(small.test_X), expected)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = Pipeline(pipeline.steps, transform_input=["real_X"])
        routed.fit(small.synth_X, small.synth_y, real_X=small.real_X, real_y=small.real_y)
        np.testing.assert_array_equal(routed.predict_proba(small.test_X), expected)
        masked = Pipeline(pipeline.steps).fit(small.X, small.y, is_real=small.is_real)
        np.testing.assert_array_equal(masked.predict_proba(small.test_X), expected)
    for checked in checker_fits:
        np.testing.assert_array_equal(checked.X, double(small.real_X).astype(np.float32))


def test_a_pipeline_without_transform_input_leaves_real_rows_as_they_are(small, checker_fits):
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", brief())])
    pipeline.fit(small.synth_X, small.synth_y, clf__real_X=small.real_X, clf__real_y=small.real_y)
    (checked,) = checker_fits
    np.testing.assert_array_equal(checked.X, small.real_X.astype(np.float32))


def test_a_tuple_around_the_real_rows_goes_through_the_steps_of_a_pipeline_in_a_search(small, routing, checker_fits):
    X, y, real_X, real_y = small.synth_X, small.synth_y, small.test_X[:48], small.test_y[:48]
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", brief())], transform_input=["real_X"])
    search = GridSearchCV(pipeline, {"clf__gamma": [1.0]}, cv=3, error_score="raise")
    search.fit(X, y, real_X=(real_X,), real_y=(real_y,))
    assert len(checker_fits) == 4
    for checked in checker_fits:
        np.testing.assert_array_equal(checked.X, double(real_X).astype(np.float32))


def test_a_search_over_a_pipeline_names_the_mask_by_its_step_or_routes_it(small):
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", brief())])
    grid = {"clf__gamma": [0.0, 2.0]}
    off = GridSearchCV(pipeline, grid, cv=RealKFold(2, is_real=small.is_real), error_score="raise")
    off.fit(small.X, small.y, clf__is_real=small.is_real)
    with sklearn.config_context(enable_metadata_routing=True):
        on = GridSearchCV(pipeline, grid, cv=RealKFold(2), error_score="raise")
        on.fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_array_equal(on.cv_results_["mean_test_score"], off.cv_results_["mean_test_score"])


@pytest.fixture
def text_clf(tiny_encoder):
    checker = CrossEntropyClassifier(tiny_encoder, max_epochs=1, batch_size=4, max_length=16, lr=1e-3, device="cpu")
    return DIMPClassifier(
        tiny_encoder,
        quality_checker=checker,
        max_epochs=1,
        batch_size=4,
        max_length=16,
        lr=1e-3,
        random_state=0,
        device="cpu",
    )


@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize("columns", [["text"], ["text", "answer"]], ids=["texts", "pairs"])
def test_columns_of_a_data_frame_are_picked_by_a_column_transformer(columns, output, text_clf, toy):
    def frame(texts):
        columns = {"id": range(len(texts)), "text": texts, "source": "web", "answer": texts[::-1]}
        return pd.DataFrame(columns, index=np.arange(len(texts)) * 3 + 1)

    def picked(texts):
        return texts if columns == ["text"] else list(zip(texts, texts[::-1], strict=True))

    expected = clone(text_clf).fit(picked(toy["X"]), toy["y"], real_X=picked(toy["real_X"]), real_y=toy["real_y"])
    proba = expected.predict_proba(picked(toy["real_X"]))
    steps = [("pick", ColumnTransformer([("text", "passthrough", columns)])), ("clf", text_clf)]
    with sklearn.config_context(enable_metadata_routing=True):
        routed = Pipeline(clone(Pipeline(steps)).steps, transform_input=["real_X"]).set_output(transform=output)
        routed.fit(frame(toy["X"]), toy["y"], real_X=frame(toy["real_X"]), real_y=toy["real_y"])
        np.testing.assert_array_equal(routed.predict_proba(frame(toy["real_X"])), proba)
    X, y, is_real = stack_real(frame(toy["X"]), toy["y"], frame(toy["real_X"]), toy["real_y"])
    masked = Pipeline(steps).set_output(transform=output).fit(X, y, clf__is_real=is_real)
    np.testing.assert_array_equal(masked.predict_proba(frame(toy["real_X"])), proba)
    assert masked[-1].text_pairs_ == (len(columns) == 2)
    if output == "pandas":
        assert masked[-1].feature_names_in_.tolist() == [f"text__{name}" for name in columns]
