r"""The paper's main comparison, and what it leaves out: every way to train on generated and real rows, on any tasks.

    python -m benchmarks.paper.main_comparison --data DIR --tasks tweet_sentiment:gpt-4 ag_news:mistral-7b \
        --encoder FOLDER --seeds 5 --out benchmarks/results/main.jsonl

A task is FOLDER:GENERATOR. Each run is one line of the output, with its whole configuration, its seconds by part and
its scores; a run that is there already is skipped, so the command can be killed and called again.
"""

from benchmarks.common import parse
from benchmarks.paper.grid import run_grid, study_parser
from benchmarks.paper.methods import METHODS

if __name__ == "__main__":
    run_grid(parse(study_parser(__doc__, seeds=5, default=list(METHODS))))
