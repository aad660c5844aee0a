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
    """Mean over the tokens of the encoder's last layer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm_folder())
    encoder = transformers.AutoModel.from_pretrained(minilm_folder()).eval()
    parts = []
    for begin in range(0, len(texts), 64):
        tokens = tokenizer(texts[begin : begin + 64], padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = encoder(**tokens).last_hidden_state
        mask = tokens["attention_mask"][:, :, None]
        parts.append((hidden * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.cat(parts).numpy()


synthetic = load_film_reviews()
real = fetch_film_sentences(n_real=300, n_test=1000)
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
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=50, random_state=0),
}
try:
    from xgboost import XGBClassifier

    models["XGBoost"] = XGBClassifier(n_estimators=50, n_jobs=1, random_state=0)
except ImportError:
    pass
target, test_target = (np.searchsorted(checker.classes_, labels) for labels in (synth_y, test_y))
for name, model in models.items():
    plain = model.fit(synth_X, target).score(test_X, test_target)
    weighted = model.fit(synth_X, target, sample_weight=weights).score(test_X, test_target)
    print(f"{name:<21} {plain:.3f} -> {weighted:.3f}")
print(f"{'real rows alone':<21} {checker.score(test_X, test_y):.3f}")
