"""The command ``audit``: whether synthetic rows should be used, before any fine-tuning."""

import json
from pathlib import Path

from skweight._cli import checks
from skweight._cli.arguments import add_config, add_group_column, add_labelled_tables, add_overwrite, read_labelled
from skweight._cli.outputs import check_new, check_writable
from skweight._cli.terminal import show

# What the command exits with, for scripts. 2 is that of errors.
EXIT_STATUS = {"use": 0, "do not use": 3, "cannot tell": 4}


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.epilog = 'The exit status is 0 for "use", 3 for "do not use", 4 for "cannot tell", and 2 after an error.'
    parser.add_argument("synthetic", type=Path, help="LLM-written rows, in a file of any kind that fit reads")
    parser.add_argument("--real", type=Path, required=True, help="real rows")
    parser.add_argument("--test", type=Path, help="more real rows, which are only searched for copies")
    parser.add_argument(
        "--encoder",
        default="google-bert/bert-base-uncased",
        help='hub id or folder; "minilm" takes the one of the demo',
    )
    parser.add_argument(
        "--scoring", choices=["accuracy", "balanced_accuracy"], default="accuracy", help="what is scored"
    )
    parser.add_argument("--max-rows", type=int, default=4000, help="synthetic rows that are read, drawn at random")
    parser.add_argument(
        "--max-length", type=int, help="tokens of a text that are read (default: 128, or what the encoder takes)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures here")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    add_overwrite(parser)
    add_group_column(parser)
    add_labelled_tables(parser)
    add_config(parser)


def run(args):
    """Print the report; return the exit status that the verdict has."""
    # Imported here, as they are slow: --help must not wait for them.
    from skweight import audit
    from skweight._cli.fit import encoder_of

    if args.json:
        check_new(args.json, overwrite=args.overwrite)
        check_writable(args.json.absolute().parent)
    read = {"the synthetic rows": args.synthetic, "--real": args.real, "--test": args.test}
    checks.check_different({name: path for name, path in read.items() if path})
    synthetic = read_labelled(args, args.synthetic, real=False)
    real = read_labelled(args, args.real, real=True)
    test = read_labelled(args, args.test, real=True) if args.test else None
    for table in filter(None, (real, test)):
        checks.check_fits(table, synthetic)
    X, y, groups = synthetic.whole_rows()
    real_X, real_y, _ = real.whole_rows()
    result = audit(
        X,
        y,
        real_X,
        real_y,
        encoder=encoder_of(args.encoder),
        generator=groups,
        test_X=None if test is None else test.whole_rows()[0],
        scoring=args.scoring,
        max_rows=args.max_rows,
        max_length=args.max_length or "auto",
        random_state=args.seed,
    )
    for line in str(result).splitlines():
        show(line)
    if args.json:
        args.json.write_text(json.dumps(result.to_dict(), indent=1) + "\n", encoding="utf-8")
    return EXIT_STATUS[result.verdict.decision]
