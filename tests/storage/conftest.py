import pytest
from helpers import QUICK

from skweight.baselines import CrossEntropyClassifier, FocalClassifier


@pytest.fixture(scope="session")
def old(tiny_encoder):
    """A classifier of two classes."""
    X, y = ["a good film", "a bad film", "great cast", "poor cast"] * 2, ["fresh", "rotten"] * 4
    return CrossEntropyClassifier(tiny_encoder, **QUICK, lr=1e-2).fit(X, y)


@pytest.fixture(scope="session")
def new(tiny_encoder):
    """Another classifier, of another kind and of three classes."""
    X, y = ["a good film", "a bad film", "quite dull"] * 3, ["one", "two", "three"] * 3
    return FocalClassifier(tiny_encoder, **QUICK, lr=1e-2).fit(X, y)
