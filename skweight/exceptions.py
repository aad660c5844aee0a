"""Warnings and errors of skweight."""

import sys
import warnings

__all__ = ["IntegrityError", "RealDataSlicedWarning", "SkweightWarning"]


class SkweightWarning(UserWarning):
    """Base of all warnings that skweight raises itself.

    The message begins with a code, so that one kind can be filtered on its own::

        warnings.filterwarnings("ignore", message="SKW010", category=SkweightWarning)

    ========  ==============================================================================
    code      meaning
    ========  ==============================================================================
    SKW010    texts are empty or hold white space only
    SKW011    texts are longer than ``max_length`` tokens and were truncated
    SKW012    labels differ only in case, white space or Unicode form
    SKW013    the tokenizer does not know most of the tokens
    SKW014    rows with a missing text or label were dropped (``on_bad_rows="drop"``)
    SKW015    labels look like missing ones, but are texts: "nan", ""
    SKW021    a class has no real rows and gets the neutral weight 1 (``missing_real="warn"``)
    SKW023    a class has too few real rows to be held out in proportion
    SKW030    texts occur both in the synthetic and in the real rows
    SKW031    texts to score on are also among the rows to train on (command line)
    SKW032    `real_X` is as long as `X`: it may have been sliced (:class:`RealDataSlicedWarning`)
    SKW033    a column of `X` holds the labels
    SKW034    real rows occur more than once
    SKW040    probabilities of 0, or a weight at its bound: 1 % of the rows or more
    SKW041    the weights have collapsed: few rows carry nearly all of the weight
    SKW042    one row carries more than a tenth of the weight, and more than ten rows' share
    SKW043    a checker predicts one class for all synthetic rows
    SKW044    the student of an opinion pool has not learnt what the pool says
    SKW045    a fitted classifier predicts one class for all rows that it was trained on
    SKW046    every row to score on is predicted as one class (command line)
    SKW050    a checker cannot be kept in ``memory``, because it cannot be pickled
    SKW051    parameters of a saved classifier were left out of its folder
    SKW052    nothing can be kept in ``memory``, because it cannot be written to
    SKW053    real rows alone score better than the classifier, or than a pool (command line)
    SKW054    the tokenizer cuts words into single letters: the encoder does not know the language
    SKW060    rows that were scored have a label that is missing or no class of the checkers
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
_BETWEEN = ("joblib", "numpy", "sklearn", "skweight")


def warn(message, category=SkweightWarning):
    """Raise a warning that points at the user's own line, however deep the call came from."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
