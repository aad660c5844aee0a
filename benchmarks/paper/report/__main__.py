"""Turn runs, which the other scripts write as JSON lines, into Markdown tables and figures.

    python -m benchmarks.paper.report main benchmarks/results/main.jsonl --figures figures
    python -m benchmarks.paper.report more|noise|dynamics|checker-size|larger|times FILE... [--figures DIR]
    python -m benchmarks.paper.report all benchmarks/results --out RESULTS.md --figures figures

The first two print Markdown; the last writes one file with a section for each of main.jsonl, noise.jsonl,
dynamics.jsonl, checker_size.jsonl, larger.jsonl and times.jsonl that the folder holds. Scores are in points (percent).
Choices, such as which baseline to compare with, are made on the rows of ``real_pool.csv``, never on the test rows.
"""

import argparse
from pathlib import Path

from benchmarks.paper.lines import read_lines
from benchmarks.paper.report.checker_size import checker_size_section
from benchmarks.paper.report.dynamics import dynamics_section
from benchmarks.paper.report.larger import larger_section
from benchmarks.paper.report.main import main_section
from benchmarks.paper.report.more import more_section
from benchmarks.paper.report.noise import noise_section
from benchmarks.paper.report.plots import Figures
from benchmarks.paper.report.runs import select
from benchmarks.paper.report.times import times_section

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
    made_by = (
        "Made by `python -m benchmarks.paper.report all` from files of JSON lines, one line a run; not edited by hand."
    )
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
