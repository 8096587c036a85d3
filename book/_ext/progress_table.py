"""What a reader can have done, by page: questions, predictions and exercises, counted here for the table of progress.

An exercise is a section whose heading stands in a Markdown cell ``ex-<name>`` and that holds a code cell
``ex-<name>-start``. The table stands in the section "Your progress", in a cell ``progress``. Scripts fill in both:
``quizzes.js`` adds the boxes to tick, ``progress_table.js`` the table. It is on the book's first page, which Sphinx
writes again whenever a page below it has changed.
"""

import json
import re
from html import escape

from docutils import nodes
from question_format import cell_of
from quizzes import cell_ids
from sphinx.transforms import SphinxTransform
from sphinx.util import logging


class progress_place(nodes.General, nodes.Element):
    """The place of the table, and what it counts."""


class FindExercises(SphinxTransform):
    default_priority = 866  # after the questions, before folding

    def apply(self, **kwargs):
        ids = cell_ids(self.env) or []
        metadata = self.env.metadata[self.env.docname]
        metadata["exercises"], metadata["progress"] = [], False
        sections = {}
        for section in self.document.findall(nodes.section) if ids else ():
            sections.setdefault(ids[cell_of(section)], section)
        for cell in [node for node in self.document.findall(nodes.container) if node.get("nb_element") == "cell_code"]:
            if name := re.fullmatch(r"(ex-.+)-start", ids[cell["cell_index"]] or ""):
                self.mark(name[1], cell, sections.get(name[1]))
        if (section := sections.get("progress")) and "your-progress" in section["ids"]:
            metadata["progress"] = True
            at = next((at for at, child in enumerate(section) if isinstance(child, nodes.section)), len(section))
            section.insert(at, progress_place())

    def mark(self, name, cell, section):
        """A place for the box to tick, below the heading."""
        if section is None or cell not in section.findall():
            fault = "its code cell is in no section whose heading is in a Markdown cell of that id: name one so"
            logging.getLogger(__name__).warning("exercise %r: %s", name, fault, location=cell)
            return
        metadata = self.env.metadata[self.env.docname]
        metadata["exercises"].append(name)
        page, title = self.env.docname.removeprefix("book/"), section.next_node(nodes.title)
        metadata["myst_slugs"][name] = (section.line, name, title.astext())  # so that a link can lead to it
        data = f'data-exercise="{escape(page)}#{name}" data-title="{escape(title.astext())}"'
        section.insert(section.index(title) + 1, nodes.raw("", f'<div id="{name}" {data}></div>', format="html"))


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
    app.add_transform(FindExercises)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
