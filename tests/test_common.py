"""scikit-learn's own checks, for each classifier on texts and on numbers."""

import atexit
import functools
import os
import shutil
import tempfile
import unittest

import numpy as np
import pytest
from helpers import ALL, quick_options, tfidf, write_tiny_bert
from sklearn.exceptions import SkipTestWarning
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.validation import validate_data

from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier
from skweight.baselines import DistilledClassifier, SunGenClassifier

# The checks pass numbers, and fit(X, y) without real rows. So they run on numbers as they are
# (encoder="passthrough"), and on texts through a bridge that spells a row of numbers as a sentence: behind that, the
# tokenizer, the encoder, the batches of similar length and the predictions are those of every user.

# Rows of few values, and few rows, repeat each other.
pytestmark = pytest.mark.filterwarnings("ignore:SKW034")

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [column + value for column in LETTERS for value in LETTERS]


@functools.cache
def bridge_folder():
    folder = tempfile.mkdtemp(prefix="skweight-bridge-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Far from the usual values, for a tiny model that learns in a few steps whatever the seed. Attention keeps its
    # dropout, so that training is random.
    return write_tiny_bert(folder, WORDS, positions=32, initializer_range=0.15, hidden_dropout_prob=0.0)


class BridgeEncoder(os.PathLike):
    """Path of a tiny random BERT that knows the bridge's words.

    It is written on first use, which keeps collection quick, and shown without its path, which would be another in
    every run and with it the names of the tests.
    """

    def __fspath__(self):
        return bridge_folder()

    def __str__(self):
        return bridge_folder()

    def __repr__(self):
        return "tiny_bert"


class RowsAreReal:
    """The checks know nothing of real rows: the synthetic ones stand for them too."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, real_X=(X,), real_y=(y,), sample_weight=sample_weight)


class Bridge:
    """A row of numbers is read as a sentence: a word is a column and the interval that its value lies in."""

    def _check_inputs(self, X, name="X", *, reset=False, min_samples=1, drop_missing=False):
        X = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=min_samples)
        bins = np.clip(np.floor(X * 2) + 13, 0, 25).astype(int)[:, :20]
        return [" ".join(LETTERS[j] + LETTERS[k] for j, k in enumerate(row)) for row in bins], np.arange(len(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        return tags


def subclass(cls, suffix, *mixins):
    """Make a subclass with a name of its own, under which it can be pickled."""
    mixins += (RowsAreReal,) if cls("passthrough", **NUMBERS.get(cls, {}))._needs_real() else ()
    made = type(cls.__name__.removesuffix("Classifier") + suffix, (*mixins, cls), {"__module__": __name__})
    return globals().setdefault(made.__name__, made)


NUMBERS = {SunGenClassifier: {"outer": "real", "n_outer_iter": 2}}
SENTENCES = {
    # IMP with its default diversity checker, DIMP with the default quality checker on a smaller budget.
    IMPClassifier: {"quality_checker": tfidf()},
    DIMPClassifier: {"quality_checker__max_epochs": 2},
    DistilledClassifier: {"quality_checker": tfidf(), "diversity_checker": tfidf()},
    OpinionPoolClassifier: {"experts": tfidf()},  # what a random encoder says of a sentence is worth nothing
}
CHECKED = [
    *(subclass(cls, "OnNumbers")("passthrough", **NUMBERS.get(cls, {})) for cls in ALL),
    *(
        subclass(cls, "OnSentences", Bridge)(BridgeEncoder(), lr=4e-3, max_length=24, precision="fp32").set_params(
            **SENTENCES.get(cls, quick_options(cls, tfidf()))
        )
        for cls in ALL
    ),
]
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A row of weight 2 is one row of a mini-batch and the same row twice is two, so that the steps differ; "
        "scikit-learn expects the same of its SGDClassifier."
    ),
}


@pytest.mark.filterwarnings("ignore:SKW030")  # the real rows are the synthetic ones
@parametrize_with_checks(CHECKED, expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL)
def test_checks_of_scikit_learn_pass(estimator, check):
    # Some checks set no random_state: what they see would depend on the tests before them, or on nothing at all.
    np.random.seed(0)  # noqa: NPY002
    try:
        check(estimator)
    except unittest.SkipTest as skipped:
        # A check that skips itself for any other reason would count as one that ran.
        if "SCIPY_ARRAY_API" not in str(skipped):
            raise AssertionError(f"skipped: {skipped}") from skipped
        raise


def test_bridge_spells_numbers_for_a_tokenizer_and_an_encoder():
    X = np.array([[0.0, -1.0], [0.6, 1e9]] * 4)
    clf = next(clf for clf in CHECKED if type(clf).__name__ == "CrossEntropyOnSentences")
    assert clf._check_inputs(X, reset=True)[0][:2] == ["an bl", "ao bz"]
    clf.fit(X, [0, 1] * 4)
    assert clf.tokenizer_.tokenize("an bz") == ["an", "bz"]
    assert clf.module_.config.model_type == "bert"


def names_of_checks(pairs):
    return [getattr(check, "func", check).__name__ for _, check in pairs]


@pytest.mark.parametrize("estimator", CHECKED, ids=lambda estimator: type(estimator).__name__)
def test_at_least_sixty_checks_of_scikit_learn_run_and_one_is_expected_to_fail(estimator):
    # What parametrize_with_checks hands to the test above, where an expected failure is a marked pytest.param.
    checks = list(estimator_checks_generator(estimator, expected_failed_checks=EXPECTED_TO_FAIL, mark="xfail"))
    marked = [parameters.values for parameters in checks if hasattr(parameters, "marks")]
    assert names_of_checks(marked) == list(EXPECTED_TO_FAIL)
    assert len(checks) - len(marked) >= 60


@pytest.mark.parametrize("cls", ALL)
def test_count_of_checks_tells_when_scikit_learn_checks_nothing(cls):
    """It has checks for numbers only: of a classifier of texts it checks that it can be cloned, and is content."""
    with pytest.warns(SkipTestWarning, match=f"Can't test estimator {cls.__name__}"):
        checks = list(estimator_checks_generator(cls()))
    assert names_of_checks(checks) == ["check_estimator_cloneable"]


@pytest.mark.parametrize("encoder", ["passthrough", "some/encoder"])
@pytest.mark.parametrize("cls", ALL)
def test_tags_say_what_the_encoder_reads(cls, encoder):
    tags = get_tags(cls(encoder))
    numbers = encoder == "passthrough"
    assert tags.input_tags.two_d_array is numbers
    assert tags.input_tags.one_d_array is not numbers
    assert tags.input_tags.string is not numbers
    assert not tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert tags.estimator_type == "classifier"
    assert tags.classifier_tags.multi_class
    assert tags.target_tags.required
    assert not tags.non_deterministic
