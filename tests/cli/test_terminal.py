"""What reaches the terminal, and how a command ends."""

import csv
import io
import subprocess
import sys
import warnings

import pytest
from helpers import BrokenStream, write_csv
from safetensors import SafetensorError

from skweight.__main__ import main
from skweight._cli import predict as predict_command
from skweight._cli.terminal import connected, shorten, show, visible

HARMFUL = "\x1b[31m \x07 \x9b \u202e \u2066 \u200b \u2028 \n \r \ud800"


def test_what_a_terminal_would_obey_or_hide_is_spelt():
    assert visible(HARMFUL) == r"\x1b[31m \x07 \x9b \u202e \u2066 \u200b \u2028 \n \r \ud800"
    assert visible("déjà vu\u00a0! 映画　良い 🎬") == "déjà vu\u00a0! 映画　良い 🎬"


def test_a_line_of_text_has_an_end():
    assert shorten("three " * 50, 20) == "three three three …"
    assert shorten("a" * 10**6, 20) == "a" * 18 + " …"
    assert shorten("two\n lines", 20) == "two lines"


def test_no_text_of_a_file_reaches_the_terminal_as_it_is(files, fit, toy, capsys):
    labels = {"fresh": f"fresh{HARMFUL[:-2]}", "rotten": "rotten"}
    for name in ("synthetic", "real"):
        X, y = (toy[f"{'real_' if name == 'real' else ''}{key}"] for key in "Xy")
        rows = [(f"{text} {HARMFUL[:-2]}", labels[label]) for text, label in zip(X, y, strict=True)]
        write_csv(files[name], ["text", "label", "\x1b[2J"], [(*row, "") for row in rows])
    write_csv(files["test"], ["text", "label"], [("a film", "fresh"), ("good", labels["fresh"])])
    assert fit("--method", "imp-fast") == 0
    assert fit("--method", "imp-fast", "--overwrite", "--test", files["test"]) == 2
    assert fit("--text-column", "absent") == 2
    assert main(["predict", files["model"], files["synthetic"], "--keep", "absent"]) == 2
    shown = capsys.readouterr()
    assert r"classes: fresh\x1b[31m" in shown.out
    assert r"\x1b[2J" in shown.err
    assert all(character.isprintable() or character in "\r\n" for character in shown.out + shown.err)


class Stream(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.isatty = lambda: is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_predictions_are_spelt_for_a_terminal_only(text_model, tmp_path, monkeypatch, is_terminal):
    source = write_csv(tmp_path / "in.csv", ["\x07", "text"], [["\n", "a \x1b[31m film"]])
    monkeypatch.setattr(sys, "stdout", Stream(is_terminal))
    assert main(["predict", str(text_model), source, "--keep", "\x07", "--keep", "text"]) == 0
    expected = "\\x07,text,{}\n\\n,a \\x1b[31m film," if is_terminal else '\x07,text,{}\n"\n",a \x1b[31m film,'
    assert sys.stdout.getvalue().startswith(expected.format("label,p(fresh),p(rotten)"))


@pytest.mark.parametrize(("encoding", "spelt"), [("ascii", rb"\xe9 \u6620"), ("cp1252", b"\xe9 \\u6620")])
def test_what_an_encoding_does_not_have_is_spelt(monkeypatch, encoding, spelt):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    with connected():
        show("é 映")
    assert out.getvalue().rstrip() == spelt


def test_a_reader_that_has_seen_enough_ends_a_prediction_without_a_word(text_model, tmp_path):
    source = write_csv(tmp_path / "in.csv", ["text"], [["a film"]] * 20_000)
    command = [sys.executable, "-m", "skweight", "predict", str(text_model), source, "--chunk-rows", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"label,p(fresh),p(rotten)\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


@pytest.mark.parametrize("stream", [None, BrokenStream(OSError(28, "No space left on device"))])
def test_predictions_that_cannot_be_written_are_an_error(text_model, files, monkeypatch, refused, stream):
    monkeypatch.setattr(sys, "stdout", stream)  # None: it was closed before Python began
    status = main(["predict", str(text_model), files["texts"]])
    assert refused(status) in (
        "Standard output is closed. Name a file for the results with --out.",
        "[Errno 28] No space left on device",
    )


def advised(error, advice):
    error.add_note(advice)
    return error


def raising(error):
    def run(*args, **kwargs):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FloatingPointError("loss is nan"), "loss is nan"),
        (csv.Error("line contains NUL"), "line contains NUL"),
        (SafetensorError("header too\n large"), "header too large"),
        (
            MemoryError("2 GiB"),
            "Out of memory (2 GiB). Smaller batches, shorter texts or fewer rows at a time need less.",
        ),
        (advised(RuntimeError("out of memory"), "Set batch_size."), "out of memory Set batch_size."),
        (OSError(), "OSError"),
        (ValueError("a" * 10**6), "a" * 993 + " …"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_foreseeable_errors_end_with_a_sentence(text_model, files, monkeypatch, capsys, error, message):
    monkeypatch.setattr(predict_command, "load_model", raising(error))
    assert main(["predict", str(text_model), files["texts"]]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_an_interrupted_command_ends_with_one_line(text_model, files, monkeypatch, capsys):
    monkeypatch.setattr(predict_command, "load_model", raising(KeyboardInterrupt()))
    assert main(["predict", str(text_model), files["texts"]]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_other_errors_keep_their_traceback(text_model, files, monkeypatch):
    monkeypatch.setattr(predict_command, "load_model", raising(KeyError("a bug")))
    with pytest.raises(KeyError, match="a bug"):
        main(["predict", str(text_model), files["texts"]])


def test_a_warning_is_one_line_and_comes_once(capsys):
    with connected():
        for level in (1, 2):  # two places
            warnings.warn("look\nout \x1b", UserWarning, stacklevel=level)
    assert capsys.readouterr().err == "warning: look out \\x1b\n"


def test_an_option_takes_one_column_and_leaves_the_files_alone(text_model, tmp_path, capsys):
    source = write_csv(tmp_path / "in.csv", ["id", "review"], [["1", "a film"]])
    assert main(["predict", "--text-column", "review", "--keep", "id", str(text_model), source]) == 0
    assert capsys.readouterr().out.startswith("id,label,")
