"""The table that ``fit`` ends with: how good the classifier is on real rows, and the real rows alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from skweight._cli.terminal import show
from skweight._frozen import FrozenEncoder
from skweight._pools import folds
from skweight.exceptions import warn

_SMALLEST = 1e-12  # probability in a logarithm


@dataclass(frozen=True)
class RealAlone:
    """What the real rows are worth without any synthetic ones: a regression on features of the encoder as it is.

    Attributes
    ----------
    encoder : FrozenEncoder
    regression : classifier
        Fitted on all real rows.
    scores : dict of str to float
        Cross-fitted; see :func:`score`.
    """

    encoder: FrozenEncoder
    regression: Any
    scores: dict

    def predict_proba(self, texts, classes):
        """Probabilities of `classes`, as an array of shape (n_texts, n_classes)."""
        return _all_classes(self.regression, self.encoder.features(texts), classes)


def fit_real_alone(classifier, X, y, *, cv=5):
    """Fit a model on the real rows alone; an opinion pool has one among its experts.

    Parameters
    ----------
    classifier : BaseTextClassifier
        Fitted; its encoder and settings are used.
    X : list of str or list of (str, str)
    y : ndarray of shape (n_real,)
    cv : int, default=5
        Folds of the cross-fitted scores.

    Returns
    -------
    alone : RealAlone or None
        None if the real rows are of one class.
    """
    settings = {name: getattr(classifier, name) for name in ("max_length", "device", "precision")}
    if "real" in getattr(classifier, "experts_", {}):
        encoder = FrozenEncoder(classifier.encoder, **settings)
        return RealAlone(encoder, classifier.experts_["real"], classifier.scores_["real"])
    if len(np.unique(y)) < 2:
        return None
    encoder = FrozenEncoder(classifier.encoder, **settings)
    features, proba = encoder.features(X), np.zeros((len(y), len(classifier.classes_)))
    for train, test in folds(y, cv, 0):
        known = np.unique(y[train])
        if len(known) < 2:
            proba[test] = classifier.classes_ == known[0]
        else:
            proba[test] = _all_classes(_regression(features[train], y[train]), features[test], classifier.classes_)
    return RealAlone(encoder, _regression(features, y), score(proba, y, classifier.classes_))


def _regression(features, y):
    return LogisticRegression(max_iter=500).fit(features, y)


def _all_classes(regression, features, classes):
    proba = np.zeros((len(features), len(classes)))
    proba[:, np.searchsorted(classes, regression.classes_)] = regression.predict_proba(features)
    return proba


def score(proba, y, classes):
    """Accuracy with its standard error, macro-F1 and log-loss.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_classes)
    y : ndarray of shape (n_rows,)
    classes : ndarray of shape (n_classes,), sorted

    Returns
    -------
    scores : dict of str to float
    """
    predicted = classes[proba.argmax(axis=1)]
    accuracy = accuracy_score(y, predicted)
    own = proba[np.arange(len(y)), np.searchsorted(classes, y)]
    return {
        "accuracy": accuracy,
        "accuracy_se": np.sqrt(accuracy * (1 - accuracy) / len(y)),
        "macro_f1": f1_score(y, predicted, average="macro", zero_division=0),
        "log_loss": -np.log(np.maximum(own, _SMALLEST)).mean(),
    }


def show_scores(classifier, real, test):
    """Print the table, and warn of what is bad news in it.

    Parameters
    ----------
    classifier : BaseTextClassifier
        Fitted.
    real : LabelledTable
        The real rows that it was fitted with.
    test : LabelledTable or None
        Further real rows.
    """
    X, y = _complete(real)
    alone = fit_real_alone(classifier, X, y)
    show(f"{'':<32} {'accuracy':>15} {'macro-F1':>9} {'log-loss':>9}")
    if alone is not None:
        show(f"on the {len(y)} real rows, cross-fitted")
        _show_line("real rows alone", alone.scores)
    if hasattr(classifier, "scores_"):
        _show_experts(classifier)
    if test is not None:
        _show_test(classifier, alone, test)
    else:
        show("Add --test FILE to score this classifier on real rows that it has not seen.")


def _show_experts(classifier):
    """Print how good the experts of a pool are, how far each is trusted, and which of them teaches."""
    exponents = dict(zip(classifier.experts_, classifier.coef_, strict=True))
    for name, scores in classifier.scores_.items():
        if name != "real":
            title = "their pool" if name == "pool" else {"both": "both, joined"}.get(name, f"{name} rows alone")
            _show_line(title, scores)
    trusted = ", ".join(f"{name} {exponent:.2f}" for name, exponent in exponents.items())
    teacher = "The pool" if classifier.teacher_ == "pool" else f"The {classifier.teacher_} expert"
    show(f"{teacher} teaches the encoder. Exponents of the experts: {trusted}.")
    if classifier.verdict_ is not None:
        show(classifier.verdict_["sentence"])
    alone, pool = classifier.scores_.get("real"), classifier.scores_["pool"]
    if alone is not None and alone["accuracy"] > pool["accuracy"]:
        warn(
            f"SKW053: the real rows alone are better than the pool, cross-fitted: accuracy {alone['accuracy']:.3f} "
            f"against {pool['accuracy']:.3f}. Synthetic rows may not help here."
        )


def _show_test(classifier, alone, test):
    X, y = _complete(test)
    classes = classifier.classes_
    proba = classifier.predict_proba(X)
    scores, predicted = score(proba, y, classes), classes[proba.argmax(axis=1)]
    show(f"on the {len(y)} rows of {test.path}")
    if alone is not None:
        proba_alone = alone.predict_proba(X, classes)
        _show_line("real rows alone", score(proba_alone, y, classes))
    _show_line("this classifier", scores)
    if len(set(predicted.tolist())) == 1 < len(set(y.tolist())):
        warn(
            f"SKW046: the label of all {len(y)} rows of --test is predicted as {predicted.tolist()[0]!r}: nothing was "
            "learnt."
        )
    if alone is not None:
        _warn_if_better(classes[proba_alone.argmax(axis=1)] == y, predicted == y)


def _warn_if_better(alone, model):
    """Compare row by row which of two models is right."""
    gain = alone.astype(float) - model
    if gain.mean() > 0:
        error = gain.std() / np.sqrt(len(gain))
        chance = ", which may be chance" if gain.mean() < 2 * error else ""
        warn(
            f"SKW053: the real rows alone are better than this classifier on --test: accuracy {alone.mean():.3f} "
            f"against {model.mean():.3f}, {gain.mean():.3f} ± {error:.3f} higher{chance}. Synthetic rows may not help "
            "here."
        )


def _show_line(name, scores):
    accuracy = f"{scores['accuracy']:.3f} ± {scores['accuracy_se']:.3f}"
    show(f"  {name:<30} {accuracy:>15} {scores['macro_f1']:>9.3f} {scores['log_loss']:>9.3f}")


def _complete(table):
    return [table.X[i] for i in table.complete], np.array([table.y[i] for i in table.complete])
