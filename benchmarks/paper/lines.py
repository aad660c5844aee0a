"""Runs as JSON lines: a file that grows."""

import datetime
import gzip
import json
import os
import platform
from pathlib import Path

import torch

from benchmarks.common import versions


class Lines:
    """A file of JSON lines that grows; a run whose configuration it holds already is not made again."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.done = {key(line) for line in read_lines([path])} if self.path.exists() else set()

    def has(self, config):
        """Whether the run is in the file."""
        return key({"config": config}) in self.done

    def add(self, config, result):
        """Append a run."""
        line = {
            "config": config,
            **result,
            "versions": versions(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
            "date": datetime.date.today().isoformat(),
        }
        # One write at the end of the file: several processes may share it. A kill may leave half of a line, which is
        # skipped when the file is read, and must not swallow the next one.
        half = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\n" * half + json.dumps(line) + "\n")
        self.done.add(key(line))


def read_lines(paths):
    """All whole lines of the files, which may be compressed (``.gz``)."""
    lines = []
    for path in paths:
        content = gzip.decompress(Path(path).read_bytes()) if str(path).endswith(".gz") else Path(path).read_bytes()
        for text in content.decode("utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:  # cut off by a kill
                continue
    return lines


def key(line):
    return json.dumps(line["config"], sort_keys=True)
