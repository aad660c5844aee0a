"""The documentation site, as far as its sources show; ``make docs`` builds it with warnings as errors."""

import ast
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from fnmatch import fnmatch

import pytest
import yaml
from helpers import ROOT

import skweight

DOCS, EXAMPLES = ROOT / "docs", sorted((ROOT / "examples").glob("*.py"))
GENERATED = ("_build", "api", "auto_examples")
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if not set(path.relative_to(DOCS).parts) & set(GENERATED)]
LINKED = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGES.md"]


@pytest.fixture(scope="module")
def site():
    """The extensions of the site, which need no Sphinx until it calls them."""
    sys.path.insert(0, str(DOCS / "_sphinx"))
    try:
        yield importlib.import_module("api_pages"), importlib.import_module("markdown_pages")
    finally:
        sys.path.remove(str(DOCS / "_sphinx"))


def name_of(path):
    return str(path.relative_to(ROOT))


# -- what is there ----------------------------------------------------------------------------------------------------


def test_the_reference_lists_every_public_name_and_each_has_a_docstring(site):
    page = site[0].page()
    public = {"skweight": [n for n in skweight.__all__ if not inspect.ismodule(getattr(skweight, n))]}
    for name in skweight.__all__:
        if inspect.ismodule(getattr(skweight, name)):
            public[f"skweight.{name}"] = getattr(skweight, name).__all__
    assert len(public) > 5
    for module, names in public.items():
        listed = re.search(rf"currentmodule:: {re.escape(module)}\n(.*?)(?=\n\.\. currentmodule|\Z)", page, re.DOTALL)[
            1
        ]
        assert names
        assert set(names) <= set(listed.split())
        for name in names:
            assert inspect.getdoc(getattr(importlib.import_module(module), name)), f"{module}.{name}"


def test_public_modules_list_the_classes_and_functions_that_they_define():
    for name in skweight.__all__:
        module = getattr(skweight, name)
        if inspect.ismodule(module):
            own = {
                other
                for other, value in vars(module).items()
                if not other.startswith("_") and inspect.isclass(value) and value.__module__ == module.__name__
            }
            assert own <= set(module.__all__), module.__name__


def test_every_page_is_in_a_toctree():
    entries = []
    for page in PAGES:
        for options, lines in re.findall(
            r"^```\{toctree\}\n((?::[^\n]*\n)*)(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            found = [re.sub(r".*<(.*)>$", r"\1", line.strip()) for line in lines.split("\n") if line.strip()]
            assert ":glob:" in options or not any("*" in entry for entry in found)
            entries += found
    for page in PAGES:
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name == "index" or any(fnmatch(name, entry) for entry in entries), name


def test_llms_txt_lists_every_page_every_example_and_every_public_name(site):
    api_pages, markdown_pages = site
    listing = markdown_pages.llms_txt(DOCS)
    assert listing.startswith("# skweight\n\n> ")
    links = dict(re.findall(r"^- \[[^\]]+\]\(([^)]+)\): (\S.*)$", listing, re.MULTILINE))
    expected = {page.relative_to(DOCS).as_posix() for page in PAGES}
    expected |= {f"auto_examples/{path.stem}.md" for path in EXAMPLES if path.stem.startswith("plot_")}
    expected |= {f"api/{module}.{name}.md" for module, names in api_pages.public_names().items() for name in names}
    assert links.keys() == expected


# -- links ------------------------------------------------------------------------------------------------------------


def anchors(path):
    """Anchors of the headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for label, target in re.findall(r"\[([^\]]*)\]\(([^)]+)\)", text):
        assert label.strip(), f"{target} has no text"
        if "://" in target:
            assert re.fullmatch(r"https://[\w.-]+\.\w+(/[\w./%#?=&~+-]*)?", target), target
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if path.parent == DOCS / "auto_examples":  # made from the example when the site is
            path = ROOT / "examples" / f"{path.stem}.py"
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


@pytest.mark.parametrize("path", [*LINKED, *EXAMPLES], ids=name_of)
def test_no_page_names_a_place_on_somebodys_machine(path):
    found = re.findall(r"(?<![\w.])/(?:root|tmp|work|mnt|Users|home/(?!me/))\S*", path.read_text(encoding="utf-8"))
    assert not found


# -- examples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_an_example_begins_with_its_title_and_says_what_it_shows(path):
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if path.stem.startswith("plot_"):  # a page of the gallery
        title, underline, empty, *text = doc.split("\n")
        assert underline == "=" * len(title)
        assert not empty
        assert text


def imported(example):
    """Packages that an example imports at its top level, and not from beside it."""
    tree = ast.parse(example.read_text(encoding="utf-8"))
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names} - {path.stem for path in EXAMPLES}


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_every_example_runs_as_a_script(path, tmp_path):
    """Downloads the real film sentences on first use. Examples of packages that are not installed are skipped."""
    missing = sorted(name for name in imported(path) if importlib.util.find_spec(name) is None)
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:skweight", path],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


# -- citing -----------------------------------------------------------------------------------------------------------


def test_the_citation_is_of_this_version_and_names_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == skweight.__version__
    assert citation["license"] == "BSD-3-Clause"
    sources = {one["value"] for reference in citation["references"] for one in reference["identifiers"]}
    assert sources == {"arXiv:2410.21526", "arXiv:2010.09621"}
