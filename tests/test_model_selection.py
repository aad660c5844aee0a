"""Searches and cross-validation: which rows are scored, what every fit sees, and what goes wrong without the mask.

Most tests use rows of numbers, which train in a tenth of a second. A row has eight columns that say its "word", and a
number of its own by which it is recognised. Labels of synthetic rows are wrong for most rows of half of the words, so
that a search that scores synthetic rows ranks the candidates backwards.
"""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - HalvingGridSearchCV cannot be imported without
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, make_scorer, roc_auc_score, top_k_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback
from transformers import AutoTokenizer

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.exceptions import RealDataSlicedWarning, SkweightWarning
from skweight.model_selection import RealKFold, RealShuffleSplit, stack_real

SPLITTERS = [RealKFold, RealShuffleSplit]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# -- rows of numbers --------------------------------------------------------------------------------------------------


def numbers(n, rng, *, spoiled=False, classes=("down", "up")):
    """Rows, and labels that follow from the word; wrong ones for seven tenths of the rows of half of the words."""
    row = np.arange(n)
    word = row % 8
    wrong = spoiled & (word >= 4) & (row // 8 % 10 < 7)
    return np.c_[np.eye(8)[word], rng.uniform(-1, 1, n)], np.array(classes)[(word + wrong) % len(classes)]


def make_rows(n_synthetic=240, n_real=48, n_test=200, **options):
    rng = np.random.default_rng(0)
    synth_X, synth_y = numbers(n_synthetic, rng, spoiled=True, **options)
    real_X, real_y = numbers(n_real, rng, **options)
    test_X, test_y = numbers(n_test, rng, **options)
    X, y, is_real = stack_real(synth_X, synth_y, real_X, real_y)
    return SimpleNamespace(**{name: value for name, value in locals().items() if name not in ("rng", "options")})


@pytest.fixture(scope="module")
def data():
    return make_rows()


@pytest.fixture(scope="module")
def small():
    """Enough rows to train on, too few to learn much."""
    return make_rows(n_synthetic=48, n_real=16)


def passthrough(cls=DIMPClassifier, **params):
    settings = {"max_epochs": 5, "random_state": 0, "device": "cpu", "precision": "fp32"}
    if cls in (DIMPClassifier, IMPClassifier):
        settings["quality_checker"] = LogisticRegression()
    if cls is IMPClassifier:
        settings["diversity_checker"] = LogisticRegression()
    return cls("passthrough", **{**settings, **params})


def brief(cls=DIMPClassifier, **params):
    return passthrough(cls, **{"max_epochs": 1, **params})


def own_number(X):
    """The number by which each row is recognised, in the precision that checkers get it in."""
    return np.asarray(X)[:, -1].astype(np.float32).tolist()


FITS, CHECKED = [], []  # what each call of `fit` saw: of a WatchedClassifier, and of a WatchedChecker


class WatchedClassifier(DIMPClassifier):
    def fit(self, X, y, *, real_X=None, real_y=None, is_real=None, sample_weight=None):
        n_real = None if real_X is None else len(real_X)
        FITS.append(SimpleNamespace(X=X, y=y, is_real=is_real, n_real=n_real, sample_weight=sample_weight, clf=self))
        return super().fit(X, y, real_X=real_X, real_y=real_y, is_real=is_real, sample_weight=sample_weight)


class WatchedChecker(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        CHECKED.append(SimpleNamespace(X=X, y=y, sample_weight=sample_weight))
        return super().fit(X, y, sample_weight=sample_weight)


@pytest.fixture(autouse=True)
def _clear_what_was_watched():
    FITS.clear()
    CHECKED.clear()


def watched(**params):
    settings = {"quality_checker": WatchedChecker(), "max_epochs": 1, "random_state": 0, "device": "cpu"}
    return WatchedClassifier("passthrough", **{**settings, "precision": "fp32", **params})


def sizes():
    """Numbers of synthetic and real rows in every fit."""
    return [(int((~np.asarray(f.is_real)).sum()), int(np.sum(f.is_real))) for f in FITS]


# -- stack_real -------------------------------------------------------------------------------------------------------

TEXTS, REAL_TEXTS = ["a warm film", "a dull film", "a bore"], ["loved it", "hated it"]
LABELS, REAL_LABELS = ["good", "bad", "bad"], ["good", "bad"]


def as_list(rows):
    """Rows of any container as a list."""
    if scipy.sparse.issparse(rows):
        return rows.toarray().tolist()
    if isinstance(rows, pl.DataFrame):
        return [list(row) for row in rows.rows()]
    if isinstance(rows, pd.DataFrame):
        return rows.to_numpy().tolist()
    return rows.tolist() if isinstance(rows, np.ndarray) else list(rows)


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (list, list),
        (tuple, list),
        (np.array, np.ndarray),
        (lambda a: np.array(a, dtype=object), np.ndarray),
        (lambda a: pd.Series(a, index=np.arange(len(a)) + 5), pd.Series),
        (pl.Series, pl.Series),
        (pa.array, list),
    ],
    ids="list tuple array object pandas polars pyarrow".split(),
)
def test_texts_are_stacked_synthetic_rows_first(wrap, kind):
    X, y, is_real = stack_real(wrap(TEXTS), LABELS, wrap(REAL_TEXTS), REAL_LABELS)
    assert isinstance(X, kind)
    assert [str(text) for text in as_list(X)] == TEXTS + REAL_TEXTS
    assert y.tolist() == LABELS + REAL_LABELS
    assert is_real.tolist() == [False, False, False, True, True]
    assert is_real.dtype == bool


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (np.array, np.ndarray),
        (lambda a: pd.DataFrame(a, columns=["a", "b"], index=np.arange(len(a)) + 5), pd.DataFrame),
        (lambda a: pl.DataFrame(a, schema=["a", "b"], orient="row"), pl.DataFrame),
        (scipy.sparse.csr_array, scipy.sparse.csr_array),
        (scipy.sparse.csr_matrix, scipy.sparse.csr_matrix),
        (scipy.sparse.csc_array, scipy.sparse.csr_array),  # rows can be picked from this one
    ],
    ids="array pandas polars csr_array csr_matrix csc_array".split(),
)
def test_numeric_columns_are_stacked_synthetic_rows_first(wrap, kind):
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 0.0]]
    X, y, is_real = stack_real(wrap(rows[:3]), [0, 1, 1], wrap(rows[3:]), [0, 1])
    assert isinstance(X, kind)
    assert as_list(X) == rows
    assert y.tolist() == [0, 1, 1, 0, 1]
    assert is_real.sum() == 2


def test_a_data_frame_keeps_its_columns_and_gets_a_new_index():
    def frame(texts, start):
        return pd.DataFrame({"text": texts, "stars": range(len(texts))}, index=np.arange(start, start + len(texts)))

    X, _, _ = stack_real(frame(TEXTS, 7), LABELS, frame(REAL_TEXTS, 7), REAL_LABELS)
    assert X.columns.tolist() == ["text", "stars"]
    assert X.index.tolist() == [0, 1, 2, 3, 4]
    assert X["stars"].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("second", [list, lambda pairs: np.array(pairs, dtype=object)], ids=["list", "array"])
@pytest.mark.parametrize("first", [list, lambda pairs: np.array(pairs, dtype=object)], ids=["list", "array"])
def test_pairs_are_stacked_as_pairs(first, second):
    pairs, real_pairs = list(zip(TEXTS, TEXTS[::-1], strict=True)), list(zip(REAL_TEXTS, REAL_TEXTS, strict=True))
    X, _, _ = stack_real(first(pairs), LABELS, second(real_pairs), REAL_LABELS)
    assert [tuple(pair) for pair in as_list(X)] == pairs + real_pairs


@pytest.mark.parametrize(
    ("labels", "real_labels", "dtype"),
    [
        ([0, 1, 1], [1, 0], np.int64),
        (np.array([0, 1, 1], dtype=np.int8), np.array([1, 0], dtype=np.int8), np.int8),
        ([True, False, True], [False, True], np.bool_),
        (["good", "bad", "bad"], ["good", "bad"], "<U4"),
        (["bad", "bad", "good"], ["excellent", "bad"], "<U9"),  # no label is cut to the other side's width
        (np.array(["b", "a", "a"]), np.array(["a", "b"], dtype=object), object),
        (pd.Series(["b", "a", "a"], index=[9, 8, 7]), pd.Series(["a", "b"], index=[9, 9]), object),
        (pd.Categorical(["b", "a", "a"]), pd.Categorical(["a", "b"]), object),
        (pd.array([1, 0, 1], dtype="Int64"), pd.array([0, 1], dtype="Int64"), np.int64),
    ],
    ids="int int8 bool str widths object Series Categorical Int64".split(),
)
def test_labels_keep_their_data_type(labels, real_labels, dtype):
    _, y, _ = stack_real(TEXTS, labels, REAL_TEXTS, real_labels)
    assert y.dtype == dtype
    assert y.tolist() == [*labels, *real_labels]


@pytest.mark.parametrize(
    ("labels", "real_labels"),
    [
        ([0, 1, 1], ["0", "1"]),
        (["0", "1", "1"], [0, 1]),
        ([0, 1, 1], [False, True]),
        ([False, True, True], [0, 1]),
    ],
    ids="int-str str-int int-bool bool-int".split(),
)
def test_labels_of_different_types_on_the_two_sides_are_refused(labels, real_labels):
    with pytest.raises(TypeError, match=r"^y and real_y hold labels of different types: "):
        stack_real(TEXTS, labels, REAL_TEXTS, real_labels)


def test_labels_of_mixed_types_on_one_side_are_refused_with_the_rows():
    with pytest.raises(TypeError, match=r"^real_y mixes label types: str \(row 0: 'good'\), int \(row 1: 1\)"):
        stack_real(TEXTS, LABELS, REAL_TEXTS, ["good", 1])


@pytest.mark.parametrize("name", ["X", "real_X"])
def test_rows_and_labels_of_unequal_number_are_refused_with_both_numbers(name):
    arguments = {"X": TEXTS, "y": LABELS, "real_X": REAL_TEXTS, "real_y": REAL_LABELS}
    arguments[name] = [*arguments[name], "one more"]
    n, labels = len(arguments[name]), name.replace("X", "y")
    with pytest.raises(ValueError, match=f"^{name} has {n} rows but {labels} has {n - 1}"):
        stack_real(**arguments)


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (pd.Series(TEXTS), REAL_TEXTS, ("Series", "list")),
        (pd.Series(TEXTS), pl.Series(REAL_TEXTS), ("Series", "Series")),
        (pd.DataFrame({"text": TEXTS}), pd.Series(REAL_TEXTS), ("DataFrame", "Series")),
        (scipy.sparse.eye_array(3).tocsr(), np.eye(2, 3), ("csr_array", "ndarray")),
    ],
    ids="Series-list pandas-polars frame-column sparse-dense".split(),
)
def test_different_containers_are_refused_with_both_names(first, second, names):
    with pytest.raises(TypeError, match="^X is {} but real_X is {}: pass both in the same container".format(*names)):
        stack_real(first, LABELS, second, REAL_LABELS)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a: pd.DataFrame({"text": a, "source": a}),
        lambda a: pl.DataFrame({"text": a, "source": a}),
        lambda a: scipy.sparse.eye_array(len(a)).tocsr(),
        lambda a: dict.fromkeys(a),
        set,
        "".join,
    ],
    ids="pandas polars sparse dict set str".split(),
)
def test_beside_a_list_real_rows_are_refused_that_do_not_come_one_after_another(wrap):
    """Iterating over a data frame gives its columns, here two as there are real rows; over a set, rows in any order."""
    with pytest.raises((TypeError, ValueError), match="real_X"):
        stack_real(TEXTS, LABELS, wrap(["a", "b"]), REAL_LABELS)


def test_numbers_beside_texts_are_refused():
    """numpy would spell the numbers."""
    with pytest.raises((TypeError, ValueError), match="real_X"):
        stack_real(np.ones(3), LABELS, np.array(REAL_TEXTS), REAL_LABELS)


@pytest.mark.parametrize("labels", [LABELS, [0, 1, 1]], ids=["str", "int"])
def test_no_real_rows_at_all_are_refused(labels):
    with pytest.raises(ValueError, match="real_"):
        stack_real(TEXTS, labels, [], [])


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("columns", [["b", "a"], ["a"], ["a", "c"]], ids=["order", "fewer", "name"])
def test_data_frames_of_other_columns_are_refused_with_both_lists(frame, columns):
    X, real_X = frame({"a": [1, 2, 3], "b": [4, 5, 6]}), frame({name: [1, 2] for name in columns})
    with pytest.raises(ValueError, match=r"^X has the columns \['a', 'b'\] but real_X has \[.*\]\.$"):
        stack_real(X, LABELS, real_X, REAL_LABELS)


@pytest.mark.parametrize("real_X", [np.ones((2, 3)), np.ones(2)], ids=["width", "1-D"])
def test_arrays_of_other_shapes_are_refused_with_both_shapes(real_X):
    with pytest.raises(ValueError, match=r"^X has rows of shape \(2,\) but real_X of shape "):
        stack_real(np.ones((3, 2)), LABELS, real_X, REAL_LABELS)


# -- the splitters ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed():
    """60 rows in no order: 20 real ones, three quarters of one class."""
    rng = np.random.default_rng(3)
    is_real = rng.permutation(np.repeat([True, False], [20, 40]))
    y = np.empty(60, dtype="<U4")
    y[is_real] = np.repeat(["bad", "good"], [5, 15])  # one after the other: folds must be stratified on purpose
    y[~is_real] = np.array(["bad", "good"] * 20)
    return SimpleNamespace(
        y=y, is_real=is_real, real=set(np.flatnonzero(is_real)), synthetic=np.flatnonzero(~is_real).tolist()
    )


def folds(splitter, y, **kwargs):
    return [(train.tolist(), test.tolist()) for train, test in splitter.split(y, y, **kwargs)]


def masked_folds(cls, y, mask, where):
    """Folds with the mask given in one of the two places."""
    return folds(cls(is_real=mask), y) if where == "constructor" else folds(cls(), y, is_real=mask)


def seeded(cls, **params):
    return cls(4, shuffle=True, random_state=0, **params) if cls is RealKFold else cls(4, random_state=0, **params)


def test_a_seed_without_shuffling_is_refused():
    with pytest.raises(ValueError, match="random_state has no effect without shuffle=True"):
        RealKFold(3, random_state=0)


def test_every_real_row_is_scored_once_and_no_synthetic_row_ever(mixed):
    scored = Counter(i for _, test in folds(RealKFold(5), mixed.y, is_real=mixed.is_real) for i in test)
    assert scored == dict.fromkeys(mixed.real, 1)


@pytest.mark.parametrize("cls", SPLITTERS)
def test_training_parts_hold_all_synthetic_rows_and_the_real_rows_that_are_not_scored(cls, mixed):
    splits = folds(seeded(cls), mixed.y, is_real=mixed.is_real)
    assert len(splits) == 4
    for train, test in splits:
        assert set(test) < mixed.real
        assert Counter(train) == Counter([*mixed.synthetic, *(mixed.real - set(test))])


@pytest.mark.parametrize("cls", SPLITTERS)
def test_real_rows_come_first_so_that_a_prefix_has_them(cls, mixed):
    for train, _ in folds(seeded(cls), mixed.y, is_real=mixed.is_real):
        n_real = len(mixed.real & set(train))
        assert set(train[:n_real]) < mixed.real


@pytest.mark.parametrize("splitter", [RealKFold(5), RealShuffleSplit(5, test_size=0.2, random_state=0)])
def test_folds_are_stratified_by_the_labels_of_the_real_rows(splitter, mixed):
    for _, test in folds(splitter, mixed.y, is_real=mixed.is_real):
        assert Counter(mixed.y[test].tolist()) == {"good": 3, "bad": 1}


def test_without_shuffling_rows_keep_their_order(mixed):
    for train, test in folds(RealKFold(5), mixed.y, is_real=mixed.is_real):
        assert test == sorted(test)
        assert train == [*sorted(mixed.real - set(test)), *mixed.synthetic]


def test_shuffling_permutes_the_synthetic_rows_too(mixed):
    plain = folds(RealKFold(5), mixed.y, is_real=mixed.is_real)
    for (train, test), (_, plain_test) in zip(
        folds(RealKFold(5, shuffle=True, random_state=0), mixed.y, is_real=mixed.is_real), plain, strict=True
    ):
        synthetic = train[20 - len(test) :]
        assert synthetic != mixed.synthetic
        assert sorted(synthetic) == mixed.synthetic
        assert test != plain_test


@pytest.mark.parametrize("make", [lambda seed: RealKFold(5, shuffle=True, random_state=seed), None])
def test_the_same_seed_gives_the_same_folds_and_another_one_others(make, mixed):
    make = make or (lambda seed: RealShuffleSplit(5, random_state=seed))
    splitter = make(0)
    one = folds(splitter, mixed.y, is_real=mixed.is_real)
    assert folds(splitter, mixed.y, is_real=mixed.is_real) == one
    assert folds(make(0), mixed.y, is_real=mixed.is_real) == one
    assert folds(make(1), mixed.y, is_real=mixed.is_real) != one


def test_the_number_or_the_share_of_scored_rows_can_be_given(mixed):
    for test_size, expected in [(0.3, 6), (0.5, 10), (4, 4)]:
        for _, test in folds(RealShuffleSplit(3, test_size=test_size, random_state=0), mixed.y, is_real=mixed.is_real):
            assert len(test) == len(set(test)) == expected


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        np.array,
        lambda m: m.astype(int),
        lambda m: m.astype(float),
        lambda m: pd.Series(m, index=m[::-1]),
        pl.Series,
    ],
    ids="list bool int float Series polars".split(),
)
@pytest.mark.parametrize("where", ["constructor", "split"])
def test_masks_come_in_many_containers(wrap, where, mixed):
    expected = folds(RealKFold(), mixed.y, is_real=mixed.is_real)
    assert masked_folds(RealKFold, mixed.y, wrap(mixed.is_real), where) == expected


@pytest.mark.parametrize(
    "wrap",
    [list, lambda y: y.astype(object), lambda y: pd.Series(y, index=y), lambda y: y == "good", pd.Categorical],
    ids="list object Series bool Categorical".split(),
)
def test_labels_come_in_many_containers(wrap, mixed):
    splitter, X = RealKFold(4, is_real=mixed.is_real), np.zeros((60, 2))
    given = [test.tolist() for _, test in splitter.split(X, wrap(mixed.y))]
    assert given == [test for _, test in folds(splitter, mixed.y)]


def test_rows_may_be_a_list_a_frame_or_sparse(mixed):
    expected = folds(RealKFold(4, is_real=mixed.is_real), mixed.y)
    for X in (["text"] * 60, pd.DataFrame({"a": range(60)}), pl.Series(range(60)), scipy.sparse.eye_array(60)):
        splits = RealKFold(4, is_real=mixed.is_real).split(X, mixed.y)
        assert [(train.tolist(), test.tolist()) for train, test in splits] == expected


@pytest.mark.parametrize("cls", SPLITTERS)
def test_the_mask_passed_to_split_goes_before_that_of_the_constructor(cls, mixed):
    other = ~mixed.is_real
    expected = folds(seeded(cls), mixed.y, is_real=mixed.is_real)
    assert folds(seeded(cls, is_real=other), mixed.y, is_real=mixed.is_real) == expected
    assert folds(seeded(cls, is_real=other), mixed.y) != expected
    # Of another length: the constructor's does not matter then.
    assert folds(seeded(cls, is_real=[True]), mixed.y, is_real=mixed.is_real) == expected


@pytest.mark.parametrize("cls", SPLITTERS)
def test_a_splitter_without_a_mask_says_where_to_pass_it(cls, mixed):
    with pytest.raises(ValueError, match=rf"^{cls.__name__} needs to know which rows are real: pass is_real to it"):
        folds(cls(), mixed.y)


@pytest.mark.parametrize("cls", SPLITTERS)
def test_a_mask_of_another_length_in_the_constructor_is_refused_with_the_way_to_nest(cls, mixed):
    message = rf"^The is_real of this {cls.__name__} has 59 entries but X has 60 rows.*enable_metadata_routing=True"
    with pytest.raises(ValueError, match=message):
        folds(cls(is_real=mixed.is_real[:-1]), mixed.y)


@pytest.mark.parametrize("cls", SPLITTERS)
def test_a_mask_of_another_length_passed_to_split_is_refused(cls, mixed):
    with pytest.raises(ValueError, match=r"^is_real has 59 entries but X has 60 rows\.$"):
        folds(cls(), mixed.y, is_real=mixed.is_real[:-1])


@pytest.mark.parametrize("where", ["constructor", "split"])
@pytest.mark.parametrize(("value", "count"), [(True, 60), (False, 0)])
@pytest.mark.parametrize("cls", SPLITTERS)
def test_a_mask_of_all_rows_or_of_none_is_refused_with_the_number(cls, value, count, where, mixed):
    mask = [value] * 60
    with pytest.raises(ValueError, match=rf"^is_real must mark some rows .*; it marks {count} of 60\.$"):
        masked_folds(cls, mixed.y, mask, where)


@pytest.mark.parametrize("where", ["constructor", "split"])
@pytest.mark.parametrize(
    "mask",
    [
        ["yes"] * 60,
        np.arange(60),
        np.ones((60, 2), dtype=bool),
        [True, None] * 30,
        pd.array([True, None] * 30, dtype="boolean"),
        True,
    ],
    ids="texts numbers 2-D None NA scalar".split(),
)
def test_a_mask_that_is_not_boolean_is_refused(mask, where, mixed):
    with pytest.raises(TypeError, match=r"^is_real must hold one boolean per row"):
        masked_folds(RealKFold, mixed.y, mask, where)


def test_the_number_of_splits_needs_no_data():
    assert RealKFold(7).get_n_splits() == 7
    assert RealShuffleSplit(3).get_n_splits() == 3
    assert RealShuffleSplit().get_n_splits() == 1
    assert RealKFold().get_n_splits(np.ones(3), [0, 1, 1], None, is_real=[True, False, True]) == 5


def test_splitters_show_their_parameters():
    assert repr(RealKFold(3)) == "RealKFold(is_real=None, n_splits=3, random_state=None, shuffle=False)"
    assert repr(RealShuffleSplit()) == "RealShuffleSplit(is_real=None, n_splits=1, random_state=None, test_size=0.3)"


@pytest.mark.parametrize("cls", SPLITTERS)
def test_splitters_ask_for_the_mask_and_the_groups(cls):
    assert cls().get_metadata_routing().split.requests == {"is_real": True, "groups": True}


# -- groups: which real row a synthetic row was made from --------------------------------------------------------------


@pytest.fixture(scope="module")
def seeds():
    """Eight real rows, three synthetic children of each; ids as names."""
    ids = [f"r{i}" for i in range(8)]
    y = np.array(["good", "bad"] * 4)
    return SimpleNamespace(
        y=np.concatenate([np.repeat(y, 3), y]),
        groups=[*np.repeat(ids, 3).tolist(), *ids],
        is_real=np.repeat([False, True], [24, 8]),
    )


def children_of_scored_rows(splits, groups, is_real):
    """How many synthetic rows in each training part were made from a row of its test part."""
    scored = [{groups[i] for i in test} for _, test in splits]
    return [
        sum(groups[i] in ids for i in train if not is_real[i]) for (train, _), ids in zip(splits, scored, strict=True)
    ]


def test_children_of_scored_rows_are_left_out_of_training(seeds):
    without = folds(RealKFold(4), seeds.y, is_real=seeds.is_real)
    assert children_of_scored_rows(without, seeds.groups, seeds.is_real) == [6] * 4
    with_groups = folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=seeds.groups)
    assert children_of_scored_rows(with_groups, seeds.groups, seeds.is_real) == [0] * 4
    # The other 18 children stay, and the folds of the real rows are those without groups.
    assert [len(train) for train, _ in with_groups] == [6 + 18] * 4
    assert [test for _, test in with_groups] == [test for _, test in without]


def test_children_of_scored_rows_are_left_out_of_random_splits_and_after_shuffling(seeds):
    for splitter in (RealShuffleSplit(4, random_state=0), RealKFold(4, shuffle=True, random_state=0)):
        splits = folds(splitter, seeds.y, is_real=seeds.is_real, groups=seeds.groups)
        assert children_of_scored_rows(splits, seeds.groups, seeds.is_real) == [0] * 4


@pytest.mark.parametrize("kind", [tuple, list, set, frozenset, np.array])
def test_a_synthetic_row_may_come_from_several_real_rows(kind, seeds):
    groups = list(seeds.groups)
    groups[0] = kind(["r0", "r5"])
    for train, test in folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups):
        assert (0 in train) == (24 not in test and 29 not in test)
        assert (1 in train) == (24 not in test)


@pytest.mark.parametrize("nothing", [None, np.float64("nan"), pd.NA, pd.NaT, (), (None,)], ids=str)
def test_a_synthetic_row_may_come_from_no_real_row(nothing, seeds):
    groups = [nothing, *seeds.groups[1:]]
    assert all(0 in train for train, _ in folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups))


@pytest.mark.parametrize(
    "wrap", [list, lambda g: np.array(g, dtype=object), lambda g: pd.Series(g, index=g), pl.Series], ids=str
)
def test_groups_come_in_many_containers(wrap, seeds):
    expected = folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=seeds.groups)
    assert folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=wrap(seeds.groups)) == expected


def test_numbered_groups_with_nan_for_none_come_as_an_array_of_floats(seeds):
    groups = np.array([np.nan, *np.repeat(np.arange(8), 3)[1:], *range(8)])
    splits = folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups)
    assert children_of_scored_rows(splits, groups, seeds.is_real) == [0] * 4
    assert all(0 in train for train, _ in splits)


@pytest.mark.parametrize("splitter", [RealKFold(2), RealShuffleSplit(4, test_size=0.5, random_state=0)])
def test_real_rows_of_one_group_are_scored_together(splitter, seeds):
    """Four texts of two paragraphs each, the first paragraphs before the second ones."""
    names = [f"text {i % 4}" for i in range(8)]
    groups = [None] * 24 + names
    splits = folds(splitter, seeds.y, is_real=seeds.is_real, groups=groups)
    for train, test in splits:
        assert len(test) == 4
        assert {groups[i] for i in test}.isdisjoint(groups[i] for i in train if seeds.is_real[i])


def test_real_rows_without_an_id_are_groups_of_their_own(seeds):
    groups = [None] * 24 + ["text", "text", None, None, None, None, float("nan"), None]
    splits = folds(RealKFold(2), seeds.y, is_real=seeds.is_real, groups=groups)
    assert sorted(i for _, test in splits for i in test) == list(range(24, 32))
    assert [{24, 25} <= set(test) for _, test in splits] in ([True, False], [False, True])


def test_a_real_row_of_several_groups_is_refused_with_its_row(seeds):
    groups = [*seeds.groups[:-1], ("r6", "r7")]
    with pytest.raises(ValueError, match=r"^groups\[31\] holds several ids, but the row is real"):
        folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups)


def test_groups_of_another_length_are_refused(seeds):
    with pytest.raises(ValueError, match=r"^groups has 31 entries but X has 32 rows\.$"):
        folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=seeds.groups[:-1])


@pytest.mark.parametrize("kind", ["names", "tuples", "with_none"])
def test_groups_go_through_a_search(kind, small, routing):
    n = len(small.y)
    real = np.flatnonzero(small.is_real)
    groups = [int(real[i % 16]) for i in range(48)] + real.tolist()  # three synthetic rows for each real one
    if kind == "tuples":
        groups = [(g, g) if i < 48 else g for i, g in enumerate(groups)]
    expected = [(36, 12)] * 4 + [(48, 16)]
    if kind == "with_none":
        groups = [None if i < 16 else g for i, g in enumerate(groups)]
        expected = [(40, 12)] * 4 + [(48, 16)]
    assert len(groups) == n
    search = GridSearchCV(watched(), {"gamma": [1.0]}, cv=RealKFold(4), error_score="raise")
    search.fit(small.X, small.y, is_real=small.is_real, groups=groups)
    assert sizes() == expected


def test_groups_go_through_a_search_without_routing(small):
    real = np.flatnonzero(small.is_real)
    groups = [int(real[i % 16]) for i in range(48)] + real.tolist()
    cv = RealKFold(4, is_real=small.is_real)
    GridSearchCV(watched(), {"gamma": [1.0]}, cv=cv, error_score="raise").fit(
        small.X, small.y, is_real=small.is_real, groups=groups
    )
    assert sizes() == [(36, 12)] * 4 + [(48, 16)]


# -- everything of scikit-learn that slices ----------------------------------------------------------------------------


def test_every_fit_of_a_search_sees_all_synthetic_rows_and_the_real_rows_it_is_not_scored_on(small, routing):
    search = GridSearchCV(watched(), {"gamma": [0.5, 1.0]}, cv=RealKFold(4), error_score="raise")
    search.fit(small.X, small.y, is_real=small.is_real)
    assert sizes() == [(48, 12)] * 8 + [(48, 16)]
    expected = [train for train, _ in RealKFold(4).split(small.X, small.y, is_real=small.is_real)] * 2
    for fit, train in zip(FITS, expected, strict=False):
        np.testing.assert_array_equal(fit.X, small.X[train])
        np.testing.assert_array_equal(fit.y, small.y[train])
        np.testing.assert_array_equal(fit.is_real, small.is_real[train])
    # The checker is given the real rows of each fit, and nothing else.
    real = [own_number(small.X[train[small.is_real[train]]]) for train in expected]
    assert [own_number(c.X) for c in CHECKED[:-1]] == real


def halving(clf, grid, cv):
    return HalvingGridSearchCV(
        clf, grid, cv=cv, resource="max_epochs", min_resources=1, max_resources=2, factor=2, error_score="raise"
    )


SEARCHES = {
    "grid": lambda clf, cv: GridSearchCV(clf, {"gamma": [0.0, 2.0]}, cv=cv, error_score="raise"),
    "random": lambda clf, cv: RandomizedSearchCV(
        clf, {"gamma": [0.0, 2.0]}, n_iter=2, cv=cv, random_state=0, error_score="raise"
    ),
    "halving": lambda clf, cv: halving(clf, {"gamma": [0.0, 2.0]}, cv),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_searches_give_the_same_scores_with_routing_and_without(kind, small):
    make = SEARCHES[kind]
    off = make(brief(), RealKFold(2, is_real=small.is_real)).fit(small.X, small.y, is_real=small.is_real)
    with sklearn.config_context(enable_metadata_routing=True):
        on = make(brief(), RealKFold(2)).fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_array_equal(on.cv_results_["mean_test_score"], off.cv_results_["mean_test_score"])
    assert on.best_params_ == off.best_params_
    np.testing.assert_array_equal(on.predict_proba(small.test_X), off.predict_proba(small.test_X))


def test_a_halving_search_over_epochs_keeps_all_rows_in_every_round(small, routing):
    search = halving(watched(), {"gamma": [0.0, 2.0]}, RealKFold(2))
    search.fit(small.X, small.y, is_real=small.is_real)
    assert sizes() == [(48, 8)] * (4 + 2) + [(48, 16)]
    assert [fit.clf.max_epochs for fit in FITS] == [1] * 4 + [2] * 3


def test_a_halving_search_takes_random_splits_with_a_seed_only(small, routing):
    seeded = halving(brief(), {"gamma": [0.0, 2.0]}, RealShuffleSplit(2, random_state=0))
    assert seeded.fit(small.X, small.y, is_real=small.is_real).best_params_["max_epochs"] == 2
    unseeded = halving(brief(), {"gamma": [0.0, 2.0]}, RealShuffleSplit(2))
    with pytest.raises(ValueError, match="must yield consistent folds"):
        unseeded.fit(small.X, small.y, is_real=small.is_real)


def test_a_nested_search_never_shows_a_fit_the_rows_of_the_outer_fold(small, routing):
    search = GridSearchCV(watched(), {"gamma": [0.5, 1.0]}, cv=RealKFold(2), error_score="raise")
    cross_validate(search, small.X, small.y, cv=RealKFold(4), params={"is_real": small.is_real}, error_score="raise")
    # In each outer fold: two candidates on two inner folds, and the refit.
    assert sizes() == ([(48, 6)] * 4 + [(48, 12)]) * 4
    outer = RealKFold(4).split(small.X, small.y, is_real=small.is_real)
    for fold, (_, test) in enumerate(outer):
        scored = set(own_number(small.X[test]))
        for fit in FITS[5 * fold : 5 * fold + 5]:
            assert scored.isdisjoint(own_number(fit.X))


def test_a_plain_classifier_is_scored_on_the_same_folds(small):
    plain = LogisticRegression()
    by_hand = [
        clone(plain).fit(small.X[train], small.y[train]).score(small.X[test], small.y[test])
        for train, test in RealKFold(4).split(small.X, small.y, is_real=small.is_real)
    ]
    off = cross_val_score(plain, small.X, small.y, cv=RealKFold(4, is_real=small.is_real), error_score="raise")
    with sklearn.config_context(enable_metadata_routing=True):
        on = cross_val_score(
            plain, small.X, small.y, cv=RealKFold(4), params={"is_real": small.is_real}, error_score="raise"
        )
    assert off.tolist() == on.tolist() == by_hand


@pytest.mark.parametrize("enabled", [True, False])
def test_a_learning_curve_is_one_in_the_number_of_synthetic_rows(enabled, small):
    with sklearn.config_context(enable_metadata_routing=enabled):
        trained_on, _, scores = learning_curve(
            watched(),
            small.X,
            small.y,
            cv=RealKFold(4, is_real=None if enabled else small.is_real),
            train_sizes=[20, 36, 60],
            params={"is_real": small.is_real},
            error_score="raise",
        )
    assert trained_on.tolist() == [20, 36, 60]
    assert sizes() == [(8, 12), (24, 12), (48, 12)] * 4
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("enabled", [True, False])
def test_calibration_is_fitted_on_real_rows_that_the_model_has_not_seen(enabled, data):
    cv = RealKFold(2, is_real=None if enabled else data.is_real)
    with sklearn.config_context(enable_metadata_routing=enabled):
        calibrated = CalibratedClassifierCV(watched(max_epochs=5, gamma=2.0), cv=cv)
        calibrated.fit(data.X, data.y, is_real=data.is_real)
    assert sizes() == [(240, 24)] * 2
    assert calibrated.score(data.test_X, data.test_y) > 0.95


def test_a_threshold_is_tuned_on_real_rows_that_the_model_has_not_seen(data, routing):
    tuned = TunedThresholdClassifierCV(watched(max_epochs=5, gamma=2.0), cv=RealKFold(2))
    tuned.fit(data.X, data.y, is_real=data.is_real)
    assert sorted(sizes()) == [(240, 24), (240, 24), (240, 48)]
    assert 0 < tuned.best_threshold_ < 1
    assert tuned.best_score_ > 0.95
    assert tuned.score(data.test_X, data.test_y) > 0.95


def test_voting_encodes_the_labels_of_synthetic_and_real_rows_together(data, routing):
    vote = VotingClassifier([("d", passthrough()), ("i", passthrough(IMPClassifier))], voting="soft")
    vote.fit(data.X, data.y, is_real=data.is_real)
    assert vote.predict(data.test_X).dtype == data.y.dtype
    assert vote.score(data.test_X, data.test_y) > 0.95


def test_one_classifier_for_each_class_binarises_both_kinds_of_rows(routing):
    three = make_rows(classes=("a", "b", "c"))
    rest = OneVsRestClassifier(watched(max_epochs=8)).fit(three.X, three.y, is_real=three.is_real)
    assert sizes() == [(240, 48)] * 3
    assert [np.unique(fit.y).tolist() for fit in FITS] == [[0, 1]] * 3
    assert rest.score(three.test_X, three.test_y) > 0.9


def test_parallel_fits_give_the_same_scores(small):
    scores = []
    for n_jobs in (1, 2):
        cv = RealKFold(2, is_real=small.is_real)
        search = GridSearchCV(
            brief(), {"gamma": [0.0, 2.0]}, cv=cv, n_jobs=n_jobs, scoring="neg_log_loss", error_score="raise"
        )
        search.fit(small.X, small.y, is_real=small.is_real)
        scores.append([search.cv_results_[f"split{fold}_test_score"].tolist() for fold in range(2)])
    assert scores[0] == scores[1]


# -- what a search ranks ----------------------------------------------------------------------------------------------

GAMMAS = [0.0, 0.5, 2.0]


def test_a_search_on_synthetic_rows_ranks_backwards_and_one_on_real_rows_does_not(data):
    naive = GridSearchCV(passthrough(), {"gamma": GAMMAS}, cv=3, scoring="neg_log_loss", error_score="raise")
    naive.fit(data.synth_X, data.synth_y, real_X=(data.real_X,), real_y=(data.real_y,))
    right = GridSearchCV(
        passthrough(),
        {"gamma": GAMMAS},
        cv=RealKFold(3, is_real=data.is_real),
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(data.X, data.y, is_real=data.is_real)
    assert naive.cv_results_["rank_test_score"].tolist() == [1, 2, 3]
    assert right.cv_results_["rank_test_score"].tolist() == [3, 2, 1]
    assert naive.best_params_ == {"gamma": 0.0}
    assert right.best_params_ == {"gamma": 2.0}
    assert accuracy_score(data.test_y, naive.predict(data.test_X)) < 0.6
    assert accuracy_score(data.test_y, right.predict(data.test_X)) > 0.95


# -- traps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [True, False])
def test_real_rows_that_scikit_learn_has_sliced_are_reported(enabled, small):
    """As many real rows as synthetic ones: cross-validation takes them for a column of X."""
    X, y, real_X, real_y = small.synth_X, small.synth_y, small.test_X[:48], small.test_y[:48]
    search = GridSearchCV(watched(), {"gamma": [1.0]}, cv=3, error_score="raise")
    with (
        sklearn.config_context(enable_metadata_routing=enabled),
        pytest.warns(RealDataSlicedWarning, match="^SKW032: real_X and X both have (32|48) rows") as caught,
    ):
        search.fit(X, y, real_X=real_X, real_y=real_y)
    assert [len(c.X) for c in CHECKED] == [32, 32, 32, 48]  # the trap itself
    assert {str(w.message).split()[6] for w in caught} == {"32", "48"}
    assert all("pass is_real, or wrap the real rows as real_X=(real_X,)" in str(w.message) for w in caught)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_tuple_around_the_real_rows_keeps_them_whole_and_silent(enabled, small):
    X, y, real_X, real_y = small.synth_X, small.synth_y, small.test_X[:48], small.test_y[:48]
    search = GridSearchCV(watched(), {"gamma": [1.0]}, cv=3, error_score="raise")
    with sklearn.config_context(enable_metadata_routing=enabled):
        search.fit(X, y, real_X=(real_X,), real_y=(real_y,))
    assert len(CHECKED) == 4
    assert all(own_number(c.X) == own_number(real_X) for c in CHECKED)


@pytest.mark.parametrize("n_real", [47, 49])
def test_real_rows_of_another_number_are_left_whole_and_silent(n_real, small):
    search = GridSearchCV(watched(), {"gamma": [1.0]}, cv=3, error_score="raise")
    search.fit(small.synth_X, small.synth_y, real_X=small.test_X[:n_real], real_y=small.test_y[:n_real])
    assert [len(c.X) for c in CHECKED] == [n_real] * 4


@pytest.mark.parametrize("name", ["real_X", "real_y"])
def test_a_tuple_around_one_of_the_two_is_found_out(name, small):
    real = {"real_X": small.test_X[:48], "real_y": small.test_y[:48]}
    real[name] = (real[name],)
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=3, error_score="raise")
    with pytest.raises(ValueError, match=r"^real_X has (48|32) rows but real_y has (32|48)\.$"):
        search.fit(small.synth_X, small.synth_y, **real)


def test_a_plain_fit_with_as_many_real_rows_asks_whether_they_were_sliced(small):
    real = {"real_X": small.test_X[:48], "real_y": small.test_y[:48]}
    with pytest.warns(RealDataSlicedWarning, match="the numbers are equal by chance"):
        brief().fit(small.synth_X, small.synth_y, **real)
    brief().fit(small.synth_X, small.synth_y, **{name: (value,) for name, value in real.items()})


def test_real_labels_that_a_meta_estimator_did_not_encode_are_an_error_that_names_the_mask(small, routing):
    vote = VotingClassifier([("d", brief())], voting="soft")
    with pytest.raises(ValueError, match=r"^real_y holds labels that y does not: \['down', 'up'\].*pass is_real"):
        vote.fit(small.synth_X, small.synth_y, real_X=small.real_X, real_y=small.real_y)


def test_a_splitter_that_does_not_know_the_mask_is_found_out(small):
    """Real rows come last: the last of four plain folds tests all of them and trains on none."""
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=KFold(4), error_score="raise")
    with pytest.raises(
        ValueError, match=r"it marks 0 of 48.*splitter that does not know about is_real\? Use RealKFold"
    ):
        search.fit(small.X, small.y, is_real=small.is_real)


def test_a_search_whose_fits_fail_picks_the_first_candidate_unless_it_raises(small):
    """Why every search in the documentation has ``error_score="raise"``."""
    search = GridSearchCV(brief(), {"gamma": [0.0, 2.0]}, cv=KFold(4))
    with (
        pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 8"),
        pytest.warns(UserWarning, match="nan"),
    ):
        search.fit(small.X, small.y, is_real=small.is_real)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"gamma": 0.0}
    with pytest.raises(ValueError, match="it marks 0 of 48"):
        search.set_params(error_score="raise").fit(small.X, small.y, is_real=small.is_real)


@pytest.fixture
def rare(small):
    """A third class, with one real row: in one of two folds none is left to train on."""
    y = small.y.copy()
    y[[3, 11, 19, 27, 50]] = "odd"
    return SimpleNamespace(X=small.X, y=y, is_real=small.is_real)


@pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 members")
def test_a_class_that_a_fold_has_no_real_rows_of_is_an_error(rare):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2, is_real=rare.is_real), error_score="raise")
    with pytest.raises(ValueError, match=r"^the real data has no rows of \['odd'\].*missing_real='warn'"):
        search.fit(rare.X, rare.y, is_real=rare.is_real)


@pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 members")
def test_a_class_that_a_fold_has_no_real_rows_of_can_get_neutral_weights(rare):
    cv = RealKFold(2, is_real=rare.is_real)
    search = GridSearchCV(brief(missing_real="warn"), {"gamma": [1.0]}, cv=cv, error_score="raise")
    with pytest.warns(SkweightWarning, match=r"^SKW021: .*\['odd'\]; their 4 synthetic rows get the neutral weight 1"):
        search.fit(rare.X, rare.y, is_real=rare.is_real)
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_nested_search_with_the_mask_in_the_splitters_is_told_to_turn_routing_on(enabled, small):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2, is_real=small.is_real), error_score="raise")
    # With routing on, the inner splitter is given the mask of the fold, which goes before its own.
    with sklearn.config_context(enable_metadata_routing=enabled):
        arguments = {"cv": RealKFold(4, is_real=small.is_real), "params": {"is_real": small.is_real}}
        if enabled:
            scores = cross_val_score(search, small.X, small.y, error_score="raise", **arguments)
            assert scores.shape == (4,)
            return
        with pytest.raises(
            ValueError, match=r"has 64 entries but X has 60 rows; in a nested search.*Turn metadata rou"
        ):
            cross_val_score(search, small.X, small.y, error_score="raise", **arguments)


def test_without_routing_the_splitter_needs_a_mask_of_its_own(small):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2), error_score="raise")
    with pytest.raises(ValueError, match=r"RealKFold needs to know which rows are real.*RealKFold\(is_real=is_real\)"):
        search.fit(small.X, small.y, is_real=small.is_real)


def test_functions_that_predict_every_row_once_refuse_the_splitters(small, routing):
    with pytest.raises(ValueError, match="cross_val_predict only works for partitions"):
        cross_val_predict(brief(), small.X, small.y, cv=RealKFold(2), params={"is_real": small.is_real})
    stack = StackingClassifier([("lr", LogisticRegression())], cv=RealKFold(2, is_real=small.is_real))
    with pytest.raises(ValueError, match="only works for partitions"):
        stack.fit(small.X, small.y)


# -- scores -----------------------------------------------------------------------------------------------------------


def test_scorers_of_scikit_learn_score_the_real_rows_of_a_fold():
    three = make_rows(n_synthetic=96, n_real=48, classes=("a", "b", "c"))
    scoring = {
        "accuracy": "accuracy",
        "loss": "neg_log_loss",
        "auc": "roc_auc_ovr",
        "f1": "f1_macro",
        "top2": make_scorer(top_k_accuracy_score, response_method="predict_proba", k=2),
    }
    cv = RealKFold(2, is_real=three.is_real)
    result = cross_validate(
        passthrough(max_epochs=3),
        three.X,
        three.y,
        cv=cv,
        scoring=scoring,
        params={"is_real": three.is_real},
        error_score="raise",
    )
    train, test = next(cv.split(three.X, three.y))
    clf = passthrough(max_epochs=3).fit(three.X[train], three.y[train], is_real=three.is_real[train])
    y, proba, predicted = three.y[test], clf.predict_proba(three.X[test]), clf.predict(three.X[test])
    by_hand = {
        "accuracy": np.mean(predicted == y),
        "loss": -log_loss(y, proba),
        "auc": roc_auc_score(y, proba, multi_class="ovr"),
        "f1": f1_score(y, predicted, average="macro"),
        "top2": top_k_accuracy_score(y, proba, k=2),
    }
    assert {name: result[f"test_{name}"][0] for name in scoring} == pytest.approx(by_hand)
    assert 0.34 < by_hand["accuracy"] < 1  # neither chance nor a score that everything has


def test_score_weighs_rows_by_sample_weight(data):
    clf = brief(gamma=0.0).fit(data.X, data.y, is_real=data.is_real)
    right = clf.predict(data.test_X) == data.test_y
    assert 0.2 < right.mean() < 0.8
    weight = np.where(right, 3.0, 1.0)
    expected = 3 * right.sum() / (3 * right.sum() + (~right).sum())
    assert clf.score(data.test_X, data.test_y, sample_weight=weight) == pytest.approx(expected)


# -- sample_weight ----------------------------------------------------------------------------------------------------


def test_sample_weight_reaches_every_fit_of_a_search_if_it_is_asked_for(small, routing):
    weight = np.arange(1.0, 65.0)
    clf = watched().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    search = GridSearchCV(clf, {"gamma": [1.0]}, cv=RealKFold(2), error_score="raise")
    search.fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    train = [train for train, _ in RealKFold(2).split(small.X, small.y, is_real=small.is_real)]
    assert len(FITS) == 3
    for fit, rows in zip(FITS, [*train, np.arange(64)], strict=True):
        np.testing.assert_array_equal(fit.sample_weight, weight[rows])


def test_sample_weight_that_nobody_asked_for_is_an_error(small, routing):
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(2), error_score="raise")
    with pytest.raises(UnsetMetadataPassedError, match=r"\[sample_weight\] are passed but are not explicitly set"):
        search.fit(small.X, small.y, is_real=small.is_real, sample_weight=np.ones(64))


def test_sample_weight_of_real_rows_reaches_the_quality_checker_with_mean_one(small):
    weight = np.r_[np.ones(48), np.arange(16.0)]
    watched().fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    (checked,) = CHECKED
    np.testing.assert_allclose(checked.sample_weight, np.arange(16) / 7.5)


def test_only_ratios_of_sample_weight_among_rows_of_a_kind_matter(small):
    weight = np.random.default_rng(0).uniform(0.5, 2, 64)
    scaled = weight * np.where(small.is_real, 1e3, 1e-3)
    one = brief().fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    other = brief().fit(small.X, small.y, is_real=small.is_real, sample_weight=scaled)
    plain = brief().fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_allclose(other.predict_proba(small.test_X), one.predict_proba(small.test_X), rtol=1e-4)
    assert np.abs(plain.predict_proba(small.test_X) - one.predict_proba(small.test_X)).max() > 1e-3


def test_the_mask_may_go_by_another_name(small, routing):
    clf = watched().set_fit_request(is_real="by_people")
    search = GridSearchCV(clf, {"gamma": [1.0]}, cv=RealKFold(2).set_split_request(is_real="by_people"))
    search.set_params(error_score="raise").fit(small.X, small.y, by_people=small.is_real)
    assert sizes() == [(48, 8), (48, 8), (48, 16)]


# -- is_real in fit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"real_weight": 1.0}, {"early_stopping": True, "max_epochs": 3}], ids=str)
@pytest.mark.parametrize("cls", [DIMPClassifier, IMPClassifier, CrossEntropyClassifier])
def test_the_mask_gives_the_model_of_real_rows_passed_apart_to_the_bit(cls, options, small):
    apart = brief(cls, **options).fit(small.synth_X, small.synth_y, real_X=small.real_X, real_y=small.real_y)
    among = brief(cls, **options).fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_array_equal(among.predict_proba(small.test_X), apart.predict_proba(small.test_X))
    np.testing.assert_array_equal(among.sample_weight_[:48], apart.sample_weight_)


def test_where_the_real_rows_stand_does_not_matter(small):
    woven_mask = np.random.default_rng(0).permutation(small.is_real)
    order = np.empty(64, dtype=int)
    order[~woven_mask], order[woven_mask] = np.arange(48), np.arange(48, 64)  # each kind in its own order, as before
    stacked = brief().fit(small.X, small.y, is_real=small.is_real)
    woven = brief().fit(small.X[order], small.y[order], is_real=woven_mask)
    np.testing.assert_array_equal(woven.predict_proba(small.test_X), stacked.predict_proba(small.test_X))
    np.testing.assert_array_equal(woven.sample_weight_, stacked.sample_weight_[order])
    np.testing.assert_array_equal(woven.quality_proba_, stacked.quality_proba_[order])


@pytest.mark.parametrize("cls", [DIMPClassifier, IMPClassifier])
def test_attributes_have_one_entry_per_row_of_x(cls, small):
    clf = brief(cls).fit(small.X, small.y, is_real=small.is_real)
    assert clf.sample_weight_.shape == clf.quality_proba_.shape == (64,)
    np.testing.assert_array_equal(clf.sample_weight_ == 0, small.is_real)
    np.testing.assert_array_equal(np.isnan(clf.quality_proba_), small.is_real)
    if cls is IMPClassifier:
        np.testing.assert_array_equal(np.isnan(clf.diversity_proba_), small.is_real)


def test_real_rows_that_join_the_training_have_their_weight_there(small):
    weight = np.r_[np.ones(48), np.linspace(0.5, 1.5, 16)]
    clf = brief(IMPClassifier, real_weight=2.0).fit(small.X, small.y, is_real=small.is_real, sample_weight=weight)
    expected = 2.0 * clf.sample_weight_[:48].mean() * weight[48:]
    np.testing.assert_allclose(clf.sample_weight_[48:], expected, rtol=1e-5)
    assert np.isnan(clf.quality_proba_[48:]).all()


def test_rows_held_out_for_early_stopping_are_rows_of_x(small):
    clf = watched(early_stopping=True, validation_fraction=0.25)
    clf.fit(small.X, small.y, is_real=small.is_real)
    held = clf.real_validation_indices_
    assert len(held) == 4
    assert small.is_real[held].all()
    (checked,) = CHECKED
    assert sorted(own_number(checked.X) + own_number(small.X[held])) == sorted(own_number(small.X[small.is_real]))
    assert clf.validation_score_ == clf.score(small.X[held], small.y[held])


@pytest.mark.parametrize("given", [("real_X", "real_y"), ("real_X",), ("real_y",)], ids=str)
def test_the_mask_and_real_rows_apart_exclude_each_other(given, small):
    with pytest.raises(ValueError, match=r"^Pass real_X and real_y, or is_real, not both\.$"):
        brief().fit(small.X, small.y, is_real=small.is_real, **{name: getattr(small, name) for name in given})


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones(63, dtype=bool), ValueError, r"^is_real has 63 entries but X has 64 rows\.$"),
        (["yes"] * 64, TypeError, "^is_real must hold one boolean per row"),
        (np.arange(64), TypeError, "^is_real must hold one boolean per row"),
        (pd.array([True, None] * 32, dtype="boolean"), TypeError, "^is_real must hold one boolean per row"),
        (np.ones((64, 1), dtype=bool), TypeError, r"^is_real must hold .* got an array of shape \(64, 1\)"),
        (np.zeros(64, dtype=bool), ValueError, r"it marks 0 of 64\. Was the data split by a splitter"),
        (np.ones(64, dtype=bool), ValueError, r"it marks 64 of 64\. Was the data split by a splitter"),
    ],
    ids="length text numbers NA 2-D none all".split(),
)
def test_masks_that_fit_refuses(mask, error, message, small):
    with pytest.raises(error, match=message):
        brief().fit(small.X, small.y, is_real=mask)


@pytest.mark.parametrize(
    "wrap",
    [list, lambda m: m.astype(int), lambda m: pd.Series(m, index=np.arange(64)[::-1]), pl.Series],
    ids="list int Series polars".split(),
)
def test_masks_come_to_fit_in_many_containers(wrap, small):
    expected = brief().fit(small.X, small.y, is_real=small.is_real)
    clf = brief().fit(small.X, small.y, is_real=wrap(small.is_real))
    np.testing.assert_array_equal(clf.predict_proba(small.test_X), expected.predict_proba(small.test_X))


def test_a_series_with_an_odd_index_goes_through_a_search_as_an_array_does(small):
    index = np.random.default_rng(0).permutation(64) + 100
    cv = RealKFold(2, is_real=small.is_real)
    arrays = GridSearchCV(brief(), {"gamma": [1.0]}, cv=cv, scoring="neg_log_loss", error_score="raise")
    arrays.fit(small.X, small.y, is_real=small.is_real)
    mask = pd.Series(small.is_real, index=index)
    cv = RealKFold(2, is_real=mask)
    columns = [f"c{i}" for i in range(9)]
    frames = GridSearchCV(brief(), {"gamma": [1.0]}, cv=cv, scoring="neg_log_loss", error_score="raise")
    frames.fit(pd.DataFrame(small.X, index=index, columns=columns), pd.Series(small.y, index=index), is_real=mask)
    assert frames.best_score_ == arrays.best_score_


def test_labels_of_real_rows_that_no_synthetic_row_has_are_refused(small):
    y = small.y.astype(object)
    y[-1] = "sideways"
    with pytest.raises(ValueError, match=r"^The real rows hold labels that the synthetic rows do not: \['sideways'\]"):
        brief().fit(small.X, y, is_real=small.is_real)


def test_bad_rows_of_both_kinds_are_dropped_and_the_others_keep_their_places(small):
    X, weight = small.X.copy(), np.arange(1.0, 65.0)
    dropped = np.isin(np.arange(64), [5, 50])
    X[dropped] = np.nan
    options = {"on_bad_rows": "drop", "early_stopping": True}
    with pytest.warns(SkweightWarning, match="^SKW014: dropped 2 of 64 rows of X with a missing value or label"):
        clf = brief(**options).fit(X, small.y, is_real=small.is_real, sample_weight=weight)
    kept = ~dropped
    alone = brief(**options).fit(X[kept], small.y[kept], is_real=small.is_real[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(clf.predict_proba(small.test_X), alone.predict_proba(small.test_X))
    np.testing.assert_array_equal(clf.sample_weight_ == 0, small.is_real | dropped)
    np.testing.assert_array_equal(np.isnan(clf.quality_proba_), small.is_real | dropped)
    np.testing.assert_array_equal(clf.sample_weight_[kept], alone.sample_weight_)
    np.testing.assert_array_equal(clf.real_validation_indices_, np.flatnonzero(kept)[alone.real_validation_indices_])


# -- pipelines --------------------------------------------------------------------------------------------------------


def double(X):
    return 2 * np.asarray(X) + 1


def test_a_pipeline_transforms_real_rows_in_both_spellings(small):
    expected = brief().fit(double(small.X), small.y, is_real=small.is_real).predict_proba(double(small.test_X))
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", watched())])
    pipeline.fit(small.X, small.y, clf__is_real=small.is_real)
    np.testing.assert_array_equal(pipeline.predict_proba(small.test_X), expected)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = Pipeline(pipeline.steps, transform_input=["real_X"])
        routed.fit(small.synth_X, small.synth_y, real_X=small.real_X, real_y=small.real_y)
        np.testing.assert_array_equal(routed.predict_proba(small.test_X), expected)
        masked = Pipeline(pipeline.steps).fit(small.X, small.y, is_real=small.is_real)
        np.testing.assert_array_equal(masked.predict_proba(small.test_X), expected)
    for checked in CHECKED:
        np.testing.assert_array_equal(checked.X, double(small.real_X).astype(np.float32))


def test_a_pipeline_without_transform_input_leaves_real_rows_as_they_are(small):
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", watched())])
    pipeline.fit(small.synth_X, small.synth_y, clf__real_X=small.real_X, clf__real_y=small.real_y)
    (checked,) = CHECKED
    np.testing.assert_array_equal(checked.X, small.real_X.astype(np.float32))


def test_a_tuple_around_the_real_rows_goes_through_the_steps_of_a_pipeline_in_a_search(small, routing):
    X, y, real_X, real_y = small.synth_X, small.synth_y, small.test_X[:48], small.test_y[:48]
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", watched())], transform_input=["real_X"])
    search = GridSearchCV(pipeline, {"clf__gamma": [1.0]}, cv=3, error_score="raise")
    search.fit(X, y, real_X=(real_X,), real_y=(real_y,))
    assert len(CHECKED) == 4
    for checked in CHECKED:
        np.testing.assert_array_equal(checked.X, double(real_X).astype(np.float32))


def test_a_search_over_a_pipeline_names_the_mask_by_its_step_or_routes_it(small):
    pipeline = Pipeline([("double", FunctionTransformer(double)), ("clf", brief())])
    grid = {"clf__gamma": [0.0, 2.0]}
    off = GridSearchCV(pipeline, grid, cv=RealKFold(2, is_real=small.is_real), error_score="raise")
    off.fit(small.X, small.y, clf__is_real=small.is_real)
    with sklearn.config_context(enable_metadata_routing=True):
        on = GridSearchCV(pipeline, grid, cv=RealKFold(2), error_score="raise")
        on.fit(small.X, small.y, is_real=small.is_real)
    np.testing.assert_array_equal(on.cv_results_["mean_test_score"], off.cv_results_["mean_test_score"])


@pytest.fixture
def text_clf(tiny_encoder):
    checker = CrossEntropyClassifier(tiny_encoder, max_epochs=1, batch_size=4, max_length=16, lr=1e-3, device="cpu")
    return DIMPClassifier(
        tiny_encoder,
        quality_checker=checker,
        max_epochs=1,
        batch_size=4,
        max_length=16,
        lr=1e-3,
        random_state=0,
        device="cpu",
    )


@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize("columns", [["text"], ["text", "answer"]], ids=["texts", "pairs"])
def test_columns_of_a_data_frame_are_picked_by_a_column_transformer(columns, output, text_clf, toy):
    def frame(texts):
        columns = {"id": range(len(texts)), "text": texts, "source": "web", "answer": texts[::-1]}
        return pd.DataFrame(columns, index=np.arange(len(texts)) * 3 + 1)

    def picked(texts):
        return texts if columns == ["text"] else list(zip(texts, texts[::-1], strict=True))

    expected = clone(text_clf).fit(picked(toy["X"]), toy["y"], real_X=picked(toy["real_X"]), real_y=toy["real_y"])
    proba = expected.predict_proba(picked(toy["real_X"]))
    steps = [("pick", ColumnTransformer([("text", "passthrough", columns)])), ("clf", text_clf)]
    with sklearn.config_context(enable_metadata_routing=True):
        routed = Pipeline(clone(Pipeline(steps)).steps, transform_input=["real_X"]).set_output(transform=output)
        routed.fit(frame(toy["X"]), toy["y"], real_X=frame(toy["real_X"]), real_y=toy["real_y"])
        np.testing.assert_array_equal(routed.predict_proba(frame(toy["real_X"])), proba)
    X, y, is_real = stack_real(frame(toy["X"]), toy["y"], frame(toy["real_X"]), toy["real_y"])
    masked = Pipeline(steps).set_output(transform=output).fit(X, y, clf__is_real=is_real)
    np.testing.assert_array_equal(masked.predict_proba(frame(toy["real_X"])), proba)
    assert masked[-1].text_pairs_ == (len(columns) == 2)
    if output == "pandas":
        assert masked[-1].feature_names_in_.tolist() == [f"text__{name}" for name in columns]


# -- leaks ------------------------------------------------------------------------------------------------------------
#
# Every row is a sequence of words of its own. What a pipeline's first step, the quality checker and the networks were
# given is written down while it is fitted, and compared with the rows that the fitted pipeline is then scored on.


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
    # The default checkers are networks; IMPClassifier gives its diversity checker its own callbacks.
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


def test_warnings_from_inside_a_search_point_at_the_line_of_the_user(small):
    size = len(small.real_y)
    X, y, real_X, real_y = small.synth_X[:size], small.synth_y[:size], small.real_X, small.real_y
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=2, refit=False)
    with pytest.warns(RealDataSlicedWarning) as caught:
        search.fit(X, y, real_X=real_X, real_y=real_y)
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}
