"""Texts in, token arrays out."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers import WORDS, resident_megabytes
from transformers import AutoTokenizer

from skweight._rows.tokens import TokenizedTexts, tokenize, warn_if_truncated, warn_if_unknown
from skweight.exceptions import SkweightWarning


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return AutoTokenizer.from_pretrained(tiny_encoder)


def random_texts(n, seed=0, longest=40, rng=None):
    rng = rng or np.random.RandomState(seed)
    return [" ".join(rng.choice(WORDS, rng.randint(1, longest + 1))) for _ in range(n)]


def random_pairs(n, seed=0, longest=20):
    rng = np.random.RandomState(seed)
    return list(zip(random_texts(n, longest=longest, rng=rng), random_texts(n, longest=longest, rng=rng), strict=True))


def padded(texts, tokenizer, max_length=64):
    """What the tokenizer itself gives for a batch."""
    columns = [list(part) for part in zip(*texts, strict=True)] if isinstance(texts[0], tuple) else [texts]
    return tokenizer(*columns, padding=True, truncation=True, max_length=max_length, return_tensors="np")


def rows_of(tokens):
    return [tokens.ids[tokens.offsets[i] : tokens.offsets[i + 1]].tolist() for i in range(len(tokens))]


# -- tokenising -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 1024, 2500])
def test_every_text_gets_the_ids_that_the_tokenizer_gives_it(tokenizer, n):
    texts = random_texts(n)
    tokens = tokenize(texts, tokenizer, 64, ())
    assert len(tokens) == n
    assert rows_of(tokens) == tokenizer(texts)["input_ids"]
    np.testing.assert_array_equal(tokens.lengths, [len(row) for row in tokenizer(texts)["input_ids"]])


def test_every_pair_gets_the_ids_and_types_that_the_tokenizer_gives_it(tokenizer):
    pairs = random_pairs(1500)
    expected = tokenizer(*map(list, zip(*pairs, strict=True)))
    tokens = tokenize(pairs, tokenizer, 64, ())
    assert rows_of(tokens) == expected["input_ids"]
    assert tokens.type_ids.tolist() == [kind for row in expected["token_type_ids"] for kind in row]
    assert set(tokens.type_ids.tolist()) == {0, 1}


def test_single_texts_hold_no_type_ids(tokenizer):
    assert tokenize(["a film"], tokenizer, 64, ()).type_ids is None


@pytest.mark.parametrize("max_length", [3, 16, 17])
def test_truncation_agrees_with_the_tokenizer(tokenizer, max_length):
    texts, pairs = random_texts(200), random_pairs(200)
    tokens = tokenize(texts, tokenizer, max_length, ())
    assert tokens.n_truncated
    assert rows_of(tokens) == tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    if max_length > 3:  # three tokens are all that a pair's own marks take
        tokens = tokenize(pairs, tokenizer, max_length, ())
        assert tokens.n_truncated
        columns = map(list, zip(*pairs, strict=True))
        assert rows_of(tokens) == tokenizer(*columns, truncation=True, max_length=max_length)["input_ids"]


def test_very_long_texts_are_cut_where_the_tokenizer_cuts_them(tokenizer):
    rng = np.random.RandomState(0)
    gaps = [" ", "\n", "\t", " " * 70, "\u3000", "-", "é ", "电"]
    texts = ["".join(rng.choice(WORDS) + gap for _ in range(3000)) for gap in gaps]
    tokens = tokenize(texts, tokenizer, 16, ())
    assert tokens.n_truncated == 8
    assert rows_of(tokens) == tokenizer(texts, truncation=True, max_length=16)["input_ids"]


@pytest.mark.parametrize("name", ["X", "real_X"])
def test_truncated_texts_are_counted(tokenizer, name):
    texts = ["good " * n for n in (1, 14, 15, 16, 1000, 100_000)]  # 14 words and two marks fill 16 tokens
    message = f"SKW011: 4 of 6 texts in {name} are longer than max_length=16 tokens and were truncated."
    tokens = tokenize(texts, tokenizer, 16, ())
    with pytest.warns(SkweightWarning, match=f"^{re.escape(message)}$"):
        warn_if_truncated(tokens, 16, name)
    assert tokens.lengths.tolist() == [3, 16, 16, 16, 16, 16]


def test_truncated_pairs_are_counted(tokenizer):
    pairs = [("good", "bad"), ("good " * 6, "bad " * 7), ("good " * 7, "bad " * 7), ("good", "bad " * 5000)]
    tokens = tokenize(pairs, tokenizer, 16, ())
    assert tokens.n_truncated == 2
    assert tokens.lengths.tolist() == [5, 16, 16, 16]


def test_a_text_that_is_long_only_by_its_white_space_is_not_truncated(tokenizer):
    tokens = tokenize([("good" + " " * 1000) * 14], tokenizer, 16, ())  # 14 words and two marks: just fits
    assert rows_of(tokens) == tokenizer(["good " * 14])["input_ids"]
    assert tokens.n_truncated == 0


def test_one_word_too_many_behind_much_white_space_is_counted(tokenizer):
    assert tokenize([("good" + " " * 1000) * 15], tokenizer, 16, ()).n_truncated == 1


@pytest.mark.parametrize("code", [0xD83D, 0xDE00, 0xDC80])
def test_lone_surrogates_count_as_the_replacement_character(tokenizer, code):
    with_surrogate = tokenize([f"good {chr(code)} film", f"good{chr(code)}film"], tokenizer, 64, ())
    replacement = tokenize(["good \ufffd film", "good\ufffdfilm"], tokenizer, 64, ())
    assert rows_of(with_surrogate) == rows_of(replacement)


def test_lone_surrogates_in_pairs_count_as_the_replacement_character(tokenizer):
    tokens = tokenize([("good \ud83d", "\udc00 film")], tokenizer, 64, ())
    assert rows_of(tokens) == tokenizer(["good \ufffd"], ["\ufffd film"])["input_ids"]


def test_emoji_of_two_surrogates_in_other_languages_stay_as_they_are(tokenizer):
    texts = ["good \U0001f600 film", "bad \U00020000"]
    assert rows_of(tokenize(texts, tokenizer, 64, ())) == tokenizer(texts)["input_ids"]


def test_a_tokenizer_without_padding_is_refused(tiny_encoder):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match=r"no padding token; set tokenizer\.pad_token"):
        tokenize(["a film"], tokenizer, 64, ())


def test_texts_in_words_that_the_tokenizer_does_not_know_are_suspicious(tokenizer):
    tokens = tokenize(["good xyzzy plugh", "film plover"], tokenizer, 64, ())
    with pytest.warns(SkweightWarning, match="^SKW013: the tokenizer does not know 3 of 5 tokens"):
        warn_if_unknown(tokens, tokenizer)


ARABIC = ["فيلم رائع ومؤثر للغاية", "قصة مملة وتمثيل ضعيف"]


def test_a_language_that_the_tokenizer_cuts_into_letters_is_suspicious(minilm):
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    texts = [*ARABIC, "the longest of the texts, which is left out as it may have been truncated, " * 3]
    tokens = tokenize(texts, tokenizer, 64, ())
    with pytest.warns(
        SkweightWarning, match=r"^SKW054: the tokenizer cuts these texts into (0\.9|1\.0) pieces for each l"
    ):
        warn_if_unknown(tokens, tokenizer, texts)


@pytest.mark.parametrize(
    "text", ["un film très émouvant, magnifiquement joué", "Überraschend gut erzählt", "42 + 17 = 59"]
)
def test_languages_that_share_the_alphabet_are_not_suspicious(minilm, text):
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    texts = [text, "a film " * 50]
    warn_if_unknown(tokenize(texts, tokenizer, 64, ()), tokenizer, texts)  # a warning would fail the test


def test_a_few_unknown_words_are_not_suspicious(tokenizer):
    tokens = tokenize(["good xyzzy plugh", "film plot"], tokenizer, 64, ())
    assert (tokens.ids == tokenizer.unk_token_id).sum() == 2
    warn_if_unknown(tokens, tokenizer)  # a warning would fail the test


# -- take, extend, batch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [random_texts, random_pairs], ids=["singles", "pairs"])
def test_a_batch_is_what_the_tokenizer_pads(tokenizer, make):
    texts = make(300)
    tokens = tokenize(texts, tokenizer, 64, ())
    rng = np.random.RandomState(1)
    for size in (1, 2, 5, 32, 300):
        rows = rng.choice(len(texts), size, replace=False)
        batch, expected = tokens.batch(rows), padded([texts[i] for i in rows], tokenizer)
        assert batch.keys() == expected.keys()
        for name, values in batch.items():
            np.testing.assert_array_equal(values, expected[name])
            assert values.dtype == np.int64


def test_a_batch_of_the_longest_last_rows_does_not_run_past_the_end(tokenizer):
    texts = ["good " * 20, "bad", "film"]
    tokens = tokenize(texts, tokenizer, 64, ())
    expected = padded([texts[2], texts[0], texts[2]], tokenizer)
    np.testing.assert_array_equal(tokens.batch([2, 0, 2])["input_ids"], expected["input_ids"])


@pytest.mark.parametrize(
    ("longest", "length"), [(3, 4), (4, 4), (5, 8), (61, 64), (64, 64), (65, 72), (127, 128), (129, 144), (300, 300)]
)
def test_a_coarse_batch_has_one_of_few_lengths_and_is_no_longer_than_the_longest_text(longest, length):
    offsets = np.cumsum([0, longest, 1, 300])
    tokens = TokenizedTexts(np.full(offsets[-1], 7), offsets, None, 0, True, False, None)
    fine, coarse = tokens.batch(np.array([0, 1])), tokens.batch(np.array([0, 1]), coarse=True)
    for name, values in coarse.items():
        assert values.shape == (2, length)
        np.testing.assert_array_equal(values[:, :longest], fine[name])
        assert not values[:, longest:].any()  # padding, which the mask leaves out


def test_a_batch_holds_type_ids_only_if_the_model_expects_them(tiny_encoder):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokens = tokenize(random_pairs(5), tokenizer, 64, ())
    assert tokens.type_ids is None
    assert tokens.batch([0, 3]).keys() == {"input_ids", "attention_mask"}


@pytest.mark.parametrize("make", [random_texts, random_pairs], ids=["singles", "pairs"])
def test_taking_rows_is_the_same_as_tokenising_them_alone(tokenizer, make):
    texts = make(50)
    rows = np.array([7, 3, 3, 49, 0])
    taken = tokenize(texts, tokenizer, 64, ("source",)).take(rows)
    assert_same(taken, tokenize([texts[i] for i in rows], tokenizer, 64, ("source",)))


def test_taking_no_rows_leaves_no_texts(tokenizer):
    taken = tokenize(random_texts(3), tokenizer, 64, ()).take(np.array([], dtype=int))
    assert (len(taken), len(taken.ids)) == (0, 0)


@pytest.mark.parametrize("make", [random_texts, random_pairs], ids=["singles", "pairs"])
def test_extending_is_the_same_as_tokenising_together(tokenizer, make):
    first, second = make(20, seed=1), make(30, seed=2)
    both = tokenize(first, tokenizer, 64, ("source",)).extend(tokenize(second, tokenizer, 64, ("source",)))
    assert_same(both, tokenize(first + second, tokenizer, 64, ("source",)))


def assert_same(tokens, expected):
    np.testing.assert_array_equal(tokens.ids, expected.ids)
    np.testing.assert_array_equal(tokens.offsets, expected.offsets)
    np.testing.assert_array_equal(tokens.type_ids, expected.type_ids)
    assert (tokens.ids.dtype, tokens.offsets.dtype) == (np.int32, np.int64)
    assert (tokens.pad_id, tokens.source) == (expected.pad_id, expected.source)


# -- memory -----------------------------------------------------------------------------------------------------------


def repeated_texts(n, words, distinct=100):
    """Many texts in little memory: a list of a few strings over and over."""
    rng = np.random.RandomState(0)
    few = [" ".join(rng.choice(WORDS, words)) for _ in range(distinct)]
    return [few[i % distinct] for i in range(n)]


def test_tokens_cost_four_bytes_each_and_rows_eight(tokenizer):
    tokens = tokenize(repeated_texts(5000, words=23), tokenizer, 64, ())
    assert len(tokens.ids) == 5000 * 25
    assert tokens.ids.nbytes + tokens.offsets.nbytes <= 4 * 5000 * 25 + 8 * 5000 + 1024


def test_tokens_of_pairs_cost_one_byte_more(tokenizer):
    texts = repeated_texts(2000, words=11)
    tokens = tokenize(list(zip(texts, texts, strict=True)), tokenizer, 64, ())
    assert len(tokens.ids) == 2000 * 25
    assert tokens.ids.nbytes + tokens.type_ids.nbytes + tokens.offsets.nbytes <= 5 * 2000 * 25 + 8 * 2000 + 1024


def test_the_memory_while_tokenising_grows_no_faster_than_the_result(tokenizer):
    peaks, sizes = [], []
    for n in (10_000, 20_000):
        texts = repeated_texts(n, words=23)
        tracemalloc.start()
        tokens = tokenize(texts, tokenizer, 64, ())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append(tokens.ids.nbytes + tokens.offsets.nbytes)
    # Holding the result twice, or as lists, would at least double the growth.
    assert peaks[1] - peaks[0] < 1.5 * (sizes[1] - sizes[0])
    assert peaks[1] < sizes[1] + 5e6


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_a_million_texts_fit_into_200_megabytes(tokenizer):
    texts = repeated_texts(1_000_000, words=23)
    tokenize(texts[:5000], tokenizer, 64, ())
    before = resident_megabytes()
    tokens = tokenize(texts, tokenizer, 64, ())
    growth = resident_megabytes() - before
    assert len(tokens) == 1_000_000
    assert (tokens.ids.nbytes + tokens.offsets.nbytes) / 1e6 < 200
    assert growth < 200


@pytest.mark.parametrize("filler", [" ", "x", "\U0001f469\u200d"], ids=["blanks", "one word", "joined emoji"])
def test_megabytes_that_hold_few_tokens_are_given_up_on_and_counted(tokenizer, filler):
    tokens = tokenize(["good", "good film " + filler * 5_000_000], tokenizer, 16, ())
    assert tokens.n_truncated == 1
    assert rows_of(tokens)[1][:3] == tokenizer("good film")["input_ids"][:3]
