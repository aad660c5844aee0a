"""Plain fine-tuning: the baseline, and the default checker."""

from skweight._base import BaseTextClassifier
from skweight._parameters import estimator


@estimator
class CrossEntropyClassifier(BaseTextClassifier):
    """Text classifier fine-tuned with cross-entropy: every row has the same weight.

    It is the baseline to beat, the default checker of the weighted classifiers, and, fitted on the real rows alone, the
    "real only" baseline.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        The weight of each row: 1, or its share of the ``sample_weight`` passed to `fit`.

    Examples
    --------
    >>> from skweight.baselines import CrossEntropyClassifier
    >>> from skweight.datasets import minilm_folder
    >>> clf = CrossEntropyClassifier(minilm_folder(), max_epochs=10, lr=1e-4, random_state=0)
    >>> clf = clf.fit(["warm and funny", "full of charm", "dull", "lifeless"], ["fresh", "fresh", "rotten", "rotten"])
    >>> clf.predict(["a charming film", "boring"])
    array(['fresh', 'rotten'], dtype='<U6')
    """

    _public_module = "skweight.baselines"
