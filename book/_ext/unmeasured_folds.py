"""The theme's script does not measure the code in closed folds.

It asks each box of code for its width, to give those that scroll a tab stop, and a browser lays out all that is folded
to answer. Here a fold's boxes are asked once it is opened.
"""

from pathlib import Path

from sphinx.util import logging

SCRIPT = Path("_static", "scripts", "pydata-sphinx-theme.js")
CHANGES = {
    "e.tabIndex=e.scrollWidth>": "if(e.checkVisibility?.()!==false)e.tabIndex=e.scrollWidth>",
    'window.addEventListener("resize",t)': 'window.addEventListener("resize",t),addEventListener("toggle",t,true)',
}


def change(app, exception):
    if exception or app.builder.format != "html":
        return
    path = Path(app.outdir) / SCRIPT
    text = path.read_text(encoding="utf8")
    for before, after in CHANGES.items():
        if after not in text and text.count(before) != 1:
            logging.getLogger(__name__).warning("%s no longer holds %s once", SCRIPT.name, before)
        elif after not in text:
            text = text.replace(before, after)
    path.write_text(text, encoding="utf8")


def setup(app):
    app.connect("build-finished", change)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
