"""Whether any part of a fit sees a row that its model is scored on.

Every row is a sequence of words of its own. What a pipeline's first step, the quality checker and the networks were
given is written down while it is fitted, and compared with the rows that the fitted pipeline is then scored on.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback
from transformers import AutoTokenizer

from skweight import DIMPClassifier, IMPClassifier
from skweight.model_selection import RealKFold


class Log:
    """What one fit of a pipeline has seen: texts, and token ids in the case of a network."""

    def __init__(self):
        self.step, self.checker, self.network = set(), set(), set()


LOGS = []  # the last one belongs to the fit that is under way: all fits run one after another
SCORED = []  # pairs of the log of the fit that made the model, and the texts that the model was scored on


class WatchedStep(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.log_ = Log()
        self.log_.step.update(X)
        LOGS.append(self.log_)
        return self

    def transform(self, X):
        return list(X)


class WatchedTextChecker(LogisticRegression):
    def fit(self, X, y):
        LOGS[-1].checker.update(X)
        self.vectorizer_ = TfidfVectorizer().fit(X)
        return super().fit(self.vectorizer_.transform(X), y)

    def predict_proba(self, X):
        return super().predict_proba(self.vectorizer_.transform(X))


class WatchTokens(Callback):
    """Writes down what a network is trained on, and what its epochs are chosen on."""

    def __init__(self, who):
        self.who = who

    def on_train_begin(self, net, X=None, **kwargs):
        self._write_down(X.tokens)

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        if dataset_valid is not None:
            self._write_down(dataset_valid.tokens)

    def _write_down(self, tokens):
        rows = (tuple(tokens.ids[a:b].tolist()) for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False))
        getattr(LOGS[-1], self.who).update(rows)


def watching_scorer(estimator, X, y):
    SCORED.append((getattr(estimator, "best_estimator_", estimator)[0].log_, list(X)))
    return accuracy_score(y, estimator.predict(X))


@pytest.fixture
def sentinels(tiny_encoder):
    """16 real rows and 3 synthetic children of each: no two rows are alike."""
    LOGS.clear()
    SCORED.clear()
    words = "film plot cast acting story scene score ending".split()
    openings = [f"{a} {b} {c}" for a in words for b in words for c in words]
    rng = np.random.default_rng(0)
    openings = rng.permutation(openings)[:64].tolist()
    y = np.array(["fresh", "rotten"])[np.r_[np.arange(48) // 3 % 2, np.arange(16) % 2]]
    X = [f"{opening} {'good' if label == 'fresh' else 'bad'}" for opening, label in zip(openings, y, strict=True)]
    groups = [*(48 + np.arange(48) // 3).tolist(), *range(48, 64)]
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    text_of = {tuple(ids): text for ids, text in zip(tokenizer(X)["input_ids"], X, strict=True)}
    assert len(text_of) == 64
    return SimpleNamespace(
        X=X,
        y=y,
        is_real=np.repeat([False, True], [48, 16]),
        groups=groups,
        parent=dict(zip(X[:48], (X[i] for i in groups[:48]), strict=True)),
        text_of=text_of,
    )


def watched_pipeline(kind, encoder):
    # The default checkers are networks.
    cls = IMPClassifier if kind == "IMP" else DIMPClassifier
    clf = cls(
        encoder,
        callbacks=[WatchTokens("network")],
        real_weight=1.0,
        early_stopping=True,
        validation_fraction=0.4,
        max_epochs=1,
        batch_size=16,
        max_length=16,
        device="cpu",
        precision="fp32",
        random_state=0,
    )
    if kind == "sklearn checker":
        clf.set_params(quality_checker=WatchedTextChecker())
    else:
        clf.set_params(quality_checker__callbacks=[WatchTokens("checker")], quality_checker__max_epochs=1)
    if kind == "IMP":
        clf.set_params(diversity_checker__callbacks=[WatchTokens("network")])
    return Pipeline([("step", WatchedStep()), ("clf", clf)])


def leaks(rows):
    """What fits saw of the rows that their models were scored on: who saw it, and whether it was the row or a child."""
    found = set()
    for log, scored in SCORED:
        for who in ("step", "checker", "network"):
            seen = {rows.text_of.get(row, row) for row in getattr(log, who)}
            assert seen, f"{who} was not watched"
            assert seen <= set(rows.X)
            found |= {(who, "row")} if seen & set(scored) else set()
            found |= {(who, "child")} if any(rows.parent.get(text) in scored for text in seen) else set()
    return found


def cross_validate_nested(pipeline, rows, outer, inner, **params):
    search = GridSearchCV(pipeline, {"clf__gamma": [0.5, 1.0]}, cv=inner, scoring=watching_scorer, error_score="raise")
    cross_validate(search, rows.X, rows.y, cv=outer, scoring=watching_scorer, params=params, error_score="raise")


@pytest.mark.parametrize("kind", ["sklearn checker", "DIMP", "IMP"])
@pytest.mark.parametrize("grouped", [False, True], ids=["", "groups"])
def test_no_fit_of_a_nested_search_sees_a_row_that_its_model_is_scored_on(
    kind, grouped, sentinels, tiny_encoder, routing
):
    params = {"is_real": sentinels.is_real, **({"groups": sentinels.groups} if grouped else {})}
    cross_validate_nested(watched_pipeline(kind, tiny_encoder), sentinels, RealKFold(2), RealKFold(2), **params)
    assert len(LOGS) == 2 * (2 * 2 + 1)
    assert len(SCORED) == 2 * (2 * 2 + 1)
    # The watch misses nothing: all rows of a fit are trained on or held out, and some real ones are the checker's.
    for log in LOGS:
        assert {sentinels.text_of[row] for row in log.network} == log.step
        real = log.step - sentinels.parent.keys()
        checked = {sentinels.text_of.get(row, row) for row in log.checker}
        assert len(real) in (4, 8)
        assert checked < real
    # Without groups the rows themselves are kept apart, but not what a language model made of them.
    assert leaks(sentinels) == (set() if grouped else {("step", "child"), ("network", "child")})


def test_the_watch_notices_children_of_scored_rows_under_an_ordinary_splitter(sentinels, tiny_encoder, routing):
    cross_validate(
        watched_pipeline("DIMP", tiny_encoder),
        sentinels.X,
        sentinels.y,
        cv=StratifiedKFold(2, shuffle=True, random_state=0),
        scoring=watching_scorer,
        params={"is_real": sentinels.is_real},
        error_score="raise",
    )
    assert leaks(sentinels) == {("step", "child"), ("network", "child")}


@pytest.mark.parametrize("kind", ["sklearn checker", "DIMP", "IMP"])
def test_the_watch_notices_scored_rows_in_every_part_of_a_fit(kind, sentinels, tiny_encoder, routing):
    everything = np.arange(64)
    cross_validate(
        watched_pipeline(kind, tiny_encoder),
        sentinels.X,
        sentinels.y,
        cv=[(everything, everything)],
        scoring=watching_scorer,
        params={"is_real": sentinels.is_real},
        error_score="raise",
    )
    assert leaks(sentinels) >= {("step", "row"), ("checker", "row"), ("network", "row")}
