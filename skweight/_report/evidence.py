"""What a report knows of the rows, gathered once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_is_fitted

from skweight._copies import find_copies
from skweight._pools import OpinionPool
from skweight._rows.rows import CheckedRows, check_data, few_of_each_class
from skweight._rows.values import is_missing
from skweight._weights import class_proba, smooth_proba
from skweight.inspection._base import inside


@dataclass(frozen=True)
class Evidence:
    """What is known of the synthetic rows and of the classifier that was fitted on them.

    Attributes
    ----------
    classifier : BaseTextClassifier
        The one inside a pipeline or a search.
    rows : CheckedRows
        The n synthetic rows; ``rows.index`` says which rows of the `X` of the report they are.
    classes : ndarray of shape (n_classes,)
    target : ndarray of shape (n,), int
        Column of each row's label.
    weight : ndarray of shape (n,)
    quality, diversity : ndarray of shape (n,), or None
    teacher : str
        Who suggests labels: "pool", "real expert", "quality checker", or "" if nobody does.
    proba : ndarray of shape (n, n_classes), or None
        What the teacher says of each row.
    real : CheckedRows or None
    test : list, ndarray or None
        Further rows, without labels.
    groups : ndarray of shape (n,), object, or None
    """

    classifier: Any
    rows: CheckedRows
    classes: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    quality: np.ndarray | None
    diversity: np.ndarray | None
    teacher: str
    proba: np.ndarray | None
    real: Any
    test: Any
    groups: np.ndarray | None

    def __len__(self):
        return len(self.rows)

    @property
    def holds_texts(self):
        """Whether the rows are texts or pairs of texts, not numbers."""
        return not isinstance(self.rows.X, np.ndarray)

    @cached_property
    def suggested(self):
        """Column of the most probable class of each row; the label's own where nothing is known of that class."""
        if self.proba is None:
            return self.target
        known = ~np.isnan(self.proba[np.arange(len(self)), self.target])
        return np.where(known, np.nan_to_num(self.proba, nan=-1.0).argmax(axis=1), self.target)

    @cached_property
    def suggested_proba(self):
        """What the teacher gives to that class; NaN where it knows nothing."""
        return np.full(len(self), np.nan) if self.proba is None else self.proba[np.arange(len(self)), self.suggested]

    @cached_property
    def copies(self):
        """Earlier row that each row copies, and how similar they are."""
        return find_copies(self.rows.X)

    @cached_property
    def real_copies(self):
        """Real row that each row copies."""
        return find_copies(self.rows.X, self.real.X)[0]

    @cached_property
    def test_copies(self):
        """Row of the test set that each row copies."""
        return find_copies(self.rows.X, self.test)[0]

    @cached_property
    def unseen(self):
        """What the teacher says of real rows that it has not seen, and the columns of their labels; None if nothing.

        Of a pool its experts are cross-fitted; the few numbers of the pool itself have seen the rows.
        """
        clf = self.classifier
        if self.real is None:
            return None
        held_out = np.isin(self.real.index, getattr(clf, "real_validation_indices_", []))
        oof = getattr(clf, "oof_proba_", None)
        if oof is not None and oof.shape[1] == (~held_out).sum():
            known = ~np.isnan(clf.intercept_)
            pool = OpinionPool(clf.prior)
            pool.coef_, pool.intercept_ = clf.coef_, clf.intercept_[known]
            proba = np.zeros(oof.shape[1:])
            proba[:, known] = pool.predict_proba(oof[..., known])
            return proba, _codes(self.real.y[~held_out], self.classes)
        if held_out.any() and hasattr(clf, "quality_checker_"):
            rows = self.real.take(np.flatnonzero(held_out))
            proba = class_proba(clf.quality_checker_, rows.X, self.classes)
            return np.nan_to_num(proba), _codes(rows.y, self.classes)
        return None

    @cached_property
    def predicted(self):
        """Classes that the classifier predicts for the real rows, or else for some of each class, and their labels."""
        rows = self.real
        if rows is None:
            rows = self.rows.take(few_of_each_class(self.target, 200))
        proba = self.classifier._predict_proba_of_tokens(self.classifier._encode_rows(rows.X))
        return self.classes[proba.argmax(axis=1)], rows.y


def gather(estimator, X, y, *, real_X, real_y, is_real, test_X, groups):
    """Check what a report was given, and collect what the classifier knows of the rows; returns an `Evidence`."""
    clf, (X, real_X, test_X) = _classifier_inside(estimator, X, real_X, test_X)
    n_rows = _num_samples(X)
    if n_rows != len(clf.sample_weight_):
        raise ValueError(
            f"X has {n_rows} rows, but {type(clf).__name__} was fitted on {len(clf.sample_weight_)}: X and y must be "
            "the rows that it was fitted on, in their order. Rows that were stacked with real ones need is_real."
        )

    def check(rows, name, *, reset=False, **options):
        return clf._check_inputs(rows, name, **options)  # a report leaves the names of the columns as they are

    data = check_data(
        *(X, y, real_X, real_y, is_real, None),
        check=check,
        drop=clf.on_bad_rows == "drop",
        what="value" if clf._passthrough else "text",
        owner="weight_report",
        suspect=False,  # `fit` has warned of it, and findings speak of it
    )
    rows, classes = data.synthetic, clf.classes_
    if strange := sorted(set(rows.y.tolist()) - set(classes.tolist()), key=str):
        raise ValueError(f"y holds labels that {type(clf).__name__} was not fitted on: {strange[:10]}.")
    index = rows.index
    teacher, proba = _teacher(clf, rows, classes)
    return Evidence(
        classifier=clf,
        rows=rows,
        classes=classes,
        target=_codes(rows.y, classes),
        weight=clf.sample_weight_[index],
        quality=clf.quality_proba_[index] if hasattr(clf, "quality_proba_") else None,
        diversity=clf.diversity_proba_[index] if hasattr(clf, "diversity_proba_") else None,
        teacher=teacher,
        proba=proba,
        real=data.real,
        test=None if test_X is None else check(test_X, "test_X")[0],
        groups=None if groups is None else _named_groups(groups, n_rows)[index],
    )


def _classifier_inside(estimator, *data):
    """Find the classifier of this package inside an estimator; transform data by the steps before it."""
    inner = estimator
    while not hasattr(inner, "sample_weight_"):
        check_is_fitted(inner)
        if isinstance(inner, Pipeline) and len(inner) > 1:
            data = tuple(None if X is None else inner[:-1].transform(X) for X in data)
        inner = inside(inner)
        if inner is None:
            raise TypeError(f"{type(estimator).__name__} has no sample_weight_, and no classifier inside that has.")
    return inner, data


def _codes(labels, classes):
    code_of = {label: code for code, label in enumerate(classes.tolist())}
    return np.array([code_of[label] for label in labels.tolist()], dtype=np.intp)


def _named_groups(groups, n_rows):
    listed = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    if len(listed) != n_rows:
        raise ValueError(f"groups has {len(listed)} entries but X has {n_rows} rows.")
    named = np.empty(n_rows, dtype=object)
    named[:] = ["missing" if is_missing(group) else str(group) for group in listed]
    return named


def _teacher(clf, rows, classes):
    """Who knows better than the labels, and what it says: the targets of the training, or the quality checker."""
    if hasattr(clf, "target_proba_"):
        return _teacher_name(clf), clf.target_proba_[rows.index]
    if hasattr(clf, "quality_checker_"):
        proba = class_proba(clf.quality_checker_, rows.X, classes)
        return "quality checker", smooth_proba(proba, clf.smoothing, len(clf.quality_checker_.classes_))
    return "", None


def _teacher_name(clf):
    if not hasattr(clf, "teacher_"):
        return "quality checker"
    return "pool" if clf.teacher_ == "pool" else f"{clf.teacher_} expert"


def nearest_real(evidence, rows):
    """For some rows, the real row of highest cosine similarity in the features of the encoder as it is.

    Returns
    -------
    index : ndarray of shape (n_rows,), int
        Among the real rows.
    cosine : ndarray of shape (n_rows,)
    """
    asked, real = _safe_indexing(evidence.rows.X, rows), evidence.real.X
    if evidence.holds_texts:
        from skweight._frozen import FrozenEncoder

        clf = evidence.classifier
        encoder = FrozenEncoder(clf.encoder, max_length=clf.max_length, device=clf.device, precision=clf.precision)
        asked, real = encoder.features(asked), encoder.features(real)
    cosine = _unit(asked) @ _unit(real).T
    index = cosine.argmax(axis=1)
    return index, cosine[np.arange(len(rows)), index]


def _unit(features):
    features = np.asarray(features, dtype=np.float64)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
