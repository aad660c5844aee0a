"""
Serving: a FastAPI app
======================

A web service in fifteen lines, asked by many clients at once. Needs ``pip install fastapi httpx``.
"""

# %%
# A small classifier to serve. A quarter of the rows keeps this example quick.

import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

folder = tempfile.TemporaryDirectory()
synthetic = load_film_reviews()
synth_X, synth_y = synthetic.X[::4], synthetic.y[::4]
real = fetch_film_sentences(n_real=100, n_test=200)
clf = OpinionPoolClassifier(minilm_folder(), max_epochs=1, lr=2e-4, random_state=0)
clf.fit(synth_X, synth_y, real_X=real.real_X, real_y=real.real_y)
clf.save_pretrained(f"{folder.name}/model")

# %%
# The app
# -------
# It loads the folder once. A plain ``def`` is what FastAPI runs in a pool of threads, so that one long request does
# not hold up the others; the classifier needs no lock.

app = FastAPI()
model = OpinionPoolClassifier.from_pretrained(f"{folder.name}/model")


class Texts(BaseModel):
    """What a client sends."""

    texts: list[str] = Field(min_length=1, max_length=1000)


@app.post("/predict")
def predict(request: Texts):
    """Label and probability of each text."""
    proba = model.predict_proba(request.texts)
    labels = model.classes_[proba.argmax(axis=1)]
    return [{"label": str(label), "probability": float(p)} for label, p in zip(labels, proba.max(axis=1), strict=True)]


# %%
# Many clients at once
# --------------------
# In the same process, without a port. In production: ``uvicorn module:app``.

client = TestClient(app)
requests = [real.test_X[i : i + 10] for i in range(0, 200, 10)]
with ThreadPoolExecutor(8) as threads:
    answers = list(threads.map(lambda texts: client.post("/predict", json={"texts": texts}), requests))
for texts, answer in zip(requests, answers, strict=True):
    assert answer.status_code == 200
    expected = clf.predict_proba(texts).max(axis=1)
    np.testing.assert_allclose([one["probability"] for one in answer.json()], expected, rtol=1e-12)
assert client.post("/predict", json={"texts": []}).status_code == 422
print(answers[0].json()[0])
folder.cleanup()
