"""Ten complaints of the users of other generators, and what happens here instead."""

import json
import os
import signal
import threading
from collections import Counter

import pytest
from llm_servers import (
    REAL_X,
    REAL_Y,
    LocalServer,
    Reply,
    assert_adds_up,
    draw,
    error,
    in_share,
    in_share_of_questions,
    in_turn,
    new_rows,
    prompt_of,
    start_writing,
    table,
    write_rows,
    written,
)

from skweight.llm import _generated, generate


def interrupted(server, log, after):
    """Begin to generate, and press Ctrl-C once so many answers have come; the next one never comes."""

    def misbehave(body, call):
        if call.number < after:
            return None
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
        return Reply(hangs=True)

    server.misbehave = misbehave
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # also where tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            written(server, n_per_class=20, log=log, concurrency=1)
    finally:
        signal.signal(signal.SIGINT, handler)
    server.misbehave = None


# Lost work: a restart silently makes a new folder (NVIDIA-NeMo/DataDesigner#525), or cannot recover (argilla-io/
# distilabel#1065, #52).
def test_an_interrupted_call_goes_on_where_it_was(tmp_path):
    log = tmp_path / "answers.jsonl"
    with LocalServer() as whole, LocalServer() as server:
        expected = written(whole, n_per_class=20)
        interrupted(server, log, after=5)
        before = log.read_bytes()
        assert before.count(b"\n") == 5
        asked = server.questions[:5]
        generated = written(server, n_per_class=20, log=log)
    assert table(generated.rows) == table(expected.rows)
    assert not set(asked) & set(server.questions[5:])
    assert log.read_bytes().startswith(before)
    assert {path.name for path in tmp_path.iterdir()} <= {"answers.jsonl", "answers.jsonl.lock"}


# Cache bound to the wrong key: another `parse` throws away paid answers (bespokelabsai/curator#40, distilabel#790).
def test_another_parser_reads_the_same_answers_again(tmp_path, monkeypatch):
    def in_lines(body):
        return "\n".join(f"* {row['text']}" for row in new_rows(body))

    with LocalServer(in_lines) as server:
        first = written(server, log=tmp_path / "log.jsonl")
        assert first.counts["unparsed"] == first.counts["asked"] == 60
        paid = len(server.calls)

        def find_lines(text, fields):
            return [{"text": line[2:]} for line in text.splitlines()]

        monkeypatch.setattr(_generated, "find_objects", find_lines)
        second = written(server, log=tmp_path / "log.jsonl")
        assert len(server.calls) == paid
    assert second.counts["accepted"] == 20


# No graceful stop with what is there (curator#618).
def test_a_budget_or_a_server_that_goes_ends_with_what_is_there():
    with LocalServer() as server:
        spent = written(server, n_per_class=100, max_requests=4)
    with LocalServer(misbehave=lambda body, call: error(503) if call.number >= 4 else None) as server:
        gone = written(server, n_per_class=100, concurrency=1)
    for generated in (spent, gone):
        assert len(generated.rows) == 20
        assert generated.stopped in str(generated)
        assert_adds_up(generated)


# A failed batch shifts or drops rows (distilabel#587), or fills them with nothing (distilabel#864).
def test_failures_shift_no_row_away_from_where_it_comes_from():
    def answer(body):
        n = draw(body, "n").randint(1, 5)  # fewer than asked for, too
        return json.dumps({"rows": [{**row, "text": f"{body['seed']} {row['text']}"} for row in new_rows(body)[:n]]})

    with LocalServer(answer, in_share_of_questions(0.3, error(500))) as server:
        generated = written(server, n_per_class=40, concurrency=8, max_requests=300)
        asked = {str(call.body["seed"]): call for call in server.calls}
    assert Counter(generated.y) == {"fresh": 40, "rotten": 40}
    assert generated.counts["failed"]
    for text, row in zip(generated.X, generated.rows, strict=True):
        call = asked[text.split()[0]]
        assert f"Class: {row['label']}\n" in prompt_of(call.body)
        assert all(f'"{REAL_X[i]}"' in prompt_of(call.body) for i in row["shown"])


# It hangs, with replicas (distilabel#976) or one step (distilabel#551).
def test_nothing_waits_for_ever():
    with LocalServer(misbehave=lambda body, call: Reply(hangs=True)) as server:
        with pytest.raises(RuntimeError, match="APITimeoutError"):  # in a moment, as nobody answers
            written(server, n_per_class={"fresh": 1}, timeout=0.2, max_requests=2)
        n = len(server.calls)
        # Whoever presses Ctrl-C is not kept waiting for the answers that are under way.
        process = start_writing(server, timeout=3600)
        server.wait_for(n + 4)
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate(timeout=60)[1]


# Failure arithmetic: shut down at 4 % errors with a threshold of 50 % (DataDesigner#185), and killed by an empty batch
# (DataDesigner#219).
@pytest.mark.parametrize("share", [0.05, 0.6])
def test_failures_are_counted_one_by_one_and_an_empty_answer_kills_nothing(share):
    def answer(body):
        return draw(body, "empty").choice(['{"rows": []}', "", write_rows(body), write_rows(body)])

    with LocalServer(answer, in_share(share, error(500))) as server:
        generated = written(server, n_per_class=60, max_requests=1000, concurrency=1)
        failed = [call for call in server.calls if server.misbehave(call.body, call)]
    assert Counter(generated.y) == {"fresh": 60, "rotten": 60}
    assert generated.counts["failed"] == 5 * len(failed) > 0
    assert generated.counts["unparsed"] > 0
    assert generated.budget.failures == sum(generated.failures.values()) == len(failed)
    assert generated.budget.requests == len(server.calls)
    assert_adds_up(generated)


# Cost: estimates (curator#559, #561, #563; flairNLP/fabricator#29), tokens not exposed, resumed runs counted double
# (DataDesigner#956).
def test_tokens_are_counted_once_as_the_server_counts_them_also_after_a_restart(tmp_path):
    log = tmp_path / "log.jsonl"
    estimate = generate(REAL_X, REAL_Y, model="m", n_per_class=20, dry_run=True)
    with LocalServer() as server:
        interrupted(server, log, after=5)
        generated = written(server, n_per_class=20, log=log)
        again = written(server, n_per_class=20, log=log)
        answered = {call.question: call.body for call in server.calls}.values()
    assert len(answered) == estimate.requests == generated.budget.requests
    assert generated.budget.prompt_tokens == sum(len(prompt_of(body)) for body in answered)
    assert generated.budget.completion_tokens == sum(len(write_rows(body)) for body in answered)
    assert again.budget == generated.budget
    assert str(generated.budget.completion_tokens) in str(generated)


# Repetition: 24 rows of which 6 differ (confident-ai/deepeval#1925), 15 of 20 alike (vibrantlabsai/ragas#809, #789).
def test_repetitions_are_marked_and_replaced_if_wanted():
    six = ["so warm", "a great plot", "what a cast", "superb and moving", "funny", "good fun to see"]

    def answer(body):
        rng = draw(body, "few")
        rows = [{"text": text} for text in rng.choices(six, k=5)]
        return json.dumps({"rows": rows}) if rng.random() < 0.7 else write_rows(body)

    with LocalServer(answer) as server:
        marked = written(server, n_per_class={"fresh": 24})
        replaced = written(server, n_per_class={"fresh": 24}, replace_copies=True, max_requests=200)
    assert [row["copy_of"] >= 0 for row in marked.rows] == [text in marked.X[:i] for i, text in enumerate(marked.X)]
    assert len(set(marked.X)) < 24 == len(set(replaced.X)) == len(replaced.X)
    assert replaced.counts["quarantined"] == sum(row["reason"] == "copy" for row in replaced.rejected) > 0
    assert_adds_up(replaced)


# Failures are cached as if they were answers (ucbepic/docetl#50), which makes retries useless (getzep/graphiti#1707).
def test_failures_are_asked_again(tmp_path):
    log = tmp_path / "log.jsonl"
    with LocalServer(misbehave=in_turn(None, error(500), error(429), None)) as server:
        first = written(server, log=log, concurrency=1, max_requests=4)
        assert first.counts["failed"] == 10
        second = written(server, log=log, concurrency=1)
    assert server.questions[4:6] == server.questions[1:3]
    assert len(server.calls) == 6
    assert second.counts["accepted"] == second.counts["asked"] == 20
    assert not second.failures


# Errors and classification: a cryptic KeyError (meta-llama/synthetic-data-kit#54), numbers per document (#63), failure
# at the very end (argilla-io/synthetic-data-generator#37); exactly as many accepted rows (DataDesigner#817).
def test_a_wrong_key_is_said_at_once_and_every_class_has_exactly_its_rows():
    def answer(body):
        label = draw(body, "label").choice(["fresh", "rotten", "stale", "Fresh"])
        return json.dumps({"rows": [{**row, "label": label} for row in new_rows(body)]})

    wanted = {"fresh": 13, "rotten": 4}
    with LocalServer(answer) as server:
        generated = written(server, n_per_class=wanted, max_requests=200)
        assert Counter(generated.y) == wanted
        assert {row["reason"] for row in generated.rejected} == {
            "label outside the classes",
            "label of another class",
            "surplus",
        }
        assert_adds_up(generated)
        server.misbehave = lambda body, call: error(401, "Incorrect API key provided")
        with pytest.raises(RuntimeError, match=r"^The server refuses: .*401 - Incorrect API key provided$"):
            written(server, concurrency=1)
        server.calls.clear()
        with pytest.raises(ValueError, match=r"^n_per_class has labels that real_y lacks: 'stale'\.$"):
            written(server, n_per_class={"stale": 5})
        assert not server.calls
