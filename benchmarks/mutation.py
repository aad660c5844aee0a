"""Mutation tests: change one operator, number or text of a module at a time, and see whether its tests notice.

    pip install "mutmut>=3.8"
    python -m benchmarks.mutation _weights --scratch SCRATCH

copies the repository, changes the module there in one place after another, runs the tests that `TESTS` lists for it on
each change, and prints how many changes were noticed ("killed") and what the others are. mutmut changes what stands in
functions and methods, in those of decorated classes too, but neither in functions with a decorator (`UNDECORATED`:
those taken off in the copy; properties stay as they are) nor outside of functions, as defaults of annotated parameters.
What a test file makes when it is imported was made by the unchanged module.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# The tests of each module that take a moment: every mutant runs those of them that reach the function it is in.
TESTS = {
    "_weights": ["test_weights.py", "test_probabilities.py"],
    "losses": ["test_losses.py", "test_loss_columns.py", "test_loss_numerics.py"],
    "model_selection": [f"model_selection/test_{name}.py" for name in ("splitters", "groups", "stack_real", "traps")],
    "_pools": ["test_pools.py"],
    "_imp": ["test_imp.py", "test_weight_warnings.py"],
    "_checkers": ["test_checkers.py", "test_two_stages.py"],
    "_teachers": ["test_teachers.py"],
    "_verdict": ["test_verdict.py"],
    "_opinion_pool": ["test_teachers.py", "test_experts.py", "test_pool_targets.py", "test_opinion_pool.py"],
}
FORK_SERVER = ["model_selection"]  # slower; threads of polars, which its tests use, do not survive a plain fork
UNDECORATED = ['@np.errstate(under="ignore")\n']

SETTINGS = """\
[mutmut]
source_paths=skweight/
only_mutate=
    skweight/{module}.py
also_copy=
    docs/
    README.md
    CONTRIBUTING.md
    benchmarks/
pytest_add_cli_args=
    -q
    -p
    no:cacheprovider
    -o
    addopts=
    -m
    not slow and not gpu
    --deselect
    tests/test_imp.py::test_weights_see_wrong_labels_and_training_on_them_is_better_on_real_text
pytest_add_cli_args_test_selection=
{tests}
track_dependencies=false
timeout_constant=30
timeout_multiplier=5
process_isolation={isolation}
"""


def copy_repository(scratch, module):
    """Copy what git knows of, and new files, and write mutmut's settings beside it."""
    shutil.rmtree(scratch, ignore_errors=True)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, scratch / name)
    source = scratch / "skweight" / f"{module}.py"
    text = source.read_text(encoding="utf-8")
    for decorator in UNDECORATED:
        text = text.replace(decorator, "")
    source.write_text(text, encoding="utf-8")
    tests = "\n".join(f"    tests/{name}" for name in TESTS[module])
    settings = SETTINGS.format(module=module, tests=tests, isolation="forkserver" if module in FORK_SERVER else "fork")
    (scratch / "setup.cfg").write_text(settings, encoding="utf-8")


def mutmut(scratch, *arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment.pop("PYTHONPATH", None)  # the copy is what is tested
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=scratch, env=environment, text=True, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", choices=TESTS)
    parser.add_argument("--scratch", type=Path, required=True, help="folder for the copy; what is in it is deleted")
    parser.add_argument("--processes", default="1")
    parser.add_argument("--only", nargs="*", default=[], help="names of mutants, as '*_macro_f1__mutmut_*'")
    arguments = parser.parse_args()
    scratch = arguments.scratch / arguments.module
    copy_repository(scratch, arguments.module)
    log = scratch / "mutmut.log"
    with log.open("w", encoding="utf-8") as file:
        command = ["run", "--max-children", arguments.processes, *arguments.only]
        run = mutmut(scratch, *command, stdout=file, stderr=subprocess.STDOUT)
    if run.returncode:
        raise SystemExit(f"mutmut failed; see {log}")
    mutmut(scratch, "export-cicd-stats", capture_output=True)
    counts = json.loads((scratch / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    print({name: n for name, n in counts.items() if n})
    for line in mutmut(scratch, "results", capture_output=True).stdout.splitlines():
        name, _, status = line.strip().partition(": ")
        if status and status != "not checked":
            shown = mutmut(scratch, "show", name, capture_output=True).stdout.splitlines()
            print(name, status, *(one for one in shown[3:] if one[:1] in "+-"), sep="\n")


if __name__ == "__main__":
    main()
