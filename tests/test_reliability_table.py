"""The table of faults in the guide: it is whole, and every test that it names is there."""

import ast
import re
from functools import cache

import pytest
from helpers import ROOT

PAGE = (ROOT / "docs" / "guide" / "reliability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, flags=re.MULTILINE)


@cache
def names_in(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_fault_is_left_out():
    assert [int(number) for number, _ in ROWS] == list(range(1, 67))


@pytest.mark.parametrize(("number", "row"), ROWS, ids=[number for number, _ in ROWS])
def test_every_fault_has_tests_and_they_are_there(number, row):
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
    assert named
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
