"""Weights of rows as text and as CSV."""

import csv
import textwrap

import numpy as np


def extreme_rows(X, y, weights, *, n=5, width=110, kinds=None, what="weights"):
    """Spell the `n` rows of highest and of lowest weight, one line each; one line in all if none stands out."""
    if np.ptp(weights) == 0:
        return f"All rows weigh {weights[0]:.3g}."
    order = np.argsort(-np.asarray(weights), kind="stable")
    lines = []
    for title, rows in ((f"Highest {n} {what}", order[:n]), (f"Lowest {n} {what}", order[::-1][:n])):
        lines.append(title)
        for i in rows:
            text = X[i] if isinstance(X[i], str) else " || ".join(X[i])
            note = "" if kinds is None else f" ({kinds[i]})"
            start = f"{weights[i]:>8.3f}  {y[i]}{note}  "
            lines.append(start + textwrap.shorten(text, max(width - len(start), 20), placeholder=" …"))
        lines.append("")
    return "\n".join(lines).rstrip()


def write_weights(path, X, y, classifier):
    """Write one line for each row of X: its number, label, weight, quality and text.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    quality = getattr(classifier, "quality_proba_", np.full(len(X), np.nan))
    paired = bool(X) and not isinstance(X[0], str)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "label", "weight", "quality", *(["text_a", "text_b"] if paired else ["text"])])
        for i, (text, label, weight, q) in enumerate(zip(X, y, classifier.sample_weight_, quality, strict=True)):
            texts = text if paired else (text,)
            writer.writerow([i, _harmless(label), f"{weight:.6g}", f"{q:.6g}", *map(_harmless, texts)])


def _harmless(cell):
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
