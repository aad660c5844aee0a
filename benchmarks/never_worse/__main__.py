r"""Compare methods with the best of real only, synthetic only and both pooled.

    python -m benchmarks.never_worse frozen --data DATA --encoder MINILM --cache cache --out results/frozen.jsonl
    python -m benchmarks.never_worse finetuned --data DATA --encoder MINILM --cells ag_news:synthetic_gemma-2-9b ... \
        --cache cache --probabilities probabilities --out results/finetuned.jsonl
    python -m benchmarks.never_worse report results/frozen_real.jsonl.gz --method "opinion pool"

The rules are in ``rules.py``. Runs that a file holds are skipped: the commands can be killed and called again.
"""

import argparse

from benchmarks.common import parse
from benchmarks.never_worse import finetuned, frozen, report
from benchmarks.paper.configuration import PRESETS


def add_run(commands, name, module):
    """Begin the parser of a command that makes runs."""
    command = commands.add_parser(name, help=module.__doc__)
    command.add_argument("--data", required=True, help="folder of task folders")
    command.add_argument("--encoder", required=True, help="folder of an encoder")
    command.add_argument("--cache", required=True, help="folder for embeddings or shared models")
    command.add_argument("--out", required=True, help="JSON lines; runs that it holds are skipped")
    command.add_argument("--threads", type=int)
    command.set_defaults(run=module.run)
    return command


def main():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = add_run(commands, "frozen", frozen)
    command.add_argument("--seeds", type=int, default=10)
    command.add_argument("--prior", choices=["real", "balanced"], default="real")
    command.add_argument("--C", type=float, default=1.0, help="inverse regularisation of all regressions")
    command = add_run(commands, "finetuned", finetuned)
    command.add_argument("--cells", nargs="+", required=True, metavar="TASK:FILE")
    command.add_argument("--methods", nargs="+", choices=finetuned.STUDIED, default=finetuned.DEFAULT, metavar="METHOD")
    command.add_argument("--seeds", type=int, default=3)
    command.add_argument("--tuning", action="store_true", help="the draws to choose constants on")
    command.add_argument("--preset", choices=PRESETS, default="default")
    command.add_argument("--epochs", type=int, default=3)
    command.add_argument("--lr", type=float, default=1e-4)
    command.add_argument("--precision", default="fp32")
    command.add_argument("--scored", type=int, default=1000, help="rows of test.csv to score")
    command.add_argument("--probabilities", required=True, help="folder for the probabilities of the scored rows")
    command = commands.add_parser("report", help="print tables")
    command.add_argument("lines", nargs="+", help="what runs wrote")
    command.add_argument("--method", required=True)
    command.add_argument("--draws", nargs="+", type=int, help="of these only")
    command.set_defaults(run=report.run, threads=None)
    args = parse(parser)
    args.run(args)


if __name__ == "__main__":
    main()
