"""Each chapter has its questions, whose format the build holds; a link to a misconception leads to the one it names."""

import re

import pytest
from helpers.built_book import main_path
from helpers.misconceptions import ENTRIES
from helpers.notebooks import read
from helpers.questions import BOOK, NOTEBOOKS, PAGES, questions
from mdit_py_plugins.anchors.index import slugify

QUESTIONS = questions()
# Each has its five at the end and three predictions or more.
CHAPTERS = [page for page, chapter in main_path().items() if chapter != "Start"]
LINK = re.compile(r"\[([^\]]*\bmisconception (\d+)[^\]]*)\]\(([^()#\s]*)#([^()\s]*)\)", flags=re.I)
NAMED = re.compile(r"\bmisconception (\d+)", flags=re.I)
SLUGS = {slugify(title.strip("# \n")) for title in ENTRIES}


def prose(path) -> str:
    """The Markdown of a page."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf8")
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", QUESTIONS)
def test_no_two_questions_of_a_page_are_the_same(page):
    for what in ("name", "text"):
        found = [getattr(question, what) for question in QUESTIONS[page] if getattr(question, what)]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_section_of_five_questions_has_five(path):
    found = five_questions(read(path))
    assert found is None or (len(found) == 5 and not any("outside" in name for name in found)), found


def five_questions(notebook) -> list[str] | None:
    """The ids of the questions in the section "Five questions"; None where there is no such section."""
    found, inside = None, False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (headings := re.findall(r"(?m)^#{1,2} (.+)$", cell.source)):
            inside = headings[-1] == "Five questions"
            found = [] if inside else found
        if re.match(r"question-", cell.get("id", "")):
            found = [*(found or []), cell.id if inside else f"{cell.id}, outside of its section"]
    return found


def test_every_chapter_has_its_questions():
    for page in CHAPTERS:
        names = [question.name for question in QUESTIONS[page]]
        assert sum(name.startswith("question-") for name in names) == 5, page
        assert sum(name.startswith("predict-") for name in names) >= 3, page
        assert five_questions(read(BOOK / f"{page}.ipynb")), page


@pytest.mark.parametrize("page", CHAPTERS)
def test_no_place_gives_the_right_option_away(page):
    right = [question.right[0] for question in QUESTIONS[page] if not question.is_typed]
    assert {1, 2, 3} <= set(right)
    assert max(map(right.count, right)) <= len(right) / 2


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.stem)
def test_a_link_to_a_misconception_leads_to_the_one_it_names(path):
    assert wrong_links(path, prose(path)) == []


def wrong_links(path, text: str) -> list[str]:
    """The mentions of a misconception by number that are no link to the heading with that number."""
    wrong = []
    for said, number, file, slug in LINK.findall(text):
        leads = (path.parent / file if file else path).resolve() == BOOK / "reference/misconceptions.md"
        if not leads or slug not in SLUGS or not slug.startswith(f"{number}-"):
            wrong.append(f"{said}: {file}#{slug}")
    return wrong + [f"{match[0]} is no link" for match in NAMED.finditer(LINK.sub("", text))]


# The guard itself.


@pytest.mark.parametrize(
    "link",
    [
        "[misconception 11](reference/misconceptions.md#10-a-trace-has-one-row-for-each-layer)",
        "[misconception 10](reference/misconceptions.md#10-a-trace)",
        "[misconception 10](reference/glossary.md#10-a-trace-has-one-row-for-each-layer)",
        "misconception 10",
    ],
)
def test_a_wrong_link_is_noticed(link):
    right = "See [misconception 10](reference/misconceptions.md#10-a-trace-has-one-row-for-each-layer)."
    assert wrong_links(BOOK / "page.ipynb", right) == []
    assert len(wrong_links(BOOK / "page.ipynb", f"{right} See {link}.")) == 1
