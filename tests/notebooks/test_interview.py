"""The answers of the interview chapter: short enough to be said in the time, and each sentence with its run."""

import ast
import itertools
import re

import nbformat
import pytest
from helpers.behind import checks
from helpers.notebooks import read, sections
from refresh import ROOT

from fpcourse.checks.interview import SENTENCES

LIMITS = {"Thirty seconds": 75, "Two minutes": 280, "Go deeper: five minutes": 700}
SENTENCE = re.compile(r"(?m)^(\d+)\. (.+)$")
QUESTION = re.compile(r"(?m)^\*\*(\d+)\.\*\* (.+)$")


@pytest.fixture
def notebook():
    return read(ROOT / "book" / "07_interview.ipynb")


def section(notebook, title: str):
    """The prose, without the questions to a reader, and the code of the section whose title begins so."""
    notebook = notebook.copy()
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("predict-")]
    parts = sections(notebook, checks("07_interview"))
    ((prose, code),) = [(prose, code) for heading, prose, code in parts if heading.startswith(title)]
    return prose, code


def backed(code) -> list[int]:
    """The numbers of the sentences that cells, or checks behind cells, back; each asserts what is computed."""
    numbers = []
    for part in code:
        for node in ast.walk(part if isinstance(part, ast.AST) else ast.parse(part.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("backs", "_backs"):
                number, holds = node.args[:2]
                assert any(isinstance(name, (ast.Name, ast.Call)) for name in ast.walk(holds)), (
                    f"nothing is computed for sentence {number.value}"
                )
                numbers.append(number.value)
    return numbers


@pytest.mark.parametrize("title", LIMITS)
def test_an_answer_fits_its_time_and_every_sentence_is_backed(notebook, title):
    prose, code = section(notebook, title)
    sentences = SENTENCE.findall(prose)
    words = sum(len(re.sub(r"\]\([^)]*\)", "", text).split()) for _, text in sentences)
    assert 0.8 * LIMITS[title] < words <= LIMITS[title], f"{words} words"
    assert [int(number) for number, _ in sentences] == list(range(1, len(sentences) + 1))
    assert all(text.endswith(".") and ". " not in text for _, text in sentences), "one sentence a number"
    assert backed(code) == [int(number) for number, _ in sentences]


def test_each_block_of_sentences_is_backed_behind_it_or_by_the_cell_after_it(notebook):
    """In their order, and no others."""
    title, behind = "", checks("07_interview")
    for cell, following in itertools.pairwise(notebook.cells):
        if cell.cell_type == "markdown":
            title = (re.findall(r"(?m)^## (.+)$", cell.source) or [title])[-1]
            numbers = [int(number) for number, _ in SENTENCE.findall(cell.source)]
            if numbers and not cell.id.startswith("predict-") and title.startswith(tuple(LIMITS)):
                assert backed([behind.get(cell.id, following)]) == numbers


@pytest.mark.parametrize(("title", "count"), [("The article's answer", 7), ("Exercise: ten sentences", 10)])
def test_what_others_say_is_answered_and_run_sentence_by_sentence(notebook, title, count):
    prose, code = section(notebook, title)
    lists = [SENTENCE.findall(part) for part in prose.split("<details>")]
    lists = [[int(number) for number, _ in found] for found in lists if found]
    assert lists == [list(range(1, count + 1))] * 2, "what is said, and the answers"
    assert backed(code) == list(range(1, count + 1))


def test_the_sentences_to_mark_are_those_that_the_checker_runs(notebook):
    prose, _ = section(notebook, "Exercise: ten sentences")
    said = SENTENCE.findall(prose.split("<details>")[0])
    assert {int(number): text.strip('"') for number, text in said} == SENTENCES


def test_twelve_questions_each_with_an_answer_and_a_run(notebook):
    prose, code = section(notebook, "Go deeper: twelve follow-up questions")
    questions = QUESTION.split(prose)[1:]
    numbers, texts, rest = questions[::3], questions[1::3], questions[2::3]
    assert [int(number) for number in numbers] == list(range(1, 13)) == backed(code)
    assert all("?" in text for text in texts)
    for after in rest:
        (answer,) = re.findall(r"<summary>Answer</summary>\n\n(.+?)\n</details>", after, flags=re.S)
        assert len(answer.split()) > 8


def test_a_sentence_without_a_run_is_noticed():
    """The guard itself: a sentence more than the runs back, and a run that computes nothing."""
    prose = "## Thirty seconds\n" + "1. " + "word " * 65 + "end.\n2. And no run."
    cell = nbformat.v4.new_code_cell('backs(1, len("a") == 1, "run")', id="a")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose, id="b"), cell])
    with pytest.raises(AssertionError):
        test_an_answer_fits_its_time_and_every_sentence_is_backed(notebook, "Thirty seconds")
    with pytest.raises(AssertionError):
        test_each_block_of_sentences_is_backed_behind_it_or_by_the_cell_after_it(notebook)
    notebook.cells[0].source = prose.replace("\n2. And no run.", "")
    test_an_answer_fits_its_time_and_every_sentence_is_backed(notebook, "Thirty seconds")
    cell.source = 'backs(1, True, "run")'
    with pytest.raises(AssertionError, match="nothing is computed"):
        test_an_answer_fits_its_time_and_every_sentence_is_backed(notebook, "Thirty seconds")
