"""Code gets a <span> only where its look changes.

Pygments puts one around every name, bracket and gap, most of which both of the theme's styles show as plain text.
"""

from pygments.formatters import HtmlFormatter
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, Generic, Text
from sphinx.highlighting import PygmentsBridge

STYLES = ("pygments_light_style", "pygments_dark_style")


class LeanFormatter(HtmlFormatter):
    """Writes tokens that look alike as one kind, so that neighbours share a <span>, and plain ones have none."""

    kinds: dict  # the kind of token that stands for all of a look, by kind

    def format_unencoded(self, tokens, outfile):
        super().format_unencoded(((self.kinds.get(kind, kind), text) for kind, text in tokens), outfile)


def kinds_by_look(*styles) -> dict:
    """For each kind of token the first that looks like it; prompts and outputs, which scripts know, stay themselves."""
    firsts, kinds = {}, {}
    for kind in (Text, *STANDARD_TYPES):
        if kind not in Generic:
            look = tuple(tuple(style.style_for_token(kind).items()) for style in styles)
            kinds[kind] = firsts.setdefault(look, kind)
    return kinds


def choose_kinds(app):
    options = getattr(app.builder, "theme", None) and app.builder.theme.get_options()
    if options:
        LeanFormatter.kinds = kinds_by_look(*(get_style_by_name(options[name]) for name in STYLES))


def setup(app):
    LeanFormatter.kinds = {}
    PygmentsBridge.html_formatter = LeanFormatter
    app.connect("builder-inited", choose_kinds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
