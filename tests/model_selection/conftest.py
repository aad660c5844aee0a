import pytest
from helpers import make_rows, watch
from sklearn.linear_model import LogisticRegression

from skweight import DIMPClassifier


@pytest.fixture(scope="module")
def data():
    """Rows of numbers, wrong labels among the synthetic ones."""
    return make_rows()


@pytest.fixture(scope="module")
def small():
    """Enough rows to train on, too few to learn much."""
    return make_rows(n_synthetic=48, n_real=16)


@pytest.fixture
def fits(monkeypatch):
    """What each fit of a DIMPClassifier is given."""
    return watch(monkeypatch, DIMPClassifier, "fit")


@pytest.fixture
def checker_fits(monkeypatch):
    """What each fit of a LogisticRegression is given, the quality checker of these tests."""
    return watch(monkeypatch, LogisticRegression, "fit")
