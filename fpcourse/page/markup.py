"""How one view becomes HTML for a page, or a picture for where there is none; and the one place that displays."""

import base64
import gzip
import io
import itertools
import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from IPython.display import display
from matplotlib.figure import Figure

from fpcourse.page.svg import svg
from fpcourse.page.view import View


def display_bundle(bundle: dict[str, Any]) -> None:
    """Hand a notebook one output, by media type."""
    display(bundle, raw=True)


def figure_html(view: View, identifier: str) -> str:
    """The view as one ``<figure>`` whose SVG ids begin with ``identifier``."""
    frame = frame_data(view, identifier)
    return (
        f'<figure class="fp-view" id="{identifier}"><div class="fp-frame">{frame["html"]}</div>'
        f"<figcaption>{escape(frame['caption'])}</figcaption>{values_script(frame['values'])}</figure>"
    )


def frame_data(view: View, identifier: str) -> dict[str, Any]:
    """The view taken apart for a page: the HTML of its parts, its caption and its values."""
    pieces = []
    for is_picture, parts in itertools.groupby(enumerate(view.parts), lambda part: isinstance(part[1], Figure)):
        if is_picture:
            # Figures that follow one another are one picture: the alt text is read out once.
            drawn = "".join(svg(figure, f"{identifier}-{number}-") for number, figure in parts)
            pieces.append(
                f'<div class="fp-picture" role="img" tabindex="0" aria-label="{escape(view.alt)}">{drawn}</div>'
            )
        else:
            pieces += [part._repr_html_() for _, part in parts]
    return {"html": "".join(pieces), "caption": view.caption, "values": view.values}


def values_script(values: Mapping[str, Any]) -> str:
    """The values as JSON that a test reads from the page; no ``<``, so that nothing can end the script early."""
    text = json.dumps(values).replace("<", "\\u003c")
    return f'<script type="application/json" class="fp-values">{text}</script>'


def compressed(data: Any) -> str:
    """Data for a page's script: base64 of gzipped JSON, byte for byte the same at every build."""
    text = json.dumps(data, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def fallback_picture(view: View) -> dict[str, Any]:
    """A PNG of the first figure, for where no widget and no HTML is shown; the parts' HTML if there is none."""
    if view.figures:
        return part_bundle(view.figures[0])
    return {"text/html": "".join(part._repr_html_() for part in view.parts)}


def part_bundle(part: Any) -> dict[str, Any]:
    """One part as a notebook shows it: a figure as PNG, anything else as its HTML."""
    if not isinstance(part, Figure):
        return {"text/html": part._repr_html_()}
    buffer = io.BytesIO()
    part.savefig(buffer, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return {"image/png": buffer.getvalue()}


@cache
def asset(name: str, room: str = "page") -> str:
    """The text of one of the package's own style sheets or scripts."""
    return files(f"fpcourse.{room}").joinpath("assets", name).read_text(encoding="utf8")
