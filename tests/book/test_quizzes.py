"""Questions as quizzes, exercises to tick off, and the record of both: in a small book, and on all real pages."""

import json
import re

import pytest
from helpers.built_book import SIZES, pages, violations
from helpers.small_books import build, lay_out, question, write_notebook

KEY = "fpcourse.progress"
TOC = """\
format: jb-book
root: book/00_start
chapters:
  - file: book/01_chapter
  - file: book/notes
"""


RICH = question(
    name="rich",
    right=1,
    options=("see `x`\n\n   ```python\n   x = 1\n   ```", "a [link](notes.md)", "$x^2$", "four", "five"),
    text="Look.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint(2)\n```\n\n1. a list\n2. of two\n\nWhat of it?",
)
START = [
    ("title", "# Start"),
    ("predict-a", question(name="a")),
    ("progress", "## Your progress\n\nText.\n"),
]
CHAPTER = [
    ("title", "# Chapter <1>\n\n[one](#question-2), [another](01_chapter.ipynb#ex-hook)"),
    ("predict-rich", RICH),
    ("ex-hook", '## Exercise: "a hook"\n\nText.'),
    ("ex-hook-start", None),
    ("deeper", "## Go deeper: more (2 min)"),
    ("predict-deep", question(name="deep", right=1)),
    ("ex-deep", "### Exercise: deep"),
    ("ex-deep-start", None),
    ("five", "## Five questions"),
    *((f"question-{n}", question(f"Question {n}", f"q{n}", right=n % 3 + 1)) for n in range(1, 6)),
]
NOTES = f"# Notes\n\n## A part\n\n{question(name='n1')}\n\nText.\n\n{question(name='n2', right=3)}\n"
COUNT = {"00_start": 1, "01_chapter": 7, "notes": 2}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of a small built book with questions of every kind."""
    folder = lay_out(tmp_path_factory.mktemp("quizzes") / "b", TOC)
    write_notebook(folder / "book/00_start.ipynb", START)
    write_notebook(folder / "book/01_chapter.ipynb", CHAPTER)
    (folder / "book/notes.md").write_text(NOTES, encoding="utf8")
    done = build(folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder / "_build/html/book"


@pytest.fixture
def reader(browser, book):
    """A reader's browser: opens pages of the small book, each in a new tab, and fails on an error of a script."""
    contexts, errors = [], []

    def open_tab(name="01_chapter", width=1280, context=None, script="", **options):
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": SIZES.get(width, 844)}, **options)
            contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
        page.on("request", lambda request: errors.append(request.url))
        page.goto((book / f"{name}.html").as_uri())
        unfold(page)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    # A blocked store is an error for the theme's own scripts.
    allowed = re.compile(r"(file|blob|data):|(no store|full)\b(?!.*(quizzes|progress_table)\.js)", flags=re.S)
    assert [error for error in errors if not allowed.match(error)] == []


def unfold(page) -> None:
    page.evaluate("document.querySelectorAll('details.go-deeper').forEach((fold) => { fold.open = true; })")


def answer(page, name: str, option: int) -> str:
    """Choose an option of a question, check it, and give back what is then said."""
    quiz = page.locator(f"[id='{name}'].quiz")
    quiz.get_by_role("radio").nth(option - 1).check()
    quiz.get_by_role("button", name="Check").click()
    return re.sub(r"\n+", "\n", quiz.get_by_role("status").inner_text())


def stored(page):
    text = page.evaluate("(key) => localStorage.getItem(key)", KEY)
    return text and json.loads(text)


def put(page, text: str, kept: str = "") -> None:
    """Put a text into the browser's store, where the record or an earlier one is kept, and read the page again."""
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY + kept, text])
    page.reload()
    unfold(page)


def table(page) -> dict[str, list[str]]:
    rows = page.locator(".progress-table tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {row[0]: row[1:] for row in rows[1:]}


def press(page, name: str) -> None:
    page.locator("#your-progress").get_by_role("button", name=name).click()


def every_option_says_its_own(page) -> int:
    """Check each option of each question of a page; its feedback in the fold is what is said. How many questions."""
    unfold(page)
    quizzes = page.locator(".quiz")
    for quiz in quizzes.all():
        own = quiz.locator("> details > ol > li").evaluate_all("(all) => all.map((item) => item.textContent.trim())")
        radios = quiz.get_by_role("radio")
        assert radios.count() == len(own) >= 2
        said = [answer(page, quiz.get_attribute("id"), number) for number in range(1, len(own) + 1)]
        right = [number for number, text in enumerate(own, 1) if text.startswith("Right.")]
        assert [str(number) for number in right] == [quiz.get_attribute("data-right")]
        for number, (text, feedback) in enumerate(zip(said, own, strict=True), 1):
            verdict, rest = text.split("\n", 1)
            expected = "." if number in right else ": not right. You can choose again."
            assert verdict == f"You chose {number}{expected}"
            # Formulas and code blocks have other spaces in the page than in its source.
            if not quiz.locator("> details :is(mjx-container, pre)").count():
                assert " ".join(rest.split()) == " ".join(feedback.split())
        assert len(set(said)) == len(said)
        fold = quiz.locator("> details")
        assert fold.is_visible()
        fold.locator("summary").click()
        assert fold.locator("li").last.is_visible()
    return quizzes.count()


@pytest.mark.parametrize("name", COUNT)
def test_every_option_has_its_own_feedback(reader, name):
    assert every_option_says_its_own(reader(name)) == COUNT[name]


def test_the_feedback_is_that_of_the_source(reader):
    page = reader()
    assert "As rich1." in answer(page, "predict-rich", 1)
    assert answer(page, "predict-rich", 5).endswith("Tempting, as rich5.")
    assert answer(page, "predict-deep", 1) == "You chose 1.\nRight. As deep1."
    notes = reader("notes")
    assert answer(notes, "predict-a-part", 2).endswith("Right. As n1" + "2.")
    assert answer(notes, "predict-a-part-2", 3).endswith("Right. As n2" + "3.")


def test_before_an_answer_nothing_gives_it_away(reader):
    page = reader()
    assert page.locator(".quiz > details:visible").count() == 0
    quiz = page.locator("#question-1")
    quiz.get_by_role("button", name="Check").click()
    assert quiz.get_by_role("status").inner_text() == "Choose an option first, then check it."
    assert stored(page) is None
    quiz.get_by_role("radio").first.check()
    assert quiz.get_by_role("status").inner_text() == "" and not quiz.locator("details").is_visible()


def test_the_quiz_has_names_for_those_who_hear_it(reader):
    page = reader()
    group = page.locator("#predict-deep").get_by_role("group", name="Your prediction")
    assert group.evaluate("(e) => document.getElementById(e.getAttribute('aria-describedby')).innerText").endswith(
        "What? (deep)"
    )
    assert page.locator("#question-3").get_by_role("group", name="Your answer").count() == 1
    assert page.locator("#question-3").get_by_role("radio", name="two").count() == 1
    assert page.get_by_role("checkbox", name="Done Exercise: “a hook”").count() == 1


def test_a_keyboard_is_enough(reader):
    page = reader()
    page.locator("#predict-rich").get_by_role("radio").first.focus()
    for key in ("ArrowDown", "ArrowDown", "Tab"):
        page.keyboard.press(key)
    while page.evaluate("document.activeElement.textContent") != "Check":
        page.keyboard.press("Tab")  # past a link in the options
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    status = page.locator("#predict-rich").get_by_role("status")
    assert status.inner_text().startswith("You chose 3: not right.")
    page.locator("#question-1").get_by_role("radio").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")  # in a form, from the option itself
    assert "Right. As q12." in page.locator("#question-1").get_by_role("status").inner_text()
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#question-1 details li").first.is_visible()
    box = page.get_by_role("checkbox").first
    box.focus()
    page.keyboard.press("Space")
    assert box.is_checked() and stored(page)["exercises"] == {"01_chapter#ex-hook": True}


def test_a_click_on_the_words_chooses(reader):
    page = reader()
    page.locator("#question-2 li", has_text="three").first.get_by_text("three", exact=True).click()
    assert page.locator("#question-2").get_by_role("radio").nth(2).is_checked()


@pytest.mark.parametrize("name", COUNT)
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_a_reader_out(reader, name, width, scheme):
    page = reader(name, width, color_scheme=scheme)
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    assert violations(page) == []
    for number, quiz in enumerate(page.locator(".quiz").all()):
        answer(page, quiz.get_attribute("id"), 1 + number % 2)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert violations(page) == []
    if name == "00_start":
        press(page, "Reset")
        assert violations(page) == []


@pytest.mark.parametrize("name", COUNT)
@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_read_sideways(reader, name, width):
    page = reader(name, width)
    for quiz in page.locator(".quiz").all():
        answer(page, quiz.get_attribute("id"), 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_moves(reader):
    page = reader(reduced_motion="reduce")
    answer(page, "question-1", 1)
    assert page.locator(".quiz *").evaluate_all(
        "(all) => all.every((e) => e.getAnimations().length === 0 && getComputedStyle(e).animationName === 'none')"
    )


def test_without_javascript_the_question_is_whole(reader):
    page = reader(java_script_enabled=False)
    quiz = page.locator("#question-1")
    assert quiz.locator("> ol > li").all_inner_texts() == ["one", "two", "three"]
    assert not quiz.locator("li", has_text="q11").is_visible()
    quiz.locator("summary", has_text="Answer").click()
    assert quiz.locator("li", has_text="Right. As q12.").is_visible()
    assert page.locator("input:visible, .quiz button:visible").count() == 0
    start = reader("00_start", java_script_enabled=False)
    assert start.locator("#your-progress > p").inner_text() == "Text."
    assert start.locator("#your-progress table, #your-progress button").count() == 0


@pytest.mark.parametrize("answered", [False, True])
def test_on_paper_the_question_is_whole(reader, answered):
    page = reader()
    if answered:
        answer(page, "question-1", 1)
    page.emulate_media(media="print")
    quiz = page.locator("#question-1")
    assert quiz.locator("fieldset li label > span:last-child").all_inner_texts() == ["one", "two", "three"]
    assert quiz.locator("> details > ol > li").evaluate_all("(all) => all.every((item) => item.checkVisibility())")
    controls = page.locator(".bd-article :is(input, .quiz button:not(.copybtn), [role=status])")
    assert controls.evaluate_all("(all) => all.length > 8 && all.every((control) => !control.checkVisibility())")


def test_a_quiz_weighs_little_and_only_where_it_is(book, html):
    for name, limit in (("quizzes.js", 7400), ("progress_table.js", 5400), ("quizzes.css", 5000)):
        [file] = (book.parent / "_static").glob(name)
        assert file.stat().st_size < limit
    own = {path: (html / path).read_text(encoding="utf8") for path in pages()}
    for path, text in own.items():
        has = re.search(r'class="(quiz|progress-place)"|data-exercise=', text) is not None
        assert (re.search(r'src="[^"]*_static/quizzes\.js', text) is not None) == has, path
        assert ("_static/progress_table.js" in text) == ('class="progress-place"' in text), path


# The record.


def test_the_first_answer_counts_and_a_reload_loses_nothing(reader):
    page = reader()
    score = page.locator(".quiz-score")
    assert score.inner_text() == "0 of 5 at first try; 5 still to answer."
    answer(page, "question-1", 2)  # right
    answer(page, "question-1", 3)
    answer(page, "question-2", 1)
    answer(page, "question-2", 3)  # right, at the second try
    page.get_by_role("checkbox", name="a hook").check()
    for _ in range(2):
        assert score.inner_text() == "1 of 5 at first try; 3 still to answer."
        assert stored(page) == {
            "version": 1,
            "answers": {
                "01_chapter#question-1": {"first": 2, "last": 3, "right": True},
                "01_chapter#question-2": {"first": 1, "last": 3, "right": False},
            },
            "exercises": {"01_chapter#ex-hook": True},
        }
        page.reload()
        unfold(page)
    said = page.locator("#question-2").get_by_role("status").inner_text()
    assert said.split("\n\n") == ["You chose 3.", "Right. As q23."]
    assert page.locator("#question-2").get_by_role("radio").nth(2).is_checked()
    assert page.locator("#question-3").get_by_role("status").inner_text() == ""
    assert page.get_by_role("checkbox", name="a hook").is_checked()
    for number, option in ((3, 1), (4, 2), (5, 1)):
        answer(page, f"question-{number}", option)
    assert score.inner_text() == "3 of 5 at first try."
    page.get_by_role("checkbox", name="a hook").uncheck()
    assert stored(page)["exercises"] == {}


def test_the_table_counts_what_the_build_found(reader):
    page = reader()
    for number in (1, 2):
        answer(page, f"question-{number}", 2)  # right, and not
    answer(page, "predict-deep", 3)
    page.get_by_role("checkbox", name="deep").check()
    start = reader("00_start", context=page.context)
    answer(start, "predict-a", 1)
    assert table(start) == {
        "Start": ["–", "1 of 1", "–"],
        "Chapter <1>": ["1 of 5", "1 of 2", "1 of 2"],
        "Notes": ["–", "0 of 2", "–"],
        "All pages": ["1 of 5", "2 of 5", "1 of 2"],
    }
    start.get_by_role("link", name="Chapter <1>").last.click()
    assert start.url.endswith("/01_chapter.html")


NOT_OURS = {
    "corrupt": '{"version": 1, "answ',
    "foreign": '["mine"]',
    "foreign too": '{"version": 1, "answers": {"01_chapter#question-1": 3}, "exercises": {}}',
    "null": "null",
    "empty": "",
    "older": '{"version": 0, "done": ["01_chapter#question-1"]}',
    "newer": '{"version": 2, "answers": {}, "exercises": {}, "notes": {}}',
}


@pytest.mark.parametrize("kind", NOT_OURS)
def test_a_record_that_cannot_be_read_is_put_aside(reader, kind):
    text, page = NOT_OURS[kind], reader()
    put(page, "earlier", ".kept-1")
    put(page, text)
    answer(page, "question-1", 2)
    assert stored(page)["answers"] == {"01_chapter#question-1": {"first": 2, "last": 2, "right": True}}
    kept = "(n) => localStorage.getItem(`fpcourse.progress.kept-${n}`)"
    assert [page.evaluate(kept, n) for n in (1, 2, 3)] == ["earlier", text, None]
    start = reader("00_start", context=page.context)
    assert f"{KEY}.kept-1, {KEY}.kept-2" in start.locator("#your-progress").inner_text()
    assert table(start)["All pages"][0] == "1 of 5"


BLOCKED = {
    "no store": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no store'); }});",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full'); };",
}


@pytest.mark.parametrize("kind", BLOCKED)
def test_where_nothing_is_kept_all_works_and_a_line_says_so(reader, kind):
    page = reader(script=BLOCKED[kind])
    line = page.get_by_text("This browser keeps nothing for this page")
    assert line.is_visible() == (kind == "no store")  # that the store is full shows when something is put there
    answer(page, "question-1", 2)
    answer(page, "question-2", 2)
    page.get_by_role("checkbox", name="a hook").check()
    assert line.is_visible() and page.get_by_role("checkbox", name="a hook").is_checked()
    assert page.locator(".quiz-score").inner_text() == "1 of 5 at first try; 3 still to answer."
    start = reader("00_start", context=page.context)
    answer(start, "predict-a", 1)
    assert start.get_by_text("This browser keeps nothing for this page").is_visible()
    assert table(start)["Start"] == ["–", "1 of 1", "–"]


def test_a_reader_whose_browser_keeps_it_sees_no_such_line(reader):
    page = reader()
    answer(page, "question-1", 2)
    assert not page.get_by_text("This browser keeps nothing for this page").is_visible()


def test_a_full_store_is_left_as_it_was(reader):
    page = reader("notes")
    page.evaluate("localStorage.setItem('fpcourse.progress', 'not ours')")
    full = reader(context=page.context, script=BLOCKED["full"])
    answer(full, "question-1", 2)
    assert page.evaluate("localStorage.getItem('fpcourse.progress')") == "not ours"


def test_two_tabs_lose_nothing_of_each_other(reader):
    one = reader()
    other = reader(context=one.context)
    answer(one, "question-1", 2)
    answer(other, "question-2", 3)
    answer(one, "question-3", 1)
    other.get_by_role("checkbox", name="a hook").check()
    answer(other, "question-1", 1)  # answered in the other tab before
    assert set(stored(one)["answers"]) == {f"01_chapter#question-{n}" for n in (1, 2, 3)}
    assert stored(one)["answers"]["01_chapter#question-1"] == {"first": 2, "last": 1, "right": True}
    for tab in (one, other):
        tab.wait_for_function("document.querySelector('.quiz-score').textContent.startsWith('3 of 5')")
        tab.wait_for_function("document.querySelector('.exercise-done input').checked")


def test_export_and_import_carry_the_record_to_another_browser(reader, tmp_path):
    page = reader()
    answer(page, "question-1", 1)
    answer(page, "question-2", 3)
    page.get_by_role("checkbox", name="a hook").check()
    start = reader("00_start", context=page.context)
    with start.expect_download() as download:
        press(start, "Export")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "fpcourse-progress.json" and json.loads(file.read_text(encoding="utf8")) == stored(start)

    elsewhere = reader("00_start")
    take_in(elsewhere, file)
    assert "2 answers, 1 exercises" in elsewhere.locator(".progress-status").inner_text()
    assert stored(elsewhere) == stored(start)
    assert table(elsewhere) == table(start)

    third = reader()
    answer(third, "question-1", 2)
    start = reader("00_start", context=third.context)
    take_in(start, file)
    assert stored(start)["answers"]["01_chapter#question-1"]["first"] == 2  # the first answer in this browser
    assert stored(start)["answers"]["01_chapter#question-2"]["right"]


def take_in(page, file) -> None:
    with page.expect_file_chooser() as chooser:
        press(page, "Import")
    chooser.value.set_files(file)
    page.wait_for_function("document.querySelector('.progress-status').textContent !== ''")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not JSON", "holds no progress of this course. Choose a file that Export has written"),
        ('{"version": 1}', "holds no progress of this course. Choose a file that Export has written"),
        (NOT_OURS["newer"], "is of version 2, and this page reads version 1"),
    ],
)
def test_a_file_that_is_no_record_changes_nothing(reader, tmp_path, text, said):
    page = reader("00_start")
    answer(page, "predict-a", 1)
    before = stored(page)
    (tmp_path / "some.json").write_text(text, encoding="utf8")
    take_in(page, tmp_path / "some.json")
    status = page.locator(".progress-status").inner_text()
    assert status.startswith("some.json was not imported: it ") and status.endswith(" Nothing has changed.")
    assert said in status
    assert stored(page) == before


def test_reset_asks_first(reader):
    page = reader("00_start")
    answer(page, "predict-a", 1)
    before = stored(page)
    for leave in ("Escape", "Enter"):
        button = page.locator("#your-progress").get_by_role("button", name="Reset")
        button.focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("dialog", name="Delete your progress from this browser?").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Keep it"
        page.keyboard.press(leave)
        assert not page.get_by_role("dialog").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Reset" and stored(page) == before
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert stored(page) == {"version": 1, "answers": {}, "exercises": {}}
    assert table(page)["Start"] == ["–", "0 of 1", "–"]
    quiz = page.locator("#predict-a")
    assert quiz.get_by_role("status").inner_text() == "" and not quiz.locator("details").is_visible()
    assert not quiz.get_by_role("radio").first.is_checked()


# The real pages.


def has_quizzes(html, path) -> bool:
    return 'class="quiz"' in (html / path).read_text(encoding="utf8")


def test_there_are_quizzes(html):
    assert any(has_quizzes(html, path) for path in pages())


@pytest.mark.parametrize("path", pages())
def test_every_question_of_the_course_answers(page, html, path):
    if has_quizzes(html, path):
        page.open_page(path)
        assert every_option_says_its_own(page) > 0
        assert page.errors == []


# The small book is looked at in all four settings; here each side of both is met once.
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize("path", pages())
def test_answered_questions_keep_nobody_out(browser, html, path, width, scheme):
    if not has_quizzes(html, path):
        return
    context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme)
    page = context.new_page()
    page.goto((html / path).as_uri())
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    unfold(page)
    for number, quiz in enumerate(page.locator(".quiz").all()):
        answer(page, quiz.get_attribute("id"), 1 + number % 2)
    assert violations(page) == []
    context.close()


def test_the_start_page_has_the_table(page):
    page.open_page("book/00_start.html")
    first, *_, last = table(page)
    assert (first, last) == ("The Forward Pass", "All pages")
