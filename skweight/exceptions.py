"""Warnings and errors of skweight."""

import sys
import warnings


class SkweightWarning(UserWarning):
    """Base of all warnings that skweight raises itself.

    The message begins with a code, so that one kind can be filtered on its own::

        warnings.filterwarnings("ignore", message="SKW010", category=SkweightWarning)

    ========  ==============================================================================
    code      meaning
    ========  ==============================================================================
    SKW010    texts are empty or hold white space only
    SKW011    texts are longer than ``max_length`` tokens and were truncated
    SKW012    labels differ only in case or in surrounding white space
    SKW013    the tokenizer does not know most of the tokens
    SKW014    rows with a missing text or label were dropped (``on_bad_rows="drop"``)
    SKW021    a class has no real rows and gets the neutral weight 1 (``missing_real="warn"``)
    SKW023    a class has too few real rows to be held out in proportion
    SKW030    texts occur both in the synthetic and in the real rows
    SKW032    `real_X` is as long as `X`: it may have been sliced (:class:`RealDataSlicedWarning`)
    SKW041    the weights have collapsed: few rows carry nearly all of the weight
    SKW042    the student of an opinion pool has not learnt what the pool says
    SKW050    a checker cannot be kept in ``memory``, because it cannot be pickled
    SKW051    parameters of a saved classifier were left out of its folder
    ========  ==============================================================================
    """


class RealDataSlicedWarning(SkweightWarning):
    """`real_X` has as many rows as `X`: cross-validation may have sliced it along with `X`.

    scikit-learn's cross-validation indexes every array that `fit` is given with the rows of the fold, if it has as many
    rows as `X`. Real rows of just that number are then cut by indices that were meant for the synthetic ones.
    """


class IntegrityError(ValueError):
    """A saved classifier is not what was saved: a file is damaged, missing, or does not belong there."""


# Packages that a call goes through between the user's line and the warning.
_BETWEEN = ("joblib", "sklearn", "skweight")


def warn(message, category=SkweightWarning):
    """Raise a warning that points at the user's own line, however deep the call came from."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
