"""Every answer of a language model on disk before it counts, so that none is paid for twice."""

import dataclasses
import json
import os
from pathlib import Path

from filelock import FileLock, Timeout

from skweight.llm._endpoint import Answer

_BEGINNING = b'{"id": "'  # of every line


class AnswerLog:
    """Answers by the id of their request: one line of JSON each, only ever appended.

    What the answers mean is not kept, so that another parser can read them again. Failures are written down too, and
    are asked again.

    Parameters
    ----------
    path : str or path, or None
        None keeps answers in memory.

    Raises
    ------
    OSError
        If another process uses the file.
    ValueError
        If the file is something else.
    """

    def __init__(self, path=None):
        self._answers: dict[str, Answer] = {}
        self._file = self._lock = None
        if path is None:
            return
        path = Path(path)
        self._lock = FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise OSError(f"{path} is in use by another process.") from None
        try:
            self._file = open(path, "a+b")  # noqa: SIM115 - closed by close()
            self._file.truncate(self._read(path, self._file))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __len__(self):
        return len(self._answers)

    def close(self):
        """Close the file and let others use it."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.release()

    def get(self, request):
        """Return the answer to a request, or None."""
        return self._answers.get(request.id)

    def add(self, request, answer):
        """Keep an answer."""
        self._write(
            {
                "id": request.id,
                "model": request.model,
                "messages": request.messages,
                "params": request.params,
                "answer": dataclasses.asdict(answer),
            }
        )
        self._answers[request.id] = answer

    def add_failure(self, request, message):
        """Write down that there is no answer."""
        self._write({"id": request.id, "failure": message})

    def _write(self, line):
        if self._file is None:
            return
        self._file.write(json.dumps(line, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, path, file):
        """Read all answers; returns the length of what is whole."""
        file.seek(0)
        whole = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n") and _BEGINNING.startswith(line[: len(_BEGINNING)]):
                break  # a process was killed while it wrote this
            try:
                content = json.loads(line.decode(errors="surrogatepass"))
                if "answer" in content:
                    self._answers[content["id"]] = Answer(**content["answer"])
                elif "failure" not in content:
                    raise KeyError("answer")
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"Line {number} of {path} is not one of a log of answers.") from error
            whole += len(line)
        return whole
