r"""The paper's study of a small checker with a larger classifier.

    python benchmarks/larger.py --data DIR --tasks tweet_sentiment:gpt-4 --encoder LARGE --checker-encoder SMALL \
        --seeds 3 --out results/larger.jsonl

The quality checker is on the small encoder, the classifier on the large one; IMP once with a diversity checker on the
small one and once on the large one.
"""

import argparse
from functools import cached_property

from grid import Cell, Lines, add_arguments, configuration, encoder_name, seeds, set_threads
from paper import DC, METHODS, QC, Method, imp
from sklearn.frozen import FrozenEstimator

SMALL_DC = {"build DC": "small_cross_entropy"}


class TwoSizes(Cell):
    """A cell whose shared checkers are on a small encoder, but for the one that is the cross-entropy row."""

    @cached_property
    def quality_checker(self):
        """P'(y|x), on the small encoder."""
        return self._small("quality_checker", self.quality_settings, self.real_X, self.real_y)

    @cached_property
    def small_cross_entropy(self):
        """Q(y|x), on the small encoder."""
        return self._small("small_cross_entropy", self.training, self.X, self.y)

    def _small(self, name, params, X, y):
        large, self.encoder = self.encoder, self.args.checker_encoder
        try:
            return self._shared(name, params, X, y)
        finally:
            self.encoder = large


ROWS = {
    "real only": METHODS["real only"],
    "cross-entropy": METHODS["cross-entropy"],
    "IMP, small DC": Method(lambda cell: imp(cell, FrozenEstimator(cell.small_cross_entropy)), QC | SMALL_DC),
    "IMP, large DC": Method(lambda cell: imp(cell, cell.diversity), QC | DC),
    "DIMP": METHODS["DIMP"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, seeds=3)
    parser.add_argument("--tasks", nargs="+", required=True, metavar="FOLDER:GENERATOR")
    parser.add_argument("--checker-encoder", required=True)
    parser.add_argument("--methods", nargs="+", default=list(ROWS), choices=ROWS)
    args = parser.parse_args()
    set_threads(args)
    lines = Lines(args.out)
    more = {"study": "larger classifier", "checker_encoder": encoder_name(args.checker_encoder)}
    for seed in seeds(args):
        for task, _, synthetic in (name.partition(":") for name in args.tasks):
            cell = None
            for method in args.methods:
                config = configuration(args, task, synthetic, method, seed, **more)
                if lines.has(config):
                    continue
                cell = cell or TwoSizes(args, task, synthetic, seed)
                model, seconds = cell.fit(ROWS[method])
                result = {**cell.score(model), "seconds": seconds}
                lines.add(config, result)
                print(task, seed, method, round(result["test_accuracy"], 3), f"{seconds['total']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
