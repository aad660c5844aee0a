"""A key is sent to the server, and is found nowhere else."""

import copy
import json
import logging
import pickle
import traceback

import pytest
from llm_servers import LocalServer, Reply, completion, error, in_turn, new_rows, written
from sklearn.base import BaseEstimator, clone

from skweight.llm._endpoint import Endpoint, Request, RequestFailed, Secret, to_secret

KEY = "sk-planted-7f3a9c51d2e8"
REQUEST = Request("m", [{"role": "user", "content": "hi"}], {})


@pytest.fixture(params=["parameter", "environment"])
def key(request, monkeypatch):
    """Arguments of a call that takes the key from one place or the other."""
    if request.param == "parameter":
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        return {"api_key": KEY}
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return {"api_key": None}


def telling(body):
    """Rows that say the key, in a completion whose number is the key."""
    content = json.dumps({"rows": [{"text": f"{row['text']} {KEY}"} for row in new_rows(body)]})
    return {**completion(content, body), "id": f"chatcmpl-{KEY}"}


def all_logs(caplog):
    """Everything that any logger was told, also what its format leaves out."""
    told = [repr((record.getMessage(), record.args, record.exc_text, record.exc_info)) for record in caplog.records]
    return "\n".join([caplog.text, *told])


def test_a_key_is_in_no_result_log_or_file(key, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    unsaid = error(500, f"no luck with {KEY}")
    broken = Reply(f"<html>{KEY}</html>", headers={"Content-Type": "application/json"})
    with LocalServer(telling, in_turn(unsaid, unsaid, broken, error(400, KEY), error(400, KEY))) as server:
        generated = written(server, **key, log=tmp_path / "answers.jsonl", n_per_class=20, concurrency=1)
    assert len(generated.rows) == 40
    assert len(generated.failures) == 3
    assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {KEY}"}
    generated.to_csv(tmp_path / "synthetic.csv")
    places = {
        "repr": repr(generated) + repr(vars(generated)),
        "rows": repr(generated.rows) + repr(generated.rejected) + generated.frame().to_json(),
        "pickle": pickle.dumps(generated).decode("latin-1"),
        "log": (tmp_path / "answers.jsonl").read_text(),
        "CSV": (tmp_path / "synthetic.csv").read_text(),
        "logging": all_logs(caplog),
    }
    assert len(caplog.records) > 20  # the client does log at this level
    assert [name for name, text in places.items() if KEY in text] == []
    assert "<key>" in generated.X[0]  # it was told


@pytest.mark.parametrize("status", [401, 500])
def test_a_key_is_in_no_exception(status, key, caplog):
    caplog.set_level(logging.DEBUG)
    with LocalServer(misbehave=lambda body, call: error(status, f"Incorrect API key provided: {KEY}.")) as server:
        with pytest.raises(RuntimeError, match="Incorrect API key provided: <key>") as raised:
            written(server, **key)
        with pytest.raises(RequestFailed, match="<key>") as failed:
            Endpoint("m", server.url, **key, max_retries=0).ask(REQUEST)
    for error_ in (raised.value, failed.value):
        assert KEY not in "".join(traceback.format_exception(error_)) + repr(error_) + str(error_.args)
        assert KEY not in pickle.dumps(error_).decode("latin-1")
    assert KEY not in all_logs(caplog)


def test_a_key_is_in_no_exception_of_a_server_that_is_not_there(key):
    with LocalServer() as server:
        url = server.url
    with pytest.raises(RequestFailed) as failed:
        Endpoint("m", url, **key, max_retries=0).ask(REQUEST)
    assert KEY not in "".join(traceback.format_exception(failed.value))


def test_an_endpoint_shows_no_key_and_is_not_pickled(key):
    endpoint = Endpoint("m", "http://127.0.0.1:1/v1", **key)
    assert KEY not in repr(endpoint) + str(endpoint) + repr(vars(endpoint))
    with pytest.raises(TypeError):
        pickle.dumps(endpoint)


class Holder(BaseEstimator):
    def __init__(self, api_key=None):
        self.api_key = api_key


def test_a_secret_shows_and_pickles_nothing_and_survives_clones():
    secret = to_secret(KEY)
    assert KEY not in repr(secret) + str(secret) + f"{secret}" + repr(Holder(secret)) + repr([secret])
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(Holder(secret), protocol)
        assert KEY.encode() not in pickled
        assert pickle.loads(pickled).api_key.reveal() is None
    with pytest.raises(TypeError):
        json.dumps(secret)
    holder = Holder(secret)
    for same in (copy.copy(secret), copy.deepcopy([secret])[0], to_secret(secret), clone(holder).api_key):
        assert same.reveal() == KEY


def test_no_key_is_no_secret():
    assert to_secret(None) is None
    assert to_secret("").reveal() == ""
    assert Secret().hide_in("all of it") == "all of it"


def test_a_server_of_ones_own_needs_no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with LocalServer() as server:
        assert len(written(server, api_key=None).rows) == 20
        with pytest.raises(ValueError, match=r"^No key: set OPENAI_API_KEY or pass api_key"):
            written(server, api_key=None, base_url=None)
