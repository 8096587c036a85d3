"""A question in a page's text becomes a quiz: choose an option or type, check it, and read the feedback to it.

CONTRIBUTING.md shows the format. The built page holds the question whole, with its answers folded; ``quizzes.js`` makes
the options a form. A question that breaks the format fails the build. Its id is that of its cell; in a page that is no
notebook, where cells have no ids, it is called after its section.
"""

import json
import re

from cells import cell_ids, cell_of
from docutils import nodes
from question_format import faults, is_right, kind_of, label_faults, label_of, parts
from sphinx.transforms import SphinxTransform
from sphinx.util import logging


class quiz(nodes.General, nodes.Element):
    """A question, its options and their feedback."""


class MakeQuizzes(SphinxTransform):
    default_priority = 865  # before MyST resolves the links within a page, and before folding

    def apply(self, **kwargs):
        metadata = self.env.metadata[self.env.docname]
        self.slugs = metadata.setdefault("myst_slugs", self.document.myst_slugs)
        self.names = metadata["questions"] = []
        ids = cell_ids(self.env)
        firsts = [node for node in self.document.findall(nodes.paragraph) if label_of(node)]
        self.place = 0
        for first in firsts:
            self.make(first, ids)
        begun = {cell_of(first) for first in firsts} if ids else set()
        for number, name in enumerate(ids or []):
            if re.match("(predict|question)-", name or "") and number not in begun:
                self.warn(name, "no question begins in this cell: begin it with **Predict first.** or **Question N.**")

    def warn(self, name, fault, location=None):
        logging.getLogger(__name__).warning("question %r: %s", name, fault, location=location or self.env.docname)

    def make(self, first, ids):
        """Wrap the nodes of the question that begins here, or warn of what is wrong with it."""
        label = label_of(first)
        name = self.after_its_section(first, label) if ids is None else ids[cell_of(first)]
        own, options, feedback = parts(first, ids is not None)
        self.place += kind_of(label) == "question"
        problems = [*faults(options, feedback), *label_faults(name, label, self.place)]
        if name in self.slugs or name in self.document.ids:
            problems.append("its id is also that of a heading or of another question: give it one of its own")
        for fault in problems:
            self.warn(name, fault, first)
        if problems:
            return
        page = self.env.docname.removeprefix("book/")
        whole = quiz("", ids=[name], right=[is_right(item) for item in feedback].index(True) + 1, page=page)
        if isinstance(options[0], nodes.literal):
            whole["answers"] = [answer.astext() for answer in options]
        parent, at = first.parent, first.parent.index(first)
        parent[at : at + len(own)] = [whole]
        whole += own
        self.names.append(name)
        self.slugs[name] = (first.line, name, label.rstrip("."))  # so that a link can lead to it

    def after_its_section(self, first, label: str) -> str:
        section = first
        while section.parent and not isinstance(section, nodes.section):
            section = section.parent
        name = "-".join([kind_of(label), *section.get("ids", [])[:1]])
        count = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", taken) is not None for taken in self.names)
        return f"{name}-{count + 1}" if count else name


def visit(writer, node):
    data = {"data-question": f"{node['page']}#{node['ids'][0]}", "data-right": str(node["right"])}
    if "answers" in node:
        data["data-answers"] = json.dumps(node["answers"], ensure_ascii=False)
    writer.body.append(writer.starttag(node, "div", CLASS="quiz", **data))


def add_script(app, page, template, context, doctree):
    metadata = app.env.metadata.get(page, {})
    if any(metadata.get(kind) for kind in ("questions", "exercises", "progress")):
        app.add_js_file("record.js")
        app.add_js_file("quizzes.js")


def setup(app):
    app.add_node(quiz, html=(visit, lambda writer, node: writer.body.append("</div>\n")))
    app.add_transform(MakeQuizzes)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
