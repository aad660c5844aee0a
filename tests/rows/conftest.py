import pytest
from helpers import tfidf

from skweight import DIMPClassifier, IMPClassifier

FIT_ARGUMENTS = ("X", "y", "real_X", "real_y", "sample_weight")


@pytest.fixture
def build(tiny_encoder):
    """Make a classifier that fits in a fraction of a second."""

    def build(cls=DIMPClassifier, **params):
        checkers = {
            IMPClassifier: {"quality_checker": tfidf(), "diversity_checker": tfidf()},
            DIMPClassifier: {"quality_checker": tfidf()},
        }.get(cls, {})
        settings = {"max_epochs": 1, "precision": "fp32", "max_length": 32, "device": "cpu", "random_state": 0}
        return cls(**{"encoder": tiny_encoder, **checkers, **settings, **params})

    return build


@pytest.fixture
def fit(build, toy):
    """Fit such a classifier on the toy rows, some of the arguments or parameters replaced."""

    def fit(cls=DIMPClassifier, **changes):
        arguments = {**toy, **{name: changes.pop(name) for name in FIT_ARGUMENTS if name in changes}}
        return build(cls, **changes).fit(arguments.pop("X"), arguments.pop("y"), **arguments)

    return fit
