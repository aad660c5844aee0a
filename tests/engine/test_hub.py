"""From the name of an encoder to a folder: misspelt paths, the Hugging Face hub, and no network."""

import json
import re
import shutil
import socket
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from helpers import QUICK, fit
from huggingface_hub import constants

from skweight import IMPClassifier
from skweight._engine import hub
from skweight._engine.hub import encoder_folder
from skweight.baselines import CrossEntropyClassifier

COMMIT = "c" * 40


class Hub(ThreadingHTTPServer):
    """A hub with one repository, "films/tiny", whose files are those of a folder, and some that it does not give."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.folder, self.requests = folder, []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def sizes(self):
        return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in self.folder.rglob("*.*")}


class HubHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if "films/gated" in path:
            return self.answer(403, {"X-Error-Code": "GatedRepo"})
        if "films/broken" in path:
            return self.answer(503, {})
        if "films/tiny" not in path:
            return self.answer(404, {"X-Error-Code": "RepoNotFound"})
        if "/resolve/" in path:
            content = (self.server.folder / path.partition(f"{COMMIT}/")[2]).read_bytes()
            return self.answer(200, {"ETag": f'"{len(content)}"', "X-Repo-Commit": COMMIT}, content)
        sizes = self.server.sizes()
        if "/tree/" in path:
            answer = [{"type": "file", "path": name, "size": size, "oid": str(size)} for name, size in sizes.items()]
        else:
            answer = {"id": "films/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in sizes]}
        return self.answer(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    do_HEAD = do_GET  # noqa: N815

    def answer(self, code, headers, content=b""):
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for what is downloaded, in a process that has asked for nothing yet."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    hub._snapshot.cache_clear()
    yield tmp_path / "cache"
    hub._snapshot.cache_clear()


def serve(server, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()


@pytest.fixture
def films(tiny_encoder, tmp_path, monkeypatch):
    server = Hub(Path(shutil.copytree(tiny_encoder, tmp_path / "films")))
    serve(server, monkeypatch)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "meant"),
    [
        ("./models/minlm", "./models/minilm"),
        (Path("models/minlm"), "models/minilm"),
        ("./modls/minilm", "./models"),
        ("models/minilm/no/such", ""),
    ],
    ids=str,
)
def test_a_folder_that_is_not_there_is_named_with_those_like_it(encoder, meant, tmp_path, monkeypatch, no_network):
    (tmp_path / "models" / "minilm").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    hint = f" Did you mean {meant.removeprefix('./')!r}?" if meant else ""
    message = f"encoder={str(encoder)!r}: there is no such folder.{hint}"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        CrossEntropyClassifier(encoder).fit(["a", "b"], [0, 1])


@pytest.mark.filterwarnings("ignore:SKW051")
def test_a_tilde_stands_for_the_home_folder(tiny_encoder, toy, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    shutil.copytree(tiny_encoder, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    clf = fit(IMPClassifier("~/tiny", diversity_checker="fast", memory="~/kept", **QUICK), toy)
    clf.save_pretrained("~/saved")
    loaded = IMPClassifier.from_pretrained("~/saved")
    np.testing.assert_array_equal(loaded.predict_proba(toy["X"]), clf.predict_proba(toy["X"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "saved", "tiny"]


def test_an_encoder_in_a_folder_is_fitted_without_a_network(tiny_encoder, toy, tmp_path, no_network):
    fit(IMPClassifier(tiny_encoder, memory=tmp_path / "kept", **QUICK), toy)


# -- the hub ----------------------------------------------------------------------------------------------------------


def test_a_hub_id_is_downloaded_and_gives_what_its_folder_gives(films, tiny_encoder, toy):
    expected = CrossEntropyClassifier(tiny_encoder, **QUICK).fit(toy["X"], toy["y"]).predict_proba(toy["X"])
    clf = CrossEntropyClassifier("films/tiny", **QUICK).fit(toy["X"], toy["y"])
    np.testing.assert_array_equal(clf.predict_proba(toy["X"]), expected)


def test_only_what_a_model_is_read_from_is_downloaded(films):
    (films.folder / "onnx").mkdir()
    others = "onnx/config.json onnx/model.safetensors adapter.safetensors pytorch_model.bin tf_model.h5 notes.pdf"
    for name in others.split():
        (films.folder / name).write_bytes(b"x")
    names = {path.name for path in Path(encoder_folder("films/tiny")).iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_weights_in_torchs_own_format_are_downloaded_where_there_are_no_others(films):
    (films.folder / "model.safetensors").rename(films.folder / "pytorch_model.bin")
    assert (Path(encoder_folder("films/tiny")) / "pytorch_model.bin").exists()


def test_a_fit_asks_the_hub_once_for_all_checkers(films, toy):
    encoder_folder("films/tiny")  # downloads
    films.requests.clear()
    hub._snapshot.cache_clear()
    encoder_folder("films/tiny")
    once = films.requests.copy()
    hub._snapshot.cache_clear()
    clf = fit(IMPClassifier("films/tiny", **QUICK).set_params(quality_checker__max_epochs=1), toy)
    assert clf.quality_checker_.encoder == clf.diversity_checker_.encoder == "films/tiny"
    assert films.requests == once * 2


@pytest.mark.parametrize("encoder", ["my model!", "a--b", "films/"])
def test_a_name_that_can_be_no_hub_id_is_refused(encoder, no_network):
    with pytest.raises(FileNotFoundError, match=f"^encoder='{encoder}' is neither a folder nor a hub id"):
        encoder_folder(encoder)


def test_a_repository_that_the_hub_does_not_have_is_called_that(films, tmp_path, monkeypatch):
    (tmp_path / "film" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    message = (
        "encoder='film/tinny': the Hugging Face hub has no such repository, and there is no such folder. Did you mean"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)} 'film/tiny'.*HF_TOKEN"):
        encoder_folder("film/tinny")


def test_a_gated_repository_says_where_to_ask(films):
    with pytest.raises(
        PermissionError, match=rf"^encoder='films/gated' is gated: .* {films.url}/films/gated, .*HF_TOKEN"
    ):
        encoder_folder("films/gated")


@pytest.mark.parametrize("encoder", ["films/gated", "films/broken", "films/absent"])
def test_the_key_of_the_hub_is_in_no_message(encoder, films, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(OSError, match=encoder) as caught:
        encoder_folder(encoder)
    assert "hf_secret" not in "".join(traceback.format_exception(caught.value))


# -- no network -------------------------------------------------------------------------------------------------------

UNREACHABLE = r"^encoder='{}' is not a folder, and not in the hub's cache, {}; the Hugging Face hub cannot be reached"


def test_a_hub_that_refuses_connections_is_told_from_a_misspelt_id_with_what_works_offline(films, cache):
    encoder_folder("films/tiny")
    films.shutdown()
    films.server_close()
    message = UNREACHABLE.format("films/tinny", cache) + r" .*\. Offline, .* Did you mean 'films/tiny'\?$"
    with pytest.raises(ConnectionError, match=message):
        CrossEntropyClassifier("films/tinny").fit(["a", "b"], [0, 1])


def test_a_hub_that_never_answers_is_given_up(cache, monkeypatch):
    monkeypatch.setattr(hub, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ConnectionError, match=UNREACHABLE.format("films/tiny", cache)):
            encoder_folder("films/tiny")


def test_a_look_up_of_the_hubs_address_that_hangs_is_given_up(cache, monkeypatch):
    monkeypatch.setattr(hub, "_PATIENCE", 0.2)
    given_up, waited = threading.Event(), []

    def hang(*args, **kwargs):
        waited.append(given_up.wait(60))
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(ConnectionError, match=UNREACHABLE.format("films/tiny", cache) + " .*no answer in 0.2 s"):
        encoder_folder("films/tiny")
    assert not waited  # the look-up was still going on
    given_up.set()


def test_the_users_own_limit_of_the_hubs_client_counts(monkeypatch):
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "1")
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ConnectionError, match=r"no answer in 1 s|ReadTimeout"):
            encoder_folder("films/tiny")


def test_an_encoder_in_the_cache_does_not_need_the_hub(films):
    folder = encoder_folder("films/tiny")
    films.shutdown()
    films.server_close()
    hub._snapshot.cache_clear()
    assert encoder_folder("films/tiny") == folder


def test_in_offline_mode_an_encoder_in_the_cache_is_fitted_without_a_network(films, toy, monkeypatch, request):
    folder = encoder_folder("films/tiny")
    hub._snapshot.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    request.getfixturevalue("no_network")
    CrossEntropyClassifier("films/tiny", **QUICK).fit(toy["X"], toy["y"])
    assert encoder_folder("films/tiny") == folder
    with pytest.raises(ConnectionError, match=r"cannot be reached \(HF_HUB_OFFLINE is set\)"):
        encoder_folder("films/other")
    with pytest.raises(FileNotFoundError, match="neither a folder nor a hub id"):
        encoder_folder("films/no such")
