import csv

import pytest
from llm_servers import LocalServer, error

from skweight._cli import main
from skweight.datasets import load_csv


@pytest.fixture
def real(tmp_path):
    path = tmp_path / "real.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([f"a {label} film, {i}", label] for i in range(6) for label in ("fresh", "rotten"))
    return path


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key")


def generate(server, real, *options):
    out = real.with_name("synthetic.csv")
    url = [] if server is None else ["--base-url", server.url]
    return main(["generate", str(real), "-o", str(out), "--model", "m", "--per-class", "7", *url, *options]), out


def test_rows_are_written_for_fit_to_read(real, capsys):
    with LocalServer() as server:
        status, out = generate(server, real)
    X, y = load_csv(out)
    assert status == 0
    assert (y.count("fresh"), y.count("rotten"), len(X)) == (7, 7, 14)
    said = capsys.readouterr().out
    assert said.startswith("7 of 7 rows of 'fresh', 7 of 7 rows of 'rotten'.")
    assert f"Next: skweight audit {out} --real {real}" in said


def test_options_reach_the_prompt(real):
    with LocalServer() as server:
        generate(
            server, real, "--instruction", "Reviews.", "--description", "fresh=likes it", "--attribute", "tone=dry,warm"
        )
        prompts = [call.body["messages"][0]["content"] for call in server.calls]
    assert all(prompt.startswith("Reviews.") for prompt in prompts)
    assert {"tone: dry", "tone: warm"} == {
        line for prompt in prompts for line in prompt.split("\n") if "tone: " in line
    }
    assert {"likes it" in prompt for prompt in prompts if "Class: fresh" in prompt} == {True}


def test_a_second_call_asks_nothing_again(real):
    with LocalServer() as server:
        generate(server, real)
        asked = len(server.calls)
        first = real.with_name("synthetic.csv").read_text()
        _, out = generate(server, real, "--overwrite")
        assert len(server.calls) == asked
    assert out.read_text() == first


def test_a_file_is_not_replaced_without_being_asked(real, capsys):
    real.with_name("synthetic.csv").write_text("mine")
    status, out = generate(None, real, "--base-url", "http://127.0.0.1:9/v1")
    assert status == 2
    assert "exists. Add --overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_a_dry_run_asks_nothing_and_writes_nothing(real, capsys):
    with LocalServer() as server:
        status, out = generate(server, real, "--dry-run")
        assert not server.calls
    assert status == 0
    assert not out.exists()
    assert capsys.readouterr().out.startswith("4 requests; about ")


def test_rows_that_lack_are_an_exit_status_of_their_own(real, capsys):
    with LocalServer() as server:
        status, out = generate(server, real, "--max-requests", "2")
    assert status == 3
    assert "Not all of them, because the budget of 2 requests is spent." in capsys.readouterr().out
    assert len(load_csv(out)[0]) == 10


def test_a_wrong_key_is_an_error_without_the_key(real, capsys):
    def refuse(body, call):
        return error(401, "planted-key is no key")

    with LocalServer(misbehave=refuse) as server:
        status, out = generate(server, real)
    said = capsys.readouterr().err
    assert status == 2
    assert "The server refuses" in said
    assert "planted-key" not in said
    assert not out.exists()


def test_an_attribute_without_values_is_refused(real, capsys):
    with pytest.raises(SystemExit):
        generate(None, real, "--attribute", "tone")
    assert "expected NAME=A,B,..., got 'tone'" in capsys.readouterr().err
