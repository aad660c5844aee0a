"""The command ``report``: what is wrong with the rows that a saved model was fitted on, and what they weigh."""

from pathlib import Path

from skweight._cli.arguments import add_config, add_group_column, add_labelled_tables, add_overwrite, read_labelled
from skweight._cli.outputs import check_new, check_writable
from skweight._cli.terminal import show


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.add_argument("model", type=Path, metavar="DIR", help="folder that `fit --save` wrote")
    parser.add_argument("synthetic", type=Path, help="LLM-written rows that it was fitted on")
    parser.add_argument("--real", type=Path, help="real rows")
    parser.add_argument("--test", type=Path, help="further real rows, which should not be among the others")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a page, .html, that sorts and filters the rows")
    parser.add_argument("--relabel", type=Path, metavar="FILE", help="write a CSV of labels to change, to edit")
    add_overwrite(parser)
    add_group_column(parser)
    add_labelled_tables(parser)
    add_config(parser)


def run(args):
    """Show a report, and write what was asked for."""
    for path in filter(None, (args.out, args.relabel)):
        check_new(path, overwrite=args.overwrite)
        check_writable(path.absolute().parent)
    # Imported here, as they are slow: --help must not wait for them.
    from skweight import weight_report
    from skweight._saved import load_model

    classifier = load_model(args.model)
    synthetic = read_labelled(args, args.synthetic, real=False)
    real_X, real_y = read_labelled(args, args.real, real=True).arguments() if args.real else (None, None)
    test_X = read_labelled(args, args.test, real=True).whole_rows()[0] if args.test else None
    X, y = synthetic.arguments()
    report = weight_report(classifier, X, y, real_X=real_X, real_y=real_y, test_X=test_X, groups=synthetic.groups)
    for line in str(report).splitlines():
        show(line)
    if args.out:
        report.to_html(args.out)
        show()
        show(f"Page written to {args.out}.")
    if args.relabel:
        count = len(report.relabelling(args.relabel))
        show(f"{count} labels to change written to {args.relabel}. Edit it, and read it with read_relabelling.")
