"""Methods beyond the paper."""

from benchmarks.paper.report.never_worse import never_worse_table
from benchmarks.paper.report.plots import dot_plot
from benchmarks.paper.report.runs import CE, POOLED, REAL, Runs, select
from benchmarks.paper.report.sections import sections
from benchmarks.paper.report.tables import SCORES, SPREAD_NOTE, score_table

# Methods that have a table of their own, together with some of the main one: not in the paper, and not on every seed.
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


def more_section(lines, figures):
    """Methods beyond the paper, together with the main ones on the same seeds of the same tasks."""

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
