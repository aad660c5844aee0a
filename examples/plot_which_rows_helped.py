"""
Which rows helped
=================

Every synthetic row gets a number: what its label is worth, judged by the real rows. Look at it by kind of row, and
read the rows at the bottom.
"""

# %%
# The demo's reviews were written with flaws on purpose, and each row says which. No classifier is told.

import numpy as np

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder
from skweight.inspection import WeightDisplay

synthetic = load_film_reviews()
real = fetch_film_sentences(n_real=300, n_test=500)

# %%
# ``student=False`` stops after the experts: nothing is fine-tuned, and the fit takes seconds. ``sample_weight_`` is
# the probability that the pool of experts gives to each row's label.

clf = OpinionPoolClassifier(minilm_folder(), student=False, random_state=0)
clf.fit(synthetic.X, synthetic.y, real_X=real.real_X, real_y=real.real_y)
display = WeightDisplay.from_estimator(clf, groups=synthetic.kind).plot()

# %%
# Rows whose text says the opposite of their label are far below the others. How many of them are among the hundred
# lowest rows, and how many would be there by chance?

lowest = np.argsort(clf.sample_weight_)
wrong = synthetic.kind == "wrong_label"
print(f"wrong labels among the 100 lowest rows: {wrong[lowest[:100]].mean():.0%}; among all rows: {wrong.mean():.0%}")

# %%
# The lowest rows, and what the pool would call them:

for i in lowest[:8]:
    better = clf.classes_[clf.target_proba_[i].argmax()]
    print(f"{clf.sample_weight_[i]:.3f}  {synthetic.y[i]:>6} -> {better:<6}  {synthetic.X[i][:75]}")

# %%
# A list to check by hand
# -----------------------
# The rows whose label the pool would change, the most certain first, as a CSV file to edit.

import tempfile
from pathlib import Path

import pandas as pd

table = pd.DataFrame(
    {
        "text": synthetic.X,
        "label": synthetic.y,
        "pool": clf.classes_[clf.target_proba_.argmax(axis=1)],
        "certainty": clf.target_proba_.max(axis=1).round(3),
    }
)
to_check = table[table.label != table.pool].sort_values("certainty", ascending=False)
print(f"{len(to_check)} of {len(table)} labels would change")
with tempfile.TemporaryDirectory() as folder:
    to_check.to_csv(Path(folder) / "to_check.csv", index=False)
to_check.head(5)
