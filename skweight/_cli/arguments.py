"""Arguments that several commands have in common."""

import argparse

TEXT_OPTION, LABEL_OPTION = "--text-column", "--label-column"


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the defaults, but for those that say nothing: a flag's, and that of an option left out."""

    def _get_help_string(self, action):
        plain = action.default is None or isinstance(action.default, bool | list)
        return action.help if plain else super()._get_help_string(action)


def add_tables(parser):
    """Add what says how tables are read and written."""
    parser.add_argument(
        TEXT_OPTION,
        action="append",
        metavar="COLUMN",
        help='column of the texts; twice for pairs (default: "text", or "text_a" and "text_b")',
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="read and write the cells of CSV as they are: no apostrophe before what a spreadsheet would run",
    )


def add_overwrite(parser):
    """Add the option that allows to replace."""
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run has written")
