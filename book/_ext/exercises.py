"""Exercises: where a page has no Python, their forms, the way to the notebook, and the place to mark them as done.

An exercise is a section whose heading stands in a Markdown cell ``ex-<name>``, with code cells ``ex-<name>-start`` and
``ex-<name>-solution``. The starter ends in ``check(<function>)``; ``exercises.json`` has forms for some functions, with
the checker's verdict on each answer, and ``exercises.js`` shows them. Without scripts a form is a task on paper.
"""

import json
import re
from html import escape
from pathlib import Path

from cells import cell_ids, cell_of
from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

WAYS = "<!-- ways to the notebook -->"  # filled in once the page's buttons are known
SERVICES = ("Colab", "Binder", "JupyterHub")
CIRCLED = "①②③④⑤"
ASKS = {
    "gaps": "Fill the gaps.",
    "rows": "Fill in the table.",
    "lines": "Put the lines in order.",
}
MISCONCEPTIONS = "book/reference/misconceptions"


class exercise_form(nodes.General, nodes.Element):
    """An exercise in the form that its page can check, and its twin."""


class FindExercises(SphinxTransform):
    default_priority = 866  # after the questions, before folding

    def apply(self, **kwargs):
        ids = cell_ids(self.env) or []
        self.env.metadata[self.env.docname]["exercises"] = []
        self.forms = self.read_forms()
        sections = {}
        for section in self.document.findall(nodes.section) if ids else ():
            sections.setdefault(ids[cell_of(section)], section)
        cells = [node for node in self.document.findall(nodes.container) if node.get("nb_element") == "cell_code"]
        by_id = {ids[cell["cell_index"]]: cell for cell in cells}
        for name, cell in by_id.items():
            if start := re.fullmatch(r"(ex-.+)-start", name or ""):
                section = sections.get(start[1])
                if section is None or cell not in section.findall():
                    fault = "its code cell is in no section whose heading is in a Markdown cell of that id: name one so"
                    logging.getLogger(__name__).warning("exercise %r: %s", start[1], fault, location=cell)
                else:
                    self.make(start[1], section, cell, by_id.get(f"{start[1]}-solution", cell))

    def read_forms(self) -> dict:
        """By the name of the checked function."""
        file = Path(self.env.srcdir) / "book/exercises.json"
        if not file.exists():
            return {}
        self.env.note_dependency(str(file))
        return json.loads(file.read_text(encoding="utf8"))

    def make(self, name, section, start, solution):
        page, title = self.env.docname.removeprefix("book/"), section.next_node(nodes.title)
        metadata = self.env.metadata[self.env.docname]
        metadata["exercises"].append(name)
        metadata["myst_slugs"][name] = (section.line, name, title.astext())  # so that a link can lead to it
        html = {"id": name, "record": f"{page}#{name}", "title": title.astext()}
        section.insert(section.index(title) + 1, raw('<div id="{id}"></div>', html))
        put_after(solution, [raw('<div data-exercise="{record}" data-title="{title}"></div>', html)])
        for output in [node for node in start.children if node.get("nb_element") == "cell_code_output"]:
            start.remove(output)  # the checker's request to run this cell
        way = raw('<p class="write-it">Write it yourself: {ways} The place is headed “{title}”.</p>', html)
        checked = re.search(r"^check\((\w+)\)", start.astext(), re.MULTILINE)
        forms = self.forms.get(checked[1]) if checked else None
        if forms is None:
            put_after(start, [way])
            return
        metadata["has_forms"] = True
        parent, place = start.parent, start.parent.index(start)
        fold = raw('<details class="write-it"><summary>Write it yourself</summary>')
        made = exercise_form("", record=html["record"], solution=f"{name}-solution", forms=forms)
        parent[place : place + 1] = [made, fold, start, way, raw("</details>")]


def raw(template: str, values: dict | None = None) -> nodes.raw:
    escaped = {name: escape(value) for name, value in (values or {}).items()}
    return nodes.raw("", template.format(ways=WAYS, **escaped), format="html")


def put_after(node, others: list):
    place = node.parent.index(node) + 1
    node.parent[place:place] = others


def visit(writer, node):
    parts = [task(writer, form) for form in node["forms"]]
    data = {"forms": node["forms"], "misconceptions": misconceptions(writer, node["forms"])}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    attributes = {"data-record": node["record"], "data-solution": node["solution"]}
    writer.body.append(
        writer.starttag(node, "div", CLASS="exercise-form", **attributes)
        + "".join(
            f'<div class="exercise-task"{" hidden" if twin else ""}>{part}</div>' for twin, part in enumerate(parts)
        )
        + f'<script type="application/json">{text}</script></div>\n'
    )
    raise nodes.SkipNode


def task(writer, form: dict) -> str:
    """A form on paper: the script makes fields of its gaps, rows or lines."""
    return f"<p><strong>{ASKS[form['form']]}</strong></p>" + PAPER[form["form"]](writer, form)


def code(writer, text: str) -> str:
    return writer.highlighter.highlight_block(text, "python")


def gaps_on_paper(writer, form: dict) -> str:
    first, *rest = form["code"]
    marked = first + "".join(f"GAP{at}{piece}" for at, piece in enumerate(rest))
    html = re.sub(
        r"GAP(\d)",
        lambda gap: (
            f'<span class="gap" data-gap="{gap[1]}" data-mark="{CIRCLED[int(gap[1])]}">{CIRCLED[int(gap[1])]}</span>'
        ),
        code(writer, marked),
    )
    choices = "".join(
        f"<li>{CIRCLED[at]} "
        + (
            "to be written"
            if gap["typed"]
            else " or ".join(f"<code>{escape(c)}</code>" for c in sorted(gap["choices"]))
        )
        + "</li>"
        for at, gap in enumerate(form["gaps"])
    )
    return f'{html}<ul class="gap-choices">{choices}</ul>'


def rows_on_paper(writer, form: dict) -> str:
    sizes = ", ".join(f"<code>{name} = {size}</code>" for name, size in form["sizes"].items())
    rows = "".join(f'<tr><th scope="row"><code>{name}</code></th><td></td></tr>' for name in form["names"])
    return f"<p>Here {sizes}.</p><table><tbody>{rows}</tbody></table>"


def lines_on_paper(writer, form: dict) -> str:
    before, after = (code(writer, text) for text in form["code"])
    lines = "".join(
        f'<li data-line="{form["lines"].index(line)}"><code>{escape(line)}</code></li>'
        for line in sorted(form["lines"])
    )
    return f"{before}<ol>{lines}</ol>{after}"


PAPER = {"gaps": gaps_on_paper, "rows": rows_on_paper, "lines": lines_on_paper}


def misconceptions(writer, judged: list[dict]) -> dict:
    """By the numbers that the verdicts name: address and title in the book's list."""
    builder, here = writer.builder, writer.builder.current_docname
    slugs = builder.env.metadata.get(MISCONCEPTIONS, {}).get("myst_slugs", {})
    named = {number for form in judged for _, _, number in form["messages"] if number}
    titles = {int(text.split(".")[0]): (name, text) for _, name, text in slugs.values() if re.match(r"\d+\. ", text)}
    address = builder.get_relative_uri(here, MISCONCEPTIONS)
    return {number: [f"{address}#{titles[number][0]}", titles[number][1]] for number in sorted(named & titles.keys())}


def add_script(app, page, template, context, doctree):
    """The script, and the ways to the page's notebook."""
    if app.env.metadata.get(page, {}).get("has_forms"):
        app.add_js_file("exercises.js", priority=501)  # after record.js
    if WAYS not in context.get("body", ""):
        return
    source = context["pathto"](f"_sources/{context['sourcename']}", 1)
    ways = [f'<a href="{source}" download>download this page’s notebook</a>']
    buttons = [button for group in context.get("header_buttons", ()) for button in group.get("buttons", ())]
    services = [
        f'<a href="{escape(button["url"])}">{button["text"]}</a>' for button in buttons if button["text"] in SERVICES
    ]
    if services:
        ways.append(f"open it in {', '.join(services)}")
    context["body"] = context["body"].replace(WAYS, f"{', or '.join(ways)}.")


def setup(app):
    app.add_node(exercise_form, html=(visit, None))
    app.add_transform(FindExercises)
    app.connect("html-page-context", add_script, priority=503)  # after the buttons have their addresses
    return {"parallel_read_safe": True, "parallel_write_safe": True}
