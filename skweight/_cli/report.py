"""The command ``report``: what is wrong with the rows that a saved model was fitted on, and what they weigh."""

from pathlib import Path

from skweight._cli.arguments import LABEL_OPTION, TEXT_OPTION, add_overwrite, add_tables
from skweight._cli.outputs import check_new, check_writable
from skweight._cli.terminal import show

_GROUP_OPTION = "--group-column"


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.add_argument("model", type=Path, metavar="DIR", help="folder that `fit --save` wrote")
    parser.add_argument("synthetic", type=Path, help="CSV with the LLM-written rows that it was fitted on")
    parser.add_argument("--real", type=Path, help="CSV with the real rows")
    parser.add_argument("--test", type=Path, help="CSV with further real rows, which should not be among the others")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a page, .html, that sorts and filters the rows")
    parser.add_argument("--relabel", type=Path, metavar="FILE", help="write a CSV of labels to change, to edit")
    parser.add_argument(LABEL_OPTION, default="label", metavar="COLUMN", help="column of the labels")
    parser.add_argument(_GROUP_OPTION, metavar="COLUMN", help="column that says what wrote a row, as its generator")
    add_overwrite(parser)
    add_tables(parser)


def run(args):
    """Show a report, and write what was asked for."""
    for path in filter(None, (args.out, args.relabel)):
        check_new(path, overwrite=args.overwrite)
        check_writable(path.absolute().parent)
    # Imported here, as they are slow: --help must not wait for them.
    from skweight import weight_report
    from skweight._cli.predict import load_model

    classifier = load_model(args.model)
    X, y = _read(args.synthetic, args)
    real_X, real_y = _read(args.real, args) if args.real else (None, None)
    test_X = _read(args.test, args)[0] if args.test else None
    groups = _read_groups(args.synthetic, args.group_column) if args.group_column else None
    report = weight_report(classifier, X, y, real_X=real_X, real_y=real_y, test_X=test_X, groups=groups)
    for line in str(report).splitlines():
        show(line)
    if args.out:
        report.to_html(args.out)
        show()
        show(f"Page written to {args.out}.")
    if args.relabel:
        count = len(report.relabelling(args.relabel))
        show(f"{count} labels to change written to {args.relabel}. Edit it, and read it with read_relabelling.")


def _read(path, args):
    """Texts and labels; an empty field is a missing value, as CSV has no other way to say so."""
    from skweight.datasets._tables import read_rows

    options = {"text_option": TEXT_OPTION, "label_option": LABEL_OPTION}
    columns = read_rows(path, args.text_column, args.label_column, raw=args.raw, **options)
    return tuple([value if all(_parts(value)) else None for value in column] for column in columns)


def _parts(value):
    return value if isinstance(value, tuple) else (value,)


def _read_groups(path, name):
    from skweight.datasets._tables import check_columns, open_csv

    with open_csv(path) as (columns, rows):
        check_columns(path, columns, [name], _GROUP_OPTION)
        return [row[columns.index(name)] or None for row in rows]
