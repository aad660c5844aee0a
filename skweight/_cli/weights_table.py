"""Weights of rows as text and as CSV."""

import numpy as np

from skweight._cli.terminal import shorten
from skweight._complete import complete
from skweight.datasets._formulas import defuse
from skweight.datasets._writer import csv_writer


def extreme_rows(X, y, weights, *, n=5, width=110, kinds=None, what="weights"):
    """Spell the `n` rows of highest and of lowest weight; returns a list of lines, of one if none stands out."""
    if np.ptp(weights) == 0:
        return [f"All rows weigh {weights[0]:.3g}."]
    order = np.argsort(-np.asarray(weights), kind="stable")
    lines = []
    for title, rows in ((f"Highest {n} {what}", order[:n]), (f"Lowest {n} {what}", order[::-1][:n])):
        lines.append(title)
        for i in rows:
            text = X[i] if isinstance(X[i], str) else " || ".join(X[i])
            note = "" if kinds is None else f" ({kinds[i]})"
            start = f"{weights[i]:>8.3f}  {shorten(y[i], 40)}{note}  "
            lines.append(start + shorten(text, max(width - len(start), 20)))
        lines.append("")
    return lines[:-1]


def write_weights(path, X, y, classifier, *, raw=False):
    """Write one line for each row of X: its number, label, weight, quality and text.

    Parameters
    ----------
    path : Path
        Gets its content when that is complete.
    X : list of str or list of (str, str)
    y : list of str
    classifier : BaseTextClassifier
        Fitted on these rows.
    raw : bool, default=False
        Whether what a spreadsheet would run as a formula is written as it is.
    """
    quality = getattr(classifier, "quality_proba_", np.full(len(X), np.nan))
    paired = bool(X) and not isinstance(X[0], str)
    spell = str if raw else defuse
    with (
        complete(path, path.with_name(f"{path.name}.unfinished")) as unfinished,
        open(unfinished, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv_writer(file)
        writer.writerow(["row", "label", "weight", "quality", *(["text_a", "text_b"] if paired else ["text"])])
        for i, (text, label, weight, q) in enumerate(zip(X, y, classifier.sample_weight_, quality, strict=True)):
            texts = text if paired else (text,)
            writer.writerow([i, spell(label), f"{weight:.6g}", f"{q:.6g}", *map(spell, texts)])
