"""One style sheet for all pages, of those rules of the theme's and extensions' sheets that some page can use.

The theme alone brings 397 KB, most of it for icons and components that no page has. A rule stays if each class in one
of its selectors is a word of some page or script of the built book.
"""

import itertools
import re
import shutil
from pathlib import Path

import tinycss2

SHEETS = ["basic.css", "styles/pydata-sphinx-theme.css"]  # the theme's; the extensions' follow
HOLD_RULES = {"media", "supports", "layer", "container"}
UNUSED = ("scripts/fontawesome.*", "scripts/*.map", "styles/*.map", "vendor/fontawesome")


def words_of(html: Path) -> set[str]:
    """Every word that could be the name of a class in a page or script."""
    files = [*html.rglob("*.html"), *(html / "_static").rglob("*.js")]
    return {word for path in files for word in re.findall(r"[A-Za-z_][\w-]*", path.read_text(encoding="utf8"))}


def selectors(prelude):
    """The selectors of a rule, each as its tokens."""
    token_lists = [[]]
    for token in prelude:
        token_lists.append([]) if token == "," else token_lists[-1].append(token)
    return token_lists


def can_match(selector, words: set[str]) -> bool:
    """Whether all classes of a selector, outside of ``:not(...)`` and its like, are among the words."""
    return all(name.value in words for dot, name in itertools.pairwise(selector) if dot == "." and name.type == "ident")


def used(rules, words: set[str]) -> str:
    """The rules that can match, as text."""
    lines = []
    for rule in rules:
        if rule.type == "qualified-rule":
            matching = [tinycss2.serialize(tokens) for tokens in selectors(rule.prelude) if can_match(tokens, words)]
            if matching:
                lines.append(f"{','.join(matching)}{{{tinycss2.serialize(rule.content)}}}")
        elif rule.type == "at-rule" and rule.at_keyword in HOLD_RULES and rule.content is not None:
            inner = used(parse(rule.content), words)
            lines.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}" if inner else "")
        elif rule.type == "at-rule" and rule.at_keyword != "font-face":  # the one font is of icons that are not used
            lines.append(rule.serialize())
    return "\n".join(filter(None, lines))


def parse(css):
    whole = tinycss2.parse_stylesheet if isinstance(css, str) else tinycss2.parse_rule_list
    return whole(css, skip_comments=True, skip_whitespace=True)


def collect(app, pagename, templatename, context, doctree):
    """The template links to the one sheet instead of these."""
    for sheet in context.pop("css_files", []):
        name = str(sheet.filename).removeprefix("_static/")
        if name not in app.sheets:
            app.sheets.append(name)
    context["css_files"] = []


def write(app, exception):
    if exception or app.sheets == SHEETS:  # no page was written, and the sheet of the last build stands
        return
    html, static = Path(app.outdir), Path(app.outdir) / "_static"
    words = words_of(html)
    sheets = [used(parse((static / name).read_text(encoding="utf8")), words) for name in app.sheets]
    (static / "all.css").write_text("\n".join(sheets), encoding="utf8")
    for pattern in UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def setup(app):
    app.sheets = list(SHEETS)
    app.connect("html-page-context", collect, priority=900)
    app.connect("build-finished", write, priority=900)  # after the theme has written its colours of code
    return {"parallel_read_safe": True, "parallel_write_safe": True}
