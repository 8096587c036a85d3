"""svg: a matplotlib figure as inline SVG in the colours of the page."""

import io
import re

import matplotlib
from matplotlib.figure import Figure

from fpcourse.page.palette import CSS_VARIABLES


def svg(figure: Figure, id_prefix: str) -> str:
    """The figure as an inline ``<svg>`` in the colours of the page, small, and the same at every build.

    An artist's gid is its name, for the page to move it from frame to frame. After a space may stand another's name:
    where that one stood it comes from while there was no such artist.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.image_inline": True}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Matplotlib's style rule for every element would leak into the page: the root passes it on instead.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", text, flags=re.S)
    view_box = re.search(r'viewBox="([^"]*)"', text)[1]
    text = re.sub(
        r"<svg[^>]*>",
        f'<svg viewBox="{view_box}" style="--fp-width:{view_box.split()[2]}" fill="currentColor" '
        'stroke-linejoin="round" aria-hidden="true" focusable="false">',
        text,
        count=1,
    )
    gids = {artist.get_gid() for artist in figure.findobj(lambda artist: artist.get_gid())}
    text = re.sub(r">\s+<", "><", _short_ids(text, id_prefix, gids))
    return re.sub(r"<[^>]+>", _themed_tag, text).strip()


def _short_ids(text: str, prefix: str, gids: set[str]) -> str:
    """Number the ids that some tag refers to, so that they are unique on the page; drop the others, but for gids."""
    tags = "".join(re.findall(r"<[^>]+>", text))
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', tags))
    short = {name: f"{prefix}{number}" for number, name in enumerate(used)}

    def attribute(found: re.Match) -> str:
        name = found[1]
        return f' data-move="{name}"' if name in gids else f' id="{short[name]}"' if name in short else ""

    def shorten(tag: re.Match) -> str:
        text = re.sub(r' id="([^"]*)"', attribute, tag[0])
        text = re.sub(r'xlink:href="(#?)([^"]+)"', lambda m: f'href="{m[1]}{short.get(m[2], m[2])}"', text)
        return re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", text)

    return re.sub(r"<[^>]+>", shorten, text)


def _themed_tag(tag: re.Match) -> str:
    """Inside one tag: shorter coordinates, the page's font, the theme's colours."""
    text = re.sub(r' (d|x|y|width|height|points|transform)="([^"]*)"', _short_numbers, tag[0])
    text = re.sub(r'font-family: [^;"]*;? ?| transform="rotate\(-0 [^"]*"', "", text)
    text = text.replace("#000000", "currentColor").replace("#ffffff", "var(--fp-ground,#ffffff)")
    return re.sub(
        r"#[0-9a-f]{6}\b",
        lambda m: f"var({CSS_VARIABLES[m[0]]},{m[0]})" if m[0] in CSS_VARIABLES else m[0],
        text,
    )


def _short_numbers(attribute: re.Match) -> str:
    if "matrix(" in attribute[2]:
        return attribute[0]  # the scale of an image
    value = re.sub(r"-?\d+\.\d\d+", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), " ".join(attribute[2].split()))
    return f' {attribute[1]}="{value}"'
