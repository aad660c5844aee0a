"""For language models: the Markdown of every page beside it, and ``llms.txt``, which lists them."""

import importlib
import inspect
import re
from pathlib import Path

import api_pages

_SUMMARY = "Train text classifiers on LLM-generated text, every row weighted by how much it helps on real text."
_SECTIONS = {
    "Guides": ("which_method.md", "guide/*.md"),
    "Explanation": ("explanation/*.md",),
    "Results": ("results.md", "never_worse.md", "performance.md", "results_tables.md"),
}


def sources(docs):
    """Markdown pages by section, as paths below the folder `docs`."""
    found = {
        title: [path for pattern in patterns for path in sorted(docs.glob(pattern))]
        for title, patterns in _SECTIONS.items()
    }
    listed = {path for paths in found.values() for path in paths}
    others = [path for path in sorted(docs.glob("*.md")) if path not in listed]
    return {
        title: [path.relative_to(docs).as_posix() for path in paths]
        for title, paths in {**found, "More": others}.items()
    }


def llms_txt(docs):
    """Text of ``llms.txt``: every page and every public name, with a line on each."""
    lines = ["# skweight", "", f"> {_SUMMARY}", ""]
    sections = {
        title: [(path, *_title_and_beginning(docs / path)) for path in paths] for title, paths in sources(docs).items()
    }
    more = sections.pop("More")
    sections["Examples"] = [
        (f"auto_examples/{path.stem}.md", *_title_and_beginning_of_script(path))
        for path in sorted((docs.parent / "examples").glob("*.py"))
        if path.stem.startswith("plot_")
    ]
    sections["API reference"] = [
        (f"api/{module}.{name}.md", f"{module}.{name}", _first_line(module, name))
        for module, names in api_pages.public_names().items()
        for name in names
    ]
    for section, pages in {**sections, "More": more}.items():
        lines += [f"## {section}", "", *(f"- [{title}]({path}): {about}" for path, title, about in pages), ""]
    return "\n".join(lines)


def _title_and_beginning(path):
    text = path.read_text(encoding="utf-8")
    if included := re.match(r"```\{include\} (\S+)\n", text):
        return _title_and_beginning(path.parent / included[1])
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    body = re.sub(r"^(```|:::+)[^\n]*\n.*?^\1[^\n]*$", "", text, flags=re.DOTALL | re.MULTILINE)
    paragraph = next((p for p in re.split(r"\n\s*\n", body) if re.match(r"[\w*`\[\"]", p)), "")
    return title[1] if title else path.stem, _sentence(paragraph)


def _title_and_beginning_of_script(path):
    title, _, rest = inspect.cleandoc(path.read_text(encoding="utf-8").split('"""')[1]).partition("\n")
    return title, _sentence(re.sub(r"^[=-]+\n+", "", rest).split("\n\n")[0])


def _first_line(module, name):
    doc = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    return re.sub(r" \[\d+\]_", "", doc.partition("\n")[0])


def _sentence(paragraph):
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
    return re.sub(r":$", ".", re.split(r"(?<=[.?!])\s(?=[A-Z`*\"])", plain)[0])


def _write(app, error):
    if error is not None or app.builder.format != "html":
        return
    from sphinx.builders.text import TextBuilder
    from sphinx.util.logging import getLogger
    from sphinx.writers.text import TextTranslator

    class Translator(TextTranslator):
        def unknown_visit(self, node):
            """Go on with what is inside of cards and the like, which only HTML knows."""

        unknown_departure = unknown_visit

    class Builder(TextBuilder):
        default_translator_class = Translator
        out_suffix = ".md"

    out, docs = Path(app.outdir), Path(app.srcdir)
    text = Builder(app, app.env)
    text.init()
    for name in sorted(app.env.found_docs):
        source = Path(app.env.doc2path(name))
        content = source.read_text(encoding="utf-8")
        # A page in plain Markdown is its own; one with directives, or generated, is written as Sphinx resolves it.
        if source.suffix != ".md" or re.search(r"^(```|:::+)\{", content, re.MULTILINE):
            text.write_doc(name, app.env.get_and_resolve_doctree(name, text))
        else:
            target = out / f"{name}.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    listing = llms_txt(docs)
    (out / "llms.txt").write_text(listing, encoding="utf-8")
    for path in re.findall(r"\]\(([^)]+\.md)\):", listing):
        if not (out / path).is_file():
            getLogger(__name__).warning("llms.txt lists %s, which is not there.", path)


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
