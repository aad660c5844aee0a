"""Turn runs, which the other scripts write as JSON lines, into Markdown tables and figures.

    python benchmarks/report.py main results/main.jsonl --figures figures
    python benchmarks/report.py more|noise|dynamics|checker-size|larger|times FILE... [--figures DIR]
    python benchmarks/report.py all results --out RESULTS.md --figures figures

The first two print Markdown; the last writes one file with a section for each of main.jsonl, noise.jsonl,
dynamics.jsonl, checker_size.jsonl, larger.jsonl and times.jsonl that the folder holds. Scores are in points (percent).
Choices, such as which baseline to compare with, are made on the rows of ``real_pool.csv``, never on the test rows.
"""

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
from comparison import (
    CE,
    IDENTITY,
    POOLED,
    REAL,
    Difference,
    Runs,
    average_ranks,
    best_single_source,
    bootstrap,
    by_setting,
    column_name,
    differences,
    mean_weights,
    never_worse,
    row_differences,
    select,
    with_choice,
)
from grid import key, read_lines
from plots import Figures, curves_plot, dot_plot, times_plot, weights_plot

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
# Accuracy in the paper's main table: Financial, Tweet Irony, MRPC. On which rows its SunGen was steered is not known.
PAPER_TASKS = ("Financial", "Irony", "MRPC")
PAPER_ACCURACY = {
    "real only": (78.05, 62.5, 73.16),
    "cross-entropy": (77.39, 76.91, 72.0),
    "focal": (79.29, 74.87, 72.17),
    "Hu et al.": (71.7, 71.42, 67.13),
    "SunGen": (80.45, 78.96, 71.65),
    "IMP": (82.09, 81.89, 75.83),
    "DIMP": (82.67, 78.44, 75.83),
    "w/o diversity checker": (81.35, 77.68, 74.72),
}
# Methods that have a table of their own, beside these of the main one: not in the paper, and not on every seed.
MORE = (
    "pooled 1:1",
    "pooled IMP",
    "pooled DIMP",
    "pooled w/o diversity checker",
    "pooled distilled",
    "product of experts",
    "generalised CE",
    "filter",
    "synthetic, then real",
    "IMP, fast diversity checker",
    "Hu et al., published look-ahead",
)
BESIDE_MORE = (REAL, CE, "IMP", "DIMP", POOLED, "distilled")
NONE = "–"  # noqa: RUF001


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
    runs = with_choice(runs)
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
    names_of_cell = ("task", "synthetic", "method", *axes)
    cells = Counter(json.dumps([c.get(name) for name in names_of_cell], sort_keys=True) for c in configs(lines))
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
        parts += ["**Never worse?** (accuracy)", never_worse_table(runs)]
        return [*parts, "**Beside the paper**: test accuracy less that of cross-entropy, in points", paper_table(runs)]

    lines = [line for line in select(lines) if line["config"]["method"] not in MORE]
    return sections("Main comparison", "main", lines, body)


def more_section(lines, figures):
    """Methods beyond the paper, beside the main ones on the same seeds of the same tasks."""

    def block(line):
        return tuple(line["config"][name] for name in ("task", "synthetic", "seed"))

    def body(group, name):
        runs = Runs(group)
        parts = [SPREAD_NOTE, *figures.link(name, "Test accuracy by method", dot_plot, runs, {CE})]
        for score in ("test_accuracy", "pool_accuracy"):
            parts += [f"**{SCORES[score]}**", score_table(runs, score)]
        return [*parts, "**Never worse?** (accuracy)", never_worse_table(runs)]

    lines = select(lines)
    blocks = {block(line) for line in lines if line["config"]["method"] in MORE}
    lines = [line for line in lines if block(line) in blocks and line["config"]["method"] in (*BESIDE_MORE, *MORE)]
    return sections("Beyond the paper", "more", lines, body) if blocks else None


def paper_table(runs):
    """Differences to cross-entropy: the paper's on its tasks, then ours."""
    found = differences(runs, "test_accuracy", lambda column, row: CE)
    published = [row for row in PAPER_ACCURACY if row not in runs.rows]
    rows = []
    for row in [*runs.rows, *published]:
        if row != CE:
            pairs = zip(PAPER_ACCURACY.get(row, ()), PAPER_ACCURACY[CE], strict=False)
            paper = [f"{own - ce:+.1f}" for own, ce in pairs] or [NONE] * len(PAPER_TASKS)
            ours = [found.get((column, row)) for column in runs.columns]
            rows.append([row, *paper, *(f"{difference.mean:+.1f}" if difference else NONE for difference in ours)])
    return table(["method", *(f"paper: {task}" for task in PAPER_TASKS), *map(column_name, runs.columns)], rows)


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
    # The number of real rows may be told by either; more epochs on fewer rows are another row of the table.
    axes = ("share", "real_rows", "budget", "quality_checker")

    def body(group, name):
        shares = sorted({config["share"] for config in configs(group) if config["share"] is not None})
        # Runs without a share (no checker) stand beside every share.
        runs = {
            share: Runs([line for line in group if line["config"]["share"] in (share, None)], budget_row)
            for share in shares
        }
        parts = []
        if shares:
            parts = figures.link(name, "Test accuracy by number of real rows", checker_size_plot, group, runs)
        for column in Runs(group).columns:
            parts += [f"**{column_name(column)}**, test accuracy by share of the real rows", share_table(runs, column)]
            parts += ["Difference to cross-entropy", share_table(runs, column, difference=True)]
        parts.append(
            f"Scores: mean ± standard deviation (n - 1) over seeds, in points. {PAIRED_NOTE} Methods without a quality "
            "checker have the same runs in every column. A smaller share of the rows takes fewer steps, or as "
            "many with more epochs."
        )
        return parts

    return sections("Size of the quality checker's data", "checker-size", select(lines, "checker size"), body, axes)


def budget_row(config):
    """Name a method, and whether its checker takes as many steps as on all real rows."""
    return config["method"] + (", as many steps" if config.get("budget") == "steps" else "")


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
    for row in Runs(lines, budget_row).rows:
        values = {}
        for line in lines:
            if budget_row(line["config"]) == row:
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
        runs = Runs(group)
        seconds = {column: {row: median_seconds(runs, column, row) for row in runs.rows} for column in runs.columns}
        link = figures.link(name, "Seconds by part, medians over seeds", times_plot, seconds, PARTS[:-1])
        return [*link, *times_parts(runs, lambda column, row: CE)]

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
    "more": ("main.jsonl", None, more_section),
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
