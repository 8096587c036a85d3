"""The ids of a notebook's cells, by which other extensions name code cells and questions."""

import json
from pathlib import Path


def cell_ids(env) -> list[str | None] | None:
    """The ids of the cells of the page that is being read, in their order; None for a page that is no notebook."""
    path = Path(env.doc2path(env.docname))
    if path.suffix != ".ipynb":
        return None
    return [cell.get("id") for cell in json.loads(path.read_text(encoding="utf8"))["cells"]]


def cell_of(node) -> int:
    """The number of the cell that a node of a notebook comes from: MyST-NB counts 10,000 lines for each."""
    return node.line // 10000 - 1
