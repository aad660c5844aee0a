"""What several test files build, compare and watch."""

import csv
import functools
import hashlib
import inspect
import io
import math
import resource
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import BertConfig, BertModel, BertTokenizerFast, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

import skweight
from skweight import DIMPClassifier, IMPClassifier, baselines
from skweight._engine import LabelledRows
from skweight._engine.processes import World
from skweight._rows.features import Features
from skweight._rows.rows import FitData, Rows
from skweight.baselines._meta_gradient import alignment, cross_entropy, trainable
from skweight.losses import WeightedLoss
from skweight.model_selection import stack_real

ROOT = Path(__file__).parent.parent  # of the repository

# -- classifiers ------------------------------------------------------------------------------------------------------

WEIGHTED = [IMPClassifier, DIMPClassifier]
# Every public classifier that trains an encoder: a new one is tested as soon as it has a name to import it by.
ALL = [getattr(home, name) for home in (skweight, baselines) for name in home.__all__ if name.endswith("Classifier")]
ALL.remove(baselines.FewShotClassifier)
QUICK = {"max_epochs": 2, "batch_size": 4, "max_length": 16, "random_state": 0, "precision": "fp32"}


def quick_options(cls, checker):
    """Options of a class that make a fit quick: `checker` in place of networks, few steps of an outer loop."""
    defaults = cls().get_params(deep=False)
    options = {name: checker for name in ("quality_checker", "diversity_checker") if defaults.get(name, "") is None}
    return options | ({"n_outer_iter": 1, "outer_lr": 0.01} if "n_outer_iter" in defaults else {})


def quick(cls, encoder, **params):
    """Make a classifier that fits the toy rows in a fraction of a second."""
    return cls(encoder, **{**QUICK, **quick_options(cls, tfidf()), **params})


def fit(classifier, toy, **kwargs):
    return classifier.fit(toy["X"], toy["y"], real_X=toy["real_X"], real_y=toy["real_y"], **kwargs)


def parameters(model):
    """All parameters of a network, or of that of a fitted classifier, one after another."""
    return torch.cat([p.detach().ravel() for p in getattr(model, "module_", model).parameters()])


# -- checkers ---------------------------------------------------------------------------------------------------------


def tfidf(**params):
    """Make a classifier of texts that takes no time, as a checker."""
    return make_pipeline(TfidfVectorizer(), LogisticRegression(**params))


class UniformChecker(LogisticRegression):
    """Knows nothing: every class is equally likely."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class ConstantChecker(ClassifierMixin, BaseEstimator):
    """Says the same of every text: probabilities by class names of its own choice, in an order of its own."""

    def __init__(self, proba):
        self.proba = proba

    def fit(self, X, y):
        return self

    @property
    def classes_(self):
        return np.array(list(self.proba))

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.tile(list(self.proba.values()), (len(X), 1))


class Reads(ClassifierMixin, BaseEstimator):
    """A fitted checker that takes the first numbers of a row for the probabilities of its classes."""

    def __init__(self, classes):
        self.classes = classes

    def fit(self, X, y):
        return self

    @property
    def classes_(self):
        return np.array(self.classes)

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.asarray(X)[:, : len(self.classes)]


class CountedRegression(LogisticRegression):
    """Logistic regression that counts how often any of its kind was fitted and asked.

    On the class: an estimator with a counter of its own would be another one to the cache after every fit.
    """

    fits = 0
    scores = 0

    @classmethod
    def count_from_zero(cls):
        cls.fits = cls.scores = 0

    def fit(self, X, y, sample_weight=None):
        CountedRegression.fits += 1
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        CountedRegression.scores += 1
        return super().predict_proba(X)


# -- texts ------------------------------------------------------------------------------------------------------------

WORDS = (
    "a an the film is was and of with it plot cast good great warm funny charming superb moving bad dull poor boring "
    "lifeless tedious weak acting story scene score ending never always very quite one two three long short"
).split()
MISSING = [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT]


def replaced(rows, **values):
    """Copy of a list with other values in some rows: ``replaced(rows, row3=None)``."""
    rows = list(rows)
    for name, value in values.items():
        rows[int(name.removeprefix("row"))] = value
    return rows


def write_csv(path, header, rows):
    """Write a CSV file; returns its path as a string."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


class BrokenStream(io.StringIO):
    """A stream whose reader has gone, or whose disk is full."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


def write_tiny_bert(folder, words, positions, **options):
    """Random BERT with those words as its vocabulary, of two layers if `options` say nothing else."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)}, model_max_length=positions)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        **{"num_hidden_layers": 2, **options},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return str(folder)


# -- rows of numbers, synthetic and real ------------------------------------------------------------------------------
#
# They train in a tenth of a second. A row has eight columns that say its "word", and a number of its own by which it is
# recognised. Labels of synthetic rows are wrong for most rows of half of the words, so that a search that scores
# synthetic rows ranks the candidates backwards.


def numbered_rows(n, rng, *, spoiled=False, classes=("down", "up")):
    """Rows, and labels that follow from the word; wrong ones for seven tenths of the rows of half of the words."""
    row = np.arange(n)
    word = row % 8
    wrong = spoiled & (word >= 4) & (row // 8 % 10 < 7)
    return np.c_[np.eye(8)[word], rng.uniform(-1, 1, n)], np.array(classes)[(word + wrong) % len(classes)]


def make_rows(n_synthetic=240, n_real=48, n_test=200, **options):
    """Synthetic, real and test rows, and the first two stacked, as ``X``, ``y`` and ``is_real``."""
    rng = np.random.default_rng(0)
    synth_X, synth_y = numbered_rows(n_synthetic, rng, spoiled=True, **options)
    real_X, real_y = numbered_rows(n_real, rng, **options)
    test_X, test_y = numbered_rows(n_test, rng, **options)
    X, y, is_real = stack_real(synth_X, synth_y, real_X, real_y)
    return SimpleNamespace(**{name: value for name, value in locals().items() if name not in ("rng", "options")})


def own_number(X):
    """The number by which each row is recognised, in the precision that checkers get it in."""
    return np.asarray(X)[:, -1].astype(np.float32).tolist()


def passthrough(cls=DIMPClassifier, **params):
    """Make a classifier that learns such rows in five epochs."""
    settings = {"max_epochs": 5, "random_state": 0, "device": "cpu", "precision": "fp32"}
    return cls("passthrough", **{**settings, **quick_options(cls, LogisticRegression()), **params})


def brief(cls=DIMPClassifier, **params):
    return passthrough(cls, **{"max_epochs": 1, **params})


def folds(splitter, y, **kwargs):
    return [(train.tolist(), test.tolist()) for train, test in splitter.split(y, y, **kwargs)]


def encoded(X, y, classes=None, *, weight=None, index=None):
    """Rows of numbers as a method gets them: checked, encoded, weighted by the user."""
    X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
    index = np.arange(len(y)) if index is None else np.asarray(index)
    weight = None if weight is None else np.asarray(weight, dtype=np.float64)
    return Rows(X, y, weight, index, np.searchsorted(np.unique(y) if classes is None else classes, y), Features(X))


def fit_data(synthetic, real=None, *, n_rows=None):
    """What a method gets in a fit on encoded rows, of as many rows of `X` as there are synthetic ones by default."""
    return FitData(synthetic, real, None, np.unique(synthetic.y), len(synthetic) if n_rows is None else n_rows)


# -- three rows, for losses -------------------------------------------------------------------------------------------


def float64(values):
    return torch.tensor(values, dtype=torch.float64)


# Two classes, every label is class 0. The model gives it the probabilities 1/2, 3/4 and 1/5.
LOGITS = [[0.0, 0.0], [math.log(3), 0.0], [0.0, math.log(4)]]
TARGET = torch.tensor([0, 0, 0])
QUALITY = float64([0.9, 0.6, 0.1])
DIVERSITY = float64([0.5, 0.8, 0.95])
MODEL = float64([0.5, 0.75, 0.2])


def loss_name(value):
    return repr(value) if isinstance(value, WeightedLoss) else None


# -- the model that closed forms of meta-gradients are worked out for -------------------------------------------------


class LinearConfig(PreTrainedConfig):
    model_type = "linear-softmax"


class LinearSoftmax(PreTrainedModel):
    """logits = X W', W = 0."""

    config_class = LinearConfig

    def __init__(self):
        super().__init__(LinearConfig(num_labels=2))
        self.W = torch.nn.Parameter(torch.zeros(2, 2))

    def forward(self, features):
        return SequenceClassifierOutput(logits=features @ self.W.T)


# The third row says 0 where the second and the validation rows say 1.
MISLABELLED_X, MISLABELLED_Y = np.array([[1.0, 0], [0, 1], [0, 1]], dtype=np.float32), np.array([0, 1, 0])
VALIDATION = LabelledRows(Features(np.eye(2, dtype=np.float32)), np.array([0, 1]))
LR = 0.1


def aligned(module, direction, X, y):
    def row_losses():
        return cross_entropy(module(torch.from_numpy(X)).logits, torch.from_numpy(y))

    return alignment(trainable(module), direction, row_losses)


# -- saved models -----------------------------------------------------------------------------------------------------


def reseal(folder):
    """List the digests of files that a test has changed, as somebody would who wants them to be read."""
    listed = folder / "skweight.sha256"
    names = [line.split("  ")[1] for line in listed.read_text().splitlines()]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    listed.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))


# -- several processes ------------------------------------------------------------------------------------------------


class SecondOfTwo(World):
    """The second of two processes: what it has computed is put in its place, the other's share is left open."""

    def __init__(self):
        super().__init__(1, 2)

    def gather_array(self, own, n_rows):
        values = np.full((n_rows, *own.shape[1:]), -1.0)
        values[1::2] = own
        return values


# -- watching ---------------------------------------------------------------------------------------------------------


def watch(monkeypatch, owner, name):
    """Let a function of a module, or a method of a class, note the arguments of its calls; return the list of them."""
    function, calls = getattr(owner, name), []
    signature = inspect.signature(function)

    @functools.wraps(function)
    def noting(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        calls.append(SimpleNamespace(**bound.arguments))
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, noting)
    return calls


class Record(list):
    """A list for callbacks to write to. A search clones estimators with their callbacks; all write to the same list."""

    def __deepcopy__(self, memo):
        return self


def sizes(fits):
    """Numbers of synthetic and of real rows in every fit that was watched."""
    return [(int((~np.asarray(f.is_real)).sum()), int(np.sum(f.is_real))) for f in fits]


def resident_megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@contextmanager
def full_disk(size):
    """Let no file grow above `size` bytes inside the block: writing fails as on a disk without room."""
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
