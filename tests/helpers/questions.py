"""The questions of the course as they stand in its sources; the build finds them in its own way (quizzes.py)."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import nbformat
from refresh import NOTEBOOKS, ROOT

BOOK = ROOT / "book"
PAGES = sorted(BOOK.rglob("*.md"))
BEGIN = re.compile(r"\*\*(?:Predict first|Question (\d+))\.\*\* ")
FOLD = re.compile(r"\n\n<details>\n<summary>Answer</summary>\n\n(.*?)\n\n</details>\s*\Z", flags=re.S)
IN_PROSE = re.compile(rf"(?ms)^{BEGIN.pattern}.*?^</details>$")
ITEMS = re.compile(r"\n\n(?=1\. )")


@dataclass(frozen=True)
class Question:
    name: str | None
    source: str

    @property
    def without_feedback(self) -> str:
        return FOLD.sub("", self.source)

    @property
    def text(self) -> str:
        """The question itself."""
        return ITEMS.split(self.without_feedback)[0]

    @property
    def listed(self) -> list[str]:
        return items(ITEMS.split(self.without_feedback)[-1])

    @property
    def options(self) -> list[str]:
        """Those to choose from; of a question that asks for a number or a word, the answers that it knows."""
        answers = [re.match("`([^`]+)`: ", item) for item in self.feedback]
        return self.listed or [answer[1] for answer in answers if answer]

    @property
    def feedback(self) -> list[str]:
        fold = FOLD.search(self.source)
        return items(fold[1]) if fold else []

    @property
    def right(self) -> list[int]:
        """The numbers of the options whose feedback says that they are right."""
        return [
            number for number, item in enumerate(self.feedback, 1) if re.match(r"(`[^`]+`: )?\*\*Right\.\*\* ", item)
        ]

    @property
    def is_typed(self) -> bool:
        """Whether it asks for a number or a word."""
        return not self.listed


def items(text: str) -> list[str]:
    """The items of a numbered list that counts 1, 2, 3; none where a text is another thing."""
    parts = re.split(r"(?m)^(\d+)\. ", text)
    counted = parts[0] == "" and [int(number) for number in parts[1::2]] == list(range(1, len(parts) // 2 + 1))
    return [part.strip() for part in parts[2::2]] if counted else []


def in_notebook(path: Path) -> list[Question]:
    """The questions of a notebook: cells that begin as one, or are called as one."""
    cells = nbformat.read(path, as_version=4).cells
    return [
        Question(cell.get("id"), cell.source)
        for cell in cells
        if cell.cell_type == "markdown"
        and (BEGIN.search(cell.source) or re.match("(predict|question)-", cell.get("id", "")))
    ]


def in_page(path: Path) -> list[Question]:
    """The questions of a page that is no notebook: from a line that begins one to the end of its answers."""
    text = path.read_text(encoding="utf8")
    starts = [match.start() for match in re.finditer(rf"(?m)^{BEGIN.pattern}", text)]
    cut = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return [Question(None, re.split(r"(?<=\n</details>)\n", part)[0]) for part in cut]


def questions() -> dict[str, list[Question]]:
    """All questions of the course, by page."""
    found = {path.stem: in_notebook(path) for path in NOTEBOOKS}
    return found | {path.relative_to(BOOK).as_posix(): in_page(path) for path in PAGES}
