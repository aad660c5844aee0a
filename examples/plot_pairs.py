"""
Pairs of texts
==============

A row may be a pair: two sentences, a question and an answer. Here the question is whether two sentences are about the
same film.
"""

# %%
# A pair is a tuple of two texts. Everything else stays as it is: ``fit``, checkers, weights, saved models. Real
# pairs are made from sentences of critics, whose film is known.

from difflib import SequenceMatcher

import numpy as np

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder


def film_pairs(texts, films, n, rng):
    """Pairs of sentences, half of them about the same film."""
    by_film = {film: np.flatnonzero(films == film) for film in np.unique(films)}
    several = [film for film, rows in by_film.items() if len(rows) > 1]
    pairs, labels = [], []
    for i in range(n):
        if i % 2:
            first, second = rng.choice(by_film[several[rng.integers(len(several))]], size=2, replace=False)
        else:
            first, second = (rng.choice(by_film[film]) for film in rng.choice(list(by_film), size=2, replace=False))
        pairs.append((texts[first], texts[second]))
        labels.append("same" if i % 2 else "other")
    return pairs, np.array(labels)


rng = np.random.default_rng(0)
sentences = fetch_film_sentences(n_real=2500, n_test=2500)
real_X, real_y = film_pairs(sentences.real_X, sentences.real_film, 300, rng)
test_X, test_y = film_pairs(sentences.test_X, sentences.test_film, 600, rng)
for pair, label in zip(real_X[1:4:2], real_y[1:4:2], strict=True):
    print(label, *pair, sep="\n   ")

# %%
# The synthetic pairs are what a hasty prompt gives: a review and its near copy count as "same", and two reviews at
# random as "other". These are far too easy, which is the usual flaw of generated pairs.

reviews = load_film_reviews()
synth_X, synth_y = [], []
copies = np.flatnonzero(reviews.kind == "near_duplicate")
for copy in copies:
    window = [i for i in range(max(0, copy - 220), copy) if reviews.kind[i] != "near_duplicate"]
    original = max(window, key=lambda i: SequenceMatcher(None, reviews.X[i], reviews.X[copy]).quick_ratio())
    synth_X += [(reviews.X[original], reviews.X[copy]), (reviews.X[rng.choice(window)], reviews.X[copy])]
    synth_y += ["same", "other"]

# %%
# The frozen experts compare the embeddings of the two sides: how they differ, and what they share.

clf = OpinionPoolClassifier(minilm_folder(), student=False, random_state=0)
clf.fit(synth_X, synth_y, real_X=real_X, real_y=real_y)
for name, score in clf.scores_.items():
    print(
        f"{name:<10} accuracy {score['accuracy']:.3f} ± {score['accuracy_se']:.3f}   log-loss {score['log_loss']:.2f}"
    )
print(f"trust: {dict(zip(clf.experts_, clf.coef_.round(2).tolist(), strict=True))}")
print(f"test accuracy of the pool: {clf.score(test_X, test_y):.3f}")

# %%
# A prediction takes pairs, too.

clf.predict([("Its villain is a delight.", "The villain steals every scene."), ("A war film.", "Songs and dancing.")])
