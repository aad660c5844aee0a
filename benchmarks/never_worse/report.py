"""Tables of the runs: each method against the best of three baselines."""

from collections import defaultdict

import numpy as np
from scipy.stats import norm

from benchmarks.common import table
from benchmarks.never_worse.rules import BASELINES, MARGIN, TUNED, halves, right_rows
from benchmarks.paper.lines import read_lines

SIDES = {"pool": "further rows of real_pool.csv", "test": "rows of test.csv"}
RENAMED = {"cross-entropy": "synthetic only"}


def read_runs(paths, method, draws=None):
    """Scores by side, method, cell and draw, of frozen runs (a line has all methods) and fine-tuned ones (a line each).

    Kept are draws that `method` and the baselines have (of those in `draws`, if given), and methods that have them all,
    so that all means are over the same draws.
    """
    found = {side: defaultdict(lambda: defaultdict(dict)) for side in SIDES}
    for line in read_lines(paths):
        config = line["config"]
        draw = config.get("draw", config.get("seed"))
        for side, runs in found.items():
            name = config.get("method")
            for key, score in ({RENAMED.get(name, name): line[side]} if name else line[side]).items():
                runs[key][config["cell"]][draw] = score
    kept = {}
    for side, runs in found.items():
        whole = set.intersection(
            *(
                {(cell, draw) for cell in of for draw in of[cell]}
                for of in (runs[name] for name in {*BASELINES, method})
            )
        )
        whole = sorted(key for key in whole if draws is None or key[1] in draws)
        kept[side] = {name: defaultdict(dict) for name in runs if all(draw in runs[name][cell] for cell, draw in whole)}
        for name, of in kept[side].items():
            for cell, draw in whole:
                of[cell][draw] = runs[name][cell][draw]
    return kept


def compare(runs, cell, method):
    """Choose the comparator of a cell on one half of each draw's rows; return it, and differences on the other half."""
    split = []
    for draw, score in runs["pooled"][cell].items():
        right = {name: right_rows(runs[name][cell][draw]) for name in {*BASELINES, method}}
        split.append((right, halves(score["n"], draw)))
    chosen = max(BASELINES, key=lambda name: np.mean([right[name][first].mean() for right, first in split]))
    return chosen, [(right[method] - right[chosen])[~first] for right, first in split]


def macro_f1_gain(runs, cell, method):
    """Mean gain of macro-F1, with the same rules."""
    of = {
        name: np.mean([score["macro_f1_halves"] for score in runs[name][cell].values()], axis=0)
        for name in {*BASELINES, method}
    }
    chosen = max(BASELINES, key=lambda name: of[name][0])
    return of[method][1] - of[chosen][1]


def holm(p_values):
    """p-values adjusted for their number."""
    order = np.argsort(p_values)
    adjusted = np.maximum.accumulate(np.sort(p_values) * np.arange(len(p_values), 0, -1)).clip(max=1)
    return adjusted[np.argsort(order)]


def interval(differences, resamples=2000):
    """95 % interval of the mean gain, in points: cells and draws are drawn again, rows by the normal approximation."""
    rng = np.random.default_rng(0)
    means = []
    for _ in range(resamples):
        cells = [differences[i] for i in rng.integers(len(differences), size=len(differences))]
        drawn = [cell[i] for cell in cells for i in rng.integers(len(cell), size=len(cell))]
        noise = [rng.normal(d.mean(), d.std() / np.sqrt(len(d))) for d in drawn]
        means.append(np.mean(noise))
    return np.percentile(means, [2.5, 97.5]) * 100


def errors(differences):
    """Find the standard error of the mean gain of each cell: over draws, and over rows where there are few draws."""
    between = [
        np.std([d.mean() for d in cell], ddof=1) / np.sqrt(len(cell)) if len(cell) > 2 else 0 for cell in differences
    ]
    # Draws share rows, so the error over rows is that of a single draw at most.
    within = [np.mean([d.std() / np.sqrt(len(d)) for d in cell]) / np.sqrt(len(cell)) for cell in differences]
    return np.maximum(between, within)


def cell_table(runs, method):
    """Table of cells of one method; the differences of each cell."""
    cells = list(runs[method])
    found = {cell: compare(runs, cell, method) for cell in cells}
    differences = [found[cell][1] for cell in cells]
    gains = np.array([np.mean([d.mean() for d in cell]) for cell in differences])
    standard = errors(differences)
    p_values = holm(norm.sf((gains + MARGIN) / np.maximum(standard, 1e-9)))
    rows = []
    for cell, gain, error, p in zip(cells, gains, standard, p_values, strict=True):
        accuracies = [
            100 * np.mean([right_rows(score).mean() for score in runs[name][cell].values()])
            for name in (*BASELINES, method)
        ]
        rows.append([
            cell.replace("synthetic_", "") + " (tuned)" * (cell in TUNED), *(f"{a:.1f}" for a in accuracies),
            found[cell][0], f"{100 * gain:+.1f} ± {100 * error:.1f}", f"{p:.3f}",
        ])  # fmt: skip
    return table(["cell", *BASELINES, method, "comparator", "gain", "p (not inferior)"], rows)


def summary_table(runs, cells):
    """Table of the means over cells, a row for each method."""
    rows = []
    for method in runs:
        differences = [compare(runs, cell, method)[1] for cell in cells]
        gains = [100 * np.mean([d.mean() for d in cell]) for cell in differences]
        low, high = interval(differences)
        scores = [
            np.mean([np.mean([score[name] for score in runs[method][cell].values()]) for cell in cells])
            for name in ("macro_f1", "log_loss", "calibration_error")
        ]
        f1_gains = [100 * macro_f1_gain(runs, cell, method) for cell in cells]
        accuracy = np.mean([np.mean([right_rows(s).mean() for s in runs[method][cell].values()]) for cell in cells])
        rows.append([
            method, f"{100 * accuracy:.1f}", f"{np.mean(gains):+.2f} ({low:+.2f} to {high:+.2f})",
            f"{min(gains):+.1f}", sum(gain < -1 for gain in gains), f"{100 * scores[0]:.1f}",
            f"{np.mean(f1_gains):+.2f}", f"{min(f1_gains):+.1f}",
            *(f"{score:.3f}" for score in scores[1:]),
        ])  # fmt: skip
    header = (
        "method, accuracy, mean gain, worst cell, cells below -1, macro-F1, its mean gain, its worst cell, log-loss, "
        "calibration"
    )
    return table(header.split(", "), rows)


def run(args):
    """Print a table of cells for one method, and a table of means for all, for each side."""
    for side, runs in read_runs(args.lines, args.method, args.draws).items():
        print(f"\n### Scored on {SIDES[side]}\n")
        print(cell_table(runs, args.method))
        cells = list(runs[args.method])
        for kind, kept in (("All cells", cells), ("Cells not tuned on", [cell for cell in cells if cell not in TUNED])):
            draws = sorted({len(runs[args.method][cell]) for cell in kept})
            print(f"\n{kind}: {len(kept)}, draws of each: {', '.join(map(str, draws))}.\n")
            if kept:
                print(summary_table(runs, kept))
