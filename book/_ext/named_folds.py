"""A folded cell is named by the words on its summary; MyST-NB gives a screen reader another name than is seen."""

from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput, visit_HideCellInput


def visit(translator, node):
    start = len(translator.body)
    visit_HideCellInput(translator, node)
    parts = translator.body[start:]
    translator.body[start:] = [part.replace(' aria-label="Toggle hidden content"', "") for part in parts]


def setup(app):
    app.add_node(HideCodeCellNode, override=True, html=(visit, depart_HideCellInput))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
