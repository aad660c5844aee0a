"""Arguments that several commands have in common."""


def add_text_columns(parser):
    """Add the option that names the columns of the texts."""
    parser.add_argument(
        "--text-column", nargs="+", metavar="COLUMN", help='default: "text", or "text_a" and "text_b" for pairs'
    )
