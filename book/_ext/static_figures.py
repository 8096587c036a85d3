"""In the build of the book fpcourse's figures are static, and their style sheet is on every page.

A page with figures that move has their scripts too, and what these work on lies in files: it does not hold up the text.
"""

import os
import re
import zlib
from importlib.resources import files
from pathlib import Path

from fpcourse.explorables.stage import SCRIPTS

PAGE, STAGE = (files(room) / "assets" for room in ("fpcourse.page", "fpcourse.explorables"))
EXPLORABLES = PAGE / "packed.js", PAGE / "explorables.js"
NETWORK = STAGE / "stage.css", PAGE / "packed.js", *(STAGE / name for name in SCRIPTS)
PACKED = re.compile(r'(<script type="text/plain" class="fp-packed" id="([\w-]+)")>([^<]+)')


def add_assets(app):
    app.config.html_static_path += map(str, {PAGE / "views.css", *EXPLORABLES, *NETWORK})
    app.add_css_file("views.css")


def move_figures(app, pagename, templatename, context, doctree):
    """What a figure works on, from the page into a script that fills it in again."""
    body = context.get("body", "")
    assets = EXPLORABLES * ('class="fp-explore"' in body) + NETWORK * ('class="fp-network"' in body)
    for order, asset in enumerate(dict.fromkeys(assets)):
        add = app.add_css_file if asset.suffix == ".css" else app.add_js_file
        add(asset.name, priority=501 + order)

    def move(match):
        tag, identifier, packed = match.groups()
        name = f"_static/figures/{pagename.replace('/', '-')}-{identifier}.js"
        path = Path(app.outdir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'document.getElementById("{identifier}").textContent = "{packed}";', encoding="utf8")
        version = f"{zlib.crc32(packed.encode()):08x}"  # no browser takes the file that it has kept of another build
        return f'{tag} data-src="{context["pathto"](name, resource=True)}?v={version}">'

    if assets:
        context["body"] = PACKED.sub(move, body)


def setup(app):
    # The kernels that execute the notebooks inherit this process's environment.
    os.environ["FPCOURSE_STATIC"] = "1"
    app.connect("builder-inited", add_assets)
    app.connect("html-page-context", move_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
