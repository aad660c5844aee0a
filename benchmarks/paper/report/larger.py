"""The study of a small checker with a larger classifier."""

from benchmarks.paper.report.plots import dot_plot
from benchmarks.paper.report.runs import CE, Runs, select
from benchmarks.paper.report.sections import configs, sections
from benchmarks.paper.report.tables import DIFFERENCE_NOTE, SCORES, SPREAD_NOTE, difference_table, score_table
from benchmarks.paper.report.times import times_parts


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
