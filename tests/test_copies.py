"""Which rows copy others."""

import random
from itertools import pairwise

import numpy as np
import pytest

from skweight import _copies
from skweight._copies import find_copies


def pairs_of_words(text):
    words = text.split()
    return set(pairwise(words))


def test_a_row_copies_the_first_row_with_the_same_text():
    index, similarity = find_copies(["one", "two", "one", "one"])
    assert index.tolist() == [-1, -1, 0, 0]
    assert similarity.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "other",
    ["A WARM film!", "a  warm\tfilm", '"a warm film"', "a warm ﬁlm", "a\u200b warm—film", "\uff41 warm film..."],
    ids=["case", "white space", "quotes", "ligature", "dash and zero width", "full width"],
)
def test_case_space_punctuation_and_unicode_form_do_not_matter(other):
    index, similarity = find_copies(["a warm film", other])
    assert (index[1], similarity[1]) == (0, 1)


@pytest.mark.parametrize(("one", "other"), [("so warm 😀", "so warm 😢"), ("+ 1", "- 1"), ("!!!", "???"), ("", "?")])
def test_symbols_matter_and_punctuation_where_there_is_nothing_else(one, other):
    assert find_copies([one, other])[0].tolist() == [-1, -1]


def test_a_near_copy_shares_most_pairs_of_words():
    # Pairs of the first: ab bc cd de ef. The second has gh too: 5 of 6. The third has one of five others: 4 of 6.
    index, similarity = find_copies(["a b c d e f", "a b c d e f g", "a b c d e g"], least=0.8)
    assert index.tolist() == [-1, 0, -1]
    np.testing.assert_allclose(similarity, [0, 5 / 6, 0])
    index, similarity = find_copies(["a b c d e f", "a b c d e f g", "a b c d e g"], least=0.6)
    assert index.tolist() == [-1, 0, 0]
    np.testing.assert_allclose(similarity, [0, 5 / 6, 4 / 6])


def test_a_similarity_of_exactly_the_least_counts():
    # ab bc cd de | ab bc cd de ef: 4 of 5.
    assert find_copies(["a b c d e", "a b c d e f"], least=0.8)[0].tolist() == [-1, 0]
    assert find_copies(["a b c d e", "a b c d e f"], least=0.81)[0].tolist() == [-1, -1]


def test_the_most_similar_row_is_named_and_of_several_the_first():
    texts = ["a b c d e f", "a b c d e f g h", "a b c d e f g h", "x a b c d e f g h"]
    # The last has ab ... gh and xa: 5 of 8 with row 0, 7 of 8 with rows 1 and 2.
    index, similarity = find_copies(texts, least=0.6)
    assert index.tolist() == [-1, 0, 1, 1]
    np.testing.assert_allclose(similarity, [0, 5 / 7, 1, 7 / 8])


def test_texts_of_one_pair_of_words_have_exact_copies_only():
    assert find_copies(["ha ha ha", "ha ha ha ha ha", "a b", "b a", "A b."])[0].tolist() == [-1, -1, -1, -1, 2]


def test_rows_are_compared_with_other_rows_alone_if_there_are_any():
    index, similarity = find_copies(["a b c d e f", "a b c d e f", "g"], ["g", "h", "a b c d e f g", "G"])
    assert index.tolist() == [2, 2, 0]
    np.testing.assert_allclose(similarity, [5 / 6, 5 / 6, 1])


def test_pairs_of_texts_are_copies_in_the_same_order_only():
    X = [("a b", "c"), ("a", "b c"), ("c", "a b"), ("A b", "c!"), ("a | b", "c")]
    assert find_copies(X)[0].tolist() == [-1, -1, -1, 0, -1]
    index, similarity = find_copies([("a b c d e", "x y"), ("a b c d e", "x y z")])
    # ab bc cd de e| |x xy and yz: 7 of 8.
    assert (index[1], similarity[1]) == (0, 7 / 8)


def test_rows_of_numbers_have_exact_copies():
    X = np.array([[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0]], dtype=np.float32)
    assert find_copies(X)[0].tolist() == [-1, -1, 0]
    assert find_copies(X, X[1:2])[0].tolist() == [-1, 0, -1]


@pytest.mark.parametrize("X", [[], ["?"], ["a b"], ["", ""]])
def test_few_or_short_texts_are_no_problem(X):
    index, similarity = find_copies(X)
    assert len(index) == len(similarity) == len(X)


@pytest.mark.parametrize("work", [20, 200, 2_000_000])
@pytest.mark.parametrize("least", [0.3, 0.5, 0.8])
def test_no_copy_is_missed_however_the_work_is_cut(work, least, monkeypatch):
    monkeypatch.setattr(_copies, "_MOST_WORK", work)
    rng = random.Random(0)
    X = [" ".join(rng.choices("abcdefg", [9, 5, 3, 1, 1, 1, 1], k=rng.randint(3, 9))) for _ in range(60)]
    for other in (None, X[:30][::-1]):
        index, similarity = find_copies(X, other, least=least)
        for i, text in enumerate(X):
            best = (0.0, -1)
            for j, candidate in enumerate(X[:i] if other is None else other):
                one, two = pairs_of_words(text), pairs_of_words(candidate)
                alike = float(text == candidate) or (
                    len(one & two) / len(one | two) if min(len(one), len(two)) > 1 else 0.0
                )
                alike += text == candidate  # an exact copy before one of the same pairs of words in another order
                if alike >= least and alike > best[0]:
                    best = (alike, j)
            assert (index[i], similarity[i]) == (best[1], min(best[0], 1.0))
