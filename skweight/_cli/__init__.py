"""Command line: ``python -m skweight demo | generate | audit | fit | predict | score | report``."""

import argparse
import csv
import sys

import skweight
from skweight._cli import audit, demo, fit, generate, predict, report, score
from skweight._cli.arguments import HelpFormatter
from skweight._cli.terminal import connected, show

# Each module has `add_arguments(parser)`, and `run(args)`, which returns the exit status if that is not 0.
_COMMANDS = {
    "demo": (demo, "see what weighting does, on real film reviews"),
    "generate": (generate, "let a language model write rows that are like the real ones"),
    "audit": (audit, "judge whether synthetic rows help, before any training"),
    "fit": (fit, "train on your own files and save the model"),
    "predict": (predict, "label texts with a saved model"),
    "score": (score, "weight the rows of many files with saved checkers"),
    "report": (report, "see what is wrong with the rows of a saved model"),
}


def main(argv=None):
    """Run one command; return the exit status."""
    with connected():
        try:
            args = _parse(argv)
            return args.run(args) or 0
        except KeyboardInterrupt:
            show("interrupted", file=sys.stderr)
            return 130
        except BrokenPipeError:  # the reader of the results has seen enough, as `head` does
            return 1
        except Exception as error:
            if not isinstance(error, _foreseeable()):
                raise
            # The message says what to do; a traceback would hide it.
            show(f"error: {_sentence(error)}", file=sys.stderr)
            return 2


def _foreseeable():
    """Errors of bad input, a missing file or extra, a damaged file, a machine that is too small."""
    from safetensors import SafetensorError

    known = (ValueError, TypeError, OSError, ImportError, RuntimeError, FloatingPointError, MemoryError, csv.Error)
    return (*known, SafetensorError)


def _sentence(error):
    if isinstance(error, MemoryError):
        return f"Out of memory ({error}). Smaller batches, shorter texts or fewer rows at a time need less."
    said = " ".join([str(error), *getattr(error, "__notes__", [])])
    return " ".join(said.split()) or type(error).__name__


def _parse(argv):
    parser = _parser()
    args = parser.parse_args(argv)
    # What a file says has now become the defaults, also for options that stood before --config.
    return parser.parse_args(argv) if getattr(args, "config", None) else args


def _parser():
    parser = argparse.ArgumentParser(prog="skweight", description=skweight.__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {skweight.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", formatter_class=HelpFormatter
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
