"""The format of a question, as the build meets it: which nodes are its parts, and what can be wrong with it."""

import re
from itertools import takewhile

from cells import cell_of
from docutils import nodes

LABEL = re.compile(r"Predict first\.|Question \d+\.")
OPEN = re.compile(r"<details>\s*<summary>Answer</summary>")


def label_of(node) -> str:
    """The bold words by which a paragraph begins a question; nothing for any other node."""
    if not isinstance(node, nodes.paragraph):
        return ""
    opening = next((child for child in node if child.astext()), None)
    return opening.astext() if isinstance(opening, nodes.strong) and LABEL.fullmatch(opening.astext()) else ""


def parts(first, notebook: bool) -> tuple[list, list, list]:
    """The nodes of the question that begins here, its options and its feedback; nothing where they do not follow.

    A question without options asks for a number or a word: each item of its feedback begins with one, as code.
    """
    rest = first.parent[first.parent.index(first) :]
    own = [first, *takewhile(lambda node: belongs(node, first, notebook), rest[1:])]
    for at in range(1, len(own) - 2):
        options, fold, feedback, end = own[at - 1 : at + 3]
        if isinstance(fold, nodes.raw) and OPEN.fullmatch(fold.astext().strip()):
            if counts(feedback) and end.astext().strip() == "</details>":
                if counts(options):
                    return own[: at + 3], options.children, feedback.children
                if all(map(typed_answer, feedback)):
                    return own[: at + 3], list(map(typed_answer, feedback)), feedback.children
            break
    return [], [], []


def typed_answer(item):
    """The code by which an item of feedback begins; None for one that does not."""
    opening = next((child for child in item.next_node(nodes.paragraph) or () if child.astext()), None)
    return opening if isinstance(opening, nodes.literal) else None


def belongs(node, first, notebook: bool) -> bool:
    """Whether a node after the first of a question may be part of it, and does not begin something else."""
    if isinstance(node, nodes.section | nodes.container) or label_of(node):
        return False
    return not (notebook and node.line) or cell_of(node) == cell_of(first)


def counts(node) -> bool:
    return isinstance(node, nodes.enumerated_list) and node.get("start", 1) == 1


def is_right(item) -> bool:
    strong = item.next_node(nodes.strong)
    answer = typed_answer(item)
    said = item.astext().removeprefix(answer.astext() if answer else "").lstrip(": ")
    return strong is not None and strong.astext() == "Right." and said.startswith("Right.")


def faults(options: list, feedback: list):
    """What is wrong with a question, and what to do."""
    if not options:
        yield (
            "expected a numbered list of options, then <details>, <summary>Answer</summary>, an empty line, a numbered "
            "list of feedback, an empty line and </details>, all in one cell; or no options, and feedback whose items "
            "each begin with an answer to type, `18`: ..."
        )
        return
    if not 2 <= len(options) <= 5:
        yield f"it has {len(options)} options: give it two to five"
    if len({option.astext() for option in options}) < len(options):
        yield "an option stands twice: change one"
    if len(options) != len(feedback):
        yield f"it has {len(options)} options and {len(feedback)} items of feedback: give each option one, in its order"
    if (right := sum(map(is_right, feedback))) != 1:
        yield f"{right} items of feedback begin with **Right.**: begin that of the one right option so"
    for number, item in enumerate(feedback, 1):
        if match := re.match(r"(Wrong|No)\b", item.astext()):
            yield f"feedback {number} begins with {match[0]!r}: say what the answer counts or confuses, then what holds"


def kind_of(label: str) -> str:
    """How the ids of questions with a label begin."""
    return "question" if label.startswith("Question") else "predict"


def label_faults(name: str | None, label: str, place: int):
    """What is wrong with the id of a question's cell, or with its number among those of the page, and what to do."""
    if not re.fullmatch(rf"{kind_of(label)}-[a-z][a-z0-9-]*", name or ""):
        yield f"its cell has {f'the id {name!r}' if name else 'no id'}: give it the id '{kind_of(label)}-<word>'"
    if kind_of(label) == "question" and label != f"Question {place}.":
        yield f"it is called {label!r}: in its place it is 'Question {place}.'"
