r"""The paper's study of the quality checker's size: fitted on 10 % to 100 % of the small real set.

    python benchmarks/checker_size.py --data DIR --tasks tweet_sentiment:gpt-4 --encoder FOLDER --seeds 3 \
        --out results/checker_size.jsonl

A second series gives every checker as many optimiser steps as the one on all rows has, by more epochs: with the default
budget, which is in epochs, a checker on few rows is also one of few steps.
"""

import argparse
import copy

from grid import Cell, Lines, add_arguments, configuration, seeds, set_threads
from paper import METHODS

from skweight._checkers import QUALITY_CHECKER_BUDGET

STUDY = {"study": "checker size"}


class StepsCell(Cell):
    """A cell whose quality checker takes as many steps as on all real rows, whatever their share."""

    @property
    def quality_settings(self):
        """Training parameters of the quality checker."""
        plain = super().quality_settings
        return plain | {"max_epochs": round(plain["max_epochs"] / self.args.share)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, seeds=3)
    parser.add_argument("--tasks", nargs="+", required=True, metavar="FOLDER:GENERATOR")
    parser.add_argument("--shares", nargs="+", type=float, default=[0.1, 0.25, 0.5, 1.0])
    parser.add_argument("--methods", nargs="+", default=["real only", "DIMP"], choices=METHODS)
    given = parser.parse_args()
    set_threads(given)
    lines = Lines(given.out)
    for seed in seeds(given):
        for task, _, synthetic in (name.partition(":") for name in given.tasks):
            whole = Cell(given, task, synthetic, seed)
            run(lines, whole, ["cross-entropy"], configuration(given, task, synthetic, None, seed, **STUDY, share=None))
            n_real = len(whole.real_X)
            for share in given.shares:
                args = copy.copy(given)
                args.share, args.real_rows = share, round(share * n_real)
                for kind, budget in ((Cell, "epochs"), (StepsCell, "steps")):
                    if budget == "steps" and share == 1:
                        continue  # the same
                    cell = kind(args, task, synthetic, seed)
                    config = configuration(args, task, synthetic, None, seed, **STUDY, share=share, budget=budget)
                    config["quality_checker"] = {name: cell.quality_settings[name] for name in QUALITY_CHECKER_BUDGET}
                    run(lines, cell, args.methods, config)


def run(lines, cell, methods, config):
    """Run those of the methods that are not in the file yet."""
    for method in methods:
        config = config | {"method": method}
        if lines.has(config):
            continue
        model, seconds = cell.fit(METHODS[method])
        result = {**cell.score(model), "seconds": seconds}
        lines.add(config, result)
        print(*(config[name] for name in ("task", "seed", "share", "method")), round(result["test_accuracy"], 3))


if __name__ == "__main__":
    main()
