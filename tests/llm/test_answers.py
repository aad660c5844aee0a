"""What is read out of an answer: whole objects with a text, and nothing that is guessed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skweight.llm._answers import find_objects, row_of

CLASSES = {"fresh", "rotten", "1"}


def read(answer, fields=("text",)):
    return [found.get("text") for found in find_objects(answer, fields)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"rows": [{"text": "a"}, {"text": "b"}]}', ["a", "b"]),
        ('[{"text": "a"}, {"text": "b"}]', ["a", "b"]),
        ('{"text": "a"}\n{"text": "b"}\n', ["a", "b"]),
        ('{"text": "a"}{"text": "b"}', ["a", "b"]),
        ('Sure! Here they are:\n{"rows": [{"text": "a"}]}\nAnything else?', ["a"]),
        ('```json\n{"rows": [{"text": "a"}]}\n```', ["a"]),
        ('1. {"text": "a"}\n2. {"text": "b"}', ["a", "b"]),
        ('{"data": {"examples": [{"text": "a"}]}}', ["a"]),
        ('{"rows": {"1": {"text": "a"}, "2": {"text": "b"}}}', ["a", "b"]),
        ('{"rows": [{"text": "a"}, {"text": "b"}, {"te', ["a", "b"]),  # cut in a name
        ('{"rows": [{"text": "a"}, {"text": "b', ["a"]),  # cut in a text
        ('{"rows": [{"text": "a"},]}', ["a"]),  # a comma too many
        ("{'text': 'a'}", []),  # Python, not JSON
        ('<think>{what} {if}</think>{"text": "a"}', ["a"]),
        ('{"text": "two\nlines"}', ["two\nlines"]),  # as models write them, though JSON wants \n
        ('{"text": "say \\"{so}\\""}', ['say "{so}"']),
        ('{"text": "{\\"text\\": \\"inner\\"}"}', ['{"text": "inner"}']),
        ('{"text": "a", "note": {"text": "b"}}', ["a"]),
        ('{"text": "a", "text": "b"}', ["b"]),
        ('{"text": "a", "score": NaN}', ["a"]),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", []),  # a number that Python does not read
        ('{"text": "caf\\u00e9"}', ["café"]),
        ("\ufeff" + '{"text": "a"}', ["a"]),
        ('{"rows": []}', []),
        ('{"prose": "a"}', []),
        ('"text"', []),
        ("text: a", []),
        ("", []),
        ("null", []),
    ],
)
def test_objects_are_found_wherever_they_stand(answer, expected):
    assert read(answer) == expected


def test_pairs_are_found_by_either_text():
    answer = '[{"text_a": "a", "text_b": "b"}, {"text_b": "b"}, {"text": "c"}]'
    assert find_objects(answer, ("text_a", "text_b")) == [{"text_a": "a", "text_b": "b"}, {"text_b": "b"}]


@pytest.mark.parametrize(
    "answer",
    [
        "{" * 1_000_000,
        '{"a":' * 200_000,
        '{"a":[' * 100_000,
        '{"text":"' * 100_000,
        "[" * 1_000_000,
        '{"a":' + "[" * 1_000_000,
        "}" * 1_000_000,
        '{"rows": [' + '{"text": ' * 100_000,
        "\\" * 1_000_000,
    ],
    ids=lambda answer: answer[:12],
)
def test_hostile_answers_are_no_rows(answer):
    assert read(answer) == []


def test_rows_before_what_is_hostile_are_read():
    assert read('{"text": "a"}' + "{" * 1_000_000) == ["a"]


def test_rows_too_deep_to_be_meant_are_not_read():
    assert read('{"a":' * 5 + '{"text": "a"}' + "}" * 5) == ["a"]
    assert read('{"a":' * 50 + '{"text": "a"}' + "}" * 50) == []


@given(
    st.text()
    | st.lists(st.sampled_from(['{"text": ', '"a"', "}", "[", "]", "{", ",", "\\", '"', "\ud800"])).map("".join)
)
@settings(deadline=None, max_examples=100)
def test_whatever_an_answer_says_it_is_read_without_an_error(answer):
    for found in find_objects(answer, ("text",)):
        assert "text" in found
        texts, reason = row_of(found, ("text",), "fresh", CLASSES)
        assert (texts is None) == (reason is not None)


@given(st.lists(st.text(), max_size=5))
@settings(deadline=None)
def test_every_text_that_is_written_as_json_is_read_back(texts):
    assert read("Well: " + json.dumps({"rows": [{"text": text} for text in texts]})) == texts


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "1", "😀", "é", "漢", "♥", "!a", "... no ..."])
def test_a_text_that_says_something_is_a_row(text):
    assert row_of({"text": f" {text}\n"}, ("text",), "fresh", CLASSES) == ((text,), None)


@pytest.mark.parametrize("text", ["", " ", "...", "…", "-", "###", "\u200b", "\x00", '""'])
def test_a_text_that_says_nothing_is_none(text):
    assert row_of({"text": text}, ("text",), "fresh", CLASSES) == (None, "text without a word")


@pytest.mark.parametrize("text", [None, 1, 1.5, True, ["a"], {"text": "a"}])
def test_what_is_no_text_is_none(text):
    assert row_of({"text": text}, ("text",), "fresh", CLASSES) == (None, "no text")


def test_half_a_character_is_no_text():
    found = json.loads('{"text": "half \\ud83d"}')
    assert row_of(found, ("text",), "fresh", CLASSES) == (None, "text with half a character")


def test_both_texts_of_a_pair_are_needed():
    fields = ("text_a", "text_b")
    assert row_of({"text_a": "a", "text_b": "b"}, fields, "fresh", CLASSES) == (("a", "b"), None)
    assert row_of({"text_b": "b"}, fields, "fresh", CLASSES) == (None, "no text_a")
    assert row_of({"text_a": "a", "text_b": "..."}, fields, "fresh", CLASSES) == (None, "text_b without a word")


@pytest.mark.parametrize(
    ("said", "asked", "reason"),
    [
        ("fresh", "fresh", None),
        (1, "1", None),  # labels are compared as they are written
        ("rotten", "fresh", "label of another class"),
        ("stale", "fresh", "label outside the classes"),
        ("Fresh", "fresh", "label outside the classes"),  # nothing is guessed
        (" fresh", "fresh", "label outside the classes"),
        ("", "fresh", "label outside the classes"),
        (None, "fresh", "label outside the classes"),
        (["fresh"], "fresh", "label outside the classes"),
        ({"fresh": 1}, "fresh", "label outside the classes"),
        (float("nan"), "fresh", "label outside the classes"),
    ],
)
def test_a_label_that_an_answer_gives_must_be_the_one_that_was_asked_for(said, asked, reason):
    assert row_of({"text": "a", "label": said}, ("text",), asked, CLASSES)[1] == reason
