"""What learnt weights are for: labels known to be wrong."""

import pytest
from sklearn.metrics import roc_auc_score

from skweight.baselines import HuClassifier, SunGenClassifier

LEARNERS = {
    "SunGen, synthetic": SunGenClassifier("passthrough", n_outer_iter=8, inner_epochs=5, random_state=0),
    "SunGen, real": SunGenClassifier("passthrough", outer="real", n_outer_iter=8, inner_epochs=5, random_state=0),
    "Hu et al.": HuClassifier("passthrough", random_state=0),
    "Ren et al.": HuClassifier("passthrough", persistent=False, random_state=0),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_wrong_labels_come_to_weigh_less(name, numbers):
    """AUC of telling right from wrong labels by the learnt weights."""
    clf = LEARNERS[name].fit(numbers["X"], numbers["y"], real_X=numbers["real_X"], real_y=numbers["real_y"])
    # SunGen on synthetic rows has nothing to go by but those rows themselves.
    assert roc_auc_score(~numbers["wrong"], clf.sample_weight_) > (0.8 if name == "SunGen, synthetic" else 0.9)
    assert clf.sample_weight_.mean() == pytest.approx(1.0, abs=0.05)
