"""The order of the examples in the gallery."""

# Shown first, in this order; any other example follows by its file's name.
FIRST = [
    "first_classifier",
    "audit",
    "which_rows_helped",
    "search",
    "several_generators",
    "pairs",
    "imbalanced",
    "any_model",
]


def key(name):
    """Sort key of an example's file."""
    stem = name.removesuffix(".py").removeprefix("plot_")
    return (FIRST.index(stem) if stem in FIRST else len(FIRST), stem)
