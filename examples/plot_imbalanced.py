"""
Imbalanced classes and macro-F1
===============================

The language model wrote as many rows of each class; in reality one class is rare. What to do depends on what counts:
all rows alike, or all classes alike.
"""

# %%
# Make "fresh" rare among the real rows and the test rows: one in eight.

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder


def make_rare(texts, labels, share):
    """Leave out rows of "fresh" until they are that share."""
    rotten, fresh = (np.flatnonzero(labels == label) for label in ("rotten", "fresh"))
    rows = np.sort(np.r_[rotten, fresh[: round(len(rotten) * share / (1 - share))]])
    return [texts[i] for i in rows], labels[rows]


synthetic = load_film_reviews()
everything = fetch_film_sentences(n_real=700, n_test=1000)
real_X, real_y = make_rare(everything.real_X, everything.real_y, 1 / 8)
test_X, test_y = make_rare(everything.test_X, everything.test_y, 1 / 8)
for name, labels in (("synthetic", synthetic.y[::2]), ("real", real_y), ("test", test_y)):
    print(f"{name:<10} {len(labels):>5} rows, {np.mean(labels == 'fresh'):.0%} fresh")

# %%
# ``prior="real"``, the default, keeps the real shares of the classes: good accuracy and probabilities, and a rare
# class is seldom predicted. ``prior="balanced"`` counts all classes alike.

for prior in ("real", "balanced"):
    clf = OpinionPoolClassifier(minilm_folder(), student=False, prior=prior, random_state=0)
    predicted = clf.fit(synthetic.X[::2], synthetic.y[::2], real_X=real_X, real_y=real_y).predict(test_X)
    print(
        f"prior={prior:<9} accuracy {accuracy_score(test_y, predicted):.3f}   "
        f"macro-F1 {f1_score(test_y, predicted, average='macro'):.3f}   "
        f"recall of fresh {recall_score(test_y, predicted, pos_label='fresh'):.2f}"
    )

# %%
# Always calling it "rotten" would have this accuracy, and a macro-F1 below one half:

print(f"largest class: accuracy {np.mean(test_y == 'rotten'):.3f}")
