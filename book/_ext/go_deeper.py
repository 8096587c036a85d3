"""Sections headed "Go deeper: ..." are folded in the built page; in a notebook they are plain sections.

A dropdown directive cannot hold code cells, and shows as raw text outside the book.
"""

from docutils import nodes

BEGIN = "Go deeper"


def fold(app, doctree):
    for section in list(doctree.findall(nodes.section)):
        title = section.next_node(nodes.title)
        if title is None or not title.astext().startswith(BEGIN):
            continue
        summary = nodes.raw("", '<details class="go-deeper"><summary>', format="html")
        body = [child for child in section.children if child is not title]
        section.children = []
        for child in (
            summary,
            title,
            nodes.raw("", "</summary>", format="html"),
            *body,
            nodes.raw("", "</details>", format="html"),
        ):
            section.append(child)


def setup(app):
    app.connect("doctree-read", fold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
