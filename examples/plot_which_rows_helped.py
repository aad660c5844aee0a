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
# A report
# --------
# :func:`~skweight.weight_report` reads the rows beside the classifier: what is wrong with them, and the rows of highest
# and lowest weight, each with the nearest real one. ``report.to_html(path)`` writes it as a page that sorts and
# filters.

from skweight import weight_report

report = weight_report(
    clf,
    synthetic.X,
    synthetic.y,
    real_X=real.real_X,
    real_y=real.real_y,
    test_X=real.test_X,
    groups=synthetic.kind,
    n_rows=5,
)
print(report)

# %%
# Labels to check by hand
# -----------------------
# The rows whose label the pool would change, the most certain first. With a path it is written as CSV, to edit;
# :func:`~skweight.read_relabelling` reads it back.

table = report.relabelling()
print(f"{len(table)} of {len(synthetic.y)} labels would change")
table.head(5)
