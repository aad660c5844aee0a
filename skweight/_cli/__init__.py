"""Command line: ``python -m skweight demo | fit | predict``."""

import argparse
import sys

from skweight._cli import demo, fit, predict

# Each module has `add_arguments(parser)` and `run(args)`.
_COMMANDS = {
    "demo": (demo, "see what weighting does, on real film reviews"),
    "fit": (fit, "train on your own CSV files and save the model"),
    "predict": (predict, "label texts with a saved model"),
}


def main(argv=None):
    """Run one command; return the exit status."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        # Bad input, a missing file, a missing extra: the message says what to do, a traceback would hide it.
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m skweight", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
