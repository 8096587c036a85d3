"""The output that answers a prediction waits, folded, until the reader has answered it or skips it.

It is the output of the next code cell, and of those that follow it without a word between. ``predictions.js`` opens the
fold once the question above is answered, and keeps the switch that shows all runs. Without scripts, and on paper, no
fold is closed.
"""

import re

from docutils import nodes
from quizzes import quiz

SUMMARY = "<summary><span>Predict first, then open the run</span><span>The run</span></summary>"
WITHOUT_SCRIPTS = """
<noscript><style>.prediction::details-content { display: block; content-visibility: visible; }</style></noscript>"""


def asks_to_predict(node) -> bool:
    if isinstance(node, quiz):
        return node["ids"][0].startswith("predict-")
    return isinstance(node, nodes.paragraph) and bool(re.match("Predict\\b", node.astext()))


def outputs_after(asking) -> list[nodes.Node]:
    """The outputs of the next code cells, before another prediction and in the same section."""
    siblings, outputs = asking.parent.children, []
    for node in siblings[siblings.index(asking) + 1 :]:
        is_code = node.get("nb_element") == "cell_code"
        if asks_to_predict(node) or isinstance(node, nodes.section) or (outputs and not is_code):
            break
        outputs += [part for part in node.findall(nodes.container) if part.get("nb_element") == "cell_code_output"]
    return [output for output in outputs if not moves(output)]


def moves(output) -> bool:
    """Whether it is a figure with controls, whose start gives nothing away."""
    return any("fp-explore" in raw.astext() for raw in output.findall(nodes.raw))


def fold(app, doctree):
    folded = 0
    for asking in list(doctree.findall(asks_to_predict)):
        for output in outputs_after(asking):
            opening = nodes.raw("", f'<details class="prediction">{SUMMARY}', format="html")
            place = output.parent.index(output)
            output.parent[place : place + 1] = [opening, output, nodes.raw("", "</details>", format="html")]
            folded += 1
    app.env.metadata[app.env.docname]["predictions"] = folded


def add_script(app, page, template, context, doctree):
    if app.env.metadata.get(page, {}).get("predictions"):
        app.add_js_file("predictions.js")
        context["metatags"] = context.get("metatags", "") + WITHOUT_SCRIPTS


def setup(app):
    app.connect("doctree-read", fold)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
