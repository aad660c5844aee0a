"""Before fit, after a fit that failed, and where warnings point."""

import warnings

import pytest
from helpers import WEIGHTED, replaced
from sklearn.exceptions import NotFittedError

from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import SkweightWarning


@pytest.mark.parametrize("cls", [*WEIGHTED, CrossEntropyClassifier])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predicting_before_fit_is_an_error_of_its_own(build, toy, cls, method):
    with pytest.raises(NotFittedError, match=f"^This {cls.__name__} instance is not fitted yet"):
        getattr(build(cls), method)(toy["X"])


def test_a_fit_that_fails_leaves_no_fitted_model_behind(fit, toy, build):
    clf = build()
    clf.fit(toy["X"], toy["y"], real_X=toy["real_X"], real_y=toy["real_y"])
    with pytest.raises(ValueError, match="missing value"):
        clf.fit(replaced(toy["X"], row0=None), toy["y"], real_X=toy["real_X"], real_y=toy["real_y"])
    with pytest.raises(NotFittedError):
        clf.predict(toy["X"])


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("SKW010", {"X": lambda X: replaced(X, row0="")}),
        ("SKW011", {"X": lambda X: replaced(X, row0="good " * 40)}),
        ("SKW012", {"y": lambda y: replaced(y, row0="Fresh"), "real_y": lambda y: replaced(y, row0="Fresh")}),
        ("SKW015", {"y": lambda y: replaced(y, row0="nan"), "real_y": lambda y: replaced(y, row0="nan")}),
        ("SKW013", {"X": lambda X: ["unknown words only"] * 12}),
        ("SKW014", {"X": lambda X: replaced(X, row0=None)}),
        ("SKW021", {"y": lambda y: replaced(y, row0="mixed")}),
        ("SKW033", {"X": lambda X: ["fresh", "rotten"] * 6}),
        ("SKW030", {"X": lambda X: replaced(X, row0="a film"), "real_X": lambda X: replaced(X, row0="a film")}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_warning_of_fit_points_at_the_line_that_called_fit(build, toy, code, changes):
    arguments = {**toy, **{name: change(toy[name]) for name, change in changes.items()}}
    X, y = arguments.pop("X"), arguments.pop("y")
    clf = build(missing_real="warn", on_bad_rows="drop")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SkweightWarning)
        clf.fit(X, y, **arguments)
    files = {w.filename for w in caught if str(w.message).startswith(code)}
    assert files == {__file__}


@pytest.mark.parametrize("text", ["", "good " * 40], ids=["SKW010", "SKW011"])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_warning_of_predict_points_at_the_line_that_called_it(fit, method, text):
    clf = fit()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SkweightWarning)
        getattr(clf, method)([text, "a good film"])
    assert [w.filename for w in caught] == [__file__]
