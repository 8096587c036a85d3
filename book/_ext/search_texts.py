"""What the search page quotes: each page's text in a script of its own, which ``search.js`` loads for a page found.

Sphinx's search fetches the pages themselves, and a page that is opened from a folder can fetch none.
"""

import json
from pathlib import Path

from docutils import nodes

FOLDER = "search_texts"
UNQUOTED = (nodes.raw, nodes.math, nodes.math_block, nodes.comment, nodes.section)


def text_of(node) -> str:
    """What is read in a node, without figures, formulas and the sections within."""
    if isinstance(node, nodes.Text):
        return node.astext()
    between = "" if isinstance(node, nodes.TextElement) else " "
    return between.join(text_of(child) for child in node.children if not isinstance(child, UNQUOTED))


def sections(doctree) -> list[tuple[str, str]]:
    """The id and the text of each section, in their order."""
    return [(section["ids"][0], " ".join(text_of(section).split())) for section in doctree.findall(nodes.section)]


def write(app, exception):
    for page in () if exception else app.env.found_docs:
        file = Path(app.outdir, FOLDER, f"{page}.js")
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(sections(app.env.get_doctree(page)), ensure_ascii=False, separators=(",", ":"))
        file.write_text(f'searchTexts["{page}"]={text};\n', encoding="utf8")


def add_script(app, page, template, context, doctree):
    if page == "search":
        app.add_js_file("search.js")


def setup(app):
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
