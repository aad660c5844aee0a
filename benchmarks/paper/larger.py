r"""The paper's study of a small checker with a larger classifier.

    python -m benchmarks.paper.larger --data DIR --tasks tweet_sentiment:gpt-4 --encoder LARGE \
        --checker-encoder SMALL --seeds 3 --out benchmarks/results/larger.jsonl

The quality checker is on the small encoder, the classifier on the large one; IMP once with a diversity checker on the
small one and once on the large one.
"""

from functools import cached_property

from sklearn.frozen import FrozenEstimator

from benchmarks.common import encoder_name, parse
from benchmarks.paper.cell import Cell
from benchmarks.paper.grid import run_grid, study_parser
from benchmarks.paper.methods import DC, METHODS, QC, Method, imp

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


if __name__ == "__main__":
    parser = study_parser(__doc__, methods=ROWS, default=list(ROWS))
    parser.add_argument("--checker-encoder", required=True)
    args = parse(parser)
    run_grid(args, TwoSizes, ROWS, study="larger classifier", checker_encoder=encoder_name(args.checker_encoder))
