"""``{practice} simulator`` and ``{practice} cards``: controls over the page's questions, and their script.

The controls are the HTML files of book/interview/. They stay hidden until practice.js, loaded on this page alone, has
started.
"""

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PARTS = ("simulator", "cards")


class Practice(SphinxDirective):
    required_arguments = 1

    def run(self):
        if self.arguments[0] not in PARTS:
            raise self.error(f"{self.arguments[0]!r} is not one of the parts {', '.join(PARTS)}")
        file = Path(self.env.srcdir) / "book" / "interview" / f"{self.arguments[0]}.html"
        self.env.note_dependency(str(file))
        self.env.metadata[self.env.docname]["practice"] = True
        return [nodes.raw("", file.read_text(encoding="utf8"), format="html")]


def add_script(app, pagename, templatename, context, doctree):
    if app.env.metadata.get(pagename, {}).get("practice"):
        app.add_js_file("record.js")
        app.add_js_file("practice.js")


def setup(app):
    app.add_directive("practice", Practice)
    app.connect("html-page-context", add_script)  # before deferred_scripts
    return {"parallel_read_safe": True, "parallel_write_safe": True}
