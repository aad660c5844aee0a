"""Settings of the documentation site; ``make docs`` builds it."""

import ast
import importlib.util
import re
import sys
import warnings
from pathlib import Path

import matplotlib
from docutils import nodes

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
sys.path[:0] = [str(DOCS / "_sphinx"), str(EXAMPLES)]  # examples import what lies beside them
matplotlib.use("agg")

import skweight  # noqa: E402

project = "skweight"
author = "The skweight developers"
copyright = f"2026, {author}"
version = release = skweight.__version__

extensions = [
    "api_pages",
    "markdown_pages",
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "auto_examples/*.ipynb", "auto_examples/**/*.ipynb"]
templates_path = ["_templates"]
html_math_renderer = "mathml"

# -- Markdown ---------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

# -- API reference ----------------------------------------------------------------------------------------------------

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False  # the templates list them
nitpicky = True
nitpick_ignore_regex = [
    # Other packages' names, which have no address without a network.
    ("py:.*", r"(sklearn|numpy|torch|transformers|skorch|collections|dataclasses|matplotlib|pandas)\..*"),
    # What a docstring calls its types is prose: "ndarray of shape (n_samples,)".
    ("py:class", r"[^.]*"),
]

text_sectionchars = "=-~^"  # the underlines of Markdown, for the pages that markdown_pages writes

# -- gallery ----------------------------------------------------------------------------------------------------------


def _can_run(path):
    """Whether what an example imports is installed; one that needs more is shown without its output."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    return all(importlib.util.find_spec(name.partition(".")[0]) for name in names)


_RUN = [path.name for path in sorted(EXAMPLES.glob("plot_*.py")) if _can_run(path)]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "gallery_order.key",
    "filename_pattern": "|".join(map(re.escape, _RUN)) or "$^",
    "ignore_pattern": r"(__init__|film_reviews|stand_in_server)\.py",
    "abort_on_example_error": True,
    "parallel": 2,  # processes of one thread each, as in the tests
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skweight",),
    "download_all_examples": False,
    "min_reported_time": 1e9,
    "show_signature": False,
    "matplotlib_animations": False,
    "ignore_repr_types": r"Classifier|SearchCV|Display",
    "image_srcset": ["2x"],
}
# As in the tests: tiny budgets of training predict one class now and then, and an example says what it expects.
warnings.filterwarnings("error", category=DeprecationWarning, module="skweight")

# -- pages ------------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "skweight"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"index": [], "which_method": [], "changes": [], "contributing": []}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skweight"},
    "show_prev_next": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"index": [], "**": ["page-toc"]},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def _mark_numbers(app, doctree):
    """Give tables of short cells a class of their own, for the style sheet."""
    for table in doctree.findall(nodes.table):
        rows = [row for body in table.findall(nodes.tbody) for row in body]
        cells = [cell for row in rows for cell in list(row)[1:]]
        if all(len(cell.astext()) < 25 for cell in cells):
            table["classes"].append("numbers")


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", _mark_numbers)
