"""The numbers that a text holds for true, and those that a cell's run shows."""

import ast
import re

from helpers.questions import IN_PROSE, Question

NUMBER = re.compile(r"(?<![\w.,])[−-]?\d[\d,]*(?:\.\d+)?")
FORMULA = re.compile(r"`[^`]*`|(?s:\$\$(.+?)\$\$)|\$(?!\s)([^$`\n]+?)(?<!\s)\$")  # or code, which holds none


def numbers(text: str) -> set[str]:
    """The numbers of a text as they are written, without thousands separators and with a plain minus."""
    text = re.sub(r"(?<=\d)_(?=\d)", "", text)
    return {match.replace(",", "").replace("−", "-").rstrip(".") for match in NUMBER.findall(text)}


def plain_formula(match: re.Match) -> str:
    """What counts of a formula: its numbers, and the words in it; its letters and signs do not."""
    block, inline = match.groups()
    if not (block or inline):
        return match[0]
    tex = re.sub(r"(?<=\d)(\\,|\{,\})(?=\d{3})", "", block or inline)  # 23\,040 and 23{,}040
    words = re.findall(r"\\text\{([^}]*)\}", tex)
    signs = re.sub(r"\\text\{[^}]*\}|\\[A-Za-z]+|[A-Za-z_]", " ", tex)
    # A block on a line of its own, as what stands further in is code.
    return ("\n{}\n" if block else " {} ").format(" ".join([*words, *signs.split()]))


def plain_prose(markdown: str) -> str:
    """Prose without code, links' targets, tags and the line of minutes; of a formula its numbers and words."""
    markdown = re.sub(r"(?m)^\*\*\w+ · \d+ minutes · \w+\*\*$", "", markdown)  # an exercise's
    markdown = FORMULA.sub(plain_formula, markdown)
    markdown = re.sub(r"(?m)^\*\d+ minutes.*$|^\|.*\|$|^ {4}.*$|^\d\. ", "", markdown)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]+>|torch \d\.\d+|et al\. \d{4}|misconception \d+", " ", markdown)


def numbers_said(markdown: str) -> set[str]:
    """The numbers that a text holds for true: not those of a question's options, of which all but one are false.

    Feedback may repeat its question's options; what is right is backed, as anywhere else.
    """
    said = numbers(plain_prose(IN_PROSE.sub("", markdown)))
    for found in IN_PROSE.finditer(markdown):
        question = Question(None, found[0])
        on_offer = {number.lstrip("-") for number in numbers("\n".join(question.options))}
        said |= numbers(plain_prose(question.text))
        for number, item in enumerate(question.feedback, 1):
            repeated = () if number in question.right else on_offer
            said |= {one for one in numbers(plain_prose(item)) if one.lstrip("-") not in repeated}
    return said


def digits(number: str) -> int:
    return len(number.strip("-").replace(".", ""))


def computed_numbers(run) -> set[str]:
    """The numbers that a cell's run prints or shows as values, and those that its code, or a check's, works with."""
    if isinstance(run, ast.FunctionDef):
        constants = [node.value for node in ast.walk(run) if isinstance(node, ast.Constant)]
        return set().union(*(numbers(str(value)) for value in constants))
    cell = run
    found = {
        str(node.value)
        for node in ast.walk(ast.parse(cell.source))
        if type(getattr(node, "value", None)) in (int, float)
    }
    for output in cell.outputs:
        if output.output_type == "stream":
            found |= numbers(output.text)
        elif "image/png" in output.data:
            # The first line is the caption, which must not back itself.
            found |= numbers("\n".join(output.data["text/plain"].splitlines()[1:]))
        elif "<table>" in output.data.get("text/html", ""):
            found |= numbers(re.sub(r"<[^>]+>", " ", output.data["text/html"]))
    return found


def captions_and_alts(cell):
    """The captions that a cell's figures came out with, and the alt texts of its ``show`` calls."""
    for output in getattr(cell, "outputs", ()):  # a check has none
        if "image/png" in output.get("data", {}):
            yield output.data["text/plain"].splitlines()[0]
    for node in ast.walk(cell if isinstance(cell, ast.AST) else ast.parse(cell.source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "show":
            for keyword in node.keywords:
                if keyword.arg == "alt" and isinstance(keyword.value, ast.Constant):
                    yield keyword.value.value
