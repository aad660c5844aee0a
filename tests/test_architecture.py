import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skweight
from skweight import _engine

PACKAGE = Path(skweight.__file__).parent
MODULES = {
    ".".join(("skweight", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


class Walk(ast.NodeVisitor):
    """What one file imports and calls.

    ``imports`` holds pairs (dotted name, whether inside a function), ``calls`` pairs (dotted name, function around it).
    """

    def __init__(self, source, package):
        self.package = package
        self.functions = []
        self.imports = set()
        self.calls = set()
        self.visit(ast.parse(source))

    def visit_FunctionDef(self, node):
        self.functions.append(node.name)
        self.generic_visit(node)
        self.functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_If(self, node):
        # What only a type checker reads is not imported.
        for part in node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else ast.iter_child_nodes(node):
            self.visit(part)

    def visit_Import(self, node):
        self.imports |= {(alias.name, bool(self.functions)) for alias in node.names}

    def visit_ImportFrom(self, node):
        home = node.module or ""
        if node.level:
            parents = self.package.split(".")
            home = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [home])])
        # `from skweight import _engine` imports a module: a name counts as one if there is a file for it.
        names = {f"{home}.{alias.name}" for alias in node.names}
        modules = (names & MODULES.keys()) or {home}
        self.imports |= {(name, bool(self.functions)) for name in modules}

    def visit_Call(self, node):
        self.calls.add((ast.unparse(node.func), self.functions[-1] if self.functions else None))
        self.generic_visit(node)

    def imported(self, *, lazily=None):
        """Dotted names of imports: all, those inside functions, or those that happen when the file is imported."""
        return {name for name, inside in self.imports if lazily is None or inside == lazily}

    def third_party(self, *, lazily=None):
        roots = {name.split(".")[0] for name in self.imported(lazily=lazily)}
        return roots - set(sys.stdlib_module_names) - {"skweight"}

    def own(self, *, lazily=None):
        return {name for name in self.imported(lazily=lazily) if name.split(".")[0] == "skweight"}


def walk(module):
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return Walk(path.read_text(encoding="utf-8"), package)


WALKS = {module: walk(module) for module in MODULES}


def inside(package):
    """The modules of a package, itself included."""
    return {module for module in MODULES if module == package or module.startswith(f"{package}.")}


ROWS, ENGINE, STORAGE = inside("skweight._rows"), inside("skweight._engine"), inside("skweight._storage")
BASELINES, SCALE = inside("skweight.baselines"), inside("skweight.scale")
METHODS = {"skweight._imp", "skweight._opinion_pool", "skweight._cross_entropy", *BASELINES}
ESTIMATORS = {"skweight._predicting", "skweight._base", "skweight._checkers", *METHODS}
# Doors: packages that load their modules on first use of a name, by tables that the walk over imports cannot see.
DOORS = {
    "skweight": {*skweight._HOME.values(), *(f"skweight.{name}" for name in skweight._SUBMODULES)},
    "skweight._engine": {f"skweight._engine.{name}" for name in _engine._HOME.values()},
}


def uses(module):
    """Modules of the package that a module imports, inside functions or not, and that its door opens on."""
    return WALKS[module].own() | DOORS.get(module, set())


def importers(*targets, lazily=None):
    """Modules that import one of the targets or something inside them."""
    return {
        module
        for module, found in WALKS.items()
        if any(name == t or name.startswith(f"{t}.") for name in found.imported(lazily=lazily) for t in targets)
    }


def circle(graph):
    """A path from a node back to itself in a dictionary of successors, or None."""
    done = set()

    def search(node, path):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        found = next(filter(None, (search(after, [*path, node]) for after in sorted(graph.get(node, ())))), None)
        done.add(node)
        return found

    return next(filter(None, (search(node, []) for node in sorted(graph))), None)


# -- the walk itself --------------------------------------------------------------------------------------------------


def test_the_walk_sees_imports_in_all_their_forms():
    source = (
        "import os.path, torch\n"
        "from sklearn.base import clone\n"
        "from skweight import _engine\n"
        "if TYPE_CHECKING:\n"
        "    import pandas\n"
        "else:\n"
        "    import numpy\n"
        "from . import _base\n"
        "from ._weights import label_proba\n"
        "class A:\n"
        "    def f(self):\n"
        "        import matplotlib.pyplot as plt\n"
    )
    found = Walk(source, "skweight")
    assert found.imported(lazily=True) == {"matplotlib.pyplot"}
    assert found.third_party(lazily=False) == {"torch", "sklearn", "numpy"}
    assert found.own() == {"skweight._engine", "skweight._base", "skweight._weights"}
    assert Walk("from .. import _base\nfrom .._engine import train\n", "skweight.baselines").own() == {
        "skweight._base",
        "skweight._engine",
    }


def test_the_walk_sees_calls_and_the_function_around_them():
    found = Walk("print('a')\ndef f():\n    with g():\n        torch.manual_seed(0)\n", "skweight")
    assert found.calls == {("print", None), ("g", "f"), ("torch.manual_seed", "f")}


def test_the_search_for_circles_finds_one_wherever_it_begins():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"a"}}) == ["a", "a"]
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}) is None


# -- who imports whom -------------------------------------------------------------------------------------------------


def test_no_modules_import_each_other_in_a_circle_not_even_inside_functions():
    assert circle({module: uses(module) for module in MODULES}) is None


def test_losses_import_torch_only():
    assert WALKS["skweight.losses"].third_party() == {"torch"}
    assert uses("skweight.losses") == {"skweight._limits"}


def test_weights_import_numpy_and_sklearn_only():
    assert WALKS["skweight._weights"].third_party() == {"numpy", "sklearn"}
    assert uses("skweight._weights") == {"skweight._limits"}


def test_what_shows_progress_knows_nothing_of_the_package():
    assert WALKS["skweight._progress"].third_party() == {"tqdm"}
    assert uses("skweight._progress") == set()


def test_pools_import_numpy_scipy_and_sklearn_only():
    assert WALKS["skweight._pools"].third_party() == {"numpy", "scipy", "sklearn"}
    assert uses("skweight._pools") == {"skweight._weights"}
    assert uses("skweight._teachers") == {"skweight._pools"}


def test_the_statistics_of_a_verdict_know_nothing_of_the_package():
    assert WALKS["skweight._verdict"].third_party() == {"numpy", "scipy"}
    assert uses("skweight._verdict") == set()


def test_copies_are_found_by_numpy_scipy_and_sklearn_only():
    assert WALKS["skweight._copies"].third_party() == {"numpy", "scipy", "sklearn"}
    assert uses("skweight._copies") == set()


@pytest.mark.parametrize("module", sorted(ROWS))
def test_rows_know_no_classifier_and_no_torch(module):
    assert uses(module) <= {"skweight.exceptions", *ROWS}
    assert not WALKS[module].third_party() & {"torch", "transformers", "skorch"}


@pytest.mark.parametrize("module", sorted(ENGINE))
def test_the_engine_knows_rows_but_no_classifier(module):
    assert uses(module) <= {"skweight._progress", *ENGINE, *ROWS}


@pytest.mark.parametrize("module", sorted(STORAGE))
def test_storage_knows_no_classifier(module):
    assert uses(module) <= {"skweight._engine", "skweight.exceptions", *STORAGE}


def test_files_are_completed_by_the_standard_library_alone():
    assert WALKS["skweight._complete"].third_party() == set()
    assert uses("skweight._complete") == set()


def test_saved_models_are_loaded_by_what_defines_them():
    classes = {"skweight._base", "skweight._imp", "skweight._opinion_pool", "skweight.baselines"}
    assert WALKS["skweight._saved"].own(lazily=True) == {*classes, "skweight._storage.files"}
    assert WALKS["skweight._saved"].own(lazily=False) == set()


@pytest.mark.parametrize("module", sorted(SCALE))
def test_scale_stands_on_weights_saved_models_and_the_reader_of_tables(module):
    allowed = {"_complete", "_progress", "_saved", "_storage.cache", "_storage.files", "_weights", "exceptions"}
    reader = {"skweight.datasets._columns", "skweight.datasets._input", "skweight.datasets._parquet"}
    assert uses(module) <= {*(f"skweight.{name}" for name in allowed), *reader, *SCALE}


def test_work_on_a_file_knows_no_engine_and_no_kind_of_work_and_only_one_module_knows_ray():
    assert uses("skweight.scale._file") & SCALE == set()
    assert uses("skweight.scale._engines") & SCALE == {"skweight.scale._file"}
    assert uses("skweight.scale._many") & SCALE == {"skweight.scale._engines", "skweight.scale._file"}
    assert importers("ray") == {"skweight.scale._engines"}
    assert importers("skweight.scale._engines") == {"skweight.scale._many"}


def test_the_sketch_needs_numpy_only():
    assert WALKS["skweight.scale._sketch"].third_party() == {"numpy"}
    assert uses("skweight.scale._sketch") == set()


def test_only_the_command_line_uses_scale():
    commands = {"skweight._cli.predict", "skweight._cli.predictions_table", "skweight._cli.score"}
    assert importers("skweight.scale") <= {*SCALE, *commands}


def test_parameters_know_nothing_of_the_package():
    assert uses("skweight._parameters") == set()


def test_only_the_methods_import_the_base_classes():
    assert {"skweight._checkers", "skweight.baselines.focal"} <= importers("skweight._base")
    assert importers("skweight._base") <= {*ESTIMATORS, "skweight._saved"}
    assert {"skweight._imp", "skweight.baselines.distilled"} <= importers("skweight._checkers")
    assert importers("skweight._checkers") <= METHODS


def test_only_methods_and_storage_use_the_engine():
    assert {"skweight._base", "skweight._storage.folder"} <= importers("skweight._engine")
    assert importers("skweight._engine") <= {*ENGINE, *STORAGE, *ESTIMATORS, "skweight._frozen"}


@pytest.mark.parametrize("module", sorted(METHODS))
def test_methods_stand_on_the_base_the_checkers_the_weights_and_the_losses(module):
    allowed = {
        "_base",
        "_checkers",
        "_cross_entropy",
        "_engine",
        "_frozen",
        "_parameters",
        "_pools",
        "_progress",
        "_weights",
        "exceptions",
        "losses",
    }
    further = {
        "skweight.baselines._meta_gradient": ENGINE,
        "skweight.baselines.few_shot": {
            "skweight._rows.rows",
            "skweight._rows.texts",
            "skweight._rows.values",
            "skweight.llm._asking",
            "skweight.llm._choices",
            "skweight.llm._endpoint",
            "skweight.llm._log",
            "skweight.llm._prompts",
        },
        "skweight._opinion_pool": {
            "skweight._rows.features",
            "skweight._rows.tokens",
            "skweight._storage.cache",
            "skweight._teachers",
            "skweight._verdict",
        },
    }.get(module, set())
    assert uses(module) <= {*(f"skweight.{name}" for name in allowed), *BASELINES, *further}


def test_only_engine_losses_and_gradients_import_torch_when_they_are_imported():
    light = {"skweight._engine", "skweight._engine.hub"}
    networks = {*ENGINE, "skweight.losses", "skweight.baselines._meta_gradient"} - light
    assert importers("torch", "transformers", "skorch", lazily=False) == networks


def test_what_imports_torch_is_imported_inside_functions_or_through_the_door():
    parts = ENGINE - {"skweight._engine"}
    assert importers(*parts, "skweight.losses", "skweight.baselines._meta_gradient", lazily=False) <= {
        *parts,
        "skweight.baselines._meta_gradient",
    }


@pytest.mark.parametrize("name", ["matplotlib", "pandas", "jinja2", "pyarrow", "ray"])
def test_what_few_need_is_imported_inside_functions(name):
    assert importers(name, lazily=True)
    assert importers(name, lazily=False) == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_package_depends_on(module):
    depends_on = {
        "filelock",
        "huggingface_hub",
        "joblib",
        "numpy",
        "safetensors",
        "scipy",
        "sklearn",
        "skorch",
        "threadpoolctl",
        "torch",
        "tqdm",
        "transformers",
    }
    assert WALKS[module].third_party(lazily=False) <= depends_on


# -- good manners -----------------------------------------------------------------------------------------------------


def callers(*names):
    """Pairs (module, function) that call one of the names, written in whatever way they are imported."""
    return {
        (module, function)
        for module, found in WALKS.items()
        for call, function in found.calls
        if any(call == name or call.endswith(f".{name}") for name in names)
    }


def test_nobody_changes_the_settings_of_sklearn():
    assert callers("set_config") == set()


def test_torch_is_seeded_where_that_is_undone_and_in_generators_of_our_own():
    undone, own = ("skweight._engine.isolation", "__init__"), ("skweight._engine.shortcuts", "quick_dropout")
    assert callers("manual_seed", "manual_seed_all") == {undone, own}


def test_nobody_seeds_a_global_generator():
    assert callers("seed", "set_seed") == set()


def test_only_the_command_line_prints():
    assert callers("print", "sys.stdout.write", "sys.stderr.write") == {("skweight._cli.terminal", "show")}


# -- what an import costs ---------------------------------------------------------------------------------------------


def loaded_after(statement, *names):
    """Which of the modules a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*({set(names)!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_none_of_its_libraries():
    libraries = ("torch", "transformers", "skorch", "sklearn", "matplotlib")
    assert loaded_after("import skweight", "skweight", *libraries) == {"skweight"}


def test_the_door_of_the_engine_loads_no_torch():
    assert loaded_after("from skweight import _engine", "skweight._engine", "torch", "transformers") == {
        "skweight._engine"
    }


def test_importing_scale_loads_neither_torch_nor_an_engine():
    libraries = ("torch", "transformers", "ray")
    assert loaded_after("from skweight.scale import score", "skweight.scale", *libraries) == {"skweight.scale"}


def test_importing_a_classifier_loads_neither_torch_nor_transformers():
    statement = "from skweight import IMPClassifier, importance_weights"
    libraries = ("torch", "transformers", "skorch", "matplotlib")
    assert loaded_after(statement, "sklearn", *libraries) == {"sklearn"}


# -- the public names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", skweight.__all__)
def test_every_public_name_is_there(name):
    assert getattr(skweight, name) is not None
    assert name in dir(skweight)


@pytest.mark.parametrize("name", ["IMPClassifier", "DIMPClassifier", "importance_weights", "losses", "baselines"])
def test_the_names_of_the_readme_are_public(name):
    assert name in skweight.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skweight' has no attribute 'IMPClasifier'"):
        skweight.IMPClasifier  # noqa: B018
