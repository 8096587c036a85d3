"""A picture in a page's text without words for those who do not see it is a warning, and so fails the build.

Figures of ``show`` and ``explore`` have theirs by themselves: fpcourse raises an error where it is missing.
"""

from docutils import nodes
from sphinx.util import logging


def look(app, doctree):
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logging.getLogger(__name__).warning("picture %r has no alt text", image["uri"], location=image)


def setup(app):
    app.connect("doctree-read", look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
