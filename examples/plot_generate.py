"""
Generate, weight, generate again
================================

From a few hundred real rows to a classifier: let a language model write more of them, see which of what it wrote helps
on real text, and ask for more of that.
"""

# %%
# Any server that speaks OpenAI's protocol will do: a vendor's, or vLLM, llama.cpp and Ollama on a machine of your own.
# So that this page can be built anywhere, a small program stands in for one. It has two models. "careful" answers with
# sentences of real critics that nothing else here sees, and so is as good as a model can be. "careless" does the same,
# but does not heed the class that it is asked for.

import tempfile
from pathlib import Path

from stand_in_server import stand_in

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, minilm_folder
from skweight.llm import generate, plan

film = fetch_film_sentences(n_real=300, n_test=1000)
real_X, real_y = film.real_X, film.real_y

# %%
# What would be asked, and what would it take? A dry run asks nothing, and shows the first prompt.

task = {
    "instruction": "Sentences from film reviews, as critics write them.",
    "descriptions": {"fresh": "the critic likes the film", "rotten": "the critic does not"},
    "rows_per_request": 5,
}
print(generate(real_X, real_y, model="careful", n_per_class=100, **task, dry_run=True))

# %%
# The first round asks both models for as much. Every answer is written to a log before it counts: a call that was
# interrupted goes on where it was, if it is repeated with the same log, and nothing is paid for twice.

folder = tempfile.TemporaryDirectory()


def ask(model, n_per_class, seed=0):
    """Let a model write; the key of a vendor comes from the environment."""
    log = Path(folder.name) / f"{model}.jsonl"
    with stand_in(len(real_X)) as base_url:
        server = {"model": model, "base_url": base_url, "log": log}
        return generate(real_X, real_y, n_per_class=n_per_class, random_state=seed, **server, **task)


rounds = [ask("careful", 100), ask("careless", 100)]
print(rounds[0])

# %%
# Look at what came back before anything is trained on it. A row says where it comes from: the model, the prompt, the
# real rows that were shown (``groups`` of :class:`~skweight.model_selection.RealKFold`), and what it copies.

import pandas as pd

written = pd.concat([one.frame() for one in rounds], ignore_index=True)
seen = written.assign(text=written["text"].str.slice(0, 40))[["text", "label", "model", "shown", "copy_of"]]
print(seen.sample(6, random_state=0).to_string())

# %%
# Weights come from a classifier that knows the real rows.


def weight(rows):
    """Fit the opinion pool, which takes seconds without its student."""
    clf = OpinionPoolClassifier(minilm_folder(), student=False, random_state=0)
    return clf.fit(rows["text"], rows["label"], real_X=real_X, real_y=real_y)


clf = weight(written)
print(clf.verdict_["sentence"])

# %%
# Which of them earned its weight? A score of 1 is the average of the class. The second round is split accordingly.

found = plan(clf, written)
print(found)
split = found.split(200, "model")
print(split)

# %%
# The second round, and a classifier on all rows.

more = [ask(model, n // 2, seed=1).frame() for model, n in split.items() if n >= 2]
written = pd.concat([written, *more], ignore_index=True)
print(written["model"].value_counts().to_string())
clf = weight(written)
print(clf.verdict_["sentence"])
print(f"test accuracy {clf.score(film.test_X, film.test_y):.3f}")
folder.cleanup()

# %%
# On the command line::
#
#     skweight generate real.csv --model MODEL --base-url http://localhost:8000/v1 --per-class 100 -o synthetic.csv
#     skweight audit synthetic.csv --real real.csv
#     skweight fit synthetic.csv --real real.csv --save model
