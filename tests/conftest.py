import warnings

import numpy as np
import pytest
import sklearn
import torch
from helpers import WORDS, write_tiny_bert

from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_film_reviews, minilm_folder
from skweight.exceptions import SkweightWarning

# Tiny models gain nothing from a second thread, and lose a lot where another process wants the processor too.
torch.set_num_threads(1)

# The collector of doctests would import the conftest.py of every folder under one and the same name.
collect_ignore_glob = ["*conftest.py"]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Folder of a tiny random encoder of 64 positions that knows a few words about films: to test mechanics."""
    return write_tiny_bert(tmp_path_factory.mktemp("tiny-bert"), WORDS, positions=64)


@pytest.fixture(scope="session")
def roomy_encoder(tmp_path_factory):
    """The same with room for 128 positions, the default max_length."""
    return write_tiny_bert(tmp_path_factory.mktemp("roomy-bert"), WORDS, positions=128)


@pytest.fixture(scope="session")
def minilm():
    """Folder of the real MiniLM encoder, six layers."""
    return minilm_folder()


@pytest.fixture(scope="session")
def text_classifier(tiny_encoder):
    """Classifier of texts; a text of more than 14 words is truncated."""
    X, y = ["a good film", "a bad film", "great cast", "poor cast"] * 2, ["fresh", "rotten"] * 4
    return CrossEntropyClassifier(tiny_encoder, max_epochs=1, max_length=16, random_state=0).fit(X, y)


@pytest.fixture(scope="session")
def numeric_classifier():
    """Classifier of rows of three numbers."""
    X = np.random.RandomState(0).randn(40, 3)
    return CrossEntropyClassifier("passthrough", max_epochs=1, precision="fp32", random_state=0).fit(X, X[:, 0] > 0)


@pytest.fixture(scope="session")
def texts():
    """Make `n` texts that all differ, with more and with less than one sixteenth of a batch's tokens."""

    def make(n):
        words = "good bad warm dull funny weak".split()
        return [" ".join(["a film", *(words[(i // 6**k) % 6] for k in range(1 + i % 5))]) for i in range(n)]

    return make


@pytest.fixture
def caught():
    """Warnings of the package, as a list."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SkweightWarning)
        warnings.filterwarnings("ignore", message="SKW04[35]")  # as in pyproject.toml
        yield caught


@pytest.fixture(scope="session")
def themes():
    """Film reviews to tell apart by theme: 100 with wrong labels on one side, and 50 + 50 clean ones."""
    everything = load_film_reviews()
    # Batches of 220 rows: the fourth is on history and politics, the fifth on children's and fantastic films.
    rows = np.flatnonzero(everything.kind == "ordinary")
    rows = rows[(rows >= 660) & (rows < 1100)]
    rows = rows[np.random.RandomState(0).permutation(len(rows))]
    X = np.array(everything.X, dtype=object)[rows]
    y = np.where(rows < 880, "history", "children")
    history = np.flatnonzero(y[:100] == "history")
    swapped = np.zeros(100, dtype=bool)
    swapped[history[np.arange(len(history)) % 5 < 2]] = True
    return {
        "X": X[:100].tolist(),
        "y": np.where(swapped, "children", y[:100]),
        "swapped": swapped,
        "real_X": X[100:150].tolist(),
        "real_y": y[100:150],
        "test_X": X[150:].tolist(),
        "test_y": y[150:],
    }


@pytest.fixture
def toy():
    """Twelve short labelled texts and six real ones, all words in the tiny encoder's vocabulary."""
    X = ["a good film", "a bad film", "great cast", "poor cast", "warm and funny", "dull and boring"] * 2
    real_X = ["good acting", "bad acting", "a great story", "a poor story", "superb and moving", "tedious and weak"]
    return {
        "X": [f"{text} {WORDS[-i - 1]}" for i, text in enumerate(X)],
        "y": ["fresh", "rotten"] * 6,
        "real_X": real_X,
        "real_y": ["fresh", "rotten"] * 3,
    }


@pytest.fixture
def routing():
    """scikit-learn's metadata routing, turned on."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield
