"""Arguments that several commands have in common, and what they say."""

import argparse
import json
from pathlib import Path

from skweight._cli.config import ReadConfig, Several


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the defaults, but for those that say nothing: a flag's, and that of an option left out."""

    def _get_help_string(self, action):
        plain = action.default is None or isinstance(action.default, bool | list)
        return action.help if plain else super()._get_help_string(action)


def add_tables(parser):
    """Add what says how tables are read and written."""
    parser.add_argument(
        "--text-column",
        action=Several,
        metavar="COLUMN",
        help='column of the texts; for pairs A,B or twice (default: "text", or "text_a" and "text_b")',
    )
    parser.add_argument("--encoding", help="of files that are not UTF-8, such as utf-16 or cp1252")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="read and write the cells of CSV as they are: no apostrophe before what a spreadsheet would run",
    )


def add_labelled_tables(parser):
    """Add what says how tables of synthetic and of real rows are read; :func:`read_labelled` obeys it."""
    add_tables(parser)
    parser.add_argument("--label-column", default="label", metavar="COLUMN", help="column of the labels")
    parser.add_argument(
        "--real-text-column",
        action=Several,
        metavar="COLUMN",
        help="column of the texts in files of real rows, if it has another name there",
    )
    parser.add_argument(
        "--real-label-column",
        metavar="COLUMN",
        help="column of the labels in files of real rows, if it has another name there",
    )
    parser.add_argument(
        "--label-map",
        action=Several,
        metavar="LABEL=NAME",
        help="call a label by another name in all files, as 0=negative; repeated, or a JSON file with all of them",
    )
    parser.add_argument("--drop-bad-rows", action="store_true", help="leave out rows with a missing text or label")


def add_group_column(parser):
    """Add the option that names the column of groups."""
    parser.add_argument(
        "--group-column", metavar="COLUMN", help="column that tells synthetic rows apart, as by generator or prompt"
    )


def add_engine(parser):
    """Add what says who works on many files; :func:`engine_options` has what was given."""
    parser.add_argument(
        "--engine", choices=["local", "ray"], help="processes on this machine, or actors of Ray (default: local)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="how many (default: one for each processor)")
    parser.add_argument("--threads", type=int, metavar="N", help="of each worker (default: 1)")
    parser.add_argument(
        "--precision",
        choices=["fp32", "auto", "bf16", "fp16"],
        help="what encoders compute in: auto is several times as fast where the processor has bfloat16 (default: fp32)",
    )


def engine_options(args):
    """Return the options that were given, as arguments of :func:`skweight.scale.score` and the like."""
    options = {"engine": args.engine, "n_workers": args.workers, "threads": args.threads, "precision": args.precision}
    return {name: value for name, value in options.items() if value is not None}


def many_files_options(args):
    """Return all that `score` and `predict` have in common, as arguments of the functions of :mod:`skweight.scale`."""
    from skweight.datasets._input import COMMAND_LINE  # slow to import, and --help must not wait for it

    return engine_options(args) | {
        "text": args.text_column,
        "keep": args.keep or (),
        "fill_missing": args.fill_missing,
        "raw": args.raw,
        "encoding": args.encoding,
        "overwrite": args.overwrite,
        "verbose": 1,
        "_options": COMMAND_LINE,
    }


def add_overwrite(parser):
    """Add the option that allows to replace."""
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run has written")


def add_config(parser):
    """Add the option for a file of parameters; see :mod:`skweight._cli.config`."""
    parser.add_argument(
        "--config",
        action=ReadConfig,
        type=Path,
        metavar="FILE",
        help='TOML file with options by their long names, as "batch-size = 16"; the command line wins over it',
    )


def read_labelled(args, path, *, real):
    """Read a file of labelled rows as the arguments say.

    Parameters
    ----------
    args : argparse.Namespace
        With what :func:`add_labelled_tables` and perhaps :func:`add_group_column` have added.
    path : Path
    real : bool
        Whether the options for files of real rows apply. Groups are those of synthetic rows.

    Returns
    -------
    table : skweight._cli.tables.LabelledTable
    """
    from skweight._cli.tables import read_table
    from skweight.datasets._columns import Columns

    columns = Columns(
        text=(args.real_text_column if real else None) or args.text_column,
        label=(args.real_label_column if real else None) or args.label_column,
        group=None if real else getattr(args, "group_column", None),
        text_option="--real-text-column" if real else "--text-column",
        label_option="--real-label-column" if real else "--label-column",
        group_option="--group-column",
    )
    how = {"drop": args.drop_bad_rows, "raw": args.raw, "encoding": args.encoding}
    return read_table(path, columns, label_map=label_map(args.label_map), **how)


def label_map(given):
    """Read the pairs of ``--label-map``, or the files that hold them, as a dictionary."""
    pairs: dict[str, str] = {}
    for item in given or []:
        label, is_pair, name = item.partition("=")
        if is_pair and not Path(item).is_file():
            pairs[label] = name
            continue
        try:
            content = json.loads(Path(item).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"--label-map {item}: expected LABEL=NAME or a JSON file ({error}).") from error
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
            raise ValueError(f'--label-map {item}: expected one JSON object, as {{"0": "negative", "1": "positive"}}.')
        pairs |= content
    return pairs
