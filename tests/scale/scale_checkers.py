"""Checkers for the tests of scoring, in a module that workers can import."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from skweight.exceptions import warn


class LetterChecker(ClassifierMixin, BaseEstimator):
    """Finds "good" the more probable the more letters a text has; no two lengths up to 100 get the same probability."""

    classes_ = np.array(["bad", "good"])

    def predict_proba(self, X):
        good = np.array([(1 + min(len(text), 100)) / 102 for text in X])
        return np.c_[1 - good, good]

    def __sklearn_is_fitted__(self):
        return True


class MortalChecker(LetterChecker):
    """Kills its process at a text with "fatal" in it, as often as there are files in the folder `lives`."""

    def __init__(self, lives=None, classes=("bad", "good")):
        self.lives = lives
        self.classes = classes

    @property
    def classes_(self):
        return np.array(self.classes)

    def predict_proba(self, X):
        if any("fatal" in text for text in X) and (left := sorted(Path(self.lives).iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict_proba(X)


class WarningChecker(LetterChecker):
    """Warns of each batch."""

    def predict_proba(self, X):
        warn(f"SKW099: {len(X)} rows were seen.")
        return super().predict_proba(X)


class MeddlingChecker(LetterChecker):
    """Changes the time of the file `path` while it is asked."""

    def __init__(self, path=None):
        self.path = path

    def predict_proba(self, X):
        os.utime(self.path, (5, 5))
        return super().predict_proba(X)


class WaitingChecker(LetterChecker):
    """Stops at a text with "wait" in it as long as the file `gate` is there; writes its process number into it."""

    def __init__(self, gate=None):
        self.gate = gate

    def predict_proba(self, X):
        if any("wait" in text for text in X):
            while os.path.exists(self.gate):
                Path(self.gate).write_text(f"{os.getpid()}\n")
                time.sleep(0.05)
        return super().predict_proba(X)
