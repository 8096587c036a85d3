"""A code cell can be linked to by its id: ``[this run](06_modes.ipynb#forgotten-run)``. A wrong id fails the build.

A browser that follows such a link unfolds what the target is folded into. So a cell that is hidden as a whole has its
id inside the fold; where the code alone is hidden, it stays hidden, and the link leads to what the cell shows.
"""

from cells import cell_ids
from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging


class NameCells(SphinxTransform):
    default_priority = 870  # before MyST resolves the links within a page

    def apply(self, **kwargs):
        ids = cell_ids(self.env)
        if ids is None:
            return
        slugs = self.env.metadata[self.env.docname].setdefault("myst_slugs", self.document.myst_slugs)
        for cell in self.document.findall(nodes.container):
            if cell.get("nb_element") == "cell_code" and (name := ids[cell["cell_index"]]):
                if name in slugs or name in self.document.ids:
                    logging.getLogger(__name__).warning("cell %r has the id of a heading", name, location=cell)
                    continue
                target = cell[0] if cell.get("hide_mode") == "all" else cell
                target["ids"].append(name)
                slugs[name] = (cell.line, name, name)  # as of a heading: line, id, text of a link that has none


def setup(app):
    app.add_transform(NameCells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
