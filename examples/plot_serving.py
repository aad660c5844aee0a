"""
Serving: transformers and threads
=================================

A saved classifier is a plain Hugging Face folder. ``transformers`` opens it without skweight, and any number of threads
may predict with it.
"""

# %%
# A small classifier to serve. A quarter of the rows keeps this page quick.

import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import transformers

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
# transformers.pipeline
# ---------------------
# The folder has the names of the classes and the length at which texts are cut, so the scores are those of
# ``predict_proba``.

pipeline = transformers.pipeline("text-classification", f"{folder.name}/model", top_k=None)
answers = pipeline(real.test_X[:100], truncation=True)
scores = np.array([[{one["label"]: one["score"] for one in answer}[c] for c in clf.classes_] for answer in answers])
largest = np.abs(scores - clf.predict_proba(real.test_X[:100])).max()
print(f"largest difference to predict_proba: {largest:.1e}")
assert largest < 1e-5
answers[0]

# %%
# Threads
# -------
# No lock is needed: each thread gets, to the last bit, what it would get alone.

requests = [real.test_X[i : i + 10] for i in range(0, 200, 10)]
alone = [clf.predict_proba(texts) for texts in requests]
with ThreadPoolExecutor(8) as threads:
    together = list(threads.map(clf.predict_proba, requests))
assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))

# %%

folder.cleanup()
