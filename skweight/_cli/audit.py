"""The command ``audit``: whether synthetic rows should be used, before any fine-tuning."""

import json
from pathlib import Path

from skweight._cli.arguments import LABEL_OPTION, add_overwrite, add_tables
from skweight._cli.outputs import check_new
from skweight._cli.terminal import show

# What the command exits with, for scripts. 2 is that of errors.
EXIT_STATUS = {"use": 0, "do not use": 3, "cannot tell": 4}


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.epilog = 'The exit status is 0 for "use", 3 for "do not use", 4 for "cannot tell", 2 after an error.'
    parser.add_argument("synthetic", type=Path, help="file with the LLM-written rows")
    parser.add_argument("--real", type=Path, required=True, help="file with the real rows")
    parser.add_argument("--test", type=Path, help="file with more real rows, searched for copies only")
    parser.add_argument(
        "--encoder",
        default="google-bert/bert-base-uncased",
        help='hub id or folder; "minilm" takes the one of the demo',
    )
    parser.add_argument("--group-column", metavar="COLUMN", help="who or what wrote a row: a model, a prompt")
    parser.add_argument(
        "--scoring", choices=["accuracy", "balanced_accuracy"], default="accuracy", help="what is scored"
    )
    parser.add_argument("--max-rows", type=int, default=5000, help="synthetic rows that are read, drawn at random")
    parser.add_argument("--max-length", type=int, help="tokens of a text that are read (default: as fit)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures here")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument(LABEL_OPTION, default="label", metavar="COLUMN", help="column of the labels")
    add_overwrite(parser)
    add_tables(parser)


def run(args):
    """Print the report; return the exit status that the verdict has."""
    from skweight import audit
    from skweight._cli.fit import _encoder, _read

    if args.json:
        check_new(args.json, overwrite=args.overwrite)
    synthetic, real = _read(args.synthetic, args), _read(args.real, args)
    test = _read(args.test, args) if args.test else None
    result = audit(
        *synthetic.arguments(),
        *real.arguments(),
        encoder=_encoder(args.encoder),
        test_X=None if test is None else test.X,
        scoring=args.scoring,
        max_rows=args.max_rows,
        max_length=args.max_length or "auto",
        random_state=args.seed,
    )
    for line in str(result).splitlines():
        show(line)
    if args.json:
        args.json.write_text(json.dumps(result.to_dict(), indent=1, default=str) + "\n", encoding="utf-8")
    return EXIT_STATUS[result.verdict.decision]
