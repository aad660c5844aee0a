import numpy as np
import pytest


@pytest.fixture
def numbers():
    """Rows of numbers, a fifth with the wrong label."""
    rng = np.random.RandomState(0)
    X = rng.randn(280, 4)
    y = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
    wrong = np.arange(240) < 48
    other = np.where(y == "up", "down", "up")
    return {
        "X": X[:240],
        "y": np.where(wrong, other[:240], y[:240]),
        "wrong": wrong,
        "real_X": X[240:],
        "real_y": y[240:],
    }
