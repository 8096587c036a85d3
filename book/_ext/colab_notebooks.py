"""Where the book has a home, copies of its notebooks for Colab: a first cell installs the package there.

Colab opens a notebook from GitHub as it stands, without the repository around it. So the copies lie beside the built
pages, in _build/colab, and the publishing workflow pushes them to a branch of their own. The notebooks of the book and
their pages stay without the cell. Links to other pages of the book lead to the published ones.
"""

import json
import posixpath
import re
import shutil
from pathlib import Path

from home_address import BRANCH, home

INSTALL = """\
# Colab does not have fpcourse: there, this cell installs it. Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "fpcourse @ git+{repository}@{branch}"
"""
LINK = re.compile(r"\]\((?![a-z]+:)([^()#\s]+)\.(?:ipynb|md)(?:#([^()\s]*))?\)")


def for_colab(notebook: dict, docname: str, addresses, metadata: dict) -> dict:
    """The notebook with the installing cell in front, and with links that lead out of Colab."""
    source = INSTALL.format(repository=addresses.repository, branch=BRANCH).rstrip("\n")
    cell = {"cell_type": "code", "execution_count": None, "id": "install-on-colab", "metadata": {}, "outputs": []}
    cells = [cell | {"source": source.splitlines(keepends=True)}]
    for old in notebook["cells"]:
        text = "".join(old["source"])
        if old["cell_type"] == "markdown":
            text = LINK.sub(lambda link: f"]({addresses.pages}{published(docname, *link.groups(), metadata)})", text)
        cells.append(old | {"source": text.splitlines(keepends=True)})
    return notebook | {"cells": cells}


def published(docname: str, page: str, part: str | None, metadata: dict) -> str:
    """The built page that a notebook's link leads to, and the id of its part, which Sphinx shortens its own way."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(docname), page))
    return f"{path}.html#{metadata[path]['myst_slugs'][part][1]}" if part else f"{path}.html"


def write(app, exception):
    target = Path(app.outdir).parent / "colab"
    shutil.rmtree(target, ignore_errors=True)
    if exception or not (addresses := home(app.srcdir)):
        return
    for docname in app.env.found_docs:
        source = Path(app.env.doc2path(docname))
        if source.suffix == ".ipynb":
            copy = for_colab(json.loads(source.read_text(encoding="utf8")), docname, addresses, app.env.metadata)
            file = (target / docname).with_suffix(".ipynb")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(copy, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
