r"""The paper's study of the quality checker's size: fitted on 10 % to 100 % of the small real set.

    python -m benchmarks.paper.checker_size --data DIR --tasks tweet_sentiment:gpt-4 --encoder FOLDER --seeds 3 \
        --out benchmarks/results/checker_size.jsonl

A second series gives every checker as many optimiser steps as the one on all rows has, by more epochs: with the default
budget, which is in epochs, a checker on few rows is also one of few steps.
"""

import copy

from benchmarks.common import STUDIED_CHECKER, parse
from benchmarks.paper.cell import Cell
from benchmarks.paper.configuration import configuration
from benchmarks.paper.grid import places, run_cell, study_parser
from benchmarks.paper.lines import Lines
from benchmarks.paper.methods import METHODS

STUDY = {"study": "checker size"}


class StepsCell(Cell):
    """A cell whose quality checker takes as many steps as on all real rows, whatever their share."""

    @property
    def quality_settings(self):
        """Training parameters of the quality checker."""
        plain = super().quality_settings
        return plain | {"max_epochs": round(plain["max_epochs"] / self.args.share)}


def run_shares(given, lines, seed, task, synthetic):
    """Run cross-entropy, which has no checker, and every method on every share of the real rows."""
    whole = Cell(given, task, synthetic, seed)
    config = configuration(given, task, synthetic, None, seed, **STUDY, share=None)
    run_cell(lines, lambda: whole, config, {"cross-entropy": METHODS["cross-entropy"]})
    methods = {name: METHODS[name] for name in given.methods}
    for share in given.shares:
        args = copy.copy(given)
        args.share, args.real_rows = share, round(share * len(whole.real_X))
        for kind, budget in ((Cell, "epochs"), (StepsCell, "steps")):
            if budget == "steps" and share == 1:
                continue  # the same
            cell = kind(args, task, synthetic, seed)
            config = configuration(args, task, synthetic, None, seed, **STUDY, share=share, budget=budget)
            config["quality_checker"] = {name: cell.quality_settings[name] for name in STUDIED_CHECKER}
            run_cell(lines, lambda cell=cell: cell, config, methods)


def main():
    parser = study_parser(__doc__, default=["real only", "DIMP"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.1, 0.25, 0.5, 1.0])
    args = parse(parser)
    lines = Lines(args.out)
    for place in places(args):
        run_shares(args, lines, *place)


if __name__ == "__main__":
    main()
