"""A server that stands in for language models: it speaks OpenAI's protocol, and answers with critics' sentences.

Its model "careful" writes sentences that are as good as real ones, because they are real. "careless" writes them too,
but does not heed the class that it is asked for.
"""

import json
import random
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from skweight.datasets import fetch_film_sentences


def write(sentences, model, label, n, seed):
    """Write `n` sentences of a class; the same seed writes the same."""
    rng = random.Random(f"{model} {seed}")
    texts = []
    for _ in range(n):
        own = rng.choice(sorted(sentences)) if model == "careless" else label
        texts.append(rng.choice(sentences[own]))
    return texts


class Handler(BaseHTTPRequestHandler):
    """Answers requests for a chat completion."""

    def do_POST(self):
        """Answer one."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = asked["messages"][-1]["content"]
        label = re.search(r"^Class: (.*)$", prompt, re.MULTILINE)[1]
        n = int(re.search(r"^Write (\d+) new texts", prompt, re.MULTILINE)[1])
        texts = write(self.server.sentences, asked["model"], label, n, asked["seed"])
        content = json.dumps({"rows": [{"text": text} for text in texts]})
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(content) // 4, "total_tokens": 0}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        body = json.dumps(
            {
                "id": f"answer-{asked['seed']}",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [choice],
                "usage": usage,
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@contextmanager
def stand_in(n_real):
    """Serve on this machine, with sentences beyond the first `n_real`; yields the address."""
    film = fetch_film_sentences(n_real=2500)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.sentences = {}
    for text, label in zip(film.real_X[n_real:], film.real_y[n_real:], strict=True):
        server.sentences.setdefault(str(label), []).append(text)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
