"""The lesson plans: minutes add up, sections and misconceptions are those of the book, each chapter gets its time."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from helpers.built_book import main_path
from helpers.misconceptions import ENTRIES, TITLE
from helpers.notebooks import read, sections
from mdit_py_plugins.anchors.index import slugify
from refresh import NOTEBOOKS, ROOT

PAGE = ROOT / "book" / "reference" / "teaching.md"
TEXT = PAGE.read_text(encoding="utf8")
WORDS, MINUTES = 950, 90
PLAN = "| min | page and section | students | listen for |"
ROW = re.compile(
    r"\| (\d+) \| (Start|\d): \[([^]]+)]\(\.\./(\w+)\.ipynb#([\w-]+)\) \| ([^|]+) "
    r'\| ("[^"]+") \(\[(\d+)]\(misconceptions\.md#([\w-]+)\)\) \|'
)
NOTEBOOK = {path.stem: read(path) for path in NOTEBOOKS}


def plans(text: str) -> list[list[tuple]]:
    """The rows of each plan; a row that is not of the form of a plan's row is an empty tuple."""
    tables = [part.split("\n\n")[0].splitlines()[2:] for part in text.split(PLAN)[1:]]
    return [[(match := ROW.fullmatch(row)) and match.groups() for row in table] for table in tables]


PLANS = plans(TEXT)
ROWS = [row for plan in PLANS for row in plan]


def test_there_is_a_plan_for_one_lesson_and_one_for_three():
    assert len(PLANS) == 4
    assert all(ROWS)


@pytest.mark.parametrize("plan", PLANS, ids=["one lesson", "first", "second", "third"])
def test_the_minutes_of_a_lesson_add_up(plan):
    assert sum(int(minutes) for minutes, *_ in plan) == MINUTES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}-{row[4]}")
def test_a_row_names_a_section_and_a_misconception_of_the_book(row):
    _, chapter, section, page, anchor, _, sentence, number, entry = row
    assert main_path()[page] == chapter
    assert section in [title for title, *_ in sections(NOTEBOOK[page])]
    assert anchor == slugify(section)
    [title] = [title for title in map(TITLE.fullmatch, ENTRIES) if title[1] == number]
    assert title[2] == sentence
    assert entry == slugify(title[0].strip("# \n"))


def test_no_lesson_names_a_section_twice():
    for plan in PLANS:
        assert len({row[3:5] for row in plan}) == len(plan)


def test_three_sessions_visit_each_page_of_the_main_path_in_order():
    visited = [page for plan in PLANS[1:] for _, _, _, page, *_ in plan]
    assert list(dict.fromkeys(visited)) == list(main_path())


def test_the_link_for_a_hub_opens_the_start_page():
    [link] = re.findall(r"^ {4}(https://HUB\S+)$", TEXT, flags=re.M)
    assert urlsplit(link).path == "/hub/user-redirect/git-pull"
    given = {name: value for name, [value] in parse_qs(urlsplit(link).query, strict_parsing=True).items()}
    assert given.keys() == {"repo", "branch", "urlpath"}
    name = given["repo"].rsplit("/", 1)[1]  # nbgitpuller copies the repository into a folder of its name
    assert (ROOT / given["urlpath"].removeprefix(f"lab/tree/{name}/")).is_file()


def test_the_page_is_short():
    assert len(re.findall(r"[A-Za-z][\w'’-]*", re.sub(r"\]\([^)]*\)|<[^>]+>", " ", TEXT))) <= WORDS
