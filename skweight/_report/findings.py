"""What may be wrong with the rows, their weights, or what weights them: one function for each code.

docs/guide/report.md explains the codes. A code keeps its meaning; its message may change.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import chi2_contingency

from skweight._copies import plain_form
from skweight._rows.values import name_rows, spell
from skweight._visible import joined, shorten
from skweight._weights import effective_sample_size

WARNING, NOTE = "warning", "note"


@dataclass(frozen=True)
class Finding:
    """Something that was found.

    Attributes
    ----------
    code : str
        "R11", for example; stable.
    name : str
        What the code stands for, in a few words; stable too.
    severity : {"warning", "note"}
        A warning asks for a decision. A note is worth knowing.
    title, detail : str
        What was found, in one sentence; where, and what can be done about it.
    rows : ndarray of int
        Rows of `X` that it is about; empty if it is about none in particular.
    """

    code: str
    name: str
    severity: str
    title: str
    detail: str
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @property
    def n_rows(self):
        """How many rows it is about."""
        return len(self.rows)


@dataclass(frozen=True)
class _Check:
    code: str
    name: str
    needs: str | None
    find: Callable


_CHECKS: list[_Check] = []

# What a check cannot do without, as an attribute of `Evidence`, and how to get it.
_HOW_TO_GET = {
    "real": "pass real_X and real_y",
    "test": "pass test_X",
    "groups": "pass groups",
    "proba": "the classifier keeps no quality checker and no pool's probabilities",
    "unseen": "there are no real rows that the quality checker has not seen (early_stopping=True holds some out)",
}


def _check(code, name, needs=None):
    """Make a function, of evidence to (severity, title, detail, positions of rows) or None, the check of a code."""

    def register(find):
        _CHECKS.append(_Check(code, name, needs, find))
        return find

    return register


def find_all(evidence):
    """Run all checks.

    Returns
    -------
    findings : list of Finding
        Warnings first, each kind in the order of the codes.
    not_checked : dict of str to str
        What could not be checked, as "R14 copies of test rows", and why.
    """
    findings, not_checked = [], {}
    for check in _CHECKS:
        if check.needs and getattr(evidence, check.needs) is None:
            not_checked[f"{check.code} {check.name}"] = _HOW_TO_GET[check.needs]
        elif (found := check.find(evidence)) is not None:
            severity, title, detail, rows = found
            findings.append(Finding(check.code, check.name, severity, title, detail, evidence.rows.index[rows]))
    return sorted(findings, key=lambda finding: finding.severity == NOTE), not_checked


def _of(count, total, what="rows"):
    return f"{count} of {total} {what} ({count / total:.1%})"


def _graded(share, limit):
    return WARNING if share > limit else NOTE


def _quote(row, width=60):
    return f'"{shorten(joined(row), width)}"'


_NO_ROWS = np.empty(0, dtype=np.intp)

# -- R1x: rows --------------------------------------------------------------------------------------------------------


@_check("R11", "duplicates")
def _duplicates(evidence, limit=0.05):
    index, similarity = evidence.copies
    rows = np.flatnonzero(index >= 0)
    if not len(rows):
        return None
    near = int((similarity[rows] < 1).sum())
    detail = f"The same but for case, space and punctuation: {len(rows) - near}; nearly the same: {near}. "
    if evidence.holds_texts:
        often = Counter(index[similarity == 1].tolist()).most_common(3)
        named = ", ".join(f"{_quote(evidence.rows.X[i])} ({count + 1} times)" for i, count in often)
        detail += f"Most often: {named}. " if named else ""
    detail += "A copy counts as often as it is there: leave copies out, unless real text repeats itself so too."
    share = len(rows) / len(evidence)
    return _graded(share, limit), f"{_of(len(rows), len(evidence))} repeat an earlier row.", detail, rows


@_check("R12", "contradicting labels")
def _contradictions(evidence, limit=0.01):
    index, similarity = evidence.copies
    later = np.flatnonzero((index >= 0) & (evidence.target != evidence.target[index]))
    if not len(later):
        return None
    rows = np.unique(np.concatenate([later, index[later]]))
    i = later[np.argmax(similarity[later])]
    pair = [evidence.rows.index[k] for k in (index[i], i)]
    labels = " and ".join(shorten(repr(evidence.classes[evidence.target[k]].item()), 40) for k in (index[i], i))
    text = f", {_quote(evidence.rows.X[i])}," if evidence.holds_texts else ""
    exact = int((similarity[later] == 1).sum())
    detail = (
        f"{exact} with the same text, {len(later) - exact} with nearly the same. Rows {pair[0]} and {pair[1]}{text} "
        f"are {labels}. At least one label of each such pair is wrong, or the text does not say which is right."
    )
    title = f"{_of(len(later), len(evidence))} contradict the label of a row that they copy."
    return _graded(len(later) / len(evidence), limit), title, detail, rows


@_check("R13", "copies of real rows", needs="real")
def _copies_of_real_rows(evidence, limit=0.01):
    detail = (
        "The quality checker has seen their texts, and finds them better than they are. Leave them out, or keep each "
        "in one fold with its real row (groups of RealKFold)."
    )
    return _copies_of(evidence, evidence.real_copies, len(evidence.real), "real", limit, detail)


@_check("R14", "copies of test rows", needs="test")
def _copies_of_test_rows(evidence, limit=0.01):
    detail = "A score on those rows measures memory. Leave the copies out of the training, or the rows out of the test."
    return _copies_of(evidence, evidence.test_copies, len(evidence.test), "test", limit, detail)


def _copies_of(evidence, index, n_others, kind, limit, detail):
    rows = np.flatnonzero(index >= 0)
    if not len(rows):
        return None
    copied = np.unique(index[rows])
    title = f"{_of(len(rows), len(evidence))} copy {_of(len(copied), n_others, f'{kind} rows')}."
    share = max(len(rows) / len(evidence), len(copied) / n_others)
    return _graded(share, limit), title, f"Copied: {kind} {name_rows(copied.tolist())}. {detail}", rows


@_check("R15", "repeated phrases")
def _repeated_phrases(evidence, share=0.02, at_least=10):
    """First or last five words that many rows share, and real rows do not: what is left of a prompt or a template."""
    if not evidence.holds_texts:
        return None
    least = max(at_least, share * len(evidence))
    in_real = Counter(phrase for row in _real_texts(evidence) for phrase in _phrases(row))
    real_rate = {phrase: count / len(evidence.real) for phrase, count in in_real.items()}
    rows_of = defaultdict(list)
    for i, row in enumerate(evidence.rows.X):
        for phrase in _phrases(row):
            rows_of[phrase].append(i)
    named: dict[tuple, str] = {}  # by the rows: a text that all of them share has one beginning and one end
    for phrase, rows in sorted(rows_of.items(), key=lambda item: -len(item[1])):
        if len(rows) > least and len(rows) / len(evidence) > 2 * real_rate.get(phrase, 0.0):
            named.setdefault(tuple(rows), f'"{shorten(phrase, 60)}" ({len(rows)} rows)')
    if not named:
        return None
    of_any = np.unique(np.concatenate(list(named)))
    title = f"{_of(len(of_any), len(evidence))} begin or end with the same words as many others."
    more = f", and {len(named) - 6} more" if len(named) > 6 else ""
    detail = (
        f"{', '.join(list(named.values())[:6])}{more}. Such words are often left over from a prompt or a chat "
        "template: look at the rows, and clean the texts or leave them out."
    )
    return WARNING, title, detail, of_any


def _real_texts(evidence):
    return [] if evidence.real is None else evidence.real.X


def _phrases(row, length=5):
    """First and last five words; those of a text that is shorter are all of its words, if they are three or more."""
    first, last = (row, row) if isinstance(row, str) else row
    begin, end = plain_form(first).split(), plain_form(last).split()
    return dict.fromkeys(" ".join(words) for words in (begin[:length], end[-length:]) if len(words) >= 3)


# -- R2x: weights -----------------------------------------------------------------------------------------------------


@_check("R21", "collapsed weights")
def _collapsed(evidence, least=0.1):
    size = effective_sample_size(evidence.weight)
    if size >= least * len(evidence):
        return None
    title = f"The weights have collapsed: {len(evidence)} rows count as {size:.1f} (effective sample size)."
    return WARNING, title, "Try clip=10 or a smaller gamma, and look at the quality checker.", _NO_ROWS


@_check("R22", "dominating row")
def _dominating(evidence, least=0.1):
    row, total = int(evidence.weight.argmax()), evidence.weight.sum()
    share = evidence.weight[row] / total if total else 0.0
    if share <= max(least, 10 / len(evidence)):
        return None
    title = f"Row {evidence.rows.index[row]} carries {share:.0%} of the weight of all {len(evidence)} rows."
    return WARNING, title, "Try clip=10 or a smaller gamma, and look at the row.", np.array([row])


@_check("R23", "weightless group", needs="groups")
def _weightless_groups(evidence, share=0.25, at_least=10):
    mean, found = evidence.weight.mean(), {}
    for group in dict.fromkeys(evidence.groups.tolist()):
        rows = np.flatnonzero(evidence.groups == group)
        if len(rows) >= at_least and evidence.weight[rows].mean() < share * mean:
            found[group] = rows
    if not found:
        return None
    named = ", ".join(
        f"{shorten(group, 40)} ({len(rows)} rows, mean weight {evidence.weight[rows].mean():.3g})"
        for group, rows in found.items()
    )
    title = f"{len(found)} of {len(set(evidence.groups.tolist()))} groups weigh less than a quarter of the average."
    detail = f"{named}; the average of all rows is {mean:.3g}. The classifier learns next to nothing from them."
    return WARNING, title, detail, np.sort(np.concatenate(list(found.values())))


# -- R3x: checkers and classes ----------------------------------------------------------------------------------------


@_check("R31", "over-confident checker", needs="unseen")
def _over_confident(evidence, limit=0.05):
    proba, target = evidence.unseen
    confidence, hit = proba.max(axis=1), proba.argmax(axis=1) == target
    gap = (confidence - hit).mean()
    error = (confidence - hit).std() / np.sqrt(len(hit))
    if gap <= limit or gap <= 2 * error:
        return None
    title = (
        f"The {evidence.teacher} is over-confident: {confidence.mean():.0%} sure on average of real rows that it has "
        f"not seen, and right on {hit.mean():.0%} of them."
    )
    detail = f"On {len(hit)} rows; standard error {error:.1%}. Try smoothing=0.1, or more real rows."
    return _graded(gap, 2 * limit), title, detail, _NO_ROWS


@_check("R32", "class without real rows", needs="real")
def _class_without_real_rows(evidence):
    known = set(evidence.real.y.tolist())
    missing = [label for label in evidence.classes.tolist() if label not in known]
    if not missing:
        return None
    rows = np.flatnonzero(np.isin(evidence.rows.y, missing))
    title = f"{len(missing)} of {len(evidence.classes)} classes have no real rows: {spell(missing)}."
    detail = f"Nothing is known of the quality of their {len(rows)} synthetic rows. Label some real rows of them."
    return WARNING, title, detail, rows


@_check("R33", "class shares", needs="real")
def _class_shares(evidence, limit=0.1, level=0.01):
    counts = np.array(
        [[(rows.y == label).sum() for label in evidence.classes.tolist()] for rows in (evidence.rows, evidence.real)]
    )
    own, real = counts / counts.sum(axis=1, keepdims=True)
    distance = np.abs(own - real).sum() / 2
    if distance <= limit or (p_value := chi2_contingency(counts[:, counts.any(axis=0)]).pvalue) >= level:
        return None
    title = f"The classes have other shares in the real rows: {distance:.0%} of the rows would have to change class."
    named = ", ".join(
        f"{shorten(str(evidence.classes[k]), 40)} {own[k]:.0%} here, {real[k]:.0%} there"
        for k in np.argsort(-np.abs(own - real).round(9), kind="stable")[:4]
    )
    detail = (
        f"{named} (total variation {distance:.2f}, chi-square test p = {p_value:.1g}). Weights from real rows bring "
        "the real shares back in, which can raise accuracy and lower macro-F1: look at both."
    )
    return WARNING, title, detail, _NO_ROWS


@_check("R34", "one predicted class")
def _one_predicted_class(evidence):
    predicted, labels = evidence.predicted
    if len(np.unique(predicted)) > 1 or len(np.unique(labels)) < 2:
        return None
    kind = "synthetic" if evidence.real is None else "real"
    title = f"The classifier predicts {spell(predicted[0].item())} for all of {len(predicted)} {kind} rows."
    return WARNING, title, "Too little was learnt: train longer (max_epochs) or with another lr.", _NO_ROWS


@_check("R35", "doubted labels", needs="proba")
def _doubted_labels(evidence, least=0.05, limit=0.2):
    rows = np.flatnonzero(evidence.suggested != evidence.target)
    share = len(rows) / len(evidence)
    if share <= least:
        return None
    title = f"The {evidence.teacher} would change the label of {_of(len(rows), len(evidence))}."
    sure = int((evidence.suggested_proba[rows] > 0.9).sum())
    detail = (
        f"It is more than 90 % sure of {sure} of them. report.relabelling() lists them, most certain first. How often "
        "it is right on real rows says how far to believe it."
    )
    return _graded(share, limit), title, detail, rows
