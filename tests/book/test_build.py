"""The build itself: what must fail fails, each time, and what has changed is shown and, where it must be, run again.

One small book holds every fault; another is built, changed in three ways, and built again after each.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import lean_styles
import nbformat
import pytest
import yaml
from helpers.built_book import ROOT
from helpers.small_books import build, lay_out, question, write_notebook
from interview_bank import read as read_bank
from last_updated import last_commits
from notebook_runs import execute
from sphinx.errors import ExtensionError

BANK = yaml.safe_load((ROOT / "book/interview/bank.yml").read_text(encoding="utf8"))
SCREEN = [entry | {"runs": [], "misconceptions": [5]} for entry in BANK if entry["level"] == "screen"][:3]
SENIOR = next(entry for entry in BANK if entry["level"] == "senior")


def table_of_contents(*names: str) -> str:
    root, *chapters = (f"book/{name.partition('.')[0]}" for name in (*names, "reference/misconceptions.md"))
    return f"format: jb-book\nroot: {root}\nchapters:\n" + "".join(f"- file: {name}\n" for name in chapters)


def add_bank(book: Path, entries: list[dict]) -> None:
    shutil.copytree(ROOT / "book/interview", book / "book/interview")
    write_bank(book, entries)
    (book / "book/reference").mkdir()
    (book / "book/reference/misconceptions.md").write_text('# M\n\n## N\n\n### 5. "A thing"\nText.\n', encoding="utf8")


def write_bank(book: Path, entries: list[dict]) -> None:
    (book / "book/interview/bank.yml").write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf8")


EXPLORABLE = """\
from matplotlib.figure import Figure
from fpcourse import View, explore

def draw(n):
    if n == {broken}:
        raise ValueError("no such wave")
    return View(Figure(figsize=(1, 1)), "A caption.", "An empty figure.", {{"n": n}})

explore(draw, {{"n": [1, 2, 3]}})
"""

# All that must fail.

ONE_CELL = [("prose", "# P\n\nText."), ("code", None)]
# By its cell's id, a question or an exercise and what the build says of it.
BROKEN = {
    "predict-few": (question(name="few").replace("3. three\n", ""), "it has 2 options and 3 items of feedback"),
    "predict-many": (question(name="many", options="abcdef"), "it has 6 options: give it two to five"),
    "predict-same": (question(name="same", options=("one", "two", "one")), "an option stands twice"),
    "predict-none": (question(name="none", right=0), "0 items of feedback begin with **Right.**"),
    "predict-two": (question(name="two").replace("Tempting", "**Right.** Tempting"), "3 items of feedback begin with"),
    "predict-no": (question(name="no").replace("3. Tempting", "3. No"), "feedback 3 begins with 'No'"),
    "predict-wrong": (question(name="wrong").replace("1. Tempting", "1. **Wrong**"), "feedback 1 begins with 'Wrong'"),
    "predict-open": (question(name="open").replace("\n\n</details>", ""), "expected a numbered list of options"),
    "predict-bare": (question(name="bare").replace("1. one\n2. two\n3. three", "Text."), "expected a numbered list"),
    "predict-shut": (question(name="shut").replace("Answer", "Solution"), "expected a numbered list of options"),
    "named": (question(name="named"), "its cell has the id 'named': give it the id 'predict-<word>'"),
    "question-1": (question("Question 1"), "its cell has the id 'question-1': give it the id 'question-<word>'"),
    "question-third": (question("Question 3"), "it is called 'Question 3.': in its place it is 'Question 2.'"),
    "predict-other": ("**Predict:** What?", "no question begins in this cell"),
    "predict-x-1": (question(name="x") + "\n\n## Predict x 1", "its id is also that of a heading"),
    "ex-lost-start": (None, "exercise 'ex-lost': its code cell is in no section whose heading"),
    "": (question(name="nameless"), "its cell has no id: give it the id 'predict-<word>'"),
}
# By its file, the text of a page below its title and what the build says of it.
FAULTY_PAGES = {
    "reference.md": ("[a link](nowhere.md)", ["nowhere.md"]),
    "cell.md": ("[a run](twice.ipynb#coed)", ["'coed'"]),
    "formula.md": ("It is $\\frac{1$.", ["formula '\\\\frac{1': Missing close brace"]),
    "number.md": ("$$\nx\n$$ (a)", ["formula 'x': formulas have no numbers here"]),
    "picture.md": ("![](_static/logo.svg)", ["has no alt text"]),
    "bank.md": (
        "```{interview-questions} screen\n```\n\n[this](#shape-of-a-wait)",
        ["nowhere.md", "01_forward_pass.ipynb", "question 'p' has the id of a heading", "'shape-of-a-wait'"],
    ),
    "names.md": (
        "```{interview-questions} senior\n```\n\n```{interview-questions} scren\n```\n\n```{practice} game\n```",
        [
            "names misconception 6, which book/reference/misconceptions.md does not have",
            "no question has the level 'scren'",
            "'game' is not one of the parts simulator, cards",
        ],
    ),
}
# By its file, the cells of a notebook, its code and what the build says of it.
FAULTY_NOTEBOOKS = {
    "twice.ipynb": ([("prose", "# P\n\n## Code"), ("code", None)], "1 + 1", ["cell 'code' has the id of a heading"]),
    "failing.ipynb": (ONE_CELL, "1 / 0", ["cell 'code' failed", "ZeroDivisionError"]),
    "frame.ipynb": (
        ONE_CELL,
        EXPLORABLE.format(broken=2),
        ["cell 'code' failed", "no such wave", "raised by draw(n=2)"],
    ),
    "questions.ipynb": (
        [("title", "# P"), *((name or "gone", text) for name, (text, _) in BROKEN.items())],
        "1 + 1",
        [],
    ),
}


@pytest.fixture(scope="module")
def failed_twice_then_mended(tmp_path_factory):
    """The builds of one book: twice with all faults, and once without."""
    book = lay_out(tmp_path_factory.mktemp("failing") / "b", table_of_contents(*FAULTY_PAGES, *FAULTY_NOTEBOOKS))
    links = [{"answer": "A [broken link](nowhere.md)."}, {"runs": ["01_forward_pass.ipynb#no-cell"]}, {"id": "p"}]
    entries = [entry | fault for entry, fault in zip(SCREEN, links, strict=True)]
    add_bank(book, [*entries, SENIOR | {"runs": [], "misconceptions": [6]}])
    for name, (text, _) in FAULTY_PAGES.items():
        (book / "book" / name).write_text(f"# P\n\n{text}\n", encoding="utf8")
    for name, (cells, code, _) in FAULTY_NOTEBOOKS.items():
        write_notebook(book / "book" / name, cells, code)
    notebook = json.loads((book / "book/questions.ipynb").read_text(encoding="utf8"))
    del notebook["cells"][-1]["id"]  # as in a notebook of an older format
    (book / "book/questions.ipynb").write_text(json.dumps(notebook), encoding="utf8")
    builds = [build(book), build(book)]
    for name in FAULTY_PAGES:
        (book / "book" / name).write_text("# P\n\nText.\n", encoding="utf8")
    for name in FAULTY_NOTEBOOKS:
        write_notebook(book / "book" / name, ONE_CELL)
    return [*builds, build(book)]


def complaints(done: subprocess.CompletedProcess) -> list[tuple[str, str]]:
    """Each warning and error of a build: the file that it is about, and the rest."""
    _, *parts = re.split(r"(?m)^\S*/book/(\w+\.(?:md|ipynb))\S*: (?:WARNING|ERROR): ", done.stderr)
    return list(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("time", [0, 1], ids=["at first", "again, unchanged"])
def test_every_fault_fails_the_build_and_is_named_with_its_page(failed_twice_then_mended, time):
    done = failed_twice_then_mended[time]
    assert done.returncode != 0
    said = complaints(done)
    faults = [(name, part) for name, (*_, parts) in (FAULTY_PAGES | FAULTY_NOTEBOOKS).items() for part in parts]
    unsaid = [fault for fault in faults if not any(page == fault[0] and fault[1] in text for page, text in said)]
    assert unsaid == [], done.stderr
    about_questions = [text for page, text in said if page == "questions.ipynb"]
    for name, (_, message) in BROKEN.items():
        about = repr(name.removesuffix("-start") or None)
        assert any(message in text and about in text for text in about_questions), (name, about_questions)
    assert len(about_questions) == len(BROKEN)


def test_a_mended_book_is_built(failed_twice_then_mended):
    assert failed_twice_then_mended[2].returncode == 0, failed_twice_then_mended[2].stderr


def test_a_bank_that_is_not_of_the_schemas_form_is_refused_by_the_name_of_the_entry(tmp_path):
    add_bank(tmp_path, [SCREEN[0] | {"skeleton": ["One."]}])
    with pytest.raises(ExtensionError, match=rf"bank.yml, {SCREEN[0]['id']}: \['One.'\] is too short. Mend the entry"):
        read_bank(tmp_path)


def test_a_cell_without_an_end_is_a_fault_of_its_own(tmp_path):
    cells = [nbformat.v4.new_code_cell(code, id=name) for name, code in (("good", "1"), ("endless", "while True: 1"))]
    fault = execute(nbformat.v4.new_notebook(cells=cells), tmp_path, timeout=5)
    assert fault.startswith("cell 'endless' failed: A cell timed out")


# All that must show, and what is run again.

COUNTING = "import time\nprint('ran at', time.time_ns())\n"
IN_PIECES = "for piece in ('one ', 'line\\n', 'and another\\n'):\n    print(piece, end='', flush=True)\n"
START = """\
# A page

[a run](start.ipynb#code), [the same](#code)

## Go deeper: more

Text.
"""
NOTES = f"# Notes\n\n## A part\n\n{question(name='n1')}\n\n{question(name='n2', right=3)}\n"
MATHS = """\
# A page

One <span id="line"></span>$x$ a line. It costs $5 and $6.

$$
y = a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p + q + r + s + t + u + v + w + x
$$
"""
GLOSSARY = "# Glossary\n\n## A part\n" + "".join(
    f"\n### {name}\n\nWhat a {name.lower()} is.\n" for name in ("Batch", "Batch axis", "Leaf", "Mode", "View")
)
WORDS = """\
# Words

Two batches along the batch axis; `mode`, mini-batch, [a leaf](reference/glossary.md#leaf), a leaf, this view.

<details><summary>Leaf</summary>

A mode.

</details>

## Leaf and mode

A **leaf** says what leaves are. Batch by batch.

| mode |
|---|
| mode |

""" + "".join(f"## Part {number}\n\nIn this mode.\n\n" for number in range(7))
PRACTICE = "# P\n\n```{interview-questions} screen\n```\n\n[this](#shape-of-a-weight)\n\n```{practice} cards\n```\n"
NOTEBOOKS = ("start", "figure", "changing")


def write_start(book: Path, prose: str) -> None:
    cells = [("title", prose), ("code", None), ("progress", "## Your progress\n\nText.")]
    write_notebook(book / "book/start.ipynb", cells, COUNTING)


def write_changing(book: Path, version: int) -> None:
    write_notebook(book / "book/changing.ipynb", ONE_CELL, f"{COUNTING}# version {version}")


def git(folder: Path, *arguments: str, **environment: str) -> None:
    author = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], cwd=folder, check=True, env={**os.environ, **nothing, **author, **environment})


def change_pages(book: Path) -> None:
    """The prose of one notebook, the code of another, a page, the bank; git knows the page and one without a change."""
    git(book, "init", "-q")
    git(book, "add", "book/figure.ipynb", "book/notes.md")
    git(book, "commit", "-qm", "Two pages", GIT_COMMITTER_DATE="2019-02-03T12:00:00")
    write_start(book, START + "\nAnother sentence.\n")
    write_changing(book, 2)
    (book / "book/notes.md").write_text(NOTES, encoding="utf8")
    (book / "book/reference/glossary.md").write_text(GLOSSARY.replace("What a leaf", "Now a leaf"), encoding="utf8")
    write_bank(book, [SCREEN[0] | {"question": "What is `new` here, and what is not?"}, *SCREEN[1:]])
    git(book, "commit", "-qam", "One page", GIT_COMMITTER_DATE="2020-02-03T12:00:00")
    git(book, "commit", "-qm", "Another thing", "--allow-empty", GIT_COMMITTER_DATE="2021-02-03T12:00:00")


def change_looks(book: Path) -> None:
    """A style sheet of the book and one of the package, a script, an extension."""
    for name, line in (
        ("book/_static/course.css", ".formula { --changed: 1; }"),
        ("fpcourse/page/assets/views.css", "/* changed */"),
        ("book/_static/practice.js", "// changed"),
    ):
        with (book / name).open("a", encoding="utf8") as file:
            file.write(f"\n{line}\n")
    extension = book / "book/_ext/go_deeper.py"
    text = extension.read_text(encoding="utf8")
    extension.write_text(text.replace('class="go-deeper"', 'class="go-deeper changed"'), encoding="utf8")


def change_package(book: Path) -> None:
    (book / "fpcourse/other-weights.pt").write_bytes(b"weights")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of pages without faults, not yet built."""
    names = ("start.ipynb", "figure.ipynb", "changing.ipynb", "words.ipynb", "notes.md", "maths.md", "10_practice.md")
    book = lay_out(tmp_path_factory.mktemp("showing") / "b", table_of_contents(*names, "reference/glossary.md"))
    add_bank(book, SCREEN)
    write_start(book, START)
    write_changing(book, 1)
    write_notebook(book / "book/figure.ipynb", ONE_CELL, COUNTING + IN_PIECES + EXPLORABLE.format(broken=9))
    write_notebook(book / "book/words.ipynb", [("title", WORDS)])
    pages = {"notes": "# Notes\n\nText.\n", "maths": MATHS, "10_practice": PRACTICE, "reference/glossary": GLOSSARY}
    for name, text in pages.items():
        (book / f"book/{name}.md").write_text(text, encoding="utf8")
    return book


@pytest.fixture(scope="module")
def builds(book):
    """The folders of the pages as they were built at first and after each change."""
    folders = []
    for change in (None, change_pages, change_looks, change_package):
        if change:
            change(book)
        done = build(book)
        assert done.returncode == 0, done.stderr[-6000:]
        folders.append(shutil.copytree(book / "_build/html", book.parent / f"built-{len(folders)}"))
    return folders


def text_of(html: Path, page: str) -> str:
    return (html / "book" / f"{page}.html").read_text(encoding="utf8")


def runs(html: Path) -> dict[str, str]:
    """When each notebook whose run a build shows was run."""
    return {page: re.search(r"ran at (\d+)", text_of(html, page))[1] for page in NOTEBOOKS}


def test_a_cell_can_be_linked_to_by_its_id(builds):
    text = text_of(builds[0], "start")
    assert text.count('href="#code"') == 2 and text.count(' id="code"') == 1


def test_the_kernels_of_the_build_are_static(builds):
    assert 'class="fp-explore"' in text_of(builds[0], "figure")


def test_what_a_cell_prints_in_pieces_stands_in_one_box(builds):
    text = text_of(builds[0], "figure")
    assert text.count("one line\nand another\n") == 1


def test_the_one_style_sheet_has_rules_from_each_source_and_none_that_no_page_uses(builds):
    assert text_of(builds[0], "start").count('rel="stylesheet"') == 1
    assert "_static/all.css" in text_of(builds[0], "start")
    sheet = (builds[0] / "_static/all.css").read_text(encoding="utf8")
    # The theme's base, the theme, colours of code, MyST-NB, the course.
    for rule in ("div.body", ".bd-article", ".highlight .k", "div.cell_output", "--course-ribbon", ".noprint"):
        assert rule in sheet
    assert "fa-dragon" not in sheet and len(sheet) < 200_000


def test_without_a_home_there_are_no_buttons_and_no_links_to_one(builds, book):
    for page in (*NOTEBOOKS, "notes"):
        text = text_of(builds[0], page)
        assert (
            re.findall(r"launch-button|source-edit|rocket|Binder|Colab|JupyterHub|Suggest edit|canonical", text) == []
        )
    assert not (book / "_build/colab").exists()


def test_a_change_of_pages_shows_and_runs_only_the_notebook_whose_code_has_changed(builds):
    before, after = runs(builds[0]), runs(builds[1])
    assert {page for page in NOTEBOOKS if before[page] != after[page]} == {"changing"}
    assert "Another sentence." in text_of(builds[1], "start")


def test_a_change_of_looks_shows_on_all_pages_and_runs_nothing(builds):
    assert runs(builds[2]) == runs(builds[1])
    assert "go-deeper changed" in text_of(builds[2], "start")
    sheet = (builds[2] / "_static/all.css").read_text(encoding="utf8")
    assert "--changed" in sheet
    script = re.compile(r'src="[^"]*practice\.js[^"]*"')  # its address has its checksum, for browsers that keep it
    before, after = (script.search(text_of(html, "10_practice"))[0] for html in builds[1:3])
    assert before != after


def test_a_change_in_the_package_runs_all_and_the_runs_of_before_are_gone(builds, book):
    before, after = runs(builds[2]), runs(builds[3])
    assert all(before[page] != after[page] for page in NOTEBOOKS)
    assert len(list((book / "_build/.notebook_runs").iterdir())) == 1


def test_the_table_of_progress_follows_a_changed_page(builds):
    def counted(html):
        [rows] = re.findall(r'<script type="application/json">(.*)</script>', text_of(html, "start"))
        return {row["page"]: len(row["predictions"]) for row in json.loads(rows)}

    assert [counted(html) for html in builds[:2]] == [{}, {"notes": 2}]


def test_a_change_in_the_bank_changes_the_page(builds):
    new = '<code class="docutils literal notranslate"><span class="pre">new</span></code> here'
    assert [new in text_of(html, "10_practice") for html in builds[:2]] == [False, True]
    assert 'href="#shape-of-a-weight"' in text_of(builds[0], "10_practice")


def test_a_page_says_when_it_was_last_changed_where_git_knows(builds, book, monkeypatch):
    assert not any("Last updated" in text_of(builds[0], page) for page in NOTEBOOKS)
    commits = last_commits(book)
    assert commits.keys() == {"book/figure.ipynb", "book/notes.md"}
    for (file, (_, commit)), year in zip(sorted(commits.items()), (2019, 2020), strict=True):
        assert f"Last updated on 3 February {year}, commit {commit}." in text_of(builds[1], Path(file).stem)
    assert "Last updated" not in text_of(builds[1], "start")
    git(book.parent, "clone", "-q", "--depth=1", book.as_uri(), "shallow")
    assert (book.parent / "shallow/book/figure.ipynb").is_file()
    assert last_commits(book.parent / "shallow") == {}
    monkeypatch.setenv("PATH", "")
    assert last_commits(book) == {}


def test_formulas_stand_on_the_line_and_scroll_where_they_are_wide(builds, new_context):
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    page.goto((builds[0] / "book/maths.html").as_uri())
    assert "It costs $5 and $6." in page.locator("article").inner_text()
    line, x, ex = page.evaluate(
        """() => {
            const mark = document.getElementById("line");
            mark.style.cssText = "display: inline-block; width: 1ex";
            const x = mark.nextElementSibling.querySelector("path").getBoundingClientRect();
            const { bottom, width } = mark.getBoundingClientRect();
            return [bottom, x, width];
        }"""
    )
    # MathJax's x is 442 units high and hangs 11 below the line: a little more than the text's.
    assert abs(x["height"] / ex - 453 / 442) < 0.05
    assert abs(x["bottom"] - line) < 1
    formula = page.locator(".formula")
    assert formula.evaluate("(box) => box.scrollWidth > box.clientWidth + 100")
    assert formula.evaluate("(box) => box.scrollHeight === box.clientHeight")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for _ in range(40):
        page.keyboard.press("Tab")
        if formula.evaluate("(box) => box === document.activeElement"):
            break
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.matches('.formula') && document.activeElement.scrollLeft > 0")


def test_a_glossary_word_is_linked_at_its_first_use_in_a_part_and_a_frequent_one_once(builds):
    text = text_of(builds[0], "words")
    links = re.findall(r'<a class="[^"]*term[^"]*" href="reference/glossary.html#(.*?)">(.*?)</a>', text)
    assert [(word, re.sub(r"<.*?>", "", shown)) for word, shown in links] == [
        ("batch", "batches"),
        ("batch-axis", "batch axis"),
        ("leaf", "a leaf"),
        ("batch", "Batch"),
        ("mode", "mode"),
    ]
    assert text.index("In this") < text.index('#mode"') and text.count("glossary.js") == 1
    assert [word in text for word in ("What a leaf", "What a view")] == [True, False]
    for page in ("start", "notes", "reference/glossary"):
        assert "glossary.js" not in text_of(builds[0], page)


def test_a_changed_entry_of_the_glossary_shows_where_it_opens(builds):
    assert "Now a leaf" in text_of(builds[1], "words")


# The style sheet of used rules.


@pytest.mark.parametrize(
    ("css", "used"),
    [
        (".card{a:b}", ".card{a:b}"),
        (".cards{a:b}", ""),
        ("p > .card.open:hover{a:b}", "p > .card.open:hover{a:b}"),
        ("p > .card.shut{a:b}", ""),
        (".shut,.note,h1{a:b}", ".note,h1{a:b}"),
        ("#shut p{a:b}", "#shut p{a:b}"),
        (".card:not(.shut){a:b}", ".card:not(.shut){a:b}"),
        (".card:is(.shut, .open){a:b}", ".card:is(.shut, .open){a:b}"),
        ("@media print{.shut{a:b}.card{a:b}}", "@media print{.card{a:b}}"),
        ("@media print{.shut{a:b}}", ""),
        ("@supports (a:b){@media print{.shut{a:b}.note{a:b}}}", "@supports (a:b){@media print{.note{a:b}}}"),
        ("@font-face{a:b}", ""),
        ("@page{a:b}", "@page{a:b}"),
        ('/* a note */ h1{a:b} @charset "x";', 'h1{a:b}\n@charset "x";'),
        (".card{background:url(data:image/svg+xml,%3Csvg%3E)}", ".card{background:url(data:image/svg+xml,%3Csvg%3E)}"),
    ],
)
def test_a_rule_stays_if_its_classes_are_words_of_a_page(css, used):
    assert lean_styles.used(lean_styles.parse(css), {"card", "open", "note"}) == used


def test_the_sheet_stays_when_no_page_is_written(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/all.css").write_text("a{b:c}", encoding="utf8")
    lean_styles.write(SimpleNamespace(sheets=list(lean_styles.SHEETS), outdir=tmp_path), None)
    assert (tmp_path / "_static/all.css").read_text(encoding="utf8") == "a{b:c}"
