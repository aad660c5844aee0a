"""Reference pages: every public name, taken from ``__all__`` of the package and of its public modules."""

import importlib
import inspect
from pathlib import Path

PACKAGE = "skweight"
_TITLES = {PACKAGE: "Classifiers, pools and weights"}


def public_names():
    """Public names by module, the package first; ``{"skweight.losses": ["IMPLoss", ...]}``."""
    package = importlib.import_module(PACKAGE)
    values = {name: getattr(package, name) for name in package.__all__}
    own = [name for name, value in values.items() if not inspect.ismodule(value)]
    return {PACKAGE: own} | {
        value.__name__: sorted(value.__all__) for value in values.values() if inspect.ismodule(value)
    }


def page():
    """Text of the page that lists all of them, each with a page of its own, in reStructuredText."""
    lines = _heading("API reference", "=")
    for module, names in public_names().items():
        lines += _heading(_TITLES.get(module, f"``{module}``"), "-")
        if module != PACKAGE:
            lines += [f".. automodule:: {module}", "   :no-members:", ""]
        lines += [f".. currentmodule:: {module}", "", ".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names] + [""]
    return "\n".join(lines)


def _heading(title, line):
    return [title, line * len(title), ""]


def _write_page(app, config):
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    path, text = folder / "index.rst", page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:  # an old page is not read again
        path.write_text(text, encoding="utf-8")


def _skip_inherited(app, what, name, value, skip, options):
    """Leave out members that scikit-learn, skorch, torch or Python bring along; their own pages have them."""
    function = value.fget if isinstance(value, property) else value
    if what == "class" and not (getattr(function, "__module__", None) or "").startswith(PACKAGE):
        return True
    return None


def _check(app, error):
    """Warn of public names that the built reference lacks."""
    if error is None and app.builder.format == "html":
        from sphinx.util.logging import getLogger

        present = app.env.domaindata["py"]["objects"]
        for module, names in public_names().items():
            for name in names:
                if f"{module}.{name}" not in present:
                    getLogger(__name__).warning("%s.%s is public, but not in the API reference.", module, name)


def setup(app):
    """Register with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("config-inited", _write_page)
    app.connect("autodoc-skip-member", _skip_inherited)
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
