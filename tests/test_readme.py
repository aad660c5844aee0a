import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_code_in_the_readme_runs(capsys):
    """Downloads the real film sentences on first use, and trains for about a minute."""
    code, _ = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    accuracy = float(capsys.readouterr().out.splitlines()[0])
    assert accuracy > 0.65
