"""A committed notebook: its cells, what they show, and its sections."""

import re

import nbformat


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts_of_outputs(cell):
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        for mime, data in output.get("data", {}).items():
            if mime.startswith("text/"):
                yield data


def sections(notebook, checks=None):
    """The notebook cut at its headings: for each its title, its prose and its code, with the ``checks`` behind it."""
    title, prose, code = "", [], []
    for cell in notebook.cells:
        behind = (checks or {}).get(cell.id)
        if cell.cell_type == "markdown":
            for block in re.split(r"(?m)^(?=#{1,3} )", cell.source):
                if block.startswith("#") and not (block.startswith("###") and title.startswith("Go deeper")):
                    if title or prose or code:
                        yield title, "\n".join(prose), code
                    title, prose, code = block.splitlines()[0].lstrip("# "), [], []
                    block = "\n".join(block.splitlines()[1:])
                prose.append(block)
        else:
            code.append(cell)
        if behind:
            code.append(behind)
    yield title, "\n".join(prose), code
