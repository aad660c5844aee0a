"""The command ``score``: what two saved checkers say of the rows of many files."""

from pathlib import Path

from skweight._cli.arguments import add_config, add_engine, add_overwrite, add_tables, many_files_options
from skweight._cli.config import Several
from skweight._cli.outputs import show_written
from skweight._cli.terminal import show


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.epilog = "A call that was interrupted goes on with the files that are not finished, if it is repeated."
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help='files, folders or quoted patterns, as "in/**/*.parquet"'
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the scores")
    parser.add_argument(
        "--quality", type=Path, required=True, metavar="DIR", help="saved classifier that was fitted on real rows"
    )
    parser.add_argument(
        "--diversity", type=Path, metavar="DIR", help="saved classifier that was fitted on synthetic rows"
    )
    parser.add_argument("--label-column", default="label", metavar="COLUMN", help="column of the labels")
    parser.add_argument(
        "--keep",
        action=Several,
        metavar="COLUMN",
        help="column of the inputs to copy into the scores; once for each column",
    )
    add_engine(parser)
    parser.add_argument("--batch-rows", type=int, default=8192, help="rows of a file in memory at a time")
    parser.add_argument("--fill-missing", action="store_true", help="take a missing text for an empty one")
    add_overwrite(parser)
    add_tables(parser)
    add_config(parser)


def run(args):
    """Score the files, and say what their rows weigh."""
    from skweight.scale import score, weights  # slow to import, and --help must not wait for it

    scored = score(
        args.inputs,
        args.out,
        quality=args.quality,
        diversity=args.diversity,
        label=args.label_column,
        batch_rows=args.batch_rows,
        **many_files_options(args),
    )
    show_written(scored, args.out)
    weighted = weights(args.out)
    show(f"mean weight {weighted.mean:.4g}, effective sample size {weighted.effective_sample_size:.0f}")
    for label, of_class in weighted.by_class().items():
        show(f"  {label}: {of_class['n_rows']} rows, mean weight {of_class['weight']:.4g}")
