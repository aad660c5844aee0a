"""Groups: which real row a synthetic row was made from."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import brief, folds, sizes
from sklearn.model_selection import GridSearchCV

from skweight.model_selection import RealKFold, RealShuffleSplit


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


def test_a_training_part_may_be_left_with_real_rows_alone(seeds):
    groups = ["r0"] * 24 + seeds.groups[24:]
    left = [train for train, test in folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups) if 24 in test]
    assert [{type(i) for i in train} for train in left] == [{int}]
    assert len(left[0]) == 6


def test_groups_in_a_polars_column_of_lists(seeds):
    groups = pl.Series([["r0", "r5"], *([one] for one in seeds.groups[1:])])
    for train, test in folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups):
        assert (0 in train) == (24 not in test and 29 not in test)


@pytest.mark.parametrize("nothing", [None, np.float64("nan"), pd.NA, pd.NaT, (), (None,)], ids=str)
def test_a_synthetic_row_may_come_from_no_real_row(nothing, seeds):
    groups = [nothing, *seeds.groups[1:]]
    assert all(0 in train for train, _ in folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups))


@pytest.mark.parametrize(
    "wrap",
    [list, lambda g: np.array(g, dtype=object), lambda g: pd.Series(g, index=g), pl.Series],
    ids=["list", "object", "Series", "polars"],
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
    assert max(len(test) for _, test in splits) < 6  # the rows without an id are not one group


def test_a_real_row_of_several_groups_is_refused_with_its_row(seeds):
    groups = [*seeds.groups[:-1], ("r6", "r7")]
    with pytest.raises(ValueError, match=r"^groups\[31\] holds several ids, but the row is real"):
        folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=groups)


def test_groups_of_another_length_are_refused(seeds):
    with pytest.raises(ValueError, match=r"^groups has 31 entries but X has 32 rows\.$"):
        folds(RealKFold(4), seeds.y, is_real=seeds.is_real, groups=seeds.groups[:-1])


@pytest.mark.parametrize("kind", ["names", "tuples", "with_none"])
def test_groups_go_through_a_search(kind, small, routing, fits):
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
    search = GridSearchCV(brief(), {"gamma": [1.0]}, cv=RealKFold(4), error_score="raise")
    search.fit(small.X, small.y, is_real=small.is_real, groups=groups)
    assert sizes(fits) == expected


def test_groups_go_through_a_search_without_routing(small, fits):
    real = np.flatnonzero(small.is_real)
    groups = [int(real[i % 16]) for i in range(48)] + real.tolist()
    cv = RealKFold(4, is_real=small.is_real)
    GridSearchCV(brief(), {"gamma": [1.0]}, cv=cv, error_score="raise").fit(
        small.X, small.y, is_real=small.is_real, groups=groups
    )
    assert sizes(fits) == [(36, 12)] * 4 + [(48, 16)]
