"""The questions of the course keep to their format, and a link to a misconception leads to the one it names."""

import re

import pytest
from helpers.misconceptions import ENTRIES
from helpers.notebooks import read
from helpers.questions import BOOK, NOTEBOOKS, PAGES, Question, faults, in_page, questions
from mdit_py_plugins.anchors.index import slugify

QUESTIONS = questions()
# The chapters whose questions are written: each has its five at the end and three predictions or more.
CHAPTERS = [path.stem for path in NOTEBOOKS if re.match(r"0[1-7]_", path.stem)]
LINK = re.compile(r"\[([^\]]*\bmisconception (\d+)[^\]]*)\]\(([^()#\s]*)#([^()\s]*)\)", flags=re.I)
NAMED = re.compile(r"\bmisconception (\d+)", flags=re.I)
SLUGS = {slugify(title.strip("# \n")) for title in ENTRIES}


def prose(path) -> str:
    """The Markdown of a page."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf8")
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", QUESTIONS)
def test_every_question_keeps_to_the_format(page):
    found = {question.name or question.text: faults(question, not page.endswith(".md")) for question in QUESTIONS[page]}
    assert {name: faulty for name, faulty in found.items() if faulty} == {}


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
    right = [question.right[0] for question in QUESTIONS[page]]
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


# The guards themselves.

SOUND = """\
**Predict first.** What is 1 + 1?

| a | b |
|---|---|
| 1 | 1 |

1. `1`
2. `2`
3. `11`

<details>
<summary>Answer</summary>

1. Tempting, since one of the two is lost.
2. **Right.** A sum of two ones is two.
3. It looks so, because the two stand side by side.

</details>
"""
BROKEN = {
    "begins otherwise": ("**Predict first.**", "**Predict:**"),
    "another kind": ("**Predict first.**", "**Question 6.**"),
    "no options": ("1. `1`\n2. `2`\n3. `11`\n\n", ""),
    "an option too few": ("3. `11`\n", ""),
    "an option twice": ("3. `11`", "3. `1`"),
    "a feedback too few": ("3. It looks so, because the two stand side by side.\n", ""),
    "counted twice": ("3. It looks", "2. It looks"),
    "none right": ("**Right.** ", "Right. "),
    "two right": ("1. Tempting, since", "1. **Right.** Tempting, since"),
    "begins with no": ("3. It looks so, because", "3. No, because"),
    "begins with wrong": ("3. It looks so, because", "3. **Wrong**, because"),
    "no reason": ("**Right.** A sum of two ones is two.", "**Right.** It is."),
    "fold not closed": ("\n</details>", ""),
    "another summary": ("Answer</summary>", "Solution</summary>"),
    "no empty line": ("</summary>\n\n", "</summary>\n"),
    "text after it": ("</details>\n", "</details>\n\nMore.\n"),
}


def test_a_sound_question_has_no_fault():
    assert faults(Question("predict-sum", SOUND)) == []
    assert faults(Question("question-sum", SOUND.replace("Predict first", "Question 4"))) == []
    assert Question("predict-sum", SOUND).options == ["`1`", "`2`", "`11`"]
    assert Question("predict-sum", SOUND).right == [2]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_question_is_noticed(broken):
    old, new = BROKEN[broken]
    assert SOUND.count(old) == 1
    assert faults(Question("predict-sum", SOUND.replace(old, new)))


@pytest.mark.parametrize("name", [None, "sum", "predict-", "question-sum"])
def test_a_cell_of_another_name_is_noticed(name):
    assert faults(Question(name, SOUND))


def test_a_question_is_found_in_a_page_of_text(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{SOUND}\nText.\n\n{SOUND.replace('3. It', '4. It')}\nMore.\n", encoding="utf8")
    first, second = in_page(page)
    assert faults(first, in_a_cell=False) == [] and faults(second, in_a_cell=False)


@pytest.mark.parametrize(
    "link",
    [
        "[misconception 11](reference/misconceptions.md#10-a-trace-has-one-row-for-each-layer)",
        "[misconception 10](reference/misconceptions.md#10-a-trace)",
        "[misconception 10](reference/glossary.md#10-a-trace-has-one-row-for-each-layer)",
        "[misconception 10](misconceptions.md#10-a-trace-has-one-row-for-each-layer)",
        "[misconception 1](reference/misconceptions.md#10-a-trace-has-one-row-for-each-layer)",
        "misconception 10",
    ],
)
def test_a_wrong_link_is_noticed(link):
    right = "See [misconception 10](reference/misconceptions.md#10-a-trace-has-one-row-for-each-layer)."
    assert wrong_links(BOOK / "page.ipynb", right) == []
    assert len(wrong_links(BOOK / "page.ipynb", f"{right} See {link}.")) == 1
