"""Rows that a language model has written, where each comes from, and what they have cost."""

import textwrap
from collections import Counter
from dataclasses import dataclass, field

from skweight._copies import find_copies
from skweight._report.relabelling import import_pandas
from skweight.datasets._formulas import defuse
from skweight.datasets._writer import csv_writer
from skweight.llm._answers import find_objects, row_of
from skweight.llm._asking import Budget, Failure

_COPIES = ("copy_of", "copy_of_real", "copy_of_test")


@dataclass(frozen=True)
class Estimate:
    """What a call of :func:`generate` would ask, if every answer is as asked.

    Attributes
    ----------
    requests : int
    prompt_tokens, completion_tokens : int
        A quarter of the letters of the prompts, and of as many texts as are asked for, as long as the real ones.
    prompt : str
        The first one.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int
    prompt: str

    @classmethod
    def of(cls, requests, texts, size):
        """Estimate from the requests of the first wave."""
        prompts = ["".join(message["content"] for message in request.messages) for request in requests]
        letters = sum(len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts) / len(texts)
        written = len(requests) * size * (letters + 14)  # {"text": "..."},
        return cls(len(requests), sum(map(len, prompts)) // 4, round(written / 4), prompts[0] if prompts else "")

    def __str__(self):
        return (
            f"{self.requests} requests; about {self.prompt_tokens} tokens of prompts and {self.completion_tokens} of "
            f"answers, if every answer is as asked.\n\nThe first prompt:\n\n{textwrap.indent(self.prompt, '    ')}"
        )


@dataclass(repr=False)
class Generated:
    """Labelled rows from a language model.

    Prints as a summary. Rows are in the order in which they were asked for, whenever their answers came.

    Attributes
    ----------
    rows : list of dict
        The accepted rows: their texts, ``label``, and where they come from, as :meth:`frame` has it.
    rejected : list of dict
        What was kept apart: ``text`` (or ``text_a``, ``text_b``), ``label``, the ``reason``, and where it comes from.
    counts : dict of str to int
        What became of the rows that were asked for: "accepted", "quarantined" (a row, but not one that was asked for),
        "surplus" (more than needed), "unparsed" (no row in the answer) and "failed" (no answer). Their sum is "asked".
    budget : Budget
        ``requests``, ``failures``, ``prompt_tokens``, ``completion_tokens`` and ``tokens`` so far.
    stopped : str or None
        Why rows lack, if some do.
    failures : Counter of str
        Messages of the requests that failed.
    """

    fields: tuple
    wanted: dict
    budget: Budget
    labels: dict = field(default_factory=dict)
    rows: list = field(default_factory=list)
    rejected: list = field(default_factory=list)
    failures: Counter = field(default_factory=Counter)
    stopped: str | None = None
    _rows: Counter = field(default_factory=Counter)  # asked for, and of those the ones that did not come

    # -- what a user reads --------------------------------------------------------------------------------------------

    @property
    def X(self):  # noqa: N802
        """Texts, or pairs of texts."""
        texts = [tuple(row[name] for name in self.fields) for row in self.rows]
        return [text[0] for text in texts] if len(self.fields) == 1 else texts

    @property
    def y(self):
        """Their labels, as in `real_y`."""
        return [self.labels.get(row["label"], row["label"]) for row in self.rows]

    @property
    def counts(self):
        """What became of the rows that were asked for."""
        surplus = sum(row["reason"] == "surplus" for row in self.rejected)
        return {
            "asked": self._rows["asked"],
            "accepted": len(self.rows),
            "quarantined": len(self.rejected) - surplus,
            "surplus": surplus,
            "unparsed": self._rows["unparsed"],
            "failed": self._rows["failed"],
        }

    def frame(self):
        """Return the accepted rows as a pandas DataFrame.

        Columns are ``text`` (or ``text_a``, ``text_b``), ``label``, the attributes, ``model``, ``temperature``,
        ``prompt`` (hash of template and instruction), ``shown`` (ids of the real rows in the prompt: what
        ``groups`` of :class:`~skweight.model_selection.RealKFold` takes), ``request`` (our id, as in the log),
        ``request_id`` (the server's), ``prompt_tokens`` and ``completion_tokens`` (its share of the request's),
        ``seconds``, ``time``, and ``copy_of``, ``copy_of_real``, ``copy_of_test``: the position of an earlier row, a
        real row or a test row that it copies, or -1.
        """
        return import_pandas().DataFrame(self.rows)

    def to_csv(self, path):
        """Write the accepted rows, with all columns of :meth:`frame`, for ``skweight fit`` and others."""
        names = list(self.rows[0]) if self.rows else [*self.fields, "label"]
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv_writer(file)
            writer.writerow(names)
            for row in self.rows:
                writer.writerow([_cell(row[name]) for name in names])

    def lacking(self):
        """How many rows each class lacks."""
        there = Counter(row["label"] for row in self.rows)
        return {label: n - there[label] for label, n in self.wanted.items()}

    def __repr__(self):
        return str(self)

    def __str__(self):
        return "\n".join(_summary(self))

    # -- how it is filled ---------------------------------------------------------------------------------------------

    def take(self, job, outcome, classes):
        """Take what became of a request for rows."""
        self._rows["asked"] += job.size
        if isinstance(outcome, Failure):
            self._rows["failed"] += job.size
            self.failures[outcome.message] += 1
            return
        found = find_objects(outcome.text, self.fields)[: job.size]
        self._rows["unparsed"] += job.size - len(found)
        origin = job.provenance | {
            "request_id": outcome.request_id,
            "prompt_tokens": round(outcome.prompt_tokens / max(len(found), 1), 1),
            "completion_tokens": round(outcome.completion_tokens / max(len(found), 1), 1),
            "seconds": outcome.seconds,
            "time": outcome.time,
        }
        for item in found:
            texts, reason = row_of(item, self.fields, job.label, classes)
            if texts is None:
                said = {name: item.get(name) for name in self.fields}
                self.rejected.append({**said, "label": item.get("label", job.label), "reason": reason, **origin})
            else:
                self.rows.append({**dict(zip(self.fields, texts, strict=True)), "label": job.label, **origin})

    def mark_copies(self, real, test):
        """Mark rows that copy an earlier row, a real one or a test row."""
        X = self.X
        for name, other in zip(_COPIES, (None, real, test), strict=True):
            index = find_copies(X, other)[0] if X and (other or other is None) else [-1] * len(X)
            for row, i in zip(self.rows, index, strict=True):
                row[name] = int(i)

    def drop_copies(self, real, test):
        """Keep copies apart."""
        self.mark_copies(real, test)
        kept = []
        for row in self.rows:
            if all(row[name] < 0 for name in _COPIES):
                kept.append(row)
            else:
                self.rejected.append({**row, "reason": "copy"})
        self.rows = kept

    def drop_surplus(self):
        """Keep apart what is more than was wanted."""
        left, kept = dict(self.wanted), []
        for row in self.rows:
            left[row["label"]] -= 1
            if left[row["label"]] >= 0:
                kept.append(row)
            else:
                self.rejected.append({**row, "reason": "surplus"})
        self.rows = kept


def _cell(value):
    if isinstance(value, list):
        return " ".join(map(str, value))
    return defuse(value) if isinstance(value, str) else value


def _summary(generated):
    there = Counter(row["label"] for row in generated.rows)
    yield ", ".join(f"{there[label]} of {n} rows of {label!r}" for label, n in generated.wanted.items()) + "."
    if generated.stopped:
        yield f"Not all of them, because {generated.stopped}."
    counts = generated.counts
    parts = ", ".join(f"{counts[name]} {name}" for name in ("accepted", "quarantined", "surplus", "unparsed", "failed"))
    yield f"{counts['asked']} rows asked for: {parts}."
    reasons = Counter(row["reason"] for row in generated.rejected if row["reason"] != "surplus")
    if reasons:
        yield "Quarantined: " + ", ".join(f"{n} ({reason})" for reason, n in reasons.most_common()) + "."
    for message, n in generated.failures.most_common(3):
        yield f"Failed {n} times: {message}"
    copies = {name: sum(row.get(name, -1) >= 0 for row in generated.rows) for name in _COPIES}
    if any(copies.values()):
        yield "Copies: {copy_of} of earlier rows, {copy_of_real} of real rows, {copy_of_test} of test rows.".format(
            **copies
        )
    spent = generated.budget
    yield f"{spent.requests} requests, {spent.prompt_tokens} tokens of prompts, {spent.completion_tokens} of answers."
