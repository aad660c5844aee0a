"""
The losses in your own training loop
====================================

The losses are torch modules, and need nothing else of this package. Here they train a network of ten lines.
"""

# %%
# Each row brings its class, and the logarithm of the probability that a quality checker gives to it. Here the rows
# are embeddings, and the checker is a logistic regression on the real ones.

import numpy as np
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from torch import nn

from skweight import label_proba
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder
from skweight.losses import DIMPLoss, QualityLoss, WeightedCrossEntropy, WeightedLoss


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
X, real_X, test_X = embed(synthetic.X), embed(real.real_X), embed(real.test_X)
checker = LogisticRegression(C=0.1, max_iter=500).fit(real_X, real.real_y)
log_quality = torch.tensor(np.log(label_proba(checker, X, synthetic.y)), dtype=torch.float32)
target = torch.tensor(np.searchsorted(checker.classes_, synthetic.y))
X, test_X = torch.tensor(X), torch.tensor(test_X)

# %%
# The loop. A loss takes the logits, the classes and the columns that it reads, and returns one number. Weights are
# computed from this very forward pass, and no gradient flows through them.


def train(loss, epochs=5):
    """Train a small network; return its accuracy on real rows."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(X.shape[1], 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 2))
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
# A loss of your own states the weight of a row:


class TrustedOnly(WeightedLoss):
    """Leave out rows that the checker does not believe."""

    columns = ("log_quality",)

    def weight(self, log_p, log_quality):
        """1 or 0."""
        return (log_quality > np.log(0.5)).float()


print(f"{TrustedOnly()!r:<55} {train(TrustedOnly()):.3f}")
