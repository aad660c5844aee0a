import io

import pytest

from skweight.datasets import load_csv
from skweight.datasets._writer import csv_writer


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", 'a "quoted" word', "a,b", "ends with\r", "ends with\r\n"])
def test_what_is_written_is_read_back(tmp_path, text):
    with open(tmp_path / "rows.csv", "w", newline="") as file:
        csv_writer(file).writerows([["text", "label"], [text, "good"], ["another", "bad"]])
    assert load_csv(tmp_path / "rows.csv") == ([text, "another"], ["good", "bad"])


def test_lines_end_as_on_unix():
    file = io.StringIO()
    csv_writer(file).writerows([["a", "b"], ["c", 1]])
    assert file.getvalue() == "a,b\nc,1\n"
