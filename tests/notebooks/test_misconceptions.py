"""Each misconception names one cell that settles it, and what it says of the run stands in that cell."""

import re
from collections import Counter
from html import unescape

import pytest
from helpers.behind import after, checks
from helpers.misconceptions import ENTRIES, PAGE, TITLE
from helpers.notebooks import code_cells, read, texts_of_outputs
from helpers.prose import computed_numbers, digits, numbers, plain_prose
from refresh import NOTEBOOKS

SETTLED = re.compile(r"Settled by \[this run]\(\.\./(\w+)\.ipynb#([\w-]+)\), in \[chapter (\d)]\(\.\./(\w+)\.ipynb\)\.")
# A code span that is a name, or a call with plain arguments: view, w.grad, nn.Linear, requires_grad_(False).
NAME = re.compile(r"(?!(True|False|None)$)\.?[A-Za-z]\w*(\.\w+)*(\([\w, ]*\))?")
PAGES = {path.stem: read(path) for path in NOTEBOOKS}
CELLS = {page: {cell.id: cell for cell in code_cells(notebook)} for page, notebook in PAGES.items()}


def one_line(text: str) -> str:
    return " ".join(text.split())


def shown(cell) -> str:
    """The code of a cell and the text that its run left."""
    outputs = (unescape(re.sub(r"<[^>]+>", " ", text)) for text in texts_of_outputs(cell))
    return one_line("\n".join([cell.source, *outputs]))


def not_in_the_run(title: str, body: str) -> list[str]:
    """What an entry says and its cell does not show.

    A number of two digits or more stands among the numbers that the cell computes, or that a check behind it asserts.
    A code span that is a name stands in the code of the cell's notebook; every other one is an output or a piece of
    code, of that cell.
    """
    [(page, anchor, _, _)] = SETTLED.findall(body)
    cell = CELLS[page][anchor]
    runs = [cell, *filter(None, map(checks(page).get, after(PAGES[page], anchor)))]
    there = {abs(float(number)) for run in runs for number in computed_numbers(run)}
    said = numbers(plain_prose(TITLE.fullmatch(title)[2] + "\n" + SETTLED.sub("", body)))
    missing = [number for number in said if digits(number) > 1 and abs(float(number)) not in there]
    notebook = "\n".join(map(shown, CELLS[page].values()))
    for span in re.findall(r"`([^`]+)`", body):
        if not stands_in(span, notebook if NAME.fullmatch(span) else shown(cell)):
            missing.append(span)
    return missing


def stands_in(span: str, text: str) -> bool:
    """Whether a piece of code stands in a text, and not within a longer word or number."""
    return re.search(rf"(?!\B\w){re.escape(span)}(?<!\w\B)", text) is not None


def test_there_are_thirty_numbered_without_a_gap():
    titles = [TITLE.fullmatch(title) for title in ENTRIES]
    assert all(titles)
    assert [int(title[1]) for title in titles] == list(range(1, 31))
    assert len({title[2].lower() for title in titles}) == 30


def test_the_page_says_how_many_there_are():
    assert "\nHere are thirty things " in PAGE.read_text(encoding="utf8")


@pytest.mark.parametrize("title", ENTRIES, ids=lambda title: title.strip("#\n ").split(".")[0])
def test_the_cell_that_settles_it_exists_and_holds_what_is_said(title):
    body = ENTRIES[title]
    assert body.count("Settled by") == 1
    settled = SETTLED.fullmatch(body.strip().splitlines()[-1])
    assert settled, "the last line is no link to a run"
    page, anchor, chapter, chapters_page = settled.groups()
    assert page == chapters_page and page.startswith(f"0{chapter}_")
    cell = CELLS[page][anchor]
    assert any(text.strip() for text in texts_of_outputs(cell)) or "assert " in cell.source
    assert not_in_the_run(title, body) == []


def test_no_cell_settles_more_than_two():
    settled = Counter(SETTLED.search(body).groups()[:2] for body in ENTRIES.values())
    assert max(settled.values()) <= 2


LOOSE = ["23,041 bytes", "−0.170", "`(16, 65)`", "`grad_fnn`"]


@pytest.mark.parametrize("said", LOOSE)
def test_what_the_cell_does_not_show_is_noticed(said):
    settled = "\n\nSettled by [this run](../04_autograd.ipynb#graph-run), in [chapter 4](../04_autograd.ipynb).\n"
    backed = "20 nodes, `no_grad`, 23,040 bytes, `under no_grad: None and 8 calls`."
    assert not_in_the_run('### 1. "A"\n', backed + settled) == []
    assert len(not_in_the_run('### 1. "A"\n', f"It is {said}." + settled)) == 1
