"""What is on disk is not asked again: after a kill, after a change of mind, after a failure."""

import json
import signal

import pytest
from llm_servers import (
    LocalServer,
    Reply,
    assert_adds_up,
    error,
    in_share_of_questions,
    in_turn,
    start_writing,
    table,
    written,
)

from skweight.llm._endpoint import Answer, Request
from skweight.llm._log import AnswerLog


@pytest.fixture
def log(tmp_path):
    return tmp_path / "answers.jsonl"


def logged(log):
    """What was asked, of the answers that are on disk."""
    lines = log.read_bytes().split(b"\n")[:-1]
    whole = [json.loads(line) for line in lines]
    return [(line["messages"][0]["content"], line["params"]["seed"]) for line in whole if "answer" in line]


def test_a_killed_process_goes_on_and_repeats_loses_and_doubles_nothing(log):
    failures = in_share_of_questions(0.1, error(500))
    with LocalServer(misbehave=failures) as server:
        expected = written(server, n_per_class=100)
    with LocalServer(misbehave=failures) as server:
        # The first twenty are answered, the next four hang.
        server.misbehave = lambda body, call: Reply(hangs=True) if call.number >= 20 else failures(body, call)
        process = start_writing(server, n_per_class=100, log=log, concurrency=4)
        server.wait_for(24)
        with pytest.raises(OSError, match="is in use by another process"):
            written(server, n_per_class=100, log=log)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.stderr.close()
        failed = {call.question for call in server.calls[:20] if failures(call.body, call)}
        answered = logged(log)
        assert sorted(answered) == sorted(set(server.questions[:20]) - failed)
        server.misbehave = failures
        generated = written(server, n_per_class=100, log=log, concurrency=4)
    before, after = server.questions[:24], server.questions[24:]
    assert set(before) & set(after) == set(before[20:]) | failed  # what was under way, and what has failed
    assert not set(answered) & set(after)
    assert sorted(set(logged(log))) == sorted(logged(log))  # nothing twice
    assert table(generated.rows) == table(expected.rows)
    assert generated.counts == expected.counts
    assert len(set(generated.X)) == len(generated.X) == 200
    assert_adds_up(generated)


def test_a_line_that_a_kill_has_torn_is_asked_for_again(log):
    with LocalServer() as server:
        expected = written(server, log=log, concurrency=1)
        lines = log.read_bytes().splitlines(keepends=True)
        for kept in (1, 8, 30, len(lines[-1]) // 2, len(lines[-1]) - 1):
            log.write_bytes(b"".join(lines[:-1]) + lines[-1][:kept])
            server.calls.clear()
            assert table(written(server, log=log).rows) == table(expected.rows)
            assert len(server.calls) == 1
            assert len(logged(log)) == len(lines)


@pytest.mark.parametrize(
    "content",
    [
        b"text,label\na good film,fresh\n",
        b"one line that is not ended",
        b'{"text": "a", "label": "b"}\n',
        b'{"text": "a", "label": "b"}',
        b'{"id": "1", "answer": "yes"}\n',
        b'{"id": "1", "answer": {"text": "yes"}}\n',
        b"[]\n",
        b"\xff\xfe\x00\x01",
        b"\n",
    ],
    ids=repr,
)
def test_another_file_is_refused_and_stays_as_it_is(content, log):
    log.write_bytes(content)
    with LocalServer() as server:
        with pytest.raises(ValueError, match=r"^Line 1 of .*answers\.jsonl is not one of a log of answers\.$"):
            written(server, log=log)
        assert not server.calls
    assert log.read_bytes() == content


def test_a_log_is_free_again_after_an_error(log):
    with LocalServer(misbehave=in_turn(error(401))) as server:
        with pytest.raises(RuntimeError, match="refuses"):
            written(server, log=log, concurrency=1)
        assert len(written(server, log=log).rows) == 20


def test_reading_again_asks_nothing(log):
    with LocalServer() as server:
        first = written(server, log=log, n_per_class=12)
        asked, size = len(server.calls), log.stat().st_size
        again = written(server, log=log, n_per_class=12)
        assert table(again.rows) == table(first.rows)
        assert again.frame().equals(first.frame())  # with its times, too
        copies = written(server, log=log, n_per_class=12, replace_copies=True, test_X=["a b c"])
        assert table(copies.rows) == table(first.rows)
        fewer = written(server, log=log, n_per_class=5)
    assert len(fewer.rows) == 10
    assert len(server.calls) == asked
    assert log.stat().st_size == size


def test_more_rows_ask_only_for_the_difference(log):
    with LocalServer() as server:
        few = written(server, log=log, n_per_class=10)
        more = written(server, log=log, n_per_class=30)
        assert len(set(server.questions)) == len(server.calls) == 12
        only = written(server, log=log, n_per_class={"rotten": 35})
        assert len(server.calls) == 13
    assert set(few.X) < set(more.X)
    assert set(only.X) >= {text for text, label in zip(more.X, more.y, strict=True) if label == "rotten"}


def test_another_prompt_seed_or_setting_asks_anew(log):
    with LocalServer() as server:
        changes = [
            {},
            {"random_state": 1},
            {"instruction": "Write."},
            {"temperature": 0.1},
            {"model": "n"},
            {"shots": 1},
        ]
        for i, change in enumerate(changes):
            written(server, log=log, **change)
            assert len(server.calls) == 4 * (i + 1)
        written(server, log=log, api_key="another", timeout=5, concurrency=1, max_retries=1)
        assert len(server.calls) == 4 * len(changes)


def test_failures_in_a_log_are_asked_again_and_change_no_row(log):
    with LocalServer(misbehave=in_share_of_questions(0.3, error(500))) as server:
        failing = written(server, log=log, n_per_class=30)
        assert failing.failures
        answered = set(logged(log))
        server.misbehave = None
        server.calls.clear()
        healthy = written(server, log=log, n_per_class=30)
        assert not answered & set(server.questions)
    with LocalServer() as server:
        assert table(healthy.rows) == table(written(server, n_per_class=30).rows)
    assert not healthy.failures


def test_a_budget_is_one_of_the_whole_table(log):
    with LocalServer() as server:
        for max_requests in (3, 3, 5):
            generated = written(server, log=log, n_per_class=50, max_requests=max_requests)
            assert len(generated.rows) == 5 * max_requests
            assert len(server.calls) == max_requests


def test_answers_are_on_disk_before_the_next_is_asked_for(log):
    def misbehave(body, call):
        found.append(len(logged(log)))

    found = []
    with LocalServer(misbehave=misbehave) as server:
        written(server, log=log, concurrency=1)
    assert found == [0, 1, 2, 3]


def test_what_a_log_keeps_is_read_as_it_was(log):
    request = Request("m", [{"role": "user", "content": "é 漢字\nhalf \ud83d"}], {"seed": 1}, {"type": "object"})
    answer = Answer("half \ud83d\n\0 \u2028", "stop", "id", 1, 2, 0.5, "2026-01-01T00:00:00+00:00", [["A", -0.1]])
    with AnswerLog(log) as first:
        first.add(request, answer)
        first.add_failure(Request("m", [], {}), "no")
    with AnswerLog(log) as second:
        assert len(second) == 1
        assert second.get(request) == answer
        assert second.get(Request("m", request.messages, {"seed": 2}, request.schema)) is None
    assert log.read_bytes().count(b"\n") == 2


def test_without_a_log_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LocalServer() as server:
        written(server)
    assert list(tmp_path.iterdir()) == []
