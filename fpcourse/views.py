"""show: how one figure or table reaches the page, with its caption, its alt text and its numbers.

Under a kernel a figure is a PNG. In the build of the book (``FPCOURSE_STATIC=1``, set by the book's own Sphinx
extension) it is inline SVG that follows the page's theme. Both carry the same numbers as text, since neither a
reader who does not see the picture nor a test can read it off the pixels.
"""

import io
import itertools
import json
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import matplotlib
from IPython.display import display
from matplotlib.figure import Figure

from fpcourse.palette import CSS_VARIABLES

_COUNTER = itertools.count(1)


@dataclass(frozen=True, repr=False)
class View:
    """What one frame shows.

    Args:
        content: a matplotlib Figure, anything with ``_repr_html_`` (a Table, a Listing), or a sequence of them.
        caption: what to see in it, a sentence or two.
        alt: what the figure shows, for a reader who does not see it.
        values: the numbers shown, by name: numbers, words, or lists of them; tensors are converted.

    Raises:
        TypeError: content of another kind, or values that are neither numbers nor words.
        ValueError: an empty caption or alt text.
    """

    content: Any
    caption: str
    alt: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.values, Mapping):
            raise TypeError(f"values must be a dictionary of numbers by name; got {type(self.values).__name__}")
        for part in self.parts:
            if not isinstance(part, Figure) and not hasattr(part, "_repr_html_"):
                raise TypeError(f"a view shows matplotlib figures, tables and listings; got {type(part).__name__}")
        for name in ("caption", "alt"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"a view needs {name}=..., a sentence for the reader; got {text!r}")
        object.__setattr__(self, "values", {name: _plain(name, value) for name, value in self.values.items()})

    @property
    def parts(self) -> tuple[Any, ...]:
        return tuple(self.content) if isinstance(self.content, (tuple, list)) else (self.content,)

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(part for part in self.parts if isinstance(part, Figure))

    def __repr__(self) -> str:
        return "\n".join([self.caption, *(f"  {name}: {_text(value)}" for name, value in self.values.items())])


@dataclass(frozen=True)
class ErrorText:
    """An exception as content: its type, its own words and its notes."""

    type: str
    message: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.type}: {self.message}", *self.notes])

    def _repr_html_(self) -> str:
        return (
            '<div class="fp-error" role="group" aria-label="Error">'
            f"<p><strong>torch raises {escape(self.type)}</strong></p>"
            f'<pre tabindex="0" role="group" aria-label="Error text">{escape(self.message)}</pre>'
            + "".join(f"<p>{escape(note)}</p>" for note in self.notes)
            + "</div>"
        )


def failed(error: BaseException, content: Any = (), caption: str | None = None, values: Mapping | None = None) -> View:
    """The view of an error that is the lesson: its own text, marked as an error, above ``content``.

    ``caption`` says what the reader should take from it; by default it names the error.
    """
    text = ErrorText(type(error).__name__, str(error), tuple(getattr(error, "__notes__", ())))
    parts = tuple(content) if isinstance(content, (tuple, list)) else (content,)
    caption = caption or f"This combination raises {text.type}."
    return View((text, *parts), caption, alt=str(text), values={"error": text.type, **(values or {})})


def show(content: Any, *, caption: str, alt: str, values: Mapping[str, Any] | None = None) -> None:
    """Put one figure or table on the page. The arguments and the errors are those of ``View``."""
    view = View(content, caption, alt, values or {})
    try:
        if static_build():
            _display({"text/html": page_html(view, f"fp-figure-{next(_COUNTER)}"), "text/plain": repr(view)})
        else:
            for number, part in enumerate(view.parts):
                _display({**_part_bundle(part), "text/plain": caption if number else repr(view)})
            _display({"text/html": f"<p><em>{escape(caption)}</em></p>", "text/plain": caption})
    finally:
        close(view)


def static_build() -> bool:
    """Whether this runs in the build of the book, where there will be no kernel."""
    return os.environ.get("FPCOURSE_STATIC") == "1"


def page_html(view: View, identifier: str) -> str:
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
            pieces.append(f'<div class="fp-picture" role="img" aria-label="{escape(view.alt)}">{drawn}</div>')
        else:
            pieces += [part._repr_html_() for _, part in parts]
    return {"html": "".join(pieces), "caption": view.caption, "values": view.values}


def values_script(values: Mapping[str, Any]) -> str:
    """The values as JSON that a test reads from the page; no ``<``, so that nothing can end the script early."""
    text = json.dumps(values).replace("<", "\\u003c")
    return f'<script type="application/json" class="fp-values">{text}</script>'


def fallback_picture(view: View) -> dict[str, Any]:
    """A PNG of the first figure, for where no widget and no HTML is shown; the parts' HTML if there is none."""
    if view.figures:
        return _part_bundle(view.figures[0])
    return {"text/html": "".join(part._repr_html_() for part in view.parts)}


def _part_bundle(part: Any) -> dict[str, Any]:
    """One part as a notebook shows it: a figure as PNG, anything else as its HTML."""
    if not isinstance(part, Figure):
        return {"text/html": part._repr_html_()}
    buffer = io.BytesIO()
    part.savefig(buffer, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return {"image/png": buffer.getvalue()}


@cache
def asset(name: str) -> str:
    """The text of one of the package's own style sheets or scripts."""
    return files("fpcourse").joinpath("assets", name).read_text(encoding="utf8")


def close(view: View) -> None:
    """Release the view's figures, should pyplot hold them; else each would be shown once more, or pile up."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    for figure in view.figures if pyplot else ():
        pyplot.close(figure)


def svg(figure: Figure, id_prefix: str) -> str:
    """The figure as an inline ``<svg>`` in the colours of the page, small, and the same at every build."""
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
    text = re.sub(r">\s+<", "><", _short_ids(text, id_prefix))
    return re.sub(r"<[^>]+>", _themed_tag, text).strip()


def _short_ids(text: str, prefix: str) -> str:
    """Number the ids that some tag refers to, so that they are unique on the page; drop the others."""
    tags = "".join(re.findall(r"<[^>]+>", text))
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', tags))
    short = {name: f"{prefix}{number}" for number, name in enumerate(used)}

    def shorten(tag: re.Match) -> str:
        text = re.sub(r' id="([^"]*)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", tag[0])
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


def _display(bundle: dict[str, Any]) -> None:
    display(bundle, raw=True)


def _plain(name: str, value: Any) -> Any:
    """A value as JSON has it, floats at six significant digits."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    raise TypeError(f"values[{name!r}] must hold numbers or words; got {type(value).__name__}")


def _text(value: Any) -> str:
    """A value as text with three significant digits: what every CPU agrees on."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
