"""A real language model behind a real server. It is often wrong: what counts is what becomes of its answers."""

import json

import pytest
from llm_servers import assert_adds_up, table, written

from skweight._copies import plain_form
from skweight.llm import plan

REVIEWS = ["A warm and funny film.", "Dull and far too long.", "The cast is superb.", "A poor story, badly told."] * 3


def asked_of(server, **settings):
    defaults = {"real_X": REVIEWS, "instruction": "Short film reviews.", "shots": 2, "timeout": 300.0}
    return written(server, **{**defaults, **settings})


def test_a_few_rows_of_each_class(model_server, tmp_path):
    log = tmp_path / "answers.jsonl"
    settings = {"n_per_class": 2, "rows_per_request": 2, "max_tokens": 60, "max_requests": 3, "concurrency": 2}
    generated = asked_of(model_server, **settings, log=log)
    assert_adds_up(generated)
    assert not generated.failures
    assert 2 <= generated.budget.requests <= 3
    assert generated.budget.prompt_tokens > 100
    assert 0 < generated.budget.completion_tokens <= 60 * generated.budget.requests
    assert set(generated.y) <= {"fresh", "rotten"}
    answers = [json.loads(line)["answer"] for line in log.read_text().splitlines()]
    assert len(answers) == generated.budget.requests
    assert {answer["finish"] for answer in answers} <= {"stop", "length"}
    assert all(answer["request_id"] for answer in answers)
    assert table(asked_of(model_server, **settings, log=log).rows) == table(generated.rows)
    assert len(log.read_text().splitlines()) == len(answers)


def test_rows_are_weighted_and_more_is_asked_for_of_what_weighs_more(model_server):
    settings = {"n_per_class": 2, "rows_per_request": 2, "max_tokens": 120, "max_requests": 8, "concurrency": 2}
    tones = {"tone": ["dry", "warm"]}
    first = asked_of(model_server, **settings, attributes=tones)
    assert first.rows
    weights = [{"dry": 3.0, "warm": 1.0}[row["tone"]] for row in first.rows]
    found = plan(weights, first, by=["tone"])
    best = found.of("tone")[0]["value"]
    assert best == max((row["tone"] for row in first.rows), key={"dry": 3.0, "warm": 1.0}.get)
    more = asked_of(model_server, **settings, attributes={"tone": [best]}, random_state=1)
    assert_adds_up(more)
    assert {row["tone"] for row in more.rows} <= {best}


@pytest.mark.slow
def test_two_hundred_rows(model_server, tmp_path):
    settings = {"n_per_class": 100, "max_tokens": 250, "max_requests": 60, "concurrency": 2}
    generated = asked_of(model_server, **settings, log=tmp_path / "answers.jsonl")
    print(generated)
    assert_adds_up(generated)
    assert not generated.failures
    originals = [row for row in generated.rows if row["copy_of"] < 0]
    assert len({plain_form(row["text"]) for row in originals}) == len(originals)
    assert generated.stopped is not None or len(generated.X) == 200
