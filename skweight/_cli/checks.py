"""What the command ``fit`` checks of its files before it trains, in the words of the command line."""

import difflib
from collections import Counter

from skweight._cli.outputs import same_file
from skweight.exceptions import warn


def check_different(read):
    """Check that no file is given twice.

    Parameters
    ----------
    read : dict of str to Path
        By their names in messages.
    """
    given = list(read.items())
    for i, (name, path) in enumerate(given):
        for other, other_path in given[i + 1 :]:
            if same_file(path, other_path):
                raise ValueError(f"{other_path} ({other}) is the same file as {path} ({name}).")


def check_classes(synthetic, real):
    """Check that there are two classes to tell apart, or say which file has which."""
    if len(synthetic.labels) < 2:
        raise ValueError(
            f"A classifier needs at least 2 classes. {_counted(synthetic)}; {_counted(real)}. Put the synthetic rows "
            "of all classes into one file."
        )


def check_fits(rows, synthetic):
    """Check that the labels of a table are those of the synthetic rows, and its texts are single where theirs are."""
    if rows.is_paired != synthetic.is_paired:
        raise ValueError(f"{rows.path} and {synthetic.path} must both hold single texts or both hold pairs of texts.")
    unknown = sorted(set(rows.labels) - set(synthetic.labels))
    if unknown:
        named = ", ".join(_with_nearest(label, synthetic.labels) for label in unknown[:5])
        raise ValueError(
            f"{rows.path} has labels that {synthetic.path} does not have: {named}{', …' if unknown[5:] else ''}; "
            f"those are {synthetic.labels}. If they mean the same, say so: --label-map {unknown[0]}=NAME."
        )


def check_real_of_each_class(real, synthetic):
    """Check that the real rows know every class."""
    absent = sorted(set(synthetic.labels) - set(real.labels))
    if absent:
        raise ValueError(
            f"{real.path} has no rows of {', '.join(map(repr, absent[:5]))}{', …' if absent[5:] else ''}, so nothing "
            "is known about the quality of their synthetic rows. Add real rows of every class, or go on without them: "
            "--missing-real warn."
        )


def check_label_map(pairs, tables):
    """Check that every label that is renamed occurs somewhere."""
    unused = sorted(set(pairs) - {label for table in tables for label in table.renamed})
    if unused:
        labels = sorted({label for table in tables for label in table.labels})
        raise ValueError(f"--label-map: no file has the label {_with_nearest(unused[0], labels)}; they have {labels}.")


def warn_of_leaks(test, synthetic, real):
    """Warn of texts to score on that are trained on."""
    seen = {*synthetic.X, *real.X}
    texts = [test.X[i] for i in test.complete]
    known = sum(text in seen for text in texts)
    if known:
        warn(
            f"SKW031: {known} of the {len(texts)} texts of --test are also among those to train on, which makes the "
            "scores look better than they are."
        )


def _counted(table):
    counts = Counter(table.y[i] for i in table.complete)
    return f"{table.path} has {', '.join(f'{label!r} ({n} rows)' for label, n in sorted(counts.items())[:10])}"


def _with_nearest(label, known):
    plain = {each.strip().casefold(): each for each in known}
    nearest = difflib.get_close_matches(label.strip().casefold(), plain, n=1)
    return f"{label!r} (near {plain[nearest[0]]!r})" if nearest else repr(label)
