"""
A first classifier
==================

From generated and real rows to a saved model: fit, read the scores, predict.
"""

# %%
# The data
# --------
# Two kinds of rows go into a fit. *Synthetic* rows were written and labelled by a language model; there are many,
# and nobody has checked them. *Real* rows were labelled by people; there are few. Here both are about films: 1,320
# reviews that a language model wrote for this package, and 300 sentences of critics.

from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

reviews = load_film_reviews()
synth_X, synth_y = reviews.X[::2], reviews.y[::2]  # every other one, to keep this page quick
real = fetch_film_sentences(n_real=300, n_test=500)
for text, label in zip(synth_X[:3], synth_y, strict=False):
    print(f"synthetic  {label:<7} {text}")
for text, label in zip(real.real_X[:3], real.real_y, strict=False):
    print(f"real       {label:<7} {text}")

# %%
# Your own rows can come from CSV files with the columns ``text`` and ``label``::
#
#     from skweight.datasets import load_csv
#
#     synth_X, synth_y = load_csv("synthetic.csv")
#     real_X, real_y = load_csv("real.csv")
#
# The fit
# -------
# The first argument is any encoder of the Hugging Face hub, or a folder. This one is small and comes with the extra
# ``demo``. One epoch keeps this page quick; two or three are better.

from skweight import OpinionPoolClassifier

clf = OpinionPoolClassifier(minilm_folder(), max_epochs=1, lr=2e-4, random_state=0)
clf.fit(synth_X, synth_y, real_X=real.real_X, real_y=real.real_y)

# %%
# Are the synthetic rows worth anything?
# --------------------------------------
# Before it trained the encoder, the classifier fitted quick experts on the real rows, on the synthetic ones and on
# both, and scored each on real rows that the expert had not seen. If "pool" is no better than "real" by more than
# the standard error, the synthetic rows have added little.

for name, score in clf.scores_.items():
    print(
        f"{name:<10} accuracy {score['accuracy']:.3f} ± {score['accuracy_se']:.3f}   log-loss {score['log_loss']:.3f}"
    )

# %%
# The test rows tell whether that was right. No row of a film in the test set was in the fit.

print(f"accuracy on {len(real.test_X)} test rows: {clf.score(real.test_X, real.test_y):.3f}")

# %%
# Predictions
# -----------

texts = ["Dull, lifeless and far too long.", "Tender, odd and very funny."]
for text, label, proba in zip(texts, clf.predict(texts), clf.predict_proba(texts), strict=True):
    print(f"{label:<7} {proba.max():.2f}  {text}")

# %%
# Save and load
# -------------
# The folder is a plain Hugging Face folder, without pickles. The loaded classifier predicts the same bits.

import tempfile

import numpy as np

with tempfile.TemporaryDirectory() as folder:
    clf.save_pretrained(folder)
    again = OpinionPoolClassifier.from_pretrained(folder)
np.testing.assert_array_equal(again.predict_proba(texts), clf.predict_proba(texts))
