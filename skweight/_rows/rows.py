"""What `fit` was given: synthetic and real rows, checked, encoded once, and complete when they are made."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_array

from skweight._rows.features import Features
from skweight._rows.labels import check_is_real, check_labels, look_alikes
from skweight._rows.tokens import TokenizedTexts
from skweight._rows.values import name_rows, spell, unmasked
from skweight.exceptions import RealDataSlicedWarning, warn


@dataclass(frozen=True)
class CheckedRows:
    """Labelled rows of one kind, checked.

    Attributes
    ----------
    X : list of str or of (str, str), or ndarray of shape (n_rows, n_features)
        What a checker is given.
    y : ndarray of shape (n_rows,), in the labels' own data type
    sample_weight : ndarray of shape (n_rows,), or None
        The user's.
    index : ndarray of int
        Which rows of the data set that was passed to `fit` they are.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    index: np.ndarray

    def __len__(self):
        return len(self.index)

    def take(self, rows):
        """Return the rows `rows` alone."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return CheckedRows(_safe_indexing(self.X, rows), self.y[rows], weight, self.index[rows])


@dataclass(frozen=True)
class Rows(CheckedRows):
    """Labelled rows of one kind, checked and encoded.

    Attributes
    ----------
    sample_weight : ndarray of shape (n_rows,), or None
        The user's, scaled to mean 1 over all rows of the kind.
    target : ndarray of shape (n_rows,), int64
        Indices into the classes.
    tokens : TokenizedTexts or Features
        `X` as the network reads it.
    """

    target: np.ndarray
    tokens: TokenizedTexts | Features

    def take(self, rows):
        """Return the rows `rows` alone."""
        return Rows(**vars(super().take(rows)), target=self.target[rows], tokens=self.tokens.take(rows))

    def extend(self, other, sample_weight):
        """Return these rows and those of `other` in one, with new weights."""
        return Rows(
            X=np.concatenate([self.X, other.X]) if isinstance(self.X, np.ndarray) else [*self.X, *other.X],
            y=np.concatenate([self.y, other.y]),
            sample_weight=sample_weight,
            index=np.concatenate([self.index, other.index]),
            target=np.concatenate([self.target, other.target]),
            tokens=self.tokens.extend(other.tokens),
        )

    @property
    def mean_one_weight(self):
        """The user's weights; ones if there are none."""
        return np.ones(len(self)) if self.sample_weight is None else self.sample_weight

    def label_column(self, proba):
        """Of the probabilities of all classes, of shape (n_rows, n_classes), each row's own label's."""
        return proba[np.arange(len(self)), self.target]


@dataclass(frozen=True)
class CheckedData:
    """What `fit` was given, checked.

    Attributes
    ----------
    synthetic : CheckedRows
    real : CheckedRows or None
    classes : ndarray of shape (n_classes,)
    n_rows : int
        Rows of X.
    """

    synthetic: CheckedRows
    real: CheckedRows | None
    classes: np.ndarray
    n_rows: int


@dataclass(frozen=True)
class FitData:
    """What `fit` was given, checked and encoded.

    Attributes
    ----------
    synthetic : Rows
    real : Rows or None
        Without those that are held out.
    validation : Rows or None
        Real rows held out for early stopping, before any checker has seen them.
    classes : ndarray of shape (n_classes,)
    n_rows : int
        Rows of X.
    """

    synthetic: Rows
    real: Rows | None
    validation: Rows | None
    classes: np.ndarray
    n_rows: int

    def scatter(self, values, fill):
        """One value per row of X from one per synthetic row: `fill` where a row is real or was dropped."""
        scattered = np.full((self.n_rows, *values.shape[1:]), fill)
        scattered[self.synthetic.index] = values
        return scattered


def check_data(X, y, real_X, real_y, is_real, sample_weight, *, check, drop, what, owner, suspect=True):
    """Check the rows that `fit` was given.

    Parameters
    ----------
    X, y, real_X, real_y, is_real, sample_weight
        The arguments of `fit`.
    check : callable
        Takes rows, their name in messages, and the keywords ``reset``, ``min_samples`` and ``drop_missing``; returns
        the rows in the form that checkers read, and which rows they are.
    drop : bool
        Whether rows with a missing value or label are left out rather than refused.
    what, owner : str
        What a row holds, and who needs the rows, for messages.
    suspect : bool, default=True
        Whether to warn of rows that can be used, but look like a mistake, as copies do.

    Returns
    -------
    data : CheckedData
    """
    settings = {"check": check, "drop": drop, "what": what}
    rows, n_rows = _check_rows(X, y, sample_weight, **settings, reset=True), _num_samples(X)
    real = None
    if is_real is not None:
        if real_X is not None or real_y is not None:
            raise ValueError("Pass real_X and real_y, or is_real, not both.")
        marked = check_is_real(is_real, n_rows)[rows.index]
        if marked.all() or not marked.any():
            raise ValueError(
                f"is_real must mark some rows as real and leave some synthetic; it marks {marked.sum()} of "
                f"{len(marked)}. Was the data split by a splitter that does not know about is_real? Use RealKFold."
            )
        rows, real = rows.take(np.flatnonzero(~marked)), rows.take(np.flatnonzero(marked))
    elif (real_X is None) != (real_y is None):
        raise ValueError("Pass both real_X and real_y, or neither.")
    elif real_X is not None:
        own_X = _unwrap(real_X)
        real = _check_rows(own_X, _unwrap(real_y), None, "real_X", "real_y", **settings)
        if suspect and own_X is real_X and _num_samples(own_X) == n_rows:
            _warn_of_slicing(n_rows)
    synthetic = _with_mean_one(rows)
    real = None if real is None else _with_mean_one(real, "real ")
    classes = np.unique(synthetic.y)
    if len(classes) < 2:
        raise ValueError(f"{owner} needs at least 2 classes in y, got 1: {spell(classes.tolist())}.")
    if real is not None:
        _check_real(synthetic, real, classes, "real_y" if is_real is None else "y")
    if suspect:
        _warn_of_labels_among_features(synthetic)
        if real is not None:
            _warn_of_copies(synthetic, real)
    return CheckedData(synthetic, real, classes, n_rows)


def raise_real_needed(use, instead=""):
    """Say that something needs real rows, and how to pass them."""
    raise ValueError(f"{use} needs real data: pass real_X and real_y, or is_real{instead}.")


def encode_data(data, encode, validation_fraction, rng):
    """Encode checked rows for the network, and hold some of the real ones out.

    Parameters
    ----------
    data : CheckedData
    encode : callable
        Takes the ``X`` of checked rows and its name in messages, returns what the network reads.
    validation_fraction : float
        Share of the real rows to hold out for early stopping; 0 holds out none.
    rng : RandomState
        Which ones.

    Returns
    -------
    data : FitData
    """
    synthetic = _encoded(data.synthetic, data.classes, encode(data.synthetic.X, "X"))
    real = None if data.real is None else _encoded(data.real, data.classes, encode(data.real.X, "real_X"))
    validation = None
    if real is not None and validation_fraction:
        kept, held = _split_validation(real.target, data.classes, validation_fraction, rng)
        real, validation = real.take(kept), real.take(held)
    return FitData(synthetic, real, validation, data.classes, data.n_rows)


def own_data(rows):
    """Make rows of one kind the data of a fit of their own, with the classes that occur among them."""
    checked = CheckedRows(rows.X, rows.y, rows.sample_weight, np.arange(len(rows)))
    classes = np.unique(rows.y)
    return FitData(_encoded(_with_mean_one(checked), classes, rows.tokens), None, None, classes, len(rows))


def few_of_each_class(target, most):
    """Rows that stand for all: as many of each class, in the order of the classes, and not many more than `most`."""
    codes = np.unique(target)
    size = -(-most // len(codes))
    of_class = (np.flatnonzero(target == code) for code in codes)
    return np.concatenate([rows[:: -(-len(rows) // size)] for rows in of_class])


def _encoded(rows, classes, tokens):
    code_of = {label: code for code, label in enumerate(classes.tolist())}
    target = np.array([code_of[label] for label in rows.y.tolist()], dtype=np.int64)
    return Rows(rows.X, rows.y, rows.sample_weight, rows.index, target, tokens)


def _check_rows(X, y, sample_weight, X_name="X", y_name="y", *, check, drop, what, reset=False):
    rows, kept = check(X, X_name, reset=reset, min_samples=2, drop_missing=drop)
    labels, unlabelled = check_labels(y, y_name, drop_missing=drop)
    n_rows = _num_samples(X)
    if n_rows != len(labels):
        raise ValueError(f"{X_name} has {n_rows} rows but {y_name} has {len(labels)}.")
    good = ~np.isin(kept, unlabelled)
    if not good.all():
        rows, kept = _safe_indexing(rows, np.flatnonzero(good)), kept[good]
    if len(kept) < n_rows:
        warn(f"SKW014: dropped {n_rows - len(kept)} of {n_rows} rows of {X_name} with a missing {what} or label.")
    weight = _check_sample_weight(sample_weight, n_rows)
    return CheckedRows(rows, labels[kept], None if weight is None else weight[kept], kept)


def _check_sample_weight(sample_weight, n_rows):
    if sample_weight is None:
        return None
    sample_weight = check_array(
        unmasked(sample_weight), ensure_2d=False, ensure_min_samples=0, dtype=np.float64, input_name="sample_weight"
    )
    if sample_weight.shape != (n_rows,):
        raise ValueError(f"sample_weight.shape == {sample_weight.shape}, expected {(n_rows,)}.")
    if (sample_weight < 0).any():
        row = int(np.argmax(sample_weight < 0))
        raise ValueError(f"sample_weight must not be negative; sample_weight[{row}] is {sample_weight[row]}.")
    return sample_weight


def _with_mean_one(rows, kind=""):
    if rows.sample_weight is None:
        return rows
    largest = rows.sample_weight.max()
    if largest == 0:
        raise ValueError(f"sample_weight must not be zero for all {kind}rows.")
    weight = rows.sample_weight / largest  # sums of very large or very small weights would overflow, or be lost
    return replace(rows, sample_weight=weight / weight.mean())


def _check_real(synthetic, real, classes, y_name):
    known = classes.tolist()
    unknown = sorted(set(real.y.tolist()) - set(known), key=str)
    if unknown:
        raise ValueError(_unknown_labels(unknown, known, y_name))
    if isinstance(real.X[0], tuple) != isinstance(synthetic.X[0], tuple):
        raise ValueError("X and real_X must both hold single texts or both hold pairs of texts.")


def _warn_of_copies(synthetic, real):
    """Warn of real rows that are among the synthetic ones, and of those that are there twice."""
    first_synthetic, first_real = _first_of_each(synthetic), _first_of_each(real)
    pairs, again = [], []
    for i, row in zip(real.index.tolist(), real.X, strict=True):
        key = _hashable(row)
        if key in first_synthetic:
            pairs.append((i, first_synthetic[key]))
        if first_real[key] != i:
            again.append((i, first_real[key]))
    if pairs:
        warn(
            f"SKW030: {len(pairs)} of the {len(real)} real rows ({name_rows([i for i, _ in pairs])}) are also among "
            f"the synthetic ones ({name_rows([i for _, i in pairs])}), which makes those look better than they are."
        )
    if again:
        warn(
            f"SKW034: {len(again)} of the {len(real)} real rows ({name_rows([i for i, _ in again])}) repeat others "
            f"({name_rows([i for _, i in again])}). They count twice, and may be scored by a model that has seen them: "
            "leave the copies out, or keep them in one fold (groups of RealKFold)."
        )


def _first_of_each(rows):
    """Where each different row comes first."""
    first: dict[Any, int] = {}
    for i, row in zip(rows.index.tolist(), rows.X, strict=True):
        first.setdefault(_hashable(row), i)
    return first


def _unknown_labels(unknown, known, y_name):
    message, way_out = f"The real rows hold labels that the synthetic rows do not: {spell(unknown)}; those hold", ""
    if y_name == "real_y":
        message = f"real_y holds labels that y does not: {spell(unknown)}; y holds"
        way_out = (
            " If this fit ran inside a meta-estimator that re-encodes y (VotingClassifier, OneVsRestClassifier, …), "
            "stack the rows (skweight.model_selection.stack_real) and pass is_real instead."
        )
    if alike := look_alikes(unknown, known):
        pairs = ", ".join(f"{spell(label)} and {spell(other)}" for label, other in alike[:10])
        way_out = f" SKW012: these look alike: {pairs}. Spell them alike."
    return f"{message} {spell(known)}.{way_out}"


def _warn_of_labels_among_features(rows):
    """Warn if what is to be learnt stands in the rows themselves, as after passing a whole data frame for X."""
    if isinstance(rows.X, np.ndarray):
        columns = rows.X.T.tolist()
    else:
        columns = zip(*rows.X, strict=True) if isinstance(rows.X[0], tuple) else [rows.X]
    labels = rows.y.tolist()
    for i, column in enumerate(columns):
        if list(column) == labels:
            warn(f"SKW033: column {i} of X holds the labels themselves. Leave it out, or nothing else is learnt.")


def _hashable(row):
    return row.tobytes() if isinstance(row, np.ndarray) else row


def _unwrap(data):
    """Take a data set out of the tuple that keeps cross-validation from slicing it."""
    wrapped = (
        isinstance(data, tuple)
        and len(data) == 1
        and (hasattr(data[0], "__len__") or hasattr(data[0], "__array__"))
        and not isinstance(data[0], str)
    )
    return data[0] if wrapped else data


def _warn_of_slicing(n_rows):
    # A sliced real_X always has as many rows as X, so this misses none.
    warn(
        f"SKW032: real_X and X both have {n_rows} rows. In a search or cross-validation that means that scikit-learn "
        "has sliced real_X by the indices of the synthetic rows: stack the rows (skweight.model_selection.stack_real) "
        "and pass is_real, or wrap the real rows as real_X=(real_X,), real_y=(real_y,). The latter also says that all "
        "is well where the numbers are equal by chance.",
        RealDataSlicedWarning,
    )


def _split_validation(target, classes, fraction, rng):
    """Which real rows are kept, and which are held out: a share of every class."""
    held_of_class = []
    for code in np.unique(target):
        rows = np.flatnonzero(target == code)
        # At least one row of each class stays, or the quality checker would not know the class.
        size = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        if size == 0:
            warn(f"SKW023: class {classes.tolist()[code]!r} has one real row, which is not held out.")
        held_of_class.append(rng.permutation(rows)[:size])
    held = np.sort(np.concatenate(held_of_class))
    if not len(held):
        raise ValueError("early_stopping needs a class with at least 2 real rows, to hold one of them out.")
    return np.setdiff1d(np.arange(len(target)), held), held
