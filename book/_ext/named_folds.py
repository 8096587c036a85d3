"""A folded cell is named by the words on its summary: MyST-NB gives a screen reader another name than is seen.

A notebook's imports, the cell ``imports``, are folded under "Setup" in the built page alone.
"""

from cells import cell_ids
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput, visit_HideCellInput
from sphinx.transforms import SphinxTransform


class FoldSetup(SphinxTransform):
    default_priority = 869  # before cells get their ids: that of a folded one stands inside

    def apply(self, **kwargs):
        ids = cell_ids(self.env)
        for cell in self.document.findall(nodes.container) if ids else ():
            if cell.get("nb_element") == "cell_code" and ids[cell["cell_index"]] == "imports":
                cell.attributes |= {"hide_mode": "all", "prompt_show": "Setup", "prompt_hide": "Setup"}


def visit(translator, node):
    start = len(translator.body)
    visit_HideCellInput(translator, node)
    parts = translator.body[start:]
    translator.body[start:] = [part.replace(' aria-label="Toggle hidden content"', "") for part in parts]


def setup(app):
    app.add_transform(FoldSetup)
    app.add_node(HideCodeCellNode, override=True, html=(visit, depart_HideCellInput))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
