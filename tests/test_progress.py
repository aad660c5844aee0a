"""What a fit shows of itself: one bar in a terminal, lines in a log file."""

import io
import re
import sys

import pytest
from helpers import QUICK, fit, tfidf

from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier, _progress
from skweight.baselines import CrossEntropyClassifier, SunGenClassifier


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def in_terminal(monkeypatch):
    """Call a function in a terminal; return what it has shown there."""

    def run(function, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", Terminal())
            function(*args, **kwargs)
            return sys.stderr.getvalue()

    return run


@pytest.fixture
def log(capsys):
    """What has been written into a log file so far."""
    shown = []

    def read():
        shown.append(capsys.readouterr().err)
        return "".join(shown)

    return read


def stages(shown):
    """Names beside the bar, in order."""
    return list(dict.fromkeys(re.findall(r"\r([^\r:]+):", shown)))


def test_one_bar_for_the_whole_fit_names_its_stages(tiny_encoder, toy, in_terminal):
    shown = in_terminal(fit, DIMPClassifier(tiny_encoder, verbose=1, **QUICK), toy)
    assert stages(shown)[-3:] == ["reading", "quality checker", "training"]
    assert shown.count("\n") == 1
    last = shown.rstrip().rpartition("\r")[2]
    assert re.match(r"training: 100%\|.*\| \d\d:\d\d<00:00, epoch 2/2, loss \d\.\d\d\d", last)


def test_a_pool_names_its_experts_and_the_pool(tiny_encoder, toy, log):
    fit(OpinionPoolClassifier(tiny_encoder, verbose=1, **QUICK), toy)
    done = re.findall(r"^(.*): done in", log(), flags=re.MULTILINE)
    assert done == ["reading", "experts", "pool", "last layer", "training"]


def test_so_do_checkers_and_weights_that_are_learnt(tiny_encoder, toy, log):
    fit(IMPClassifier(tiny_encoder, verbose=1, quality_checker=tfidf(), diversity_checker="fast", **QUICK), toy)
    fit(SunGenClassifier(tiny_encoder, verbose=1, n_outer_iter=2, **QUICK), toy)
    done = re.findall(r"^(.*): done in", log(), flags=re.MULTILINE)
    assert done == ["reading", "quality checker", "diversity checker", "training", "reading", "weights", "training"]


def test_a_log_file_gets_a_line_for_each_epoch_and_no_carriage_return(tiny_encoder, toy, log):
    clf = CrossEntropyClassifier(tiny_encoder, verbose=1, early_stopping=True, n_iter_no_change=9, **QUICK)
    fit(clf, toy)
    shown = log()
    assert "\r" not in shown
    loss, accuracy = clf.history_[0]["train_loss"], clf.history_[0]["valid_accuracy"]
    line = f"training: epoch 1/2, loss {loss:.3f}, accuracy on real rows {accuracy:.3f}; "
    assert re.search(rf"^{re.escape(line)}\d\d% of all, \d\d:\d\d left$", shown, flags=re.MULTILINE)
    assert shown.splitlines()[-1].startswith("training: done in ")


def test_a_log_file_of_many_epochs_has_fewer_than_a_hundred_lines(log):
    with _progress.shown({"training": 1000.0}, enabled=True), _progress.stage("training"):
        for epoch in range(1000):
            _progress.advance(1.0)
            _progress.current().note(epoch=epoch)
            _progress.current().say()
    assert 30 < len(log().splitlines()) < 100


def test_seconds_left_are_those_of_the_work_that_is_left(log, monkeypatch):
    now = iter([0.0, 0.0, 30.0, 30.0])  # beginning of all and of the stage, a line, the end of the stage
    monkeypatch.setattr(_progress.time, "perf_counter", lambda: next(now, 60.0))
    with _progress.shown({"experts": 25.0, "training": 75.0}, enabled=True), _progress.stage("experts"):
        _progress.advance(25.0)
        _progress.current().note(loss=1)
        _progress.current().say()  # a quarter of the work took 30 s: three quarters take 90
    assert log().splitlines()[0] == "experts: loss 1; 25% of all, 01:30 left"


def test_a_stage_that_is_skipped_or_takes_longer_than_planned_leaves_the_share_right(log):
    with _progress.shown({"a": 50.0, "b": 50.0}, enabled=True):
        with _progress.stage("a"):  # nothing to do, as after an interruption
            pass
        assert "50% of all" in log().splitlines()[-1]
        with _progress.stage("unplanned"):
            _progress.advance(100.0)
        assert "75% of all" in log().splitlines()[-1]


def test_a_fit_inside_another_one_has_no_bar_of_its_own(tiny_encoder, toy, in_terminal):
    checker = CrossEntropyClassifier(tiny_encoder, verbose=1, **QUICK)
    shown = in_terminal(fit, DIMPClassifier(tiny_encoder, verbose=1, quality_checker=checker, **QUICK), toy)
    assert shown.count("\n") == 1


def test_nothing_is_shown_without_verbose_nor_after_a_fit_that_failed(tiny_encoder, toy, in_terminal):
    assert in_terminal(fit, CrossEntropyClassifier(tiny_encoder, **QUICK), toy) == ""
    with pytest.raises(FloatingPointError):
        fit(CrossEntropyClassifier(tiny_encoder, verbose=1, **{**QUICK, "lr": 1e30}), toy)
    assert not _progress.is_shown()
