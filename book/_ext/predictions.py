"""What answers a prediction waits, folded, until the reader has answered it or skips it: the run, and the words on it.

The run is the output of the next code cell, and of those that follow it without a word between; the words on it are
those up to the next cell, question or heading. ``predictions.js`` opens the folds once the question above is answered,
and keeps the switch that shows all runs. Without scripts, and on paper, no fold is closed.
"""

import re

from docutils import nodes
from quizzes import quiz

SUMMARY = "<summary><span>Predict first, then open the run</span><span>The run</span></summary>"
WITHOUT_SCRIPTS = """
<noscript><style>
:is(.prediction, .explanation)::details-content { display: block; content-visibility: visible; }
</style></noscript>"""


def asks_to_predict(node) -> bool:
    if isinstance(node, quiz):
        return node["ids"][0].startswith("predict-")
    return isinstance(node, nodes.paragraph) and bool(re.match("Predict\\b", node.astext()))


def run_after(asking) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """The outputs of the next code cells, and the words on them, before another prediction and in the same section."""
    siblings, outputs, words = asking.parent.children, [], []
    for node in siblings[siblings.index(asking) + 1 :]:
        is_code = node.get("nb_element") == "cell_code"
        if asks_to_predict(node) or isinstance(node, nodes.section | quiz) or (words and is_code):
            break
        if is_code:
            outputs += [part for part in node.findall(nodes.container) if part.get("nb_element") == "cell_code_output"]
        elif outputs:
            words.append(node)
    return outputs, words


def moves(output) -> bool:
    """Whether it is a figure with controls, whose start gives nothing away."""
    return any("fp-explore" in raw.astext() for raw in output.findall(nodes.raw))


def wrap(parts, opening: str):
    """Put siblings that follow one another into a fold."""
    parent, place = parts[0].parent, parts[0].parent.index(parts[0])
    folded = [nodes.raw("", opening, format="html"), *parts, nodes.raw("", "</details>", format="html")]
    parent[place : place + len(parts)] = folded


def fold(app, doctree):
    folded = 0
    for asking in list(doctree.findall(asks_to_predict)):
        outputs, words = run_after(asking)
        still = [output for output in outputs if not moves(output)]
        for output in still:
            wrap([output], f'<details class="prediction">{SUMMARY}')
        if words and still == outputs:
            wrap(words, '<details class="explanation"><summary>What it shows</summary>')
        folded += len(still)
    app.env.metadata[app.env.docname]["predictions"] = folded


def add_script(app, page, template, context, doctree):
    if app.env.metadata.get(page, {}).get("predictions"):
        app.add_js_file("predictions.js")
        context["metatags"] = context.get("metatags", "") + WITHOUT_SCRIPTS


def setup(app):
    app.connect("doctree-read", fold)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
