"""What an audit notices beside its verdict."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2_contingency

from skweight._copies import find_copies

_FEW = 5  # real rows of a class
_LEAST_AGREEMENT = 0.85  # of a classifier with synthetic labels, as a share of that with real ones


@dataclass(frozen=True)
class Finding:
    """Something that the audit noticed.

    Attributes
    ----------
    code : str
        Stable, as "A02".
    text : str
    """

    code: str
    text: str


def find(result, data, test, *, passthrough):
    """List what is worth a look.

    Parameters
    ----------
    result : dict
        ``scores``, ``groups``, ``classes``, ``domain_auc`` and ``agreement`` of an audit.
    data : CheckedData
    test : list of str or of (str, str), or None
        Rows to be scored on later.
    passthrough : bool
        Whether rows are numbers, of which no copies are looked for.

    Returns
    -------
    findings : list of Finding
    """
    found = [] if passthrough else [*_copies(data, test)]
    return [*found, *_about_labels(result, data), *_about_sources(result, len(data.real))]


def _copies(data, test):
    n = len(data.synthetic)
    for code, texts, name in (("A01", test, "test_X"), ("A02", data.real.X, "the real data")):
        copies = 0 if texts is None else int(np.sum(find_copies(data.synthetic.X, texts)[0] >= 0))
        if copies:
            yield Finding(code, f"{copies} of {n} synthetic rows are copies of rows of {name}.")
    copies = np.mean(find_copies(data.synthetic.X)[0] >= 0)
    if copies > 0.02:
        yield Finding("A03", f"{copies:.0%} of the synthetic rows are copies of other synthetic rows.")


def _about_labels(result, data):
    n_real = np.array([np.sum(data.real.y == label) for label in data.classes])
    n_synthetic = np.array([np.sum(data.synthetic.y == label) for label in data.classes])
    if (n_real == 0).any():
        yield Finding("A04", f"No real rows of {_listed(data.classes[n_real == 0])}: nothing is known of such rows.")
    few = (n_real > 0) & (n_real < _FEW)
    if few.any():
        yield Finding(
            "A05", f"Fewer than {_FEW} real rows of {_listed(data.classes[few])}: little is known of such rows."
        )
    on_real = result["scores"][0]["score"]
    if result["agreement"] < _LEAST_AGREEMENT * on_real:
        yield Finding(
            "A06",
            f"A classifier of the real rows gives {result['agreement']:.0%} of the synthetic rows their own label, and "
            f"{on_real:.0%} of the real rows that it has not seen: labels may be wrong, or the texts of another kind.",
        )
    apart = 0.5 * np.abs(n_real / n_real.sum() - n_synthetic / n_synthetic.sum()).sum()
    if apart > 0.1 and chi2_contingency([n_real, n_synthetic]).pvalue < 0.01:
        yield Finding(
            "A07",
            f"The shares of the classes differ: {apart:.0%} of the synthetic rows are in a class that has too many.",
        )


def _about_sources(result, n_real):
    if n_real < 100:
        yield Finding("A08", f"{n_real} real rows are few: with them only large differences show.")
    hurting = [effect["group"] for effect in result["groups"] if effect["high"] < 0]
    if hurting:
        yield Finding("A09", f"The other synthetic rows do better without those of {_listed(hurting)}.")


def _listed(names, most=5):
    return ", ".join(repr(str(name)) for name in names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )
