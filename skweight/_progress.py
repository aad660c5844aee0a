"""What a long piece of work shows of itself: one bar in a terminal or a notebook, lines in a log file."""

import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar

FORWARD = 1 / 3  # units of reading a row; to train on it once is a unit of work
_MOST_LINES = 40  # in a log file, besides one for each stage
_current: ContextVar["Progress | None"] = ContextVar("progress", default=None)


class Progress:
    """Progress of one piece of work, such as a fit with all that it trains.

    Parameters
    ----------
    plan : dict of str to float
        Units of work of each stage, in order. What a stage takes beyond that is added; what it does not need is
        skipped.
    """

    def __init__(self, plan):
        self._plan = dict(plan)
        self._total = max(sum(self._plan.values()), 1)
        self._done = self._said = 0.0
        self._end = 0.0  # of the stage that is going on
        self._stages: list[str] = []
        self._start = self._stage_start = time.perf_counter()
        self._figures: dict[str, str] = {}
        layout = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self._bar = make_bar(total=self._total, bar_format=layout, smoothing=0.1) if shows_bars() else None

    def begin(self, name):
        """Begin a stage, or a part of the one that is going on."""
        if not self._stages:
            self._end = self._done + self._plan.pop(name, 0.0)
            self._stage_start = time.perf_counter()
        self._stages.append(name)
        self._figures = {}
        self._show()

    def end(self, *, whole):
        """End the stage, or the part of it; `whole` says whether it has come to its end."""
        name = self._stages.pop()
        if whole and not self._stages:
            self._to(self._end)
            self._say(f"{name}: done in {time.perf_counter() - self._stage_start:.0f} s", always=True)
        self._figures = {}

    def advance(self, units):
        """Go on by so many units of the stage that is going on; without one nothing counts."""
        if self._stages:
            excess = max(self._done + units - self._end, 0.0)
            self._end += excess
            self._total += excess
            self._to(self._done + units)

    def note(self, **figures):
        """Set what stands beside the bar."""
        self._figures = {**self._figures, **figures}
        if self._bar is not None:
            self._bar.set_postfix_str(self._spelt(), refresh=False)

    def say(self):
        """Write what has been noted into a log, at the end of an epoch or of another part of a stage."""
        if self._stages:
            self._say(f"{self._stages[-1]}: {self._spelt()}")

    def close(self):
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    def _to(self, done):
        if self._bar is not None:
            self._bar.total = self._total
            self._bar.update(done - self._done)
        self._done = done

    def _show(self):
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.set_description(self._stages[-1])

    def _spelt(self):
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self._figures.items())

    def _say(self, text, *, always=False):
        """Write a line into a log, unless there was one a moment ago."""
        if self._bar is not None or not (always or self._done - self._said >= self._total / _MOST_LINES):
            return
        from tqdm import tqdm

        self._said = self._done
        share = self._done / self._total
        spent = time.perf_counter() - self._start
        left = (
            f"; {share:.0%} of all, {tqdm.format_interval(spent / share * (1 - share))} left" if 0 < share < 1 else ""
        )
        tqdm.write(f"{text}{left}", file=sys.stderr)


# -- where the work is done -------------------------------------------------------------------------------------------


@contextmanager
def shown(plan, *, enabled):
    """Show the progress of what is done inside the block, unless it is part of something that is shown already.

    Parameters
    ----------
    plan : dict of str to float
        See :class:`Progress`.
    enabled : bool
    """
    if not enabled or is_shown():
        yield
        return
    progress = Progress(plan)
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)
        progress.close()


@contextmanager
def stage(name):
    """Name what is done inside the block; inside another stage, the part of it."""
    progress = _current.get()
    if progress is None:
        yield
        return
    progress.begin(name)
    try:
        yield
    except BaseException:
        progress.end(whole=False)
        raise
    progress.end(whole=True)


def is_shown():
    """Whether the work that is going on is shown."""
    return _current.get() is not None


def current():
    """Return the :class:`Progress` of the work that is going on, or None."""
    return _current.get()


def advance(units):
    """Go on by so many units of the stage that is going on."""
    if (progress := _current.get()) is not None:
        progress.advance(units)


# -- bars -------------------------------------------------------------------------------------------------------------


def shows_bars():
    """Whether standard error is a terminal or a notebook, and not a file."""
    import tqdm.auto

    return tqdm.auto.notebook_tqdm is not tqdm.auto.std_tqdm or sys.stderr.isatty()


def make_bar(**settings):
    """Make the bar that suits a terminal or a notebook."""
    from tqdm.auto import tqdm

    return tqdm(**settings)
