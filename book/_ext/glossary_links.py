"""In each section of a notebook the first use of a glossary word is linked to its entry, like an author's own links.

``glossary.js`` opens the definition beside such a link. A page brings the definitions of the words that it links.
"""

import re
from collections import Counter
from itertools import chain

from docutils import nodes
from quizzes import quiz
from sphinx import addnodes

GLOSSARY = "book/reference/glossary"
# Entries that are everyday words too: only an author links them.
EVERYDAY = {"Attention", "Clone", "Detach", "Finally", "Handle", "In place", "Trace", "View"}
NO_PROSE = (nodes.title, nodes.literal, nodes.FixedTextElement, nodes.math, nodes.raw, nodes.table, quiz)
ENDINGS = {"y": "(?:y|ies)", "is": "(?:is|es)", "f": "(?:f|ves)", "": "(?:e?s)?"}


def entries(env) -> dict[str, nodes.section]:
    """The glossary's entries by their ids; none in a book without a glossary."""
    if GLOSSARY not in env.found_docs:
        return {}
    sections = env.get_doctree(GLOSSARY).findall(nodes.section)
    return {section["ids"][0]: section for section in sections if isinstance(section.parent.parent, nodes.section)}


def name_of(entry) -> str:
    return entry.next_node(nodes.title).astext()


def form_of(name: str) -> str:
    """A pattern of a name in singular and plural, at the start of a sentence and within."""
    ending = next(ending for ending in ENDINGS if name.endswith(ending))
    return f"[{name[0].upper()}{name[0].lower()}]{re.escape(name[1:].removesuffix(ending))}{ENDINGS[ending]}"


def prose(children):
    """The texts, bold words and links that stand in sentences, and in no fold but that of "Go deeper"."""
    folded = False
    for node in children:
        if isinstance(node, nodes.raw) and "details" in node.astext() and "go-deeper" not in node.astext():
            folded = "<details" in node.astext()
        elif isinstance(node, nodes.Text | nodes.strong | nodes.reference):
            yield node
        elif not (folded or isinstance(node, NO_PROSE) or node.get("nb_element")):
            yield from prose(node.children)


def parts(doctree):
    """A page's opening and its sections, each as a list of nodes."""
    page = doctree.next_node(nodes.section)
    yield [node for node in page.children if not isinstance(node, nodes.section)]
    yield from (node.children for node in page.children if isinstance(node, nodes.section))


def word_of(link) -> str | None:
    return link["refuri"].rpartition("#")[2] if "term" in link["classes"] else None


def finder(known):
    """What finds the words in a text, each as its entry's id and the match; "batch axis" is found before "batch"."""
    names = {name_of(entry): word for word, entry in known.items()}
    ordered = sorted(names.keys() - EVERYDAY, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(f'({form_of(name)})' for name in ordered)})(?![\w-])")
    return lambda text: [(names[ordered[match.lastindex - 1]], match) for match in pattern.finditer(text)]


def link_words(app, doctree, page):
    known = entries(app.env)
    if page == GLOSSARY or not known:
        return
    address = app.builder.get_relative_uri(page, GLOSSARY)
    for link in doctree.findall(nodes.reference):
        target, _, word = link.get("refuri", "").rpartition("#")
        if target == address and word in known:
            link["classes"].append("term")
    if app.env.doc2path(page).endswith(".ipynb"):
        link_first_uses(doctree, finder(known), address)


def link_first_uses(doctree, find, address: str):
    """Link the words that a part of the page neither links nor defines, in bold type, by itself."""
    read = [list(prose(part)) for part in parts(doctree)]
    used = [{word for node in part for word, _ in find(node.astext())} for part in read]
    # What many parts use is what the page is about: linked in each, it would be noise.
    frequent = {word for word, count in Counter(chain(*used)).items() if count > len(read) / 4}
    seen = set()
    for part in read:
        seen &= frequent
        seen |= {word_of(node) for node in part if isinstance(node, nodes.reference)}
        seen |= {
            word
            for node in part
            if isinstance(node, nodes.strong)
            for word, match in find(node.astext())
            if match[0] == node.astext()
        }
        for text in part:
            if isinstance(text, nodes.Text):
                text.parent.replace(text, linked(text, find, seen, address))


def linked(text: nodes.Text, find, seen: set, address: str) -> list[nodes.Node]:
    """A text in which the words that have not been seen are links; now they have been."""
    pieces, end = [], 0
    for word, match in find(text):
        if word not in seen:
            seen.add(word)
            link = nodes.reference("", match[0], refuri=f"{address}#{word}", internal=True, classes=["term"])
            pieces += [nodes.Text(text[end : match.start()]), link]
            end = match.end()
    return [*pieces, nodes.Text(text[end:])]


def definition(builder, word: str, entry) -> str:
    for link in list(entry.findall(addnodes.pending_xref)):
        link.replace_self(link.children)  # in the box the one link leads to the entry
    body = "".join(builder.render_partial(node)["fragment"] for node in entry.children[1:])
    return f'<div id="{word}"><p><strong>{name_of(entry)}</strong></p>{body}</div>'


def add_definitions(app, page, template, context, doctree):
    links = doctree.findall(nodes.reference) if doctree else ()
    if words := [word for word in dict.fromkeys(map(word_of, links)) if word]:
        known = entries(app.env)
        boxes = "".join(definition(app.builder, word, known[word]) for word in words)
        context["body"] += f'<template class="definitions">{boxes}</template>'
        app.add_js_file("glossary.js")


def follow_glossary(app, env, added, changed, removed):
    """Every page is read again after a change of the glossary."""
    return env.found_docs if GLOSSARY in changed else ()


def setup(app):
    app.connect("env-get-outdated", follow_glossary)
    app.connect("doctree-resolved", link_words)
    app.connect("html-page-context", add_definitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
