"""Turn runs, which the other scripts write as JSON lines, into Markdown tables and figures.

    python benchmarks/report.py main results/main.jsonl --figures figures
    python benchmarks/report.py noise|dynamics|checker-size|larger|times FILE... [--figures DIR]
    python benchmarks/report.py all results --out RESULTS.md --figures figures

The first two print Markdown; the last writes one file with a section for each of main.jsonl, noise.jsonl,
dynamics.jsonl, checker_size.jsonl, larger.jsonl and times.jsonl that the folder holds. Scores are in points (percent).
Choices, such as which baseline to compare with, are made on the rows of ``real_pool.csv``, never on the test rows.
"""

import argparse
import json
import math
import os
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from grid import key, read_lines
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from paper import METHODS
from scipy.stats import rankdata, ttest_rel

REAL, CE, POOLED = "real only", "cross-entropy", "pooled"
SCORES = {
    "test_accuracy": "Test accuracy",
    "test_macro_f1": "Macro-F1 on the test rows",
    "pool_accuracy": "Accuracy on held-out real rows, on which choices are made",
}
PARTS = ("build QC", "build DC", "precalculate weights", "training", "total")
# Seconds in the paper's own table of computational time (BERT-base, one GPU), None where it gives none.
PAPER_SECONDS = {
    "cross-entropy": (None, None, None, None, 333.242),
    "SunGen": (None, None, None, None, 2680),
    "IMP": (8.824, 333.516, 57.695, 333.328, 733.363),
    "DIMP": (8.824, None, 29.274, 333.426, 371.524),
}
PAPER_RATIO = {"cross-entropy": 1.00, "SunGen": 8.04, "IMP": 2.20, "DIMP": 1.11}
NONE = "–"  # noqa: RUF001
IDENTITY = ("task", "synthetic", "method", "seed")
# Okabe and Ito's colours, told apart by colour-blind readers too; shapes for those who print in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHAPES = ("o", "s", "^", "D", "v", "P", "X")


# Runs


class Runs:
    """Runs of one setting, by column (task and generator), row (method) and seed.

    Attributes
    ----------
    columns : list of (str, str)
        In the order of their first lines.
    rows : list of str
        Methods in the order of ``METHODS``, then the rest as they come.
    """

    def __init__(self, lines, row=lambda config: config["method"]):
        order = list(METHODS)
        known = {row(line["config"]): line["config"]["method"] for line in lines}
        self.rows = sorted(known, key=lambda name: order.index(known[name]) if known[name] in order else len(order))
        self.columns = list(dict.fromkeys((line["config"]["task"], line["config"]["synthetic"]) for line in lines))
        self.cells = {}
        for line in lines:
            config = line["config"]
            cell = self.cells.setdefault(((config["task"], config["synthetic"]), row(config)), {})
            cell[config["seed"]] = line

    def lines(self, column, row):
        """Lines of a cell by seed."""
        return self.cells.get((column, row), {})

    def values(self, column, row, score):
        """Return a score in points by seed."""
        return {seed: 100 * line[score] for seed, line in self.lines(column, row).items() if score in line}

    def mean(self, column, row, score, seeds=None):
        """Mean of a score in points over all seeds, or over `seeds`; not a number without runs."""
        values = self.values(column, row, score)
        values = list(values.values()) if seeds is None else [values[seed] for seed in seeds]
        return float(np.mean(values)) if values else math.nan

    @property
    def most(self):
        """Seeds of the cell that has most."""
        return max(map(len, self.cells.values()))


def select(lines, study=None):
    """Lines of a study, once each: two processes may have made the same run."""
    return list({key(line): line for line in lines if line["config"].get("study") == study}.values())


def by_setting(lines, axes=()):
    """Group lines that may stand in one table; name the parts of the configuration that tell the groups apart.

    A part splits only if one task has several values of it: rows may differ from task to task. Parts that only some
    lines have belong to a method, and split only if one method has several values. `axes` never split.
    """
    names = dict.fromkeys(name for line in lines for name in line["config"])
    split = [name for name in names if name not in (*IDENTITY, *axes) and _splits(lines, name)]
    groups = {}
    for line in lines:
        groups.setdefault(json.dumps([line["config"].get(name) for name in split], sort_keys=True), []).append(line)
    return split, list(groups.values())


def _splits(lines, name):
    everywhere = all(name in line["config"] for line in lines)
    seen = {}
    for line in lines:
        config = line["config"]
        where = (config["task"], config["synthetic"], None if everywhere else config["method"])
        seen.setdefault(where, set()).add(json.dumps(config.get(name), sort_keys=True))
    return any(len(values) > 1 for values in seen.values())


# Arithmetic


@dataclass
class Difference:
    """A paired difference: mean and standard error in points, p-value (corrected where said), number of pairs."""

    mean: float
    error: float
    p: float
    pairs: int


def paired_difference(values, reference):
    """Difference of two dictionaries by seed, over the seeds that both have; None if there are none."""
    seeds = sorted(values.keys() & reference.keys())
    if not seeds:
        return None
    a, b = (np.array([given[seed] for seed in seeds]) for given in (values, reference))
    difference = a - b
    error, p = math.nan, math.nan
    if len(seeds) > 1:
        error = float(difference.std(ddof=1) / math.sqrt(len(seeds)))
        # Differences without any spread are an accident of few seeds: t is infinite or undefined, and no evidence.
        p = float(ttest_rel(a, b).pvalue) if np.ptp(difference) > 1e-9 else math.nan
    return Difference(float(difference.mean()), error, p, len(seeds))


def holm(p_values):
    """Holm's step-down correction; what is not a number stays so, and does not count as a comparison."""
    p_values = np.asarray(p_values, dtype=float)
    corrected = np.full_like(p_values, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return corrected


def differences(runs, score, reference):
    """Difference of every cell to that of row ``reference(column, row)``, corrected over the rows of each column."""
    found = {}
    for column in runs.columns:
        own = {}
        for row in runs.rows:
            other = reference(column, row)
            if other is not None and other != row:
                own[row] = paired_difference(runs.values(column, row, score), runs.values(column, other, score))
        own = {row: difference for row, difference in own.items() if difference}
        corrected = holm([difference.p for difference in own.values()])
        for (row, difference), p in zip(own.items(), corrected, strict=True):
            found[column, row] = Difference(difference.mean, difference.error, float(p), difference.pairs)
    return found


def average_ranks(runs, score):
    """Average rank of the rows that have every column, and the blocks (column, seeds) that it is taken over."""
    ranked = [row for row in runs.rows if all(runs.values(column, row, score) for column in runs.columns)]
    if not ranked:
        return {}, {}
    blocks, table = {}, []
    for column in runs.columns:
        values = [runs.values(column, row, score) for row in ranked]
        seeds = sorted(set.intersection(*(set(given) for given in values)))
        blocks[column] = seeds
        table.extend([given[seed] for given in values] for seed in seeds)
    if not table:
        return {}, blocks
    ranks = rankdata(-np.array(table), axis=1).mean(axis=0)
    return dict(zip(ranked, ranks.tolist(), strict=True)), blocks


def best_single_source(runs, column):
    """Whichever of "real only" and "cross-entropy" is better on the held-out real rows; None without either."""
    means = {row: runs.mean(column, row, "pool_accuracy") for row in (REAL, CE)}
    means = {row: mean for row, mean in means.items() if not math.isnan(mean)}
    return max(means, key=means.get, default=None)


def margin(runs, column, row, score):
    """Mean of a row above the best mean of "real only", "cross-entropy" and "pooled", over the seeds they share."""
    baselines = [name for name in (REAL, CE, POOLED) if runs.lines(column, name)]
    seeds = set.intersection(*(set(runs.values(column, name, score)) for name in (row, *baselines)))
    if not seeds or not baselines:
        return math.nan
    return runs.mean(column, row, score, seeds) - max(runs.mean(column, name, score, seeds) for name in baselines)


def never_worse(runs, score):
    """For every row: its worst margin, the column of it, on how many columns it is not worse, and of how many."""
    found = {}
    for row in runs.rows:
        margins = {column: margin(runs, column, row, score) for column in runs.columns}
        margins = {column: value for column, value in margins.items() if not math.isnan(value)}
        if margins:
            worst = min(margins, key=margins.get)
            not_worse = sum(value >= -1e-9 for value in margins.values())
            found[row] = (margins[worst], worst, not_worse, len(margins))
    return found


def correct_rows(line, n_rows):
    """Which of the scored test rows a run got right."""
    packed = np.frombuffer(bytes.fromhex(line["test_correct"]), dtype=np.uint8)
    return np.unpackbits(packed, count=n_rows).astype(np.float32)


def number_scored(lines):
    """Test rows that the runs were scored on.

    The mask is padded to whole bytes with zeros, and ``scored`` may exceed the rows of a small test set, so the number
    is what makes the bits of a mask the accuracy of its line.
    """
    numbers = set()
    for line in lines:
        right = bytes.fromhex(line["test_correct"])
        if line["test_accuracy"] > 0:
            n_rows = round(sum(byte.bit_count() for byte in right) / line["test_accuracy"])
            numbers.add(n_rows)
            if not 8 * len(right) - 8 < n_rows <= 8 * len(right):
                raise ValueError(f"The mask and the accuracy of a line contradict each other: {line['config']}")
    if len(numbers) > 1:
        raise ValueError(f"Lines of one task were scored on different numbers of rows: {sorted(numbers)}")
    return numbers.pop() if numbers else 8 * len(bytes.fromhex(lines[0]["test_correct"]))


def row_differences(lines, reference):
    """Seeds x test rows: 1 where only the first of two cells is right, -1 where only the reference is; None if none."""
    seeds = sorted(lines.keys() & reference.keys())
    if not seeds or any("test_correct" not in cell[seed] for cell in (lines, reference) for seed in seeds):
        return None
    n_rows = number_scored([cell[seed] for cell in (lines, reference) for seed in seeds])
    return np.array([correct_rows(lines[seed], n_rows) - correct_rows(reference[seed], n_rows) for seed in seeds])


@lru_cache(maxsize=64)
def resampled(name, size, resamples):
    """How often each of `size` things is drawn, in each resample, as a share; the same for the same name and size."""
    rng = np.random.default_rng([0, zlib.crc32(name.encode())])
    return (rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size).astype(np.float32)


def bootstrap(blocks, resamples=2000):
    """Mean over blocks of ``(task, row_differences)`` and its 95 % interval, in points.

    Within each task, test rows and seeds are resampled. Tasks are not: the interval is about these tasks. Blocks of one
    task (several generators) get the same draws, since they share their test rows, and by seed their quality checkers.
    Resampling both at once counts what is peculiar to a row and a seed up to three times (Owen, 2007, "The pigeonhole
    bootstrap"), so the interval is rather too wide than too narrow, unless seeds are few and differ a lot.
    """
    means = np.zeros(resamples)
    for task, block in blocks:
        n_seeds, n_rows = block.shape
        by_seed = resampled(f"rows of {task}", n_rows, resamples) @ block.T
        means += (by_seed * resampled(f"seeds of {task}", n_seeds, resamples)).sum(axis=1) / len(blocks)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = np.mean([block.mean() for _, block in blocks])
    return 100 * float(mean), 100 * float(low), 100 * float(high)


# Markdown

SPREAD_NOTE = (
    "Scores: mean ± standard deviation (n - 1) over seeds, in points; [n] where a cell has fewer seeds than others; "
    "best of a column in bold. Average rank: within each block (one seed of one task), over the blocks that have every "
    "method ranked."
)
PAIRED_NOTE = (
    "Differences: paired by seed, mean ± standard error in points, p of the paired t-test after Holm's correction over "
    "the methods of a column (\\* p < .05, \\*\\* p < .01)."
)
DIFFERENCE_NOTE = (
    f"{PAIRED_NOTE} All tasks count alike: for test accuracy with the 95 % interval of a bootstrap over test rows and "
    "seeds within each task, else with the standard error over seeds. Tasks are taken as given: intervals say nothing "
    "about other tasks."
)


def table(header, rows):
    """Join a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def column_name(column):
    task, synthetic = column
    return task.replace("_", " ") + (f" ({synthetic})" if synthetic else "")


def spread(values, most=1, digits=1):
    """Mean ± standard deviation; the number of values, where it is not the most of the table."""
    values = [value for value in values if value is not None]
    if not values:
        return NONE
    text = f"{np.mean(values):.{digits}f}"
    text += f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return text + (f" [{len(values)}]" if len(values) < most else "")


def signed(difference, most=1):
    """Write a difference with its standard error, its p-value and the marks of that."""
    if difference is None:
        return NONE
    text = f"{difference.mean:+.1f}"
    if not math.isnan(difference.error):
        text += f" ± {difference.error:.1f}"
    if not math.isnan(difference.p):
        stars = "\\*\\*" if difference.p < 0.01 else "\\*" if difference.p < 0.05 else ""
        text += f"{stars}, p " + ("< .001" if difference.p < 0.001 else f"{difference.p:.3f}".removeprefix("0"))
    return text + (f" [{difference.pairs}]" if difference.pairs < most else "")


def seeds_text(seeds):
    """Seeds as a range where they are one."""
    seeds = sorted(seeds)
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds)) or "none"


def bold(texts, values, best=max):
    """Put the best text in bold; `values` that are not numbers do not compete."""
    numbers = [value for value in values if not math.isnan(value)]
    return [
        f"**{text}**" if numbers and value == best(numbers) else text for text, value in zip(texts, values, strict=True)
    ]


def score_table(runs, score):
    """Methods x tasks with the average rank, and the line under it."""
    ranks, blocks = average_ranks(runs, score)
    columns = []
    for column in runs.columns:
        texts = [spread(runs.values(column, row, score).values(), runs.most) for row in runs.rows]
        columns.append(bold(texts, [runs.mean(column, row, score) for row in runs.rows]))
    ranked = [ranks.get(row, math.nan) for row in runs.rows]
    columns.append(bold([NONE if math.isnan(rank) else f"{rank:.1f}" for rank in ranked], ranked, min))
    header = ["method", *map(column_name, runs.columns), "average rank"]
    rows = [[row, *cells] for row, *cells in zip(runs.rows, *columns, strict=True)]
    return table(header, rows) + "\n\n" + rank_note(runs, ranks, blocks)


def rank_note(runs, ranks, blocks):
    """Say which seeds of which tasks the average rank is over, and who is left out."""
    if not ranks:
        return "No average rank: no seed has all the methods that have all tasks."
    by_seeds = {}
    for column, seeds in blocks.items():
        by_seeds.setdefault(seeds_text(seeds), []).append(column_name(column))
    if len(by_seeds) == 1:
        used = f"seeds {next(iter(by_seeds))} of every task"
    else:
        used = "; ".join(f"seeds {seeds} of {', '.join(names)}" for seeds, names in by_seeds.items())
    note = f"Average rank of {len(ranks)} methods over {sum(map(len, blocks.values()))} blocks: {used}."
    out = ", ".join(row for row in runs.rows if row not in ranks)
    return note + (f" Left out, because they miss tasks: {out}." if out else "")


def difference_table(runs, score, reference):
    """Methods x tasks: paired differences, and all tasks together."""
    found = differences(runs, score, reference)
    rows = []
    for row in runs.rows:
        cells = [
            "reference" if reference(column, row) == row else signed(found.get((column, row)), runs.most)
            for column in runs.columns
        ]
        if set(cells) != {"reference"}:
            rows.append([row, *cells, pooled_difference(runs, row, score, reference, found)])
    chosen = [{str(reference(column, row)) for row in runs.rows} for column in runs.columns]
    differ = len(set.union(*chosen)) > 1 and max(map(len, chosen)) == 1  # one for each column, not the same for all
    tells = [f"; to {next(iter(own))}" if differ else "" for own in chosen]
    header = [column_name(column) + tell for column, tell in zip(runs.columns, tells, strict=True)]
    return table(["method", *header, "all tasks"], rows)


def pooled_difference(runs, row, score, reference, found):
    """Difference over all tasks, which count alike: with the bootstrap's interval, or the standard error by seeds."""
    columns = [c for c in runs.columns if (c, row) in found or (reference(c, row) == row and runs.lines(c, row))]
    if not columns:
        return NONE
    missing = f" ({len(columns)} of {len(runs.columns)} tasks)" if len(columns) < len(runs.columns) else ""
    if score == "test_accuracy":
        cells = [(c[0], runs.lines(c, row), runs.lines(c, reference(c, row))) for c in columns]
        blocks = [(task, row_differences(own, other)) for task, own, other in cells]
        if all(block is not None for _, block in blocks):
            mean, low, high = bootstrap(blocks)
            return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]{missing}"
    own = [found.get((column, row), Difference(0.0, 0.0, math.nan, 0)) for column in columns]
    error = math.sqrt(sum(difference.error**2 for difference in own)) / len(own)
    return signed(Difference(np.mean([d.mean for d in own]), error, math.nan, runs.most)) + missing


def never_worse_table(runs):
    """How far each method falls below the best of "real only", "cross-entropy" and "pooled"."""
    by_score = {score: never_worse(runs, score) for score in ("pool_accuracy", "test_accuracy")}
    rows = []
    for row in runs.rows:
        cells = []
        for found in by_score.values():
            worst, column, not_worse, n = found.get(row, (math.nan, None, 0, 0))
            cells += [f"{worst:+.1f}, {column_name(column)}", f"{not_worse} of {n}"] if n else [NONE, NONE]
        rows.append([row, *cells])
    header = ["method", "held-out real rows: worst", "not worse on", "test rows: worst", "not worse on"]
    return table(header, rows) + "\n\n" + never_worse_note(runs, by_score)


def never_worse_note(runs, by_score):
    """Say what was compared with, and who comes closest."""
    note = (
        "Mean minus the best mean of real only, cross-entropy and pooled, in points, on the task where it is lowest. "
    )
    lacking = [
        f"{name} on {column_name(column)}"
        for column in runs.columns
        for name in (REAL, CE, POOLED)
        if not runs.lines(column, name)
    ]
    note += f"Not compared with, for want of runs: {'; '.join(lacking)}. " if lacking else ""
    pool, test = by_score.values()
    whole = {row: given[0] for row, given in pool.items() if given[3] == len(runs.columns)}
    whole = {row: worst for row, worst in whole.items() if row not in (REAL, CE, POOLED)}
    if not whole:
        return note + "No other method has all tasks."
    best = max(whole, key=whole.get)
    note += "Closest to never worse on the held-out real rows, of the other methods with all tasks: "
    note += f"{best} ({whole[best]:+.1f}"
    return note + (f"; {test[best][0]:+.1f} on the test rows)." if best in test else ").")


# Where the numbers come from


def provenance(lines, axes=()):
    """List settings, seeds, machines, versions and dates of the lines."""
    names = dict.fromkeys(name for line in lines for name in flat(line["config"]))
    names = [name for name in names if name not in (*IDENTITY, "study")]
    cells = Counter((c["task"], c["synthetic"], c["method"], *(c.get(axis) for axis in axes)) for c in configs(lines))
    fewest, most = min(cells.values()), max(cells.values())
    seeds = seeds_text({config["seed"] for config in configs(lines)})
    dates = sorted({line.get("date", "unknown") for line in lines})
    versions = Counter(", ".join(f"{k} {v}" for k, v in line.get("versions", {}).items()) for line in lines)
    machines = Counter(line.get("machine", "unknown") for line in lines)
    return "\n".join(
        [
            "- Settings: " + "; ".join(setting(lines, name) for name in names),
            f"- Seeds: {fewest if fewest == most else f'{fewest} to {most}'} per cell ({seeds}); {len(lines)} runs",
            "- Machines: " + counted(machines),
            "- Versions: " + counted(versions),
            "- Dates: " + (dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"),
        ]
    )


def configs(lines):
    return [line["config"] for line in lines]


def flat(config):
    """Undo the nesting of a configuration: training parameters under their own names."""
    result = {}
    for name, value in config.items():
        prefix = "" if name == "settings" else name.replace("_", " ") + ": "
        result |= {prefix + k: v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return result


def setting(lines, name):
    """Name a part of the configuration with its value, or its values and whose they are."""
    values = {}
    for line in lines:
        value = flat(line["config"]).get(name)
        text = {"real_rows": "all"}.get(name, "none") if value is None else str(value)
        values.setdefault(text, []).append(line["config"])
    label = name.replace("_", " ")
    if len(values) == 1:
        return f"{label} {next(iter(values))}"
    for by in ("task", "method"):
        owners = {text: list(dict.fromkeys(config[by] for config in given)) for text, given in values.items()}
        if len({owner for own in owners.values() for owner in own}) == sum(map(len, owners.values())):
            return f"{label} " + ", ".join(f"{text} ({', '.join(own)})" for text, own in owners.items())
    return f"{label} {', '.join(values)}"


def counted(counter):
    """Name what was counted, and how often if it is more than one thing."""
    return "; ".join(text + (f" ({n} runs)" if len(counter) > 1 else "") for text, n in counter.most_common())


# Figures


class Figures:
    """Where figures go, and how the Markdown names them.

    Parameters
    ----------
    folder : str or Path or None
        No figures without a folder.
    beside : str or Path, default="."
        Folder of the Markdown file: links are relative to it.
    """

    def __init__(self, folder=None, beside="."):
        self.folder, self.beside = folder and Path(folder), beside

    def link(self, name, caption, draw, *args):
        """Draw and save a figure: a list of the link to it, empty without a folder."""
        if self.folder is None:
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.png"
        draw(*args).savefig(path, dpi=150)
        return [f"![{caption}]({Path(os.path.relpath(path, self.beside)).as_posix()})", f"*{caption}*"]


def look(i):
    """Colour and shape number `i`; the pairs repeat only after 49."""
    return COLOURS[i % len(COLOURS)], SHAPES[(i + i // len(COLOURS)) % len(SHAPES)]


def panels(columns, width, height, left=0.6, most=3, **share):
    """Begin a figure with a titled panel for each column; sizes in inches, `left` for what stands left of the first."""
    across = min(len(columns), most)
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(width * across + left, height * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, **share).ravel()
    for ax in axes[len(columns) :]:
        ax.remove()
    for ax, column in zip(axes, columns, strict=False):
        task, synthetic = column
        ax.set_title("\n".join(filter(None, (column_name((task, None)), synthetic))), fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    return figure, axes[: len(columns)]


def legend(figure, ax):
    """One legend for all panels, below them."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), fontsize=8, frameon=False)


def label_width(rows):
    """Inches that the longest name takes."""
    return 0.2 + 0.07 * max(map(len, rows))


def dot_plot(runs, baselines, score="test_accuracy"):
    """Scores by method: single seeds, their mean, and a line at the mean of a single baseline."""
    figure, axes = panels(runs.columns, 2.6, 0.22 * len(runs.rows) + 0.7, label_width(runs.rows), sharey=True)
    for ax, column in zip(axes, runs.columns, strict=True):
        for place, row in enumerate(runs.rows):
            values = list(runs.values(column, row, score).values())
            label = place == 0
            dots = {"color": COLOURS[0], "alpha": 0.35, "linewidths": 0, "label": "one seed" if label else None}
            ax.scatter(values, [place] * len(values), s=18, zorder=2, **dots)
            mean = {"color": COLOURS[1], "linewidths": 2, "label": "mean" if label else None}
            ax.scatter(
                [np.mean(values)] if values else [], [place] if values else [], marker="|", s=90, zorder=3, **mean
            )
        for row in baselines if len(baselines) == 1 else ():
            line = {"color": "0.55", "linestyle": "--", "linewidth": 0.9, "label": f"mean of {row}"}
            if runs.lines(column, row):
                ax.axvline(runs.mean(column, row, score), zorder=1, **line)
        ax.set_yticks(range(len(runs.rows)), runs.rows)
        ax.set_ylim(len(runs.rows) - 0.5, -0.5)
        ax.grid(axis="y", color="0.93", linewidth=0.8)
        ax.set_xlabel("accuracy in percent", fontsize=8)
    legend(figure, axes[0])
    return figure


def weights_plot(runs, kinds):
    """Mean weight by method and kind of row: a mark for each kind, at the mean over seeds."""
    rows = [row for row in runs.rows if any(mean_weights(runs, column, row) for column in runs.columns)]
    figure, axes = panels(runs.columns, 2.6, 0.3 * len(rows) + 0.8, label_width(rows), sharey=True)
    for ax, column in zip(axes, runs.columns, strict=True):
        for i, kind in enumerate(kinds):
            colour, shape = look(i)
            for place, row in enumerate(rows):
                own = [weights[kind] for weights in mean_weights(runs, column, row) if kind in weights]
                if own:
                    label = None if kind in ax.get_legend_handles_labels()[1] else kind
                    ax.scatter(np.mean(own), place, color=colour, marker=shape, s=30, label=label, zorder=2)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlim(left=0)
        ax.grid(axis="y", color="0.93", linewidth=0.8)
        ax.set_xlabel("mean weight", fontsize=8)
    legend(figure, axes[0])
    return figure


def curves_plot(columns, curves, xlabel, ticks=None):
    """Test accuracy along an axis: line = mean, band = lowest to highest seed.

    `curves` maps (column, name) to (x, seeds x values); a curve without x is a horizontal line.
    """
    figure, axes = panels(columns, 3.1, 2.6)
    names = list(dict.fromkeys(name for _, name in curves))
    for ax, column in zip(axes, columns, strict=True):
        for i, name in enumerate(names):
            if (column, name) in curves:
                colour, shape = look(i)
                curve(ax, *curves[column, name], {"color": colour, "label": name}, shape)
        if ticks:
            ax.set_xscale("log")
            ax.set_xticks(ticks[column], [f"{tick:g}" for tick in ticks[column]])
            ax.xaxis.set_minor_locator(NullLocator())
        else:
            ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel(xlabel, fontsize=8)
        ax.set_ylabel("test accuracy in percent", fontsize=8)
    legend(figure, max(axes, key=lambda ax: len(ax.get_legend_handles_labels()[1])))
    return figure


def curve(ax, x, values, style, shape):
    if x is None:
        ax.axhline(np.mean(values), linestyle="--", linewidth=1.2, **style)
        return
    ax.plot(x, np.nanmean(values, axis=0), marker=shape, markersize=4, linewidth=1.5, **style)
    ax.fill_between(x, np.nanmin(values, axis=0), np.nanmax(values, axis=0), color=style["color"], alpha=0.15, lw=0)


# Sections


def sections(title, name, lines, body, axes=()):
    """Write a section: a part for each setting, with where its numbers come from."""
    split, groups = by_setting(lines, axes)
    parts = [f"## {title}"]
    for i, group in enumerate(groups):
        if len(groups) > 1:
            parts.append("### " + difference_of_settings(groups, group, split))
        parts.append(provenance(group, axes))
        parts += body(group, f"{name}-{i + 1}" if len(groups) > 1 else name)
    return "\n\n".join(parts)


def difference_of_settings(groups, group, split):
    """Say what tells a group from the others."""
    chosen = [flat({name: lines[0]["config"].get(name) for name in split}) for lines in groups]
    own = flat({name: group[0]["config"].get(name) for name in split})
    differing = [k for k, v in own.items() if any(other.get(k) != v for other in chosen)]
    return "; ".join(setting(group, name) for name in differing)


def main_section(lines, figures):
    def body(group, name):
        runs = Runs(group)
        parts = [SPREAD_NOTE, DIFFERENCE_NOTE, *figures.link(name, "Test accuracy by method", dot_plot, runs, {CE})]
        for score, title in SCORES.items():
            parts += [f"**{title}**", score_table(runs, score), *difference_parts(runs, score, title)]
        return [*parts, "**Never worse?** (accuracy)", never_worse_table(runs)]

    return sections("Main comparison", "main", select(lines), body)


def difference_parts(runs, score, title):
    """Tables of differences to cross-entropy, and to the best single source."""
    best = {column: best_single_source(runs, column) for column in runs.columns}
    return [
        f"{title}: difference to cross-entropy",
        difference_table(runs, score, lambda column, row: CE),
        f"{title}: difference to real only or cross-entropy, whichever is better on the held-out real rows",
        difference_table(runs, score, lambda column, row: best[column]),
    ]


def noise_section(lines, figures):
    def body(group, name):
        runs = Runs(group)
        kinds = list(dict.fromkeys(kind for line in group for kind in line.get("mean_weight") or ()))
        parts = []
        if kinds:
            caption = "Mean weight by kind of row, mean over seeds"
            parts = figures.link(name, caption, weights_plot, runs, kinds)
        for column in runs.columns:
            parts += [f"**{column_name(column)}**", noise_table(runs, column, kinds)]
        parts.append(
            "Weights, AUC and scores (in points): mean ± standard deviation (n - 1) over seeds. AUC: how often a "
            f"random original row weighs more than a random row of the other kind. {PAIRED_NOTE}"
        )
        return parts

    return sections("Noise", "noise", select(lines, "noise"), body)


def mean_weights(runs, column, row):
    """Mean weights by kind, of each seed that has them."""
    return [line["mean_weight"] for line in runs.lines(column, row).values() if line.get("mean_weight")]


def noise_table(runs, column, kinds):
    """Mean weight by kind of row, AUC and scores."""
    aucs = list(
        dict.fromkeys(k for row in runs.rows for line in runs.lines(column, row).values() for k in line if "auc_" in k)
    )
    found = differences(runs, "test_accuracy", lambda column, row: CE)
    rows = []
    for row in runs.rows:
        lines = list(runs.lines(column, row).values())
        if lines:
            weights = mean_weights(runs, column, row)
            cells = [spread([w.get(kind) for w in weights], runs.most, 2) for kind in kinds]
            cells += [spread([line.get(auc) for line in lines], runs.most, 2) for auc in aucs]
            cells += [
                spread(runs.values(column, row, s).values(), runs.most) for s in ("test_accuracy", "pool_accuracy")
            ]
            rows.append([row, *cells, "reference" if row == CE else signed(found.get((column, row)), runs.most)])
    header = ["method", *(f"weight: {kind}" for kind in kinds), *(auc.replace("auc_", "AUC ") for auc in aucs)]
    return table([*header, "test accuracy", "accuracy on held-out real rows", "test accuracy - cross-entropy"], rows)


def dynamics_section(lines, figures):
    def body(group, name):
        runs = Runs(group)
        curves = {}
        for (column, row), cell in runs.cells.items():
            values = by_epoch(cell.values(), "test_accuracy")
            curves[column, row] = (np.arange(1, values.shape[1] + 1), values)
        curves = {place: curves[place] for place in sorted(curves, key=lambda place: runs.rows.index(place[1]))}
        caption = "Test accuracy after each epoch: mean, and lowest to highest seed"
        parts = figures.link(name, caption, curves_plot, runs.columns, curves, "epoch")
        for column in runs.columns:
            for score in ("test_accuracy", "pool_accuracy"):
                parts += [f"**{column_name(column)}**: {SCORES[score][0].lower()}{SCORES[score][1:]}"]
                parts.append(epoch_table(runs, column, score))
        return [
            *parts,
            "By epoch: mean ± standard deviation (n - 1) over seeds, in points; best epoch of a method in bold.",
        ]

    return sections("Dynamics", "dynamics", select(lines, "dynamics"), body)


def by_epoch(lines, score):
    """Seeds x epochs of a score in points; not a number after the last epoch of a run."""
    lines = list(lines)
    values = np.full((len(lines), max(len(line["epochs"]) for line in lines)), np.nan)
    for own, line in zip(values, lines, strict=True):
        own[: len(line["epochs"])] = [100 * epoch[score] for epoch in line["epochs"]]
    return values


def epoch_table(runs, column, score):
    """Methods x epochs."""
    rows = {row: by_epoch(runs.lines(column, row).values(), score) for row in runs.rows if runs.lines(column, row)}
    longest = max(values.shape[1] for values in rows.values())
    lines = []
    for row, values in rows.items():
        epochs = [own[~np.isnan(own)] for own in values.T]
        texts = bold([spread(own, runs.most) for own in epochs], [own.mean() for own in epochs])
        lines.append([row, *texts, *[NONE] * (longest - len(texts))])
    return table(["method", *map(str, range(1, longest + 1))], lines)


def checker_size_section(lines, figures):
    axes = ("share", "real_rows")  # the number of real rows may be told by either

    def body(group, name):
        shares = sorted({config["share"] for config in configs(group) if config["share"] is not None})
        # Runs without a share (no checker) stand beside every share.
        runs = {share: Runs([r for r in group if r["config"]["share"] in (share, None)]) for share in shares}
        parts = []
        if shares:
            parts = figures.link(name, "Test accuracy by number of real rows", checker_size_plot, group, runs)
        for column in Runs(group).columns:
            parts += [f"**{column_name(column)}**, test accuracy by share of the real rows", share_table(runs, column)]
            parts += ["Difference to cross-entropy", share_table(runs, column, difference=True)]
        parts.append(
            f"Scores: mean ± standard deviation (n - 1) over seeds, in points. {PAIRED_NOTE} Methods without a quality "
            "checker have the same runs in every column."
        )
        return parts

    return sections("Size of the quality checker's data", "checker-size", select(lines, "checker size"), body, axes)


def share_table(runs, column, difference=False):
    """Methods x shares of the real rows."""
    names = list(dict.fromkeys(row for given in runs.values() for row in given.rows))
    columns = []
    for given in runs.values():
        if difference:
            found = differences(given, "test_accuracy", lambda column, row: CE)
            columns.append([signed(found.get((column, row)), given.most) for row in names])
        else:
            columns.append([spread(given.values(column, row, "test_accuracy").values(), given.most) for row in names])
    rows = [line for line in zip(names, *columns, strict=True) if not (difference and line[0] == CE)]
    return table(["method", *(f"{100 * share:g} %" for share in runs)], rows)


def real_row_numbers(lines):
    """Find the number of real rows for each share; None if the lines do not tell.

    A line may give the number itself; else the configuration's ``real_rows`` is the number if it changes with the
    share, and what the share is of if it does not.
    """
    lines = [line for line in lines if line["config"]["share"] is not None]
    told = {line["config"]["share"]: line.get("real_rows") for line in lines}
    given = {line["config"]["share"]: line["config"].get("real_rows") for line in lines}
    if None not in told.values():
        return told
    if None in given.values():
        return None
    if len(set(given.values())) == 1:
        return {share: round(share * n) for share, n in given.items()}
    return given


def checker_size_plot(lines, runs):
    """Test accuracy against real rows; methods without a checker are horizontal lines."""
    columns = Runs(lines).columns
    own = {c: [line for line in lines if (line["config"]["task"], line["config"]["synthetic"]) == c] for c in columns}
    numbers = {column: real_row_numbers(own[column]) for column in columns}
    label = "real rows"
    if None in numbers.values():
        label, percent = "share of the real rows in percent", {share: 100 * share for share in runs}
        numbers = dict.fromkeys(columns, percent)
    curves = {}
    for column in columns:
        curves |= {(column, row): curve for row, curve in checker_size_curves(own[column], numbers[column]).items()}
    return curves_plot(columns, curves, label, {column: sorted(numbers[column].values()) for column in columns})


def checker_size_curves(lines, numbers):
    """Put the lines of one task into curves by method: numbers of real rows (None: no checker), seeds x values."""
    curves = {}
    for row in Runs(lines).rows:
        values = {}
        for line in lines:
            if line["config"]["method"] == row:
                values.setdefault(line["config"]["share"], []).append(100 * line["test_accuracy"])
        shares = sorted(share for share in values if share is not None)
        longest = max(map(len, values.values()))
        padded = [values[share] + [np.nan] * (longest - len(values[share])) for share in shares or [None]]
        curves[row] = ([numbers[share] for share in shares] or None, np.array(padded).T)
    return curves


def larger_section(lines, figures):
    axes = ("encoder", "checker_encoder")

    def body(group, name):
        runs = Runs(group, encoders_row)
        reference = same_encoder(group)
        baselines = {reference(None, row) for row in runs.rows}
        parts = [SPREAD_NOTE, DIFFERENCE_NOTE]
        parts += figures.link(name, "Test accuracy by method and encoders", dot_plot, runs, baselines)
        for score, title in SCORES.items():
            parts += [f"**{title}**", score_table(runs, score)]
            parts += [f"{title}: difference to cross-entropy with the same classifier"]
            parts.append(difference_table(runs, score, reference))
        return [*parts, *times_parts(runs, reference)]

    return sections("A larger classifier", "larger", select(lines, "larger classifier"), body, axes)


def encoders_row(config):
    """Name a method with the encoders of its checker and of its classifier."""
    checker = config.get("checker_encoder")
    checker = f"checker {checker}, " if checker else ""
    return f"{config['method']} ({checker}classifier {config['encoder']})"


def same_encoder(lines):
    """Find the cross-entropy row with the classifier of a row; the only one, if there is only one."""
    encoder = {encoders_row(config): config["encoder"] for config in configs(lines)}
    references = {config["encoder"]: encoders_row(config) for config in configs(lines) if config["method"] == CE}
    only = next(iter(references.values())) if len(references) == 1 else None
    return lambda column, row: references.get(encoder[row], only)


def times_section(lines, figures):
    # Seconds of different machines must not share a table.
    timed = [line for line in lines if "seconds" in line]
    timed = [line | {"config": line["config"] | {"machine": line.get("machine", "unknown")}} for line in timed]
    timed = list({key(line): line for line in timed}.values())

    def body(group, name):
        return times_parts(Runs(group), lambda column, row: CE)

    return sections("Computational time", "times", timed, body) + "\n\n" + paper_times()


def times_parts(runs, reference):
    """Write a table of seconds for each task."""
    parts = []
    for column in runs.columns:
        parts += [f"**{column_name(column)}**, seconds", times_table(runs, column, reference)]
    return [
        *parts,
        "Medians over seeds; x CE: median total over that of cross-entropy, which is its diversity checker.",
    ]


def times_table(runs, column, reference):
    """Median seconds by part, and the total as a multiple of cross-entropy's, beside the paper's where it has any."""
    published = any(row in PAPER_RATIO for row in runs.rows)
    rows = []
    for row in runs.rows:
        seconds = median_seconds(runs, column, row)
        if seconds:
            ce = median_seconds(runs, column, reference(column, row)).get("total")
            ratio = f"{seconds['total'] / ce:.2f}" if ce else NONE
            cells = [f"{seconds[part]:.2f}" if seconds.get(part) else NONE for part in PARTS]
            rows.append(
                [
                    row,
                    *cells,
                    ratio,
                    *([f"{PAPER_RATIO[row]:.2f}" if row in PAPER_RATIO else NONE] if published else []),
                ]
            )
    return table(["method", *PARTS, "x CE", *(["x CE in the paper"] if published else [])], rows)


def median_seconds(runs, column, row):
    lines = [line["seconds"] for line in runs.lines(column, row).values() if "seconds" in line]
    parts = dict.fromkeys(part for seconds in lines for part in seconds)
    return {part: float(np.median([seconds.get(part, 0.0) for seconds in lines])) for part in parts}


def paper_times():
    """Write the paper's own table."""
    rows = [
        [name, *(NONE if value is None else f"{value:.2f}" for value in seconds), f"{PAPER_RATIO[name]:.2f}"]
        for name, seconds in PAPER_SECONDS.items()
    ]
    return "**The paper's own**, seconds\n\n" + table(["method", *PARTS, "x CE"], rows)


# Command line

SECTIONS = {
    "main": ("main.jsonl", None, main_section),
    "noise": ("noise.jsonl", "noise", noise_section),
    "dynamics": ("dynamics.jsonl", "dynamics", dynamics_section),
    "checker-size": ("checker_size.jsonl", "checker size", checker_size_section),
    "larger": ("larger.jsonl", "larger classifier", larger_section),
    "times": ("times.jsonl", None, times_section),
}


def section(name, files, figures):
    """Markdown of a section; None if the files hold no runs of it."""
    _, study, write = SECTIONS[name]
    lines = read_lines(files)
    usable = [line for line in lines if "seconds" in line] if name == "times" else select(lines, study)
    return write(lines, figures) if usable else None


def write_all(folder, out, figures):
    """Write every section that has a file to `out`: the names of the sections."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (file, _, _) in SECTIONS.items():
        path = Path(folder) / file
        found[name] = section(name, [path], Figures(figures, out.parent)) if path.exists() else None
    found = {name: text for name, text in found.items() if text}
    made_by = "Made by `python benchmarks/report.py all` from files of JSON lines, one line a run; not edited by hand."
    out.write_text("\n\n".join(["# Results", made_by, *found.values()]) + "\n", encoding="utf-8")
    return list(found)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in SECTIONS:
        command = commands.add_parser(name)
        command.add_argument("files", nargs="+", metavar="FILE")
        command.add_argument("--figures", metavar="DIR", help="folder for figures; none are drawn without it")
    command = commands.add_parser("all")
    command.add_argument("folder", metavar="RESULTS_DIR")
    command.add_argument("--out", required=True, metavar="FILE.md")
    command.add_argument("--figures", required=True, metavar="DIR")
    args = parser.parse_args(arguments)
    if args.command == "all":
        written = write_all(args.folder, args.out, args.figures)
        print(f"{args.out}: {', '.join(written) or 'no runs found'}")
        return
    text = section(args.command, args.files, Figures(args.figures))
    if text is None:
        parser.error(f"no runs for {args.command} in {', '.join(args.files)}")
    print(text)


if __name__ == "__main__":
    main()
