"""What reaches the terminal: lines that it cannot obey, on streams whose end does not end the work."""

import os
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

from skweight._visible import shorten as shorten
from skweight._visible import visible as visible

_LONGEST_LINE = 1000  # characters


def show(line="", *, file=None):
    """Print one line, on standard output if no other stream is named: all text of a command goes through here."""
    end = "" if len(line) <= _LONGEST_LINE else " …"
    print(visible(line[:_LONGEST_LINE]) + end, file=file, flush=True)


@contextmanager
def connected():
    """Let standard output and error be streams that never raise, and let warnings be lines."""
    shown = set()

    def show_warning(message, *_args, **_kwargs):
        if str(message) not in shown:
            shown.add(str(message))
            show(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

    out, err = _PatientStream(sys.stdout), _PatientStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            yield
        finally:
            out.flush()
            err.flush()


def results_stream():
    """Return standard output itself, for results: if they cannot be written, the command has failed."""
    stream = getattr(sys.stdout, "stream", sys.stdout)
    if stream is None:
        raise OSError("Standard output is closed. Name a file for the results with --out.")
    return stream


class _PatientStream:
    """Stream that spells what its encoding does not have, and is silent after its reader has gone or its disk is full.

    A training goes on without anybody to read of it.
    """

    def __init__(self, stream):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        self.stream = stream

    def write(self, text):
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self):
        self._try(lambda: self.stream.flush())

    def _try(self, action):
        if self.stream is None:  # Python's own mark of a stream that was closed before it began
            return
        try:
            action()
        except (OSError, ValueError):  # ValueError: the stream is closed
            _silence(self.stream)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def _silence(stream):
    """Let all that is written to a stream go nowhere, also what it still holds and writes when Python ends."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
