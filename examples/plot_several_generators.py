"""
Several generators
==================

Rows of several language models, or of several prompts, are not worth the same. Give each an expert, and let the pool
say how far to trust it.
"""

# %%
# Here three kinds of the demo's reviews play three generators: a careful one, one that writes in clichés, and one
# that mixes the labels up.

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

reviews = load_film_reviews()
generators = {"careful": "ordinary", "clichés": "stereotyped", "confused": "wrong_label"}
rows = np.flatnonzero(np.isin(reviews.kind, list(generators.values())))
synth_X, synth_y, kind = [reviews.X[i] for i in rows], reviews.y[rows], reviews.kind[rows]
real = fetch_film_sentences(n_real=300, n_test=1000)

# %%
# An expert is a name, a classifier, and the rows it is fitted on: "real", "synthetic" or "both". An expert of one
# generator is fitted beforehand and frozen. It has seen no real row, which is what the pool needs.

words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10.0))
experts = [("people", words, "real")]
for name, its_kind in generators.items():
    own = kind == its_kind
    fitted = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10.0))
    fitted.fit([synth_X[i] for i in np.flatnonzero(own)], synth_y[own])
    experts.append((name, FrozenEstimator(fitted), "synthetic"))

clf = OpinionPoolClassifier(minilm_folder(), experts=experts, student=False, random_state=0)
clf.fit(synth_X, synth_y, real_X=real.real_X, real_y=real.real_y)

# %%
# The exponent says how far an expert is trusted: 0 is not at all. The accuracy is that on real rows which the
# expert has not seen.

for name, trust in zip(clf.experts_, clf.coef_, strict=True):
    score = clf.scores_[name]
    print(f"{name:<9} trust {trust:.2f}   accuracy {score['accuracy']:.3f} ± {score['accuracy_se']:.3f}")
print(f"{'pool':<9}              accuracy {clf.scores_['pool']['accuracy']:.3f}   teacher: {clf.teacher_}")

# %%
# An exponent cannot be negative, so an expert that is reliably wrong is left out, not turned round. Is the pool
# better than what people's rows know alone?

alone = words.fit(real.real_X, real.real_y).score(real.test_X, real.test_y)
print(f"test accuracy: people alone {alone:.3f}, pool {clf.score(real.test_X, real.test_y):.3f}")
