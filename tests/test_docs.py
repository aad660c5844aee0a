import csv
import re
import warnings

import llm_servers
import numpy as np
import pytest
from helpers import ROOT, WORDS, write_tiny_bert

DOCS = ROOT / "docs"
GENERATED = ("_build", "api", "auto_examples")
PAGES = [
    page
    for path in sorted(DOCS.rglob("*.md"))
    if (page := path.relative_to(DOCS)).parts[0] not in GENERATED and "```python" in path.read_text(encoding="utf-8")
]
ENCODER = '"distilbert/distilbert-base-uncased"'
# Code, and the output that follows it at once: the beginning of the error or warning that it raises.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)\n```\n)?", flags=re.DOTALL | re.MULTILINE)


def write_rows(path, n, seed):
    rng = np.random.RandomState(seed)
    words = {
        "good": ["great", "warm", "funny", "charming", "superb"],
        "bad": ["poor", "dull", "boring", "weak", "tedious"],
    }
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(n):
            label = ["good", "bad"][i % 2]
            about = rng.choice(["film", "plot", "cast", "story", "acting", "score", "scene"], size=2, replace=False)
            writer.writerow([f"a {rng.choice(words[label])} {about[0]} and {about[1]} {i}", label])


@pytest.fixture
def language_model(monkeypatch):
    """The server that the environment names: it writes rows, and calls every text the first class."""
    answer = lambda body: llm_servers.write_rows(body) if "Write" in llm_servers.prompt_of(body) else "A"  # noqa: E731
    with llm_servers.LocalServer(answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny random encoder of one layer, as the pages fit it hundreds of times; it has room for the default length."""
    return write_tiny_bert(tmp_path_factory.mktemp("flat-bert"), WORDS, positions=128, num_hidden_layers=1)


@pytest.mark.usefixtures("language_model")
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_snippet_of_a_page_runs(page, tmp_path, monkeypatch, encoder):
    """In their order and in one namespace, on a tiny encoder and small files in place of the reader's own."""
    monkeypatch.chdir(tmp_path)
    write_rows("synthetic.csv", 24, seed=0)
    write_rows("real.csv", 12, seed=1)
    write_rows("texts.csv", 60, seed=2)
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```python\n")
    assert sum(bool(output) for _, output in blocks) == text.count("```text\n")
    assert ENCODER in text or page.parts[0] != "guide"
    namespace: dict = {}
    for code, output in blocks:
        run = compile(code.replace(ENCODER, repr(encoder)), str(page), "exec")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", message="SKW04[35]")  # the tiny encoder learns nothing
            raised = None
            try:
                exec(run, namespace)
            except Exception as error:
                if not output:
                    raise
                raised = error
        said = [f"{type(raised).__name__}: {raised}"] if raised else []
        said += [f"{w.category.__name__}: {w.message}" for w in caught if w.category.__module__.startswith("skweight")]
        if output:
            assert any(line.startswith(output.removesuffix("…").rstrip()) for line in said), said
        else:
            assert not said
