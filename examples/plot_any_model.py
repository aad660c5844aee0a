"""
Embeddings, and any scikit-learn model
======================================

``encoder="passthrough"`` takes rows of numbers, such as embeddings. And the weights are an array: any model whose
``fit`` takes ``sample_weight`` can use them.
"""

# %%
# Embed once. Any encoder will do; this one is small.

import numpy as np
import torch
import transformers
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skweight import DIMPClassifier, effective_sample_size, importance_weights
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder


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
synth_y, real_y, test_y = synthetic.y, real.real_y, real.test_y

# %%
# A small torch head on the embeddings, trained with DIMP-Loss:

head = DIMPClassifier("passthrough", quality_checker=LogisticRegression(C=0.1), random_state=0)
head.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
print(f"head with DIMP-Loss: {head.score(test_X, test_y):.3f}")

# %%
# The weights alone, for other models. P'(y|x) comes from a classifier of the real rows. Q(y|x) comes from one of
# the synthetic rows, asked about rows that it has not seen: it would be too certain of those that it has.

checker = LogisticRegression(C=0.1, max_iter=500)
checker.fit(real_X, real_y)
column = np.searchsorted(checker.classes_, synth_y)
rows = np.arange(len(synth_y))
quality = checker.predict_proba(synth_X)[rows, column]
diversity = cross_val_predict(checker, synth_X, synth_y, method="predict_proba", cv=5)[rows, column]
weights = importance_weights(quality, diversity, clip=10.0)
print(f"{len(weights)} rows, worth {effective_sample_size(weights):.0f} of equal weight")

# %%
# Three models on the synthetic rows, without and with the weights. XGBoost joins in if it is installed.

models = {
    "LogisticRegression": LogisticRegression(C=0.1, max_iter=500),
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, max_bins=32),
}
try:
    from xgboost import XGBClassifier

    models["XGBoost"] = XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1)
except ImportError:
    pass
target, test_target = (np.searchsorted(checker.classes_, labels) for labels in (synth_y, test_y))
for name, model in models.items():
    plain = model.fit(synth_X, target).score(test_X, test_target)
    weighted = model.fit(synth_X, target, sample_weight=weights).score(test_X, test_target)
    print(f"{name:<21} {plain:.3f} -> {weighted:.3f}")
print(f"{'real rows alone':<21} {checker.score(test_X, test_y):.3f}")
