import copy

import numpy as np
import pytest
from helpers import QUICK, WORDS, tfidf

from skweight import IMPClassifier, OpinionPoolClassifier, weight_report

N, N_REAL = 60, 20


def distinct_texts(n, seed):
    """Texts of ten words in the tiny encoder's vocabulary, none of which is like another."""
    rng = np.random.RandomState(seed)
    return [" ".join(rng.choice(WORDS, 10)) for _ in range(n)]


@pytest.fixture(scope="session")
def rows():
    """Rows of which there is nothing to say: two classes that alternate."""
    return {
        "X": distinct_texts(N, 0),
        "y": ["fresh", "rotten"] * (N // 2),
        "real_X": distinct_texts(N_REAL, 1),
        "real_y": ["fresh", "rotten"] * (N_REAL // 2),
    }


def fitted_on(rows, classifier):
    return classifier.fit(rows["X"], rows["y"], real_X=rows["real_X"], real_y=rows["real_y"])


@pytest.fixture(scope="session")
def imp(rows, tiny_encoder):
    checkers = {"quality_checker": tfidf(), "diversity_checker": tfidf()}
    return fitted_on(rows, IMPClassifier(tiny_encoder, **checkers, **QUICK))


@pytest.fixture(scope="session")
def pool(rows, tiny_encoder):
    return fitted_on(rows, OpinionPoolClassifier(tiny_encoder, **{**QUICK, "max_epochs": 1}))


@pytest.fixture
def report(imp, rows):
    """Make a report on the rows as they are but for what is named; attributes of the classifier by their names."""

    def make(classifier=imp, *, n_rows=0, **changes):
        changed = copy.copy(classifier)
        for name in [name for name in changes if name.endswith("_") and hasattr(classifier, name)]:
            setattr(changed, name, changes.pop(name))
        return weight_report(changed, n_rows=n_rows, **{**rows, **changes})

    return make


@pytest.fixture
def findings(report):
    """Findings by their codes."""

    def make(*args, **changes):
        return {finding.code: finding for finding in report(*args, **changes).findings}

    return make
