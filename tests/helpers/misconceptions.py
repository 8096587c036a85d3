"""The entries of the page of misconceptions."""

import re

from refresh import ROOT

PAGE = ROOT / "book" / "reference" / "misconceptions.md"
TITLE = re.compile(r'### (\d+)\. ("[^"]+")\n')


def entries(text: str) -> dict[str, str]:
    """Under each heading its paragraphs."""
    parts = re.split(r"(?m)^(?=#)", text)
    return {part.split("\n", 1)[0] + "\n": part.split("\n", 1)[1] for part in parts if part.startswith("### ")}


ENTRIES = entries(PAGE.read_text(encoding="utf8"))
