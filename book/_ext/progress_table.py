"""What a reader can have done, by page: questions, predictions and exercises, counted here for the table of progress.

The table stands in the section "Your progress", in a cell ``progress``; ``progress_table.js`` fills it in. It is on the
book's first page, which Sphinx writes again whenever a page below it has changed.
"""

import json

from cells import cell_ids, cell_of
from docutils import nodes
from sphinx.transforms import SphinxTransform


class progress_place(nodes.General, nodes.Element):
    """The place of the table, and what it counts."""


class PlaceTable(SphinxTransform):
    default_priority = 866  # before folding

    def apply(self, **kwargs):
        ids = cell_ids(self.env) or []
        self.env.metadata[self.env.docname]["progress"] = False
        for section in self.document.findall(nodes.section) if ids else ():
            if ids[cell_of(section)] == "progress" and "your-progress" in section["ids"]:
                self.env.metadata[self.env.docname]["progress"] = True
                at = next((at for at, child in enumerate(section) if isinstance(child, nodes.section)), len(section))
                section.insert(at, progress_place())
                return


def pages(env) -> list[dict]:
    """Each page that has something to do: its title and the ids of its questions, predictions and exercises."""
    rows = []
    for name in sorted(env.found_docs):
        ids = env.metadata.get(name, {})
        questions = ids.get("questions", [])
        row = {
            "questions": [question for question in questions if question.startswith("question-")],
            "predictions": [question for question in questions if question.startswith("predict-")],
            "exercises": ids.get("exercises", []),
        }
        if any(row.values()):
            rows.append({"page": name.removeprefix("book/"), "title": env.titles[name].astext(), "doc": name} | row)
    return rows


def visit(writer, node):
    builder, here = writer.builder, writer.builder.current_docname
    rows = [row | {"href": builder.get_relative_uri(here, row["doc"]) or "#"} for row in pages(builder.env)]
    text = json.dumps(rows, ensure_ascii=False).replace("</", "<\\/")
    writer.body.append(f'<div class="progress-place"><script type="application/json">{text}</script></div>\n')
    raise nodes.SkipNode


def add_script(app, page, template, context, doctree):
    if app.env.metadata.get(page, {}).get("progress"):
        app.add_js_file("progress_table.js", priority=501)  # after quizzes.js


def setup(app):
    app.add_node(progress_place, html=(visit, None))
    app.add_transform(PlaceTable)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
