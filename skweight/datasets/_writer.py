"""Writing CSV that can be read back."""

import csv


def csv_writer(file, **settings):
    r"""Make a writer of lines that end with "\n".

    Python quotes what is part of the end of a line, and so a lone "\r" in a cell only if lines end with "\r\n". Without
    quotes a reader takes it for the end of a line.

    Parameters
    ----------
    file : text file
        Opened with ``newline=""``.
    **settings
        Of :func:`csv.writer`.
    """
    return csv.writer(_Lines(file), lineterminator="\r\n", **settings)


class _Lines:
    r"""A file that takes lines with "\r\n" at their end, and writes them with "\n"."""

    def __init__(self, file):
        self._file = file

    def write(self, line):
        return self._file.write(line.removesuffix("\r\n") + "\n")
