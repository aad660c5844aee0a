"""Formulas as MathML, which browsers draw themselves: no JavaScript, no fonts, nothing to download."""

from docutils.utils.math import latex2mathml


def _mathml(formula, *, block):
    return latex2mathml.tex2mathml(formula, as_block=block)


def _inline(self, node):
    self.body.append(_mathml(node.astext(), block=False))
    from docutils.nodes import SkipNode

    raise SkipNode


def _display(self, node):
    self.body.append(f'<div class="math">{_mathml(node.astext(), block=True)}</div>')
    from docutils.nodes import SkipNode

    raise SkipNode


def setup(app):
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
