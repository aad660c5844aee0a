"""Batches of similar length."""

import numpy as np
import pytest

from skweight._engine.batches import bucketed_batches, sorted_batches


def random_lengths(n, seed=0):
    return np.random.RandomState(seed).randint(3, 129, n)


def padding_share(batches, lengths):
    """Share of the places in all batches that hold padding."""
    places = sum(len(rows) * lengths[rows].max() for rows in batches)
    return 1 - lengths.sum() / places


@pytest.mark.parametrize("batch_size", [1, 7, 32, 5000])
@pytest.mark.parametrize("n", [1, 31, 32, 33, 3000])
def test_training_batches_hold_every_row_once_in_the_expected_number_of_batches(n, batch_size):
    batches = bucketed_batches(random_lengths(n), batch_size, np.random.RandomState(0))
    assert len(batches) == -(-n // batch_size)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(n))
    assert max(len(rows) for rows in batches) == min(batch_size, n)


def test_training_batches_change_from_epoch_to_epoch_and_with_the_seed_alone():
    lengths = random_lengths(500)
    rng = np.random.RandomState(0)
    first, second = bucketed_batches(lengths, 16, rng), bucketed_batches(lengths, 16, rng)
    again = bucketed_batches(lengths, 16, np.random.RandomState(0))
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in second]
    # Not the order of the batches alone: other rows meet.
    assert {frozenset(rows.tolist()) for rows in first} != {frozenset(rows.tolist()) for rows in second}


def test_training_batches_come_in_no_order_of_length():
    lengths = random_lengths(3200)
    mean = [lengths[rows].mean() for rows in bucketed_batches(lengths, 32, np.random.RandomState(0))]
    assert abs(np.corrcoef(mean, np.arange(len(mean)))[0, 1]) < 0.3


def test_training_batches_hold_little_padding():
    lengths = random_lengths(3200)
    order = np.random.RandomState(0).permutation(3200)
    unsorted = [order[i : i + 32] for i in range(0, 3200, 32)]
    assert padding_share(unsorted, lengths) > 0.4
    assert padding_share(bucketed_batches(lengths, 32, np.random.RandomState(0)), lengths) < 0.03


@pytest.mark.parametrize("max_tokens", [1, 200, 4096, 10**6])
def test_prediction_batches_hold_every_row_once_and_no_more_tokens_than_allowed(max_tokens):
    lengths = random_lengths(1000)
    batches = sorted_batches(lengths, max_tokens)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(1000))
    for rows in batches:
        assert len(rows) * lengths[rows].max() <= max_tokens or len(rows) == 1


def test_prediction_batches_are_as_full_as_allowed():
    lengths = random_lengths(1000)
    for rows in sorted_batches(lengths, 4096)[:-1]:
        assert (len(rows) + 1) * lengths[rows].max() > 4096


def test_prediction_batches_begin_with_the_longest_rows():
    lengths = random_lengths(1000)
    order = np.concatenate(sorted_batches(lengths))
    assert (np.diff(lengths[order]) <= 0).all()


def test_prediction_batches_hold_little_padding():
    lengths = random_lengths(1000)
    assert padding_share([np.arange(i, i + 50) for i in range(0, 1000, 50)], lengths) > 0.4
    assert padding_share(sorted_batches(lengths), lengths) < 0.1
