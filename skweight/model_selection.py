"""Splitting synthetic and real rows so that only real rows are ever scored.

Cross-validation on synthetic rows picks the settings that reproduce the language model's mistakes best. Here the real
rows are split into folds and scored, and all synthetic rows stay in the training part.
"""

import numpy as np
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from skweight._rows.labels import check_is_real, check_labels
from skweight._rows.texts import to_rows
from skweight._rows.values import is_missing, spell

__all__ = ["RealKFold", "RealShuffleSplit", "stack_real"]


def stack_real(X, y, real_X, real_y):
    """Put synthetic and real rows into one data set, for searches and cross-validation.

    Parameters
    ----------
    X : array-like of shape (n_samples,) or (n_samples, n_columns)
        Synthetic rows: a list, array, column or data frame.
    y : array-like of shape (n_samples,)
        Their labels.
    real_X : array-like of shape (n_real,) or (n_real, n_columns)
        Real rows.
    real_y : array-like of shape (n_real,)
        Their labels, of the same kind as `y`.

    Returns
    -------
    X_all : list, ndarray, sparse matrix, column or data frame with n_samples + n_real rows
        Synthetic rows first. Data frames keep their columns and get a new index. Texts in two kinds of containers, or
        in pyarrow's, are put into a list.
    y_all : ndarray of shape (n_samples + n_real,)
    is_real : ndarray of shape (n_samples + n_real,), bool
        True for the real rows.

    Raises
    ------
    ValueError, TypeError
        If rows and labels differ in number, or the two sides differ in kind or columns.

    Examples
    --------
    >>> from skweight.model_selection import stack_real
    >>> X, y, is_real = stack_real(["a warm film", "a dull film"], ["good", "bad"], ["loved it"], ["good"])
    >>> X
    ['a warm film', 'a dull film', 'loved it']
    >>> is_real
    array([False, False,  True])
    """
    labels, real_labels = check_labels(y, "y")[0], check_labels(real_y, "real_y")[0]
    for name, rows, own in (("X", X, labels), ("real_X", real_X, real_labels)):
        if _num_samples(rows) != len(own):
            raise ValueError(f"{name} has {_num_samples(rows)} rows but {name.replace('X', 'y')} has {len(own)}.")
    if not len(real_labels):
        raise ValueError("real_X and real_y hold no rows.")
    if _kind(labels) != _kind(real_labels):
        # numpy would turn numbers into strings, and booleans into numbers, without a word.
        raise TypeError(f"y and real_y hold labels of different types: {labels[0]!r} and {real_labels[0]!r}.")
    is_real = np.repeat([False, True], [len(labels), len(real_labels)])
    return _concatenate(X, real_X), np.concatenate([labels, real_labels]), is_real


def _kind(values):
    return {"U": "texts", "O": "texts", "T": "texts", "b": "booleans"}.get(values.dtype.kind, "numbers")


def _concatenate(first, second):
    if type(first) is type(second) and (joined := _join(first, second)) is not None:
        return joined
    if isinstance(first, np.ndarray) and not hasattr(second, "columns"):
        second = np.asarray(second)
        if first.shape[1:] != second.shape[1:]:
            raise ValueError(f"X has rows of shape {first.shape[1:]} but real_X of shape {second.shape[1:]}.")
        kinds = {first.dtype.kind, second.dtype.kind}
        if kinds & set("UT") and kinds & set("biuf"):
            raise TypeError(f"X holds {_kind(first)} but real_X holds {_kind(second)}.")
        return np.concatenate([first, second])
    rows, real_rows = (_list_rows(data, name) for data, name in ((first, "X"), (second, "real_X")))
    if np.shape(rows[0]) != np.shape(real_rows[0]):
        raise ValueError(f"X holds rows such as {spell(rows[0])}, but real_X such as {spell(real_rows[0])}.")
    return [*rows, *real_rows]


def _join(first, second):
    """Put two containers of one kind into one, if their package can."""
    if hasattr(first, "columns") and not hasattr(first, "column_names") and list(first.columns) != list(second.columns):
        raise ValueError(f"X has the columns {list(first.columns)} but real_X has {list(second.columns)}.")
    package = type(first).__module__.partition(".")[0]
    if package == "pandas":
        import pandas as pd

        return pd.concat([first, second], ignore_index=True)
    if package == "polars":
        import polars as pl

        return pl.concat([first, second])
    if package == "scipy":
        import scipy.sparse

        return scipy.sparse.vstack([first, second], format="csr")
    return None


def _list_rows(data, name):
    """Rows of any container that :meth:`fit` takes, in a list."""
    if hasattr(data, "tocsr"):
        raise TypeError(f"{name} is {type(data).__name__}: pass X and real_X in the same container.")
    return list(data) if isinstance(data, np.ndarray) else to_rows(data, name)


class _RealSplitter(BaseCrossValidator):
    """What the two splitters share: the mask, the groups, and synthetic rows in every training part."""

    __metadata_request__split = {"is_real": True, "groups": True}

    def split(self, X, y, groups=None, *, is_real=None):
        """Yield training and test rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Synthetic and real rows, as :func:`stack_real` puts them together.
        y : array-like of shape (n_samples,)
            Their labels.
        groups : array-like of shape (n_samples,), default=None
            The source of each row: for a real row its own id, for a synthetic row the id of the real row that was
            shown to the language model, or a list or tuple of several ids, or None. While a real row is scored, the
            synthetic rows made from it are left out of the training; real rows of the same group are scored together.
        is_real : array-like of shape (n_samples,), default=None
            Mask of the real rows; None takes that of the constructor.

        Yields
        ------
        train : ndarray of int
            Real rows first, then the synthetic ones: ``learning_curve`` takes a prefix of it, which then has the real
            rows.
        test : ndarray of int
            Real rows only.
        """
        n_rows = _num_samples(X)
        is_real = self._check_mask(is_real, n_rows)
        labels = check_labels(y, drop_missing=True)[0]  # what to do about a missing label is for `fit` to say
        real, synthetic = np.flatnonzero(is_real), np.flatnonzero(~is_real)
        rng = check_random_state(self.random_state)
        if getattr(self, "shuffle", True):
            synthetic = rng.permutation(synthetic)
        made_from = None if groups is None else _members(groups, n_rows)
        for train, test in self._split_real(labels[real], _real_groups(made_from, real), rng):
            kept = synthetic
            if made_from is not None:
                scored = set().union(*(made_from[i] for i in real[test]))
                kept = np.array([i for i in synthetic if scored.isdisjoint(made_from[i])], dtype=np.intp)
            yield np.concatenate([real[train], kept]), real[test]

    def get_n_splits(self, X=None, y=None, groups=None, *, is_real=None):
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups, is_real : ignored

        Returns
        -------
        n_splits : int
        """
        return self.n_splits

    def _check_mask(self, is_real, n_rows):
        name = type(self).__name__
        way_out = (
            "Turn metadata routing on, sklearn.set_config(enable_metadata_routing=True), and pass is_real to the fit "
            f"of the search (cross_validate: params={{'is_real': is_real}}); {name} then gets the mask of each fold."
        )
        if is_real is None and self.is_real is None:
            raise ValueError(
                f"{name} needs to know which rows are real: pass is_real to it, as {name}(is_real=is_real), or to the "
                f"fit of the search with metadata routing on. In a nested search: {way_out[0].lower()}{way_out[1:]}"
            )
        mask = self.is_real if is_real is None else is_real
        if is_real is None and np.ndim(mask) and len(mask) != n_rows:
            raise ValueError(
                f"The is_real of this {name} has {len(mask)} entries but X has {n_rows} rows; in a nested search the "
                f"inner X is a part of the outer one. {way_out}"
            )
        mask = check_is_real(mask, n_rows)
        if not mask.any() or mask.all():
            raise ValueError(
                f"is_real must mark some rows as real and leave some synthetic; it marks {mask.sum()} of {n_rows}."
            )
        return mask


def _members(groups, n_rows):
    """Return the groups of each row as a set: a row may come from several, or from none."""
    groups = groups.to_list() if hasattr(groups, "to_list") else list(groups)
    if len(groups) != n_rows:
        raise ValueError(f"groups has {len(groups)} entries but X has {n_rows} rows.")
    members = [
        set(group) if isinstance(group, list | tuple | set | frozenset | np.ndarray) else {group} for group in groups
    ]
    return [{one for one in group if not is_missing(one)} for group in members]


def _real_groups(made_from, real):
    """Group number of each real row, or None if every real row is a group of its own."""
    if made_from is None:
        return None
    several = [i for i in real if len(made_from[i]) > 1]
    if several:
        raise ValueError(f"groups[{several[0]}] holds several ids, but the row is real: give each real row one id.")
    number: dict = {}
    # A real row without an id is a group of its own.
    codes = [number.setdefault(next(iter(made_from[i]), ("row", i)), len(number)) for i in real]
    return None if len(number) == len(codes) else np.array(codes)


class RealKFold(_RealSplitter):
    """Stratified k-fold over the real rows; synthetic rows are in every training part and never scored.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds of the real rows.
    shuffle : bool, default=False
        Whether the real rows are shuffled before they are split, and the synthetic rows of the training parts.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling.
    is_real : array-like of shape (n_samples,), default=None
        Mask of the real rows, for use without metadata routing. With routing, the ``is_real`` that is passed to the
        `fit` of a search reaches :meth:`split`, in a nested search cut to the outer fold.

    See Also
    --------
    RealShuffleSplit : Random splits.
    stack_real : Put the two kinds of rows into one data set.

    Notes
    -----
    The scored rows are no partition of the data, so ``cross_val_predict`` and ``StackingClassifier`` refuse this
    splitter.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight.model_selection import RealKFold
    >>> is_real = np.array([False, False, True, True, True, True])
    >>> y = ["bad", "good", "bad", "good", "bad", "good"]
    >>> for train, test in RealKFold(2, is_real=is_real).split(y, y):
    ...     print(train, test)
    [4 5 0 1] [2 3]
    [2 3 0 1] [4 5]

    Rows 0 and 1 were written by a language model that had been shown rows 2 and 5:

    >>> for train, test in RealKFold(2, is_real=is_real).split(y, y, groups=[2, 5, 2, 3, 4, 5]):
    ...     print(train, test)
    [4 5 1] [2 3]
    [2 3 0] [4 5]
    """

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None, is_real=None):
        if random_state is not None and not shuffle:
            raise ValueError("random_state has no effect without shuffle=True.")  # as in StratifiedKFold
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.is_real = is_real

    def _split_real(self, labels, groups, rng):
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = kind(self.n_splits, shuffle=self.shuffle, random_state=rng if self.shuffle else None)
        return folds.split(labels, labels, groups)


class RealShuffleSplit(_RealSplitter):
    """Random splits of the real rows; synthetic rows are in every training part and never scored.

    Parameters
    ----------
    n_splits : int, default=1
        Number of splits.
    test_size : float or int, default=0.3
        Share of the real rows that is scored, or their number.
    random_state : int, RandomState instance or None, default=None
        Seed of the splits. ``HalvingGridSearchCV`` needs an integer.
    is_real : array-like of shape (n_samples,), default=None
        Mask of the real rows, see :class:`RealKFold`.

    See Also
    --------
    RealKFold : Folds that score every real row once.

    Notes
    -----
    Splits are stratified by label, unless real rows share a group: ``test_size`` then counts groups.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight.model_selection import RealShuffleSplit
    >>> is_real = np.array([False] * 4 + [True] * 4)
    >>> y = ["bad", "good"] * 4
    >>> (train, test), = RealShuffleSplit(test_size=0.5, random_state=0, is_real=is_real).split(y, y)
    >>> print(np.sort(train), np.sort(test))
    [0 1 2 3 4 5] [6 7]
    """

    def __init__(self, n_splits=1, *, test_size=0.3, random_state=None, is_real=None):
        self.n_splits = n_splits
        self.test_size = test_size
        self.random_state = random_state
        self.is_real = is_real

    def _split_real(self, labels, groups, rng):
        kind = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
        return kind(self.n_splits, test_size=self.test_size, random_state=rng).split(labels, labels, groups)
