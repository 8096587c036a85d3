"""Formulas become pictures in the build: MathJax's SVG in the text's colour, with its MathML for screen readers.

MathJax runs here, in an embedded JavaScript engine, and no page loads it. ``html_math_renderer`` in ``_config.yml``
chooses this way. A formula that MathJax cannot read, or whose characters its font lacks, fails the build.
No class here is called ``math``: the theme styles that one for MathJax in a browser.
"""

import json
from functools import cache
from importlib.resources import files

from docutils import nodes
from sphinx.util import logging

# Its own parts, in the order in which MathJax loads them.
PARTS = ("startup", "core", "adaptors/liteDOM", "input/tex", "output/svg", "output/svg/fonts/tex", "a11y/assistive-mml")
# Without "noundefined" and with this formatError, MathJax raises where it would show the fault in red.
SETTINGS = """
var MathJax = {
    startup: {typeset: false, document: ""},
    tex: {packages: ["base", "ams"], formatError(jax, error) { throw error; }},
    svg: {fontCache: "none"},  // each formula whole: no id that another formula could have
};
"""
# As JSON: it is flat text, where the engine's wrapper takes no string that is still in pieces.
TYPESET = """
(tex, display) => {
    try {
        return JSON.stringify({html: MathJax.startup.adaptor.outerHTML(MathJax.tex2svg(tex, {display}))});
    } catch (error) {
        return JSON.stringify({fault: error.message});
    }
}
"""


@cache
def engine():
    """MathJax's typeset(tex, display) in an engine of its own, started with the first formula of a build."""
    import quickjs

    context = quickjs.Context()
    context.eval(SETTINGS)
    for part in PARTS:
        # The package is used for the files it holds; as an extension it would put MathJax into every page.
        path = files("sphinx-mathjax-offline") / "static" / "mathjax" / f"{part}.js"
        context.eval(path.read_text(encoding="utf8"))
    while context.execute_pending_job():
        pass
    return context.eval(TYPESET)


@cache
def typeset(tex: str, display: bool) -> str:
    """A formula as HTML; ValueError says what is wrong with one that cannot be shown."""
    result = json.loads(engine()(tex, display))
    if "fault" in result:
        raise ValueError(result["fault"])
    if "<text" in result["html"]:
        raise ValueError("a character is not in MathJax's font")
    return result["html"]


def formula(node: nodes.Element, display: bool) -> str:
    tex = node.astext().strip()
    try:
        if node.get("label"):
            raise ValueError("formulas have no numbers here, so a label leads nowhere")
        return typeset(tex, display)
    except ValueError as fault:
        logging.getLogger(__name__).warning("formula %r: %s", tex, fault, location=node)
        return ""


def inline(writer, node):
    writer.body.append(formula(node, display=False))
    raise nodes.SkipNode


def block(writer, node):
    # Focusable, so that the arrow keys scroll a formula that is wider than the page.
    box = {"CLASS": "formula", "tabindex": "0", "role": "group", "aria-label": "Formula"}
    writer.body.append(writer.starttag(node, "div", "", **box) + formula(node, display=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("static_maths", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
