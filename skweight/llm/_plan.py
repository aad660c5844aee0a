"""The function :func:`skweight.llm.plan`: what earned its weight, and so what to ask for next."""

import textwrap
from dataclasses import dataclass

import numpy as np
from scipy import stats

from skweight._report.relabelling import import_pandas
from skweight._weights import effective_sample_size

# Columns of a table of generated rows that say nothing of how a row was asked for.
_NOT_ASKED = {
    "text", "text_a", "text_b", "request", "request_id", "prompt_tokens", "completion_tokens", "seconds", "time",
    "temperature", "copy_of", "copy_of_real", "copy_of_test",
}  # fmt: skip
_FEW = 10  # rows of a value that is left out for its weight


def plan(classifier, provenance, *, by=None, confidence=0.95):
    r"""See which models, prompts, attributes and shown rows earned their weight.

    A value of a factor (a model, say) is judged by the mean quality of its rows, :math:`P'(y|x)` of their own labels,
    and without a quality checker by their mean weight. The mean weight of IMP-Loss would say little: a weight
    :math:`P'(y|x) / Q(y|x)` averages to 1 over the labels that :math:`Q` expects, however good they are.

    What is averaged is divided by its mean over the class, so that 1 is the average of a class. Rows of one request are
    not independent: the standard error of a mean is that over requests,
    :math:`\sqrt{\frac{G}{G - 1} \sum_g (\sum_{i \in g} (s_i - \bar s))^2} / n` for :math:`G` requests
    [1]_, and the interval takes a quantile of Student's t with :math:`G - 1` degrees of freedom. The intervals of a
    factor hold together: of :math:`k` values, each is one of confidence :math:`1 - (1 - c) / k` (Bonferroni).

    Parameters
    ----------
    classifier : fitted classifier, or array-like of shape (n_rows,)
        With ``sample_weight_`` of the generated rows, in their order, and perhaps ``quality_proba_``; or weights.
    provenance : Generated, DataFrame or list of dict
        A row for each weight: ``label``, and what it was asked for by, as :meth:`Generated.frame` and
        :func:`read_generated` have it.
    by : list of str, default=None
        Columns to judge. None takes ``label``, ``model``, ``prompt``, ``shown`` and every attribute, if it has two
        values or more.
    confidence : float, default=0.95
        Of all intervals of a factor together.

    Returns
    -------
    plan : Plan

    References
    ----------
    .. [1] Liang, Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986.

    Examples
    --------
    >>> from skweight.llm import plan
    >>> rows = [{"label": label, "model": model} for model in ("good", "poor") for label in "ab" for _ in range(20)]
    >>> weights = [1.5] * 40 + [0.5] * 40
    >>> plan(weights, rows).split(100, "model")
    {'good': 100, 'poor': 0}
    """
    weights = np.asarray(getattr(classifier, "sample_weight_", classifier), dtype=float)
    frame = _to_frame(provenance)
    if weights.ndim != 1 or len(weights) != len(frame):
        raise ValueError(f"There are {len(weights)} weights, but provenance of {len(frame)} rows.")
    if "label" not in frame:
        raise ValueError("provenance has no column 'label'.")
    if not weights.sum() > 0:
        raise ValueError("All weights are 0: nothing has earned any.")
    labels = frame["label"].astype(str).to_numpy()
    quality = getattr(classifier, "quality_proba_", None)
    score = weights if quality is None else np.asarray(quality, dtype=float)
    relative, within = score / score.mean(), _within_classes(score, labels)
    requests = frame["request"].to_numpy() if "request" in frame else np.arange(len(frame))
    requests = np.unique(requests.astype(str), return_inverse=True)[1]
    tokens = _tokens(frame)
    lines = []
    for name in _factors(frame) if by is None else by:
        if name not in frame:
            raise ValueError(f"provenance has no column {name!r}; it has {', '.join(map(str, frame.columns))}.")
        values = relative if name == "label" else within
        found = _rows_of(frame[name])
        for value, rows in found.items():
            mean, low, high = _mean(values[rows], requests[rows], 1 - (1 - confidence) / len(found))
            spent = None if tokens is None else float(tokens[rows].sum())
            lines.append(
                {
                    "factor": name,
                    "value": value,
                    "rows": len(rows),
                    "effective_rows": effective_sample_size(weights[rows]),
                    "mean_weight": float(weights[rows].mean() / weights.mean()),
                    "score": mean,
                    "low": low,
                    "high": high,
                    "tokens": spent,
                    "weight_per_1000_tokens": 1000 * float(weights[rows].sum()) / weights.mean() / spent
                    if spent
                    else None,
                }
            )
    return Plan(lines, "weight" if quality is None else "quality")


def _within_classes(score, labels):
    """Divide by the mean of the class."""
    within = np.ones(len(score))
    for label in np.unique(labels):
        own = labels == label
        if score[own].any():
            within[own] = score[own] / score[own].mean()
    return within


@dataclass(frozen=True, repr=False)
class Plan:
    """What earned its weight; prints as a table.

    Attributes
    ----------
    lines : list of dict
        For each ``value`` of each ``factor``: ``rows``; ``effective_rows`` (Kish) and ``mean_weight`` (1 is that of all
        rows); the ``score`` that it is judged by and its interval ``low``, ``high`` (1 is the average of the class, for
        the factor "label" that of all rows); ``tokens`` spent and ``weight_per_1000_tokens``, None where tokens are
        not known.
    score : {"quality", "weight"}
        What a value is judged by.
    """

    lines: list[dict]
    score: str = "weight"

    def frame(self):
        """Return the lines as a pandas DataFrame."""
        return import_pandas().DataFrame(self.lines)

    def of(self, factor):
        """Lines of one factor, the best first."""
        lines = [line for line in self.lines if line["factor"] == factor]
        if not lines:
            known = dict.fromkeys(line["factor"] for line in self.lines)
            raise ValueError(f"The plan has no factor {factor!r}; it has {', '.join(known)}.")
        return sorted(lines, key=lambda line: -line["score"])

    def keep(self, factor):
        """Values to ask for again: those whose interval is not wholly below 1, the average.

        Values with fewer than ten rows are kept, for too little is known of them. If none is left, the best is.
        """
        lines = self.of(factor)
        return [line["value"] for line in lines if line["high"] >= 1 or line["rows"] < _FEW] or [lines[0]["value"]]

    def split(self, n, factor):
        """Split the next `n` rows over the values of a factor.

        Values to leave out get none, the others shares that are proportional to their scores.

        Parameters
        ----------
        n : int
        factor : str

        Returns
        -------
        rows : dict of value to int
            Their sum is `n`.
        """
        kept = set(self.keep(factor))
        lines = self.of(factor)
        share = np.array([line["score"] if line["value"] in kept else 0.0 for line in lines])
        if not share.sum():
            share = np.array([float(line["value"] in kept) for line in lines])
        exact = n * share / share.sum()
        rows = np.floor(exact).astype(int)
        rows[np.argsort(rows - exact, kind="stable")[: n - rows.sum()]] += 1  # the largest remainders
        return {line["value"]: int(number) for line, number in zip(lines, rows, strict=True)}

    def __repr__(self):
        return str(self)

    def __str__(self):
        return "\n".join(self._report())

    def _report(self):
        header = f"{'':<30} {'rows':>6} {'effective':>10} {'mean weight':>12} {self.score:>20} {'per 1,000 tokens':>17}"
        yield header if any(line["tokens"] for line in self.lines) else header[:-18]
        for factor in dict.fromkeys(line["factor"] for line in self.lines):
            lines = self.of(factor)
            if not any(line["low"] > 0 for line in lines):
                yield f"{factor}: {len(lines)} values, each in too few requests to tell them apart."
                continue
            yield f"{factor}:"
            shown = lines if len(lines) <= 12 else [*lines[:6], None, *lines[-5:]]
            for line in shown:
                yield _spell(line) if line else f"  ... {len(lines) - 11} more ..."
        for factor in dict.fromkeys(line["factor"] for line in self.lines):
            lines, kept = self.of(factor), set(self.keep(factor))
            dropped = [str(line["value"]) for line in lines if line["value"] not in kept]
            if dropped and factor != "label":
                yield from textwrap.wrap(f"Ask for no more of {factor}: {', '.join(dropped)}.", 110)


def _spell(line):
    name = " ".join(str(line["value"]).split())
    name = name if len(name) <= 28 else f"{name[:27]}…"
    score = f"{line['score']:.2f} [{line['low']:.2f}, {line['high']:.2f}]"
    per = "" if line["weight_per_1000_tokens"] is None else f"{line['weight_per_1000_tokens']:.1f}"
    start = f"  {name:<28} {line['rows']:>6} {line['effective_rows']:>10.0f} {line['mean_weight']:>12.2f}"
    return f"{start} {score:>20} {per:>17}".rstrip()


def _to_frame(provenance):
    pandas = import_pandas()
    if hasattr(provenance, "frame"):
        return provenance.frame()
    return (
        provenance.reset_index(drop=True) if isinstance(provenance, pandas.DataFrame) else pandas.DataFrame(provenance)
    )


def _factors(frame):
    names = [name for name in frame.columns if name not in _NOT_ASKED]
    first = [name for name in ("label", "model", "prompt") if name in names]
    attributes = [name for name in names if name not in (*first, "shown")]
    several = [name for name in (*first, *attributes, "shown") if name in names and len(_rows_of(frame[name])) > 1]
    # A column with about as many values as rows tells rows apart, and is not what they were asked for by.
    return [name for name in several if name == "shown" or len(_rows_of(frame[name])) <= max(len(frame) // 5, 2)]


def _rows_of(column):
    """Rows of each value; a row that has a list counts for all of its values."""
    rows: dict = {}
    for i, cell in enumerate(column):
        values = cell if isinstance(cell, list | tuple | np.ndarray) else [cell]
        for value in values:
            rows.setdefault(value.item() if isinstance(value, np.generic) else value, []).append(i)
    return {value: np.array(found) for value, found in rows.items()}


def _tokens(frame):
    if not {"prompt_tokens", "completion_tokens"} <= set(frame.columns):
        return None
    return frame["prompt_tokens"].to_numpy(dtype=float) + frame["completion_tokens"].to_numpy(dtype=float)


def _mean(values, requests, confidence):
    mean = float(values.mean())
    sums = np.bincount(np.unique(requests, return_inverse=True)[1], weights=values - mean)
    n = len(sums)
    if n < 2:
        return mean, -np.inf, np.inf
    error = np.sqrt(n / (n - 1) * (sums**2).sum()) / len(values)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * error)
    return mean, mean - half, mean + half
