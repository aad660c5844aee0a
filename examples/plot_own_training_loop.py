"""
The losses in your own training loop
====================================

The losses are torch modules, and need nothing else of this package. Here they train a network of ten lines.
"""

# %%
# Each row brings its class, and the logarithm of the probability that a quality checker gives to it. The checker is
# a bag of words fitted on the real rows.

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch import nn

from skweight import label_proba, smooth_proba
from skweight.datasets import fetch_film_sentences, load_film_reviews
from skweight.losses import DIMPLoss, QualityLoss, WeightedCrossEntropy

synthetic = load_film_reviews()
real = fetch_film_sentences(n_real=300, n_test=1000)
words = TfidfVectorizer(sublinear_tf=True, min_df=2).fit([*synthetic.X, *real.real_X])
checker = LogisticRegression(C=10.0).fit(words.transform(real.real_X), real.real_y)
proba = label_proba(checker, words.transform(synthetic.X), synthetic.y)
quality = smooth_proba(proba, 0.1, 2)  # a checker of 300 rows is too sure of itself

X, test_X = (
    torch.tensor(words.transform(texts).toarray(), dtype=torch.float32) for texts in (synthetic.X, real.test_X)
)
target = torch.tensor(np.searchsorted(checker.classes_, synthetic.y))
log_quality = torch.tensor(np.log(quality), dtype=torch.float32)

# %%
# The loop. A loss takes the logits, the classes and the columns that it reads, and returns one number. Weights are
# computed from this very forward pass, and no gradient flows through them.


def train(loss, epochs=8):
    """Train a small network; return its accuracy on real rows."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(X)).split(32):
            optimizer.zero_grad()
            columns = {"log_quality": log_quality[batch]} if "log_quality" in loss.columns else {}
            loss(model(X[batch]), target[batch], **columns).backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        predicted = checker.classes_[model(test_X).argmax(dim=1).numpy()]
    return np.mean(predicted == real.test_y)


for loss in (WeightedCrossEntropy(), QualityLoss(normalize="batch"), DIMPLoss(clip=10.0, normalize="batch")):
    print(f"{loss!r:<55} {train(loss):.3f}")

# %%
# A loss of your own states what a row weighs:

from skweight.losses import WeightedLoss


class TrustedOnly(WeightedLoss):
    """Leave out rows that the checker does not believe."""

    columns = ("log_quality",)

    def weight(self, log_p, log_quality):
        """1 or 0."""
        return (log_quality > np.log(0.5)).float()


print(f"{TrustedOnly()!r:<55} {train(TrustedOnly()):.3f}")
