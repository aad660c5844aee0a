"""
Pairs of texts
==============

A row may be a pair: two sentences, a question and an answer. Here the question is whether two sentences are about the
same side of a film: its acting, its humour or its story.
"""

# %%
# A pair is a tuple of two texts. Everything else stays as it is: ``fit``, checkers, weights, saved models. Words tell
# which side of a film a sentence is about, so that this example can make its own pairs.

import numpy as np

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

SIDES = {
    "acting": ("perform", "actor", "actress", "acting", "cast"),
    "humour": ("funny", "laugh", "comed", "humor", "joke"),
    "story": ("story", "plot", "script"),
}


def make_pairs(texts, n, rng):
    """Pairs of sentences, half of them about the same side."""
    found = [[side for side, stems in SIDES.items() if any(stem in text.lower() for stem in stems)] for text in texts]
    about = {side: [text for text, sides in zip(texts, found, strict=True) if sides == [side]] for side in SIDES}
    pairs, labels = [], []
    while len(pairs) < n:
        label = ("other", "same")[len(pairs) % 2]
        one, other = rng.choice(list(SIDES), size=2, replace=False)
        pair = str(rng.choice(about[one])), str(rng.choice(about[one if label == "same" else other]))
        if pair not in pairs:
            pairs.append(pair)
            labels.append(label)
    return pairs, np.array(labels)


rng = np.random.default_rng(0)
sentences = fetch_film_sentences(n_real=1000, n_test=2000)
real_X, real_y = make_pairs(sentences.real_X, 300, rng)
test_X, test_y = make_pairs(sentences.test_X, 400, rng)
for pair, label in zip(real_X[:2], real_y, strict=False):
    print(label, *pair, sep="\n   ")

# %%
# The synthetic pairs come from the language model's reviews. A model that labels pairs makes mistakes: here a quarter
# of the labels is wrong.

synth_X, right = make_pairs(load_film_reviews().X, 600, rng)
wrong = rng.random(len(right)) < 0.25
synth_y = np.where(wrong, np.where(right == "other", "same", "other"), right)

# %%
# The frozen experts compare the embeddings of the two sides: how they differ, and what they share.

clf = OpinionPoolClassifier(minilm_folder(), student=False, random_state=0)
clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
for name, score in clf.scores_.items():
    print(
        f"{name:<10} accuracy {score['accuracy']:.3f} ± {score['accuracy_se']:.3f}   log-loss {score['log_loss']:.2f}"
    )
print(f"test accuracy of the pool: {clf.score(test_X, test_y):.3f}")
print(
    f"weights: wrong labels {clf.sample_weight_[wrong].mean():.2f}, right ones {clf.sample_weight_[~wrong].mean():.2f}"
)

# %%
# A prediction takes pairs, too.

clf.predict([("The jokes fall flat.", "I laughed twice."), ("The jokes fall flat.", "A wonderful lead performance.")])
