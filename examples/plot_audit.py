"""
Is my synthetic set worth it?
=============================

Before anything is fine-tuned: do the generated rows help on real text, by how much, and how sure is that?
And which part of them?
"""

# %%
# The demo's film reviews come in five kinds, as if five prompts had been used. 300 sentences were labelled by people.

from skweight import audit
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder
from skweight.inspection import AuditDisplay

synthetic = load_film_reviews()
real = fetch_film_sentences(n_real=300, n_test=500)

# %%
# The first line of the report is the verdict. The table compares ways to train, the curve says whether more rows would
# help, and the groups what each kind adds to the others.

result = audit(
    synthetic.X,
    synthetic.y,
    real.real_X,
    real.real_y,
    encoder=minilm_folder(),
    generator=synthetic.kind,
    test_X=real.test_X,
)
print(result)

# %%
# The same as a picture. A difference inside the grey band does not matter.

display = AuditDisplay.from_audit(result).plot()

# %%
# All figures are there for a program too, for example for a check that runs whenever new rows were generated. On the
# command line ``python -m skweight audit`` has an exit status for each verdict.

verdict = result.verdict
print(verdict.decision, f"[{verdict.low:.3f}, {verdict.high:.3f}]", [finding.code for finding in result.findings])
