"""
Pairs of texts
==============

A row may be a pair: two sentences, a question and an answer. Here the question is whether two halves of a sentence
belong together.
"""

# %%
# A pair is a tuple of two texts. Everything else stays as it is: ``fit``, checkers, weights, saved models. The
# pairs are made from long sentences, cut in the middle. In every other pair the second half comes from another
# sentence.

import numpy as np

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder


def cut(texts, n):
    """Pairs of halves, and whether they belong together."""
    words = [text.split() for text in texts]
    long = [(row[: len(row) // 2], row[len(row) // 2 :]) for row in words if len(row) >= 14][:n]
    pairs = [(" ".join(long[i][0]), " ".join(long[i - i % 2][1])) for i in range(len(long))]
    return pairs, np.where(np.arange(len(pairs)) % 2, "apart", "together")


sentences = fetch_film_sentences(n_real=600, n_test=1000)
real_X, real_y = cut(sentences.real_X, 300)
test_X, test_y = cut(sentences.test_X, 400)
for pair, label in zip(real_X[:2], real_y, strict=False):
    print(label, *pair, sep="\n   ")

# %%
# The synthetic pairs come from the language model's reviews. A model that labels pairs makes mistakes: here a
# quarter of the labels is wrong.

reviews = load_film_reviews()
synth_X, right = cut(reviews.X, 600)
wrong = np.random.default_rng(0).random(len(right)) < 0.25
synth_y = np.where(wrong, np.where(right == "apart", "together", "apart"), right)

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

clf.predict([("The villain steals", "every scene he is in."), ("The villain steals", "the snow of the Arctic winter.")])
