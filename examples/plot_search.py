"""
Search without leaking
======================

A plain cross-validation scores on synthetic rows, and prefers whatever repeats the language model's mistakes best.
``RealKFold`` scores real rows only.
"""

# %%
# The question is how strongly to weight: ``gamma=0`` ignores the real rows, ``gamma=1`` is DIMP-Loss. On embeddings
# the whole search takes seconds, with the same losses and the same splitters as on texts.

import matplotlib.pyplot as plt
import numpy as np
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skweight import DIMPClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder
from skweight.model_selection import RealKFold, stack_real


def embed(texts):
    """Mean of an encoder's last layer over the tokens of each text; three of its six layers, to be quick."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm_folder())
    encoder = transformers.AutoModel.from_pretrained(minilm_folder()).eval()
    encoder.encoder.layer = encoder.encoder.layer[:3]
    with torch.inference_mode():
        hidden = [encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]
    return np.stack([layer.mean(dim=0).numpy() for layer in hidden])


synthetic = load_film_reviews()
real = fetch_film_sentences(n_real=300, n_test=500)
synth_X, real_X, test_X = embed(synthetic.X), embed(real.real_X), embed(real.test_X)

# %%
# The naive search. It runs, and its scores look good: they say how well synthetic rows are predicted.

checker = LogisticRegression(C=0.1, max_iter=500)
clf = DIMPClassifier("passthrough", quality_checker=checker, max_epochs=5, random_state=0)
grid = {"gamma": [0.0, 0.5, 1.0, 2.0]}
naive = GridSearchCV(clf, grid, cv=3, error_score="raise")
naive.fit(synth_X, synthetic.y, real_X=real_X, real_y=real.real_y)

# %%
# The right one. ``stack_real`` puts the rows together and marks the real ones; ``RealKFold`` keeps every synthetic
# row in the training part and splits the real rows. The checker of a fold never sees the rows that are scored.

X, y, is_real = stack_real(synth_X, synthetic.y, real_X, real.real_y)
search = GridSearchCV(clf, grid, cv=RealKFold(3, is_real=is_real), error_score="raise")
search.fit(X, y, is_real=is_real)

# %%
# Against 500 test rows that neither has seen:

test = [
    DIMPClassifier("passthrough", quality_checker=checker, gamma=gamma, max_epochs=5, random_state=0)
    .fit(synth_X, synthetic.y, real_X=real_X, real_y=real.real_y)
    .score(test_X, real.test_y)
    for gamma in grid["gamma"]
]
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for values, label, style in (
    (naive.cv_results_["mean_test_score"], "naive search", "o--"),
    (search.cv_results_["mean_test_score"], "RealKFold", "s-"),
    (test, "test rows", "D-"),
):
    ax.plot(grid["gamma"], values, style, label=label)
ax.set(xlabel="gamma", ylabel="accuracy", xticks=grid["gamma"])
ax.legend()
print(f"naive search picks gamma={naive.best_params_['gamma']}, RealKFold gamma={search.best_params_['gamma']}")
