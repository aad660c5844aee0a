"""The noise study: weights by kind of row."""

from benchmarks.common import table
from benchmarks.paper.report.differences import differences
from benchmarks.paper.report.plots import weights_plot
from benchmarks.paper.report.runs import CE, Runs, column_name, mean_weights, select
from benchmarks.paper.report.sections import sections
from benchmarks.paper.report.tables import PAIRED_NOTE, signed, spread


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
