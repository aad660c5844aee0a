"""What type checkers and editors know of the public names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skweight
from skweight import _engine

DOORS = {
    "skweight": {**skweight._HOME, **{name: f"skweight.{name}" for name in skweight._SUBMODULES}},
    "skweight._engine": {name: f"skweight._engine.{home}" for name, home in _engine._HOME.items()},
}


def declared(door):
    """Names that a door declares to type checkers, and where from; those under their own name again."""
    tree = ast.parse(Path(sys.modules[door].__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    names = {}
    for node in block.body:
        for alias in node.names:
            assert alias.asname == alias.name, "without `as` it is private to type checkers"
            is_module = node.module == door
            names[alias.name] = f"{node.module}.{alias.name}" if is_module else node.module
    return names


@pytest.mark.parametrize("door", DOORS)
def test_type_checkers_know_every_name_that_is_loaded_on_first_use(door):
    assert declared(door) == DOORS[door]


@pytest.mark.parametrize("door", DOORS)
def test_every_such_name_is_there(door):
    for name in DOORS[door]:
        assert getattr(sys.modules[door], name) is not None


CODE = """
import skweight
from skweight import DIMPClassifier, importance_weights, losses
from skweight import nonsense
from skweight.baselines import nothing

DIMPClassifier("passthrough", gamma=2.0, max_epochs=3)
DIMPClassifier("passthrough", gamma="much")
skweight.losses.DIMPLoss(gamma=2.0)
skweight.losses.NoLoss()
reveal_type(DIMPClassifier)
reveal_type(importance_weights)
"""


@pytest.mark.slow
def test_mypy_knows_the_names_and_their_parameters(tmp_path):
    """It takes a minute: mypy reads torch."""
    (tmp_path / "user.py").write_text(CODE)
    options = ["--follow-imports=silent", "--ignore-missing-imports", "--cache-dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "user.py"], cwd=tmp_path, capture_output=True, text=True
    )
    said = [line.partition(":")[2] for line in done.stdout.splitlines()]
    assert [line for line in said if "error" in line] == [
        '4: error: Module "skweight" has no attribute "nonsense"  [attr-defined]',
        '5: error: Module "skweight.baselines" has no attribute "nothing"  [attr-defined]',
        '8: error: Argument "gamma" to "DIMPClassifier" has incompatible type "str"; expected "float"  [arg-type]',
        '10: error: Module has no attribute "NoLoss"  [attr-defined]',
    ]
    kinds = [line for line in said if "Revealed type" in line]
    assert "gamma: float" in kinds[0]
    assert "def (quality" in kinds[1]
