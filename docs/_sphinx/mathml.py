"""Formulas as MathML, which browsers draw themselves: no JavaScript, no fonts, nothing to download."""

import html
import re

from docutils.nodes import SkipNode
from docutils.utils.math import MathError, latex2mathml
from sphinx.util.logging import getLogger


def _mathml(node, *, block):
    spaced = re.sub(r"\\log(?![a-zA-Z_^])", r"\\log\\,", node.astext())  # or it runs into what follows
    try:
        return latex2mathml.tex2mathml(spaced, as_block=block)
    except MathError as error:
        getLogger(__name__).warning("%s", error, location=node)
        return html.escape(node.astext())


def _inline(self, node):
    self.body.append(_mathml(node, block=False))
    raise SkipNode


def _display(self, node):
    self.body.append(f'<div class="math">{_mathml(node, block=True)}</div>')
    raise SkipNode


def setup(app):
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
