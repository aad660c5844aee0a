"""weight_report: findings, rows of extreme weight, and labels to change, of a fitted classifier."""

import textwrap
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from skweight._report.evidence import Evidence, gather, nearest_real
from skweight._report.findings import WARNING, Finding, find_all
from skweight._report.page import write_page
from skweight._report.relabelling import import_pandas, relabelling_table
from skweight._visible import joined, shorten, visible
from skweight._weights import effective_sample_size


@validate_params({"n_rows": [Interval(Integral, 0, None, closed="left")]}, prefer_skip_nested_validation=True)
def weight_report(
    clf, X, y, *, real_X=None, real_y=None, is_real=None, test_X=None, groups=None, n_rows=10
) -> "WeightReport":
    """Report on the rows that a classifier was fitted on: what is wrong with them, and what each of them weighs.

    Parameters
    ----------
    clf : classifier, Pipeline or search
        Fitted. The last step of a pipeline and the best estimator of a search are looked into.
    X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features)
        The rows that it was fitted on, in their order.
    y : array-like of shape (n_samples,)
        Their labels.
    real_X, real_y : array-like of n_real rows, default=None
        The real rows that it was fitted on, and their labels.
    is_real : array-like of shape (n_samples,), default=None
        True for the rows of `X` that are real, in place of `real_X` and `real_y`, as in `fit`.
    test_X : array-like of n_test rows, default=None
        Rows that a score is made of. Their labels are not needed.
    groups : array-like of shape (n_samples,), default=None
        What a row was made by, as its generator or its prompt. Rows whose own group is None or NaN are the group
        "missing".
    n_rows : int, default=10
        How many rows of highest and of lowest weight are shown.

    Returns
    -------
    report : WeightReport

    Raises
    ------
    ValueError, TypeError
        If `X` and `y` are not of as many rows as the classifier was fitted on, a text or label cannot be used, or no
        classifier of this package is inside.
    NotFittedError
        If it is not fitted.

    Notes
    -----
    It takes about as long as predicting all rows with the quality checker. An opinion pool keeps what it says of the
    rows: then only the real rows and those that are shown are embedded, by the encoder as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight import OpinionPoolClassifier, weight_report
    >>> rng = np.random.RandomState(0)
    >>> X, real_X = rng.randn(300, 2), rng.randn(60, 2)
    >>> y, real_y = X[:, 0] > 0.5, real_X[:, 0] > 0  # the generator draws the line elsewhere
    >>> X[7], y[7] = X[3], ~y[3]
    >>> clf = OpinionPoolClassifier("passthrough", random_state=0).fit(X, y, real_X=real_X, real_y=real_y)
    >>> report = weight_report(clf, X, y, real_X=real_X, real_y=real_y)
    >>> for finding in report.findings:
    ...     print(finding.code, finding.severity, finding.name, finding.rows[:2])
    R11 note duplicates [7]
    R12 note contradicting labels [3 7]
    R35 note doubted labels [5 7]
    """
    evidence = gather(clf, X, y, real_X=real_X, real_y=real_y, is_real=is_real, test_X=test_X, groups=groups)
    findings, not_checked = find_all(evidence)
    rows, reason = _extreme_rows(evidence, n_rows)
    if reason:
        not_checked["nearest real rows"] = reason
    return WeightReport(findings, not_checked, rows, evidence)


@dataclass(frozen=True, repr=False)
class WeightReport:
    """What :func:`weight_report` has found. A terminal shows it as text, a notebook as a page.

    Attributes
    ----------
    findings : list of Finding
        Each with ``code``, ``name``, ``severity`` ("warning" or "note"), ``title``, ``detail``, ``rows`` (of `X`) and
        ``n_rows``; warnings first.
    not_checked : dict of str to str
        What could not be checked, and why.
    rows : list of dict
        The rows of highest and of lowest weight; of exact copies with the same label, the first. Each with ``end``
        ("highest" or "lowest"), ``row``, ``text`` (None for numbers), ``label``, ``weight``, ``quality``,
        ``diversity``, ``suggested``, ``suggested_proba``, ``group``, ``nearest_real`` (row of `real_X`),
        ``nearest_text`` and ``cosine``; None where there is no such thing.
    """

    findings: list[Finding]
    not_checked: dict[str, str]
    rows: list[dict[str, Any]]
    _evidence: Evidence = field(repr=False)

    def frame(self):
        """All rows as a table.

        Returns
        -------
        frame : pandas.DataFrame
            With the columns ``row``, ``label``, ``weight``, ``quality``, ``diversity``, ``suggested``,
            ``suggested_proba``, ``group``, ``copy_of`` (a row of `X`, or <NA>) and ``findings`` (codes). Columns of
            what the classifier does not have are left out.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas()
        table = pandas.DataFrame(self._columns())
        if "copy_of" in table:
            table["copy_of"] = table["copy_of"].astype("Int64").where(table["copy_of"] >= 0)
        return table

    def relabelling(self, path=None):
        """Rows whose label the pool, or the quality checker, would change; most certain first.

        Parameters
        ----------
        path : str or path, default=None
            CSV to write it to, for somebody to edit and :func:`read_relabelling` to read: a mark in the column ``keep``
            keeps a label, another label in ``suggested`` counts. What a spreadsheet would run as a formula begins with
            an apostrophe.

        Returns
        -------
        table : pandas.DataFrame
            With the columns ``row``, ``text`` (or ``text_a`` and ``text_b``; none for numbers), ``label``,
            ``suggested``, ``probability`` and ``keep``.

        Raises
        ------
        ValueError
            If the classifier keeps nobody who could suggest labels.
        ImportError
            If pandas is not installed.
        """
        return relabelling_table(self._evidence, path)

    def to_html(self, path):
        """Write the report as one page that needs no other file and no network.

        Parameters
        ----------
        path : str or path
        """
        Path(path).write_text(self._page(most=2000, whole=True), encoding="utf-8")

    def _repr_html_(self):
        return self._page(most=200, whole=False)

    def __repr__(self):
        return "\n".join(_text(self))

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _columns(self):
        evidence = self._evidence
        codes: list[list[str]] = [[] for _ in range(len(evidence))]
        position = {row: i for i, row in enumerate(evidence.rows.index.tolist())}
        for finding in self.findings:
            for row in finding.rows.tolist():
                codes[position[row]].append(finding.code)
        has_teacher, copy_of = evidence.proba is not None, evidence.copies[0]
        columns = {
            "row": evidence.rows.index,
            "label": evidence.rows.y,
            "weight": evidence.weight,
            "quality": evidence.quality,
            "diversity": evidence.diversity,
            "suggested": evidence.classes[evidence.suggested] if has_teacher else None,
            "suggested_proba": evidence.suggested_proba if has_teacher else None,
            "group": evidence.groups,
            "copy_of": np.where(copy_of >= 0, evidence.rows.index[copy_of], -1),
            "findings": [" ".join(sorted(own)) for own in codes],
        }
        return {name: column for name, column in columns.items() if column is not None}

    def _page(self, *, most, whole):
        return write_page(self, self._evidence, self._columns(), most=most, whole=whole)

    @property
    def _headline(self):
        evidence = self._evidence
        real = "" if evidence.real is None else f", {len(evidence.real)} real ones"
        size = effective_sample_size(evidence.weight)
        return (
            f"{type(evidence.classifier).__name__}: {len(evidence)} synthetic rows{real}. "
            f"By their weights they count as {size:.0f} (effective sample size)."
        )

    @property
    def _counts(self):
        warnings = sum(finding.severity == WARNING for finding in self.findings)
        notes = len(self.findings) - warnings
        return f"{_number(warnings, 'warning')}, {_number(notes, 'note')}"


def _number(count, what):
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _extreme_rows(evidence, n_rows):
    """List the rows of highest and of lowest weight; say why their nearest real rows are not known, if so."""
    different = _different_rows(evidence)
    order = different[np.argsort(-evidence.weight[different], kind="stable")]
    n_rows = min(n_rows, (len(order) + 1) // 2)
    chosen = np.concatenate([order[:n_rows], order[::-1][:n_rows]])
    nearest, cosine, reason = None, np.empty(0), ""
    if evidence.real is None:
        reason = "pass real_X and real_y"
    elif n_rows:
        try:
            nearest, cosine = nearest_real(evidence, chosen)
        except OSError as error:  # of a classifier that was loaded, the encoder may be elsewhere
            reason = f"the encoder cannot be loaded: {error}"
    suggests = evidence.proba is not None
    rows = []
    for place, i in enumerate(chosen.tolist()):
        row = {
            "end": "highest" if place < n_rows else "lowest",
            "row": int(evidence.rows.index[i]),
            "text": evidence.rows.X[i] if evidence.holds_texts else None,
            "label": evidence.rows.y[i].item() if hasattr(evidence.rows.y[i], "item") else evidence.rows.y[i],
            "weight": float(evidence.weight[i]),
            "quality": None if evidence.quality is None else float(evidence.quality[i]),
            "diversity": None if evidence.diversity is None else float(evidence.diversity[i]),
            "suggested": evidence.classes.tolist()[evidence.suggested[i]] if suggests else None,
            "suggested_proba": float(evidence.suggested_proba[i]) if suggests else None,
            "group": None if evidence.groups is None else evidence.groups[i],
            "nearest_real": None,
            "nearest_text": None,
            "cosine": None,
        }
        if nearest is not None:
            row["nearest_real"] = int(evidence.real.index[nearest[place]])
            row["nearest_text"] = evidence.real.X[nearest[place]] if evidence.holds_texts else None
            row["cosine"] = float(cosine[place])
        rows.append(row)
    return rows, reason


def _different_rows(evidence):
    """Rows without exact copies of the same label: ten times the same text would show one row, not ten."""
    index, similarity = evidence.copies
    copied = np.where(similarity == 1, index, np.arange(len(evidence)))
    return np.sort(np.unique(np.stack([copied, evidence.target]), axis=1, return_index=True)[1])


# -- in a terminal ----------------------------------------------------------------------------------------------------


def _text(report, width=110):
    yield report._headline
    yield f"{report._counts}."
    for finding in report.findings:
        yield ""
        yield visible(f"{finding.severity} {finding.code} {finding.name}: {finding.title}")
        yield from _wrapped(finding.detail, width)
    if report.not_checked:
        yield ""
        yield "Not checked:"
        for name, reason in report.not_checked.items():
            yield from _wrapped(f"{name}: {reason}", width)
    for end in ("highest", "lowest"):
        chosen = [row for row in report.rows if row["end"] == end]
        if chosen:
            yield ""
            yield f"Rows of {end} weight"
        for row in chosen:
            start = _facts(row)
            text = "" if row["text"] is None else shorten(joined(row["text"]), max(width - len(start), 30))
            yield f"{start}{text}"
            if row["nearest_real"] is not None:
                near = f"nearest real row {row['nearest_real']} (cosine {row['cosine']:.2f})"
                text = "" if row["nearest_text"] is None else f": {joined(row['nearest_text'])}"
                yield f"{'':>10}{shorten(near + text, width - 10)}"


def _wrapped(text, width):
    return textwrap.wrap(visible(text), width, initial_indent="  ", subsequent_indent="  ")


def _facts(row):
    facts = [f"{row['weight']:>8.3f}", f"row {row['row']}", shorten(str(row["label"]), 30)]
    if row["suggested"] is not None and row["suggested"] != row["label"]:
        facts.append(f"rather {shorten(str(row['suggested']), 30)} ({row['suggested_proba']:.2f})")
    facts += [f"{name[0]}={row[name]:.3f}" for name in ("quality", "diversity") if row[name] is not None]
    if row["group"] is not None:
        facts.append(f"[{shorten(row['group'], 30)}]")
    return "  ".join([*facts, ""])
