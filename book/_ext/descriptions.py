"""A page that does not describe itself to search engines is described by how it begins."""

import textwrap
from html import escape

from docutils import nodes


def describe(app, page, template, context, doctree):
    tags = context.get("metatags", "")
    paragraph = doctree and doctree.next_node(nodes.paragraph)
    if paragraph and 'name="description"' not in tags:
        beginning = textwrap.shorten(paragraph.astext(), 160, placeholder=" …")
        context["metatags"] = f'{tags}\n<meta name="description" content="{escape(beginning)}">'


def setup(app):
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
