"""A question in a page's text becomes a quiz: choose an option, check it, and read the feedback to it.

CONTRIBUTING.md shows the format. The built page holds the question whole, with its answers folded; ``quizzes.js`` makes
the options a form. A question that breaks the format fails the build. Its id is that of its cell; in a page that is no
notebook, where cells have no ids, a prediction is called after its section.
"""

import json
import re
from itertools import takewhile
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LABEL = re.compile(r"Predict first\.|Question ([1-5])\.")
NAMED = re.compile(r"predict-[\w-]+|question-\d+")
SCRIPT = Path(__file__).with_suffix(".js")  # not in _static, as that is loaded on every page


class quiz(nodes.General, nodes.Element):
    """A question, its options and their feedback."""


def label_of(node) -> str:
    """How a question begins, in a paragraph that begins one."""
    if not isinstance(node, nodes.paragraph):
        return ""
    opening = next((child for child in node if child.astext()), None)
    return opening.astext() if isinstance(opening, nodes.strong) and LABEL.fullmatch(opening.astext()) else ""


def cell_ids(env) -> list[str | None] | None:
    """The ids of a notebook's cells; None for a page that is no notebook."""
    path = Path(env.doc2path(env.docname))
    if path.suffix != ".ipynb":
        return None
    return [cell.get("id") for cell in json.loads(path.read_text(encoding="utf8"))["cells"]]


def cell_of(node) -> int:
    """The number of the cell that a node of a notebook comes from: MyST-NB counts 10,000 lines for each."""
    return node.line // 10000 - 1


def parts(first, notebook: bool) -> tuple[list, list, list]:
    """The nodes of the question that begins here, its options and its feedback; nothing where they do not follow."""
    rest = first.parent[first.parent.index(first) :]
    own = [first, *takewhile(lambda node: belongs(node, first, notebook), rest[1:])]
    for at, node in enumerate(own[:-2]):
        if isinstance(node, nodes.raw) and re.fullmatch(
            r"<details>\s*<summary>Answer</summary>", node.astext().strip()
        ):
            options, feedback, end = own[at - 1], own[at + 1], own[at + 2]
            lists = all(
                isinstance(one, nodes.enumerated_list) and one.get("start", 1) == 1 for one in (options, feedback)
            )
            if lists and end.astext().strip() == "</details>":
                return own[: at + 3], options.children, feedback.children
    return [], [], []


def belongs(node, first, notebook: bool) -> bool:
    """Whether a node after the first of a question may be part of it, and does not begin something else."""
    if isinstance(node, nodes.section | nodes.container) or label_of(node):
        return False
    return not (notebook and node.line) or cell_of(node) == cell_of(first)


def faults(options: list, feedback: list):
    """What is wrong with a question, and what to do."""
    if not options:
        yield (
            "expected a numbered list of options, then <details>, <summary>Answer</summary>, an empty line, a numbered "
            "list of feedback and </details>, all in one cell"
        )
        return
    if not 2 <= len(options) <= 5:
        yield f"it has {len(options)} options: give it two to five"
    if len(options) != len(feedback):
        yield f"it has {len(options)} options and {len(feedback)} items of feedback: give each option one, in its order"
    if (right := sum(map(is_right, feedback))) != 1:
        yield f"{right} items of feedback begin with **Right.**: begin that of the one right option so"
    for number, item in enumerate(feedback, 1):
        if found := re.match(r"(Wrong|No)\b", item.astext()):
            yield f"feedback {number} begins with {found[0]!r}: begin with why the option is tempting, then say what holds"


def is_right(item) -> bool:
    strong = item.next_node(nodes.strong)
    return strong is not None and strong.astext() == "Right." and item.astext().startswith("Right.")


def name_fault(name: str | None, label: str) -> str:
    """What is wrong with the id of a question's cell."""
    number = LABEL.fullmatch(label)[1]
    wanted = f"question-{number}" if number else "predict-<word>"
    if name and (name == wanted or not number and re.fullmatch(r"predict-[\w-]+", name)):
        return ""
    return f"its cell has {f'the id {name!r}' if name else 'no id'}: give it the id {wanted!r}"


class MakeQuizzes(SphinxTransform):
    default_priority = 865  # before MyST resolves the links within a page, and before folding

    def apply(self, **kwargs):
        self.slugs = self.env.metadata[self.env.docname].setdefault("myst_slugs", self.document.myst_slugs)
        self.made = self.env.metadata[self.env.docname]["questions"] = []
        ids = cell_ids(self.env)
        firsts = [node for node in self.document.findall(nodes.paragraph) if label_of(node)]
        for first in firsts:
            self.make(first, ids)
        begun = {cell_of(first) for first in firsts} if ids else set()
        for number, name in enumerate(ids or []):
            if name and NAMED.fullmatch(name) and number not in begun:
                self.warn(name, "no question begins in this cell: begin one with **Predict first.** or **Question N.**")

    def warn(self, name, fault, location=None):
        where = location or self.env.docname
        logging.getLogger(__name__).warning("question %r: %s", name, fault, location=where)

    def make(self, first, ids):
        label = label_of(first)
        name = self.after_its_section(first) if ids is None else ids[cell_of(first)]
        own, options, feedback = parts(first, ids is not None)
        found = [*faults(options, feedback), *filter(None, [name_fault(name, label)])]
        if name in self.slugs or name in self.document.ids:
            found.append("its id is also that of a heading or of another question: give it one of its own")
        for fault in found:
            self.warn(name, fault, first)
        if found:
            return
        whole = quiz("", ids=[name], right=[is_right(item) for item in feedback].index(True) + 1, page=self.page())
        whole.line = first.line
        parent, at = first.parent, first.parent.index(first)
        parent[at : at + len(own)] = [whole]
        whole += own
        self.made.append(name)
        self.slugs[name] = (first.line, name, label.rstrip("."))  # so that a link can lead to it

    def page(self) -> str:
        return self.env.docname.removeprefix("book/")

    def after_its_section(self, first) -> str:
        if number := LABEL.fullmatch(label_of(first))[1]:
            return f"question-{number}"
        section = first.parent
        while section.parent and not isinstance(section, nodes.section):
            section = section.parent
        name = "-".join(["predict", *section.get("ids", [])[:1]])
        count = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", made) is not None for made in self.made)
        return f"{name}-{count + 1}" if count else name


def visit(writer, node):
    data = {"data-question": f"{node['page']}#{node['ids'][0]}", "data-right": str(node["right"])}
    writer.body.append(writer.starttag(node, "div", CLASS="quiz", **data))


def depart(writer, node):
    writer.body.append("</div>\n")


def add_script(app, page, template, context, doctree):
    found = app.env.metadata.get(page, {})
    if any(found.get(kind) for kind in ("questions", "exercises", "progress")):
        app.add_js_file(SCRIPT.name)


def setup(app):
    app.add_node(quiz, html=(visit, depart))
    app.add_transform(MakeQuizzes)
    app.connect("builder-inited", lambda app: app.config.html_static_path.append(str(SCRIPT)))
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
