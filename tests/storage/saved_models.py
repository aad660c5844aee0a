"""What the tests of saved models build, and look at."""

import os
import signal
import traceback

import numpy as np

TEXTS = ["a good film", "a poor story", "quite dull"]


def is_whole(loaded, saved, *, training=True):
    """Whether a loaded classifier is in all its parts the one that was saved."""
    return (
        type(loaded) is type(saved)
        and loaded.classes_.tolist() == saved.classes_.tolist()
        and loaded.history_ == saved.history_
        and np.array_equal(loaded.predict_proba(TEXTS), saved.predict_proba(TEXTS))
        and hasattr(loaded, "sample_weight_") == training
        and (not training or np.array_equal(loaded.sample_weight_, saved.sample_weight_))
    )


def fork(function, *args):
    """Run a function in a process of its own; return the process's number."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            function(*args)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def has_exited(process):
    """Whether a process has come to its end by itself, and not by a kill. Waits for it."""
    status = os.waitpid(process, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True
