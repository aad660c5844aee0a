"""Which rows the splitters score, and which they leave to train on."""

import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from helpers import folds

from skweight.model_selection import RealKFold, RealShuffleSplit

SPLITTERS = [RealKFold, RealShuffleSplit]


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


def masked_folds(cls, y, mask, where):
    """Folds with the mask given in one of the two places."""
    return folds(cls(is_real=mask), y) if where == "constructor" else folds(cls(), y, is_real=mask)


def seeded(cls, **params):
    return cls(4, shuffle=True, random_state=0, **params) if cls is RealKFold else cls(4, random_state=0, **params)


def test_a_seed_without_shuffling_is_refused():
    with pytest.raises(ValueError, match=r"^random_state has no effect without shuffle=True\.$"):
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


def test_random_splits_permute_the_synthetic_rows_too(mixed):
    for train, _ in folds(RealShuffleSplit(3, random_state=0), mixed.y, is_real=mixed.is_real):
        assert train[14:] != mixed.synthetic
        assert sorted(train[14:]) == mixed.synthetic


def test_missing_labels_are_left_to_fit(mixed):
    y = mixed.y.astype(object)
    y[mixed.synthetic[3]] = None
    splitter = RealKFold(5, is_real=mixed.is_real)
    assert folds(splitter, y) == folds(splitter, mixed.y)


@pytest.mark.parametrize("make", [lambda seed: RealKFold(5, shuffle=True, random_state=seed), None])
def test_the_same_seed_gives_the_same_folds_and_another_one_others(make, mixed):
    make = make or (lambda seed: RealShuffleSplit(5, random_state=seed))
    splitter = make(0)
    one = folds(splitter, mixed.y, is_real=mixed.is_real)
    assert folds(splitter, mixed.y, is_real=mixed.is_real) == one
    assert folds(make(0), mixed.y, is_real=mixed.is_real) == one
    other = folds(make(1), mixed.y, is_real=mixed.is_real)
    # Not the order of the synthetic rows alone.
    assert [set(scored) for _, scored in other] != [set(scored) for _, scored in one]


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
    name = cls.__name__
    message = (
        f"{name} needs to know which rows are real: pass is_real to it, as {name}(is_real=is_real), or to the fit of "
        "the search with metadata routing on. In a nested search: turn metadata routing on, "
        "sklearn.set_config(enable_metadata_routing=True), and pass is_real to the fit of the search (cross_validate: "
        f"params={{'is_real': is_real}}); {name} then gets the mask of each fold."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        folds(cls(), mixed.y)


@pytest.mark.parametrize("cls", SPLITTERS)
def test_a_mask_of_another_length_in_the_constructor_is_refused_with_the_way_to_nest(cls, mixed):
    message = (
        f"The is_real of this {cls.__name__} has 59 entries but X has 60 rows; in a nested search the inner X is a "
        "part of the outer one. Turn metadata routing on, sklearn.set_config(enable_metadata_routing=True), and pass "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
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
    message = f"is_real must mark some rows as real and leave some synthetic; it marks {count} of 60."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
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
