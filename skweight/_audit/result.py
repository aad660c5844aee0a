"""What an audit found, and how it is printed."""

import dataclasses
import textwrap
from dataclasses import dataclass

from skweight._audit.findings import Finding
from skweight._verdict import Verdict

_WIDTH = 110  # of a line of a report


@dataclass(frozen=True, repr=False)
class Audit:
    """What :func:`audit` found; prints as a report.

    All scores, differences and shares are fractions: 0.01 is one point.

    Attributes
    ----------
    verdict : Verdict
        Of the opinion pool against the real rows alone.
    scores : list of dict
        One for each way to train: ``name``, ``score``, ``low``, ``high``, and ``difference``, ``difference_low``,
        ``difference_high`` against the real rows alone (None for these).
    learning_curve : list of dict
        What the opinion pool gains with so many synthetic ``rows``, in a single repeat: ``difference``, ``low``,
        ``high``.
    groups : list of dict
        What each ``group`` of `generator` adds to the others: ``rows``, ``difference``, ``low``, ``high``; the most
        helpful first.
    classes : list of dict
        ``label``, ``real`` and ``synthetic`` share of each class.
    domain_auc : float
        Of a classifier that tells real from synthetic rows: 0.5 if it cannot, 1 if it always can.
    agreement : float
        Share of synthetic labels that a classifier of the real rows agrees with.
    findings : list of Finding
    n_real, n_synthetic, n_read : int
        Real rows, synthetic rows, and how many of these were read.
    scoring, encoder : str
    cv, n_repeats : int
    """

    verdict: Verdict
    scores: list[dict]
    learning_curve: list[dict]
    groups: list[dict]
    classes: list[dict]
    domain_auc: float
    agreement: float
    findings: list[Finding]
    n_real: int
    n_synthetic: int
    n_read: int
    scoring: str
    encoder: str
    cv: int
    n_repeats: int

    @property
    def sentence(self):
        """The verdict in a sentence or two."""
        return self.verdict.sentence(of=f"of {self.scoring.replace('_', ' ')} on real text")

    @property
    def rope(self):
        """Half of the region of practical equivalence."""
        return self.verdict.rope

    def to_dict(self):
        """Return all of it as plain values, for JSON."""
        return {"sentence": self.sentence, **dataclasses.asdict(self)}

    def __repr__(self):
        return str(self)

    def __str__(self):
        return "\n".join(_report(self))


def _report(audit):
    """Lines of text."""
    verdict = audit.verdict
    read = f"{audit.n_synthetic} synthetic rows"
    if audit.n_read < audit.n_synthetic:
        read = f"{audit.n_read} of {read}"
    yield audit.sentence
    yield (
        f"Probability that they help by more than {100 * verdict.rope:g} point{'s' * (verdict.rope != 0.01)}: "
        f"{verdict.p_helps:.2f}, hurt by more: {verdict.p_hurts:.2f}, neither: {verdict.p_same:.2f}."
    )
    yield f"{audit.n_real} real rows, {audit.n_repeats} x {audit.cv} folds; {read}; features of {audit.encoder}"
    yield ""
    yield f"{'trained on':<24} {audit.scoring.replace('_', ' '):>24} {'against real rows only':>26}"
    for row in audit.scores:
        own = _points(row["score"], row["low"], row["high"], "")
        difference = ""
        if row["difference"] is not None:
            difference = _points(row["difference"], row["difference_low"], row["difference_high"])
        yield f"{row['name']:<24} {own:>24} {difference:>26}".rstrip()
    yield ""
    title = "the pool with so many synthetic rows"
    yield from _table(title, "against real rows only", audit.learning_curve, lambda row: row["rows"])
    if audit.groups:
        yield ""
        title = "what a group of synthetic rows adds"
        yield from _table(
            title, "against the pool without it", audit.groups, lambda row: f"{row['group']} ({row['rows']})"
        )
    yield ""
    for finding in audit.findings:
        yield from textwrap.wrap(f"{finding.code}  {finding.text}", _WIDTH, subsequent_indent="     ")
    if audit.findings:
        yield ""
    yield f"A classifier tells synthetic from real rows with an AUC of {audit.domain_auc:.2f} (0.5: it cannot)."
    yield f"A classifier of the real rows agrees with {audit.agreement:.0%} of the synthetic labels."
    yield "Not looked at: other encoders, and what fine-tuning learns that a regression on features does not."


def _table(title, against, rows, name):
    yield f"{title:<48} {against:>27}"
    for row in rows:
        yield f"{name(row)!s:<49} {_points(row['difference'], row['low'], row['high']):>26}"


def _points(mean, low, high, sign="+"):
    return f"{100 * mean:{sign}z.1f} [{100 * low:z.1f}, {100 * high:z.1f}]"
