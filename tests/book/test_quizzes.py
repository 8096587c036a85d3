"""Questions as quizzes, exercises to tick off, and the table of both: in a small book, and on all real pages."""

import json
import re

import pytest
from helpers.built_book import NARROW, ROOT, SIZES, pages, revisit, violations
from helpers.small_books import build, lay_out, question, write_notebook

KEY = "fpcourse.record"
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


def typed_question(name: str, answers: dict[str, str]) -> str:
    """A question that asks to type: by its answer, what is said of it."""
    said = [
        f"{n}. `{a}`: {'**Right.** ' * (s == 'Right')}{name} {a} {s}." for n, (a, s) in enumerate(answers.items(), 1)
    ]
    listed = "\n".join(said)
    return f"**Predict first.** How much? ({name})\n\n<details>\n<summary>Answer</summary>\n\n{listed}\n\n</details>"


START = [
    ("title", "# Start"),
    ("predict-a", question(name="a")),
    ("progress", "## Your progress\n\nText.\n"),
]
CHAPTER = [
    ("title", "# Chapter <1>\n\n[one](#question-b), [another](01_chapter.ipynb#ex-hook)"),
    ("predict-rich", RICH),
    ("predict-typed", typed_question("predict-typed", {"1,250.5": "thousands", "0.46": "Right", "7": "lucky"})),
    ("predict-word", typed_question("predict-word", {"BatchNorm1d": "Right", "ReLU": "bends"})),
    ("ex-hook", '## Exercise: "a hook"\n\nText.'),
    ("ex-hook-start", None),
    ("deeper", "## Go deeper: more (2 min)"),
    ("predict-deep", question(name="deep", right=1)),
    ("ex-deep", "### Exercise: deep"),
    ("ex-deep-start", None),
    ("six", "## Six questions"),
    *((f"question-{q}", question(f"Question {n}", f"q{n}", right=n % 3 + 1)) for n, q in enumerate("abcdef", 1)),
]
NOTES = f"# Notes\n\n## A part\n\n{question(name='n1')}\n\nText.\n\n{question(name='n2', right=3)}\n"
NOT_KEPT = "This browser keeps nothing for this page"


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
def reader(new_context, book):
    """A reader's browser: opens pages of the small book, each in a new tab, and fails on an error of a script."""
    errors = []

    def open_tab(name="01_chapter", width=1280, context=None, stored=None, script="", **options):
        context = context or new_context(viewport={"width": width, "height": SIZES[width]}, **options)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
        page.on("request", lambda request: errors.append(request.url))
        if stored:
            # In the page itself, before its scripts: what another page of a file has written may come later than they.
            once = f"if (!sessionStorage.begun) Object.assign(localStorage, {json.dumps(stored)});"
            page.add_init_script(f"{once} sessionStorage.begun = true;")
        page.goto((book / f"{name}.html").as_uri(), wait_until="domcontentloaded")
        unfold(page)
        return page

    yield open_tab
    # A blocked store is an error for the theme's own scripts.
    allowed = re.compile(r"(file|blob|data):|(no store|full)\b(?!.*(record|quizzes|progress_table)\.js)", flags=re.S)
    assert [error for error in errors if not allowed.match(error)] == []


def unfold(page, folds="details.go-deeper") -> None:
    page.evaluate("(folds) => document.querySelectorAll(folds).forEach((fold) => { fold.open = true; })", folds)


def answer(page, name: str, option: int) -> str:
    """Choose an option of a question, check it, and give back what is then said."""
    quiz = page.locator(f"[id='{name}'].quiz")
    quiz.get_by_role("radio").nth(option - 1).check()
    quiz.get_by_role("button", name="Check").click()
    return re.sub(r"\n+", "\n", said(page, name))


def said(page, name: str) -> str:
    return page.locator(f"[id='{name}'].quiz").get_by_role("status").inner_text()


def stored(page):
    text = page.evaluate("(key) => localStorage.getItem(key)", KEY)
    return text and json.loads(text)


def table(page) -> dict[str, list[str]]:
    rows = page.locator(".progress-table tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {row[0]: row[1:] for row in rows[1:]}


def press(page, name: str) -> None:
    page.locator("#your-progress").get_by_role("button", name=name).click()


# Checks each option of each question; gives back, by question, the feedback as it stands in the fold and what is said.
ANSWER_ALL = """() => {
    const text = (element) => {
        const copy = element.cloneNode(true);
        copy.querySelectorAll(".copybtn").forEach((button) => button.remove());
        return copy.textContent.replace(/\\s+/g, " ").trim();
    };
    return [...document.querySelectorAll(".quiz:not([data-answers])")].map((quiz) => {
        const says = [...quiz.querySelectorAll("input[type=radio]")].map((radio) => {
            radio.click();
            quiz.querySelector("[type=submit]").click();
            return text(quiz.querySelector("[role=status]"));
        });
        const fold = quiz.querySelector(":scope > details");
        const shown = fold.checkVisibility();
        fold.querySelector("summary").click();
        const feedback = [...fold.querySelectorAll(":scope > ol > li")];
        return {
            right: Number(quiz.dataset.right),
            again: quiz.id.startsWith("question-"),
            feedback: feedback.map(text),
            says,
            visible: shown && feedback.every((item) => item.checkVisibility()),
        };
    });
}"""


def check_every_option(page) -> None:
    """Each option of each question of a page answers with its own feedback, which then stands in the fold, too."""
    unfold(page)
    quizzes = page.evaluate(ANSWER_ALL)
    assert quizzes
    for quiz in quizzes:
        right, feedback = quiz["right"], quiz["feedback"]
        assert [at for at, text in enumerate(feedback, 1) if text.startswith("Right.")] == [right]
        assert len(set(feedback)) == len(feedback) >= 2 and quiz["visible"]
        assert quiz["says"] == [
            f"You chose {at}{'.' if at == right else ': not right.' + ' You can choose again.' * quiz['again']}{text}"
            for at, text in enumerate(feedback, 1)
        ]


def test_before_an_answer_nothing_gives_it_away(reader):
    page = reader()
    assert page.locator(".quiz > details:visible").count() == 0
    quiz = page.locator("#question-a")
    quiz.get_by_role("button", name="Check").click()
    assert said(page, "question-a") == "Choose an option first, then check it."
    assert stored(page) is None
    quiz.locator("li", has_text="three").first.get_by_text("three", exact=True).click()
    assert quiz.get_by_role("radio").nth(2).is_checked()
    assert said(page, "question-a") == "" and not quiz.locator("details").is_visible()
    on_paper_the_question_is_whole(page)


def on_paper_the_question_is_whole(page):
    page.emulate_media(media="print")
    quiz = page.locator("#question-a")
    assert quiz.locator("fieldset li label > span:last-child").all_inner_texts() == ["one", "two", "three"]
    assert quiz.locator("> details > ol > li").evaluate_all("(all) => all.every((item) => item.checkVisibility())")
    controls = page.locator(".bd-article :is(input, .quiz button:not(.copybtn), [role=status])")
    assert controls.evaluate_all("(all) => all.length > 8 && all.every((control) => !control.checkVisibility())")


def test_every_option_says_the_feedback_of_the_source(reader):
    page = reader(reduced_motion="reduce")
    check_every_option(page)
    assert "As rich1." in answer(page, "predict-rich", 1)
    assert answer(page, "predict-rich", 5).endswith("Tempting, as rich5.")
    assert answer(page, "predict-deep", 1) == "You chose 1.\nRight. As deep1."
    assert page.locator(".quiz *").evaluate_all(
        "(all) => all.every((e) => e.getAnimations().length === 0 && getComputedStyle(e).animationName === 'none')"
    )
    on_paper_the_question_is_whole(page)
    notes = reader("notes")
    check_every_option(notes)
    assert answer(notes, "predict-a-part", 2).endswith("Right. As n1" + "2.")
    assert answer(notes, "predict-a-part-2", 3).endswith("Right. As n2" + "3.")


def type_answer(page, name: str, text: str) -> str:
    quiz = page.locator(f"[id='{name}'].quiz")
    quiz.get_by_role("textbox").fill(text)
    quiz.get_by_role("button", name="Check").click()
    return said(page, name).replace("\n\n", "\n")


def test_a_number_or_a_word_is_typed(reader):
    page = reader()
    quiz = page.locator("#predict-typed")
    assert quiz.get_by_role("radio").count() == 0 and not quiz.locator("details").is_visible()
    for nothing in (" ", "twelve"):
        assert type_answer(page, "predict-typed", nothing) == "Type a number first, then check it."
    assert stored(page) is None
    assert type_answer(page, "predict-typed", "12") == "You typed 12: not right."
    for text, says in (
        ("1250.50", "\npredict-typed 1,250.5 thousands."),
        (" 0.4601", "\nRight. predict-typed 0.46 Right."),
        ("7.0", "\npredict-typed 7 lucky."),
    ):
        assert type_answer(page, "predict-typed", text).endswith(says)
    assert type_answer(page, "predict-typed", "0.47").endswith("not right.") and quiz.locator("details").is_visible()
    assert stored(page)["answers"]["01_chapter#predict-typed"] == {"first": "12", "right": False, "last": "0.47"}
    assert type_answer(page, "predict-word", "batchnorm1d").startswith("You typed batchnorm1d.\n")
    assert type_answer(page, "predict-word", "BatchNorm2d").endswith("not right.")
    page = reader(stored={KEY: json.dumps(stored(page))})  # another visit
    assert said(page, "predict-typed").startswith("You typed 0.47")
    assert page.locator("#predict-typed").get_by_role("textbox").input_value() == "0.47"
    page.emulate_media(media="print")
    assert not page.locator("#predict-typed").get_by_role("textbox").is_visible()


def test_that_one_was_sure_is_kept_with_the_first_answer_and_counted(reader):
    page = reader()
    page.locator("#question-a").get_by_label("I’m sure").check()
    assert answer(page, "question-a", 1).startswith("You chose 1, and you were sure: not right.")
    page.locator("#question-a").get_by_label("I’m sure").uncheck()
    answer(page, "question-a", 2)
    page.locator("#question-b").get_by_label("I’m sure").check()
    answer(page, "question-b", 3)
    assert stored(page)["answers"]["01_chapter#question-a"] == {"first": 1, "right": False, "sure": True, "last": 2}
    assert page.locator(".quiz-score").inner_text().endswith("Of the 2 you were sure of, 1 right.")


def test_a_keyboard_and_names_are_enough(reader):
    page = reader()
    group = page.locator("#predict-deep").get_by_role("group", name="Your prediction")
    assert group.evaluate("(e) => document.getElementById(e.getAttribute('aria-describedby')).innerText").endswith(
        "What? (deep)"
    )
    assert page.locator("#question-c").get_by_role("group", name="Your answer").count() == 1
    assert page.locator("#question-c").get_by_role("radio", name="two").count() == 1

    page.locator("#predict-rich").get_by_role("radio").first.focus()
    for key in ("ArrowDown", "ArrowDown", "Tab"):
        page.keyboard.press(key)
    while page.evaluate("document.activeElement.textContent") != "Check":
        page.keyboard.press("Tab")  # past a link in the options
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert said(page, "predict-rich").startswith("You chose 3: not right.")
    page.locator("#question-a").get_by_role("radio").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")  # in a form, from the option itself
    assert "Right. As q12." in said(page, "question-a")
    for key in ("Tab", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#question-a details li").first.is_visible()
    box = page.get_by_role("checkbox", name="Done Exercise: “a hook”")
    box.focus()
    page.keyboard.press("Space")
    assert box.is_checked() and stored(page)["exercises"] == {"01_chapter#ex-hook": "said"}


# Of the four settings each side of both is met.
SETTINGS = [
    ("light", 1280),
    ("dark", 390),
    pytest.param("light", 390, marks=pytest.mark.exhaustive),
    pytest.param("dark", 1280, marks=pytest.mark.exhaustive),
]


@pytest.mark.parametrize(("scheme", "width"), SETTINGS)
@pytest.mark.parametrize("name", ["01_chapter", "00_start", pytest.param("notes", marks=pytest.mark.exhaustive)])
def test_nothing_keeps_a_reader_out(reader, name, scheme, width):
    page = reader(name, width, color_scheme=scheme)
    answer_all(page)
    unfold(page, "details")
    if name == "00_start":
        press(page, "Reset")
    assert violations(page) == []
    for narrow in (390, NARROW):
        page.set_viewport_size({"width": narrow, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= narrow


def answer_all(page) -> None:
    """Check the first option of one question, the second of the next, and so on."""
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    unfold(page)
    page.evaluate(
        """() => document.querySelectorAll(".quiz").forEach((quiz, n) => {
            quiz.querySelectorAll("input")[n % 2].click();
            quiz.querySelector("[type=submit]").click();
        })"""
    )


def test_without_javascript_the_question_is_whole(reader):
    page = reader(java_script_enabled=False)
    quiz = page.locator("#question-a")
    assert quiz.locator("> ol > li").all_inner_texts() == ["one", "two", "three"]
    assert not quiz.locator("li", has_text="q11").is_visible()
    quiz.locator("summary", has_text="Answer").click()
    assert quiz.locator("li", has_text="Right. As q12.").is_visible()
    assert page.locator("input:visible, .quiz button:visible").count() == 0
    start = reader("00_start", java_script_enabled=False)
    assert start.locator("#your-progress > p").inner_text() == "Text."
    assert start.locator("#your-progress table, #your-progress button").count() == 0


def test_the_scripts_weigh_little_and_are_only_where_they_are_needed(html):
    limits = {
        "record.js": 6800,
        "quizzes.js": 8400,
        "exercises.js": 11700,
        "progress_table.js": 5000,
        "practice.js": 10800,
        "quizzes.css": 6500,
    }
    for name, limit in limits.items():
        assert (html / "_static" / name).stat().st_size < limit
    for path in pages():
        text = (html / path).read_text(encoding="utf8")
        scripts = re.findall(r'src="[^"]*_static/(record|quizzes|exercises|progress_table|practice)\.js', text)
        asks = re.search(r'class="(quiz|progress-place)"|data-exercise=', text)
        needed = [
            *["record"] * bool(asks or 'class="practice"' in text),
            *["quizzes"] * bool(asks),
            *["exercises"] * ('class="exercise-form"' in text),
            *["progress_table"] * ('class="progress-place"' in text),
            *["practice"] * ('class="practice"' in text),
        ]
        assert scripts == needed, path


# The record on the pages; test_record.py has more of it.


def test_the_first_answer_counts_and_a_reload_loses_nothing(reader):
    page = reader()
    score = page.locator(".quiz-score")
    assert score.inner_text() == "0 of 6 at first try; 6 still to answer."
    answer(page, "question-a", 2)  # right
    answer(page, "question-a", 3)
    answer(page, "question-b", 1)
    answer(page, "question-b", 3)  # right, at the second try
    box = page.get_by_role("checkbox", name="a hook")
    box.check()
    for _ in range(2):
        assert score.inner_text() == "1 of 6 at first try; 4 still to answer."
        assert stored(page) == {
            "version": 2,
            "answers": {
                "01_chapter#question-a": {"first": 2, "last": 3, "right": True},
                "01_chapter#question-b": {"first": 1, "last": 3, "right": False},
            },
            "exercises": {"01_chapter#ex-hook": "said"},
            "interview": {},
        }
        revisit(page)
        unfold(page)
    assert said(page, "question-b").split("\n\n") == ["You chose 3.", "Right. As q23."]
    assert page.locator("#question-b").get_by_role("radio").nth(2).is_checked()
    assert said(page, "question-c") == ""
    assert box.is_checked()
    assert not page.get_by_text(NOT_KEPT).is_visible()
    for name, option in (("c", 1), ("d", 2), ("e", 1), ("f", 1)):
        answer(page, f"question-{name}", option)
    assert score.inner_text() == "4 of 6 at first try."
    box.uncheck()
    assert stored(page)["exercises"] == {}


def entry(first, right, last=None) -> dict:
    return {"first": first, "last": last or first, "right": right}


RECORD = {
    "version": 2,
    "answers": {
        "01_chapter#question-a": entry(1, False),
        "01_chapter#question-b": entry(3, True),
        "01_chapter#predict-deep": entry(3, False),
        "00_start#predict-a": entry(1, False),
    },
    "exercises": {"01_chapter#ex-hook": "said", "01_chapter#ex-deep": "solved"},
    "interview": {"shape-of-a-weight": {"seen": True, "rating": "strong", "due": "2026-12-24"}},
}


def test_export_and_import_carry_the_record_to_another_browser(reader, tmp_path):
    start = reader("00_start", stored={KEY: json.dumps(RECORD)})
    assert table(start) == {
        "Start": ["–", "1 of 1", "–"],
        "Chapter <1>": ["1 of 6", "1 of 4", "2 of 2, 1 solved here"],
        "Notes": ["–", "0 of 2", "–"],
        "All pages": ["1 of 6", "2 of 7", "2 of 2, 1 solved here"],
    }
    with start.expect_download() as download:
        press(start, "Export")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "fpcourse-progress.json" and json.loads(file.read_text(encoding="utf8")) == RECORD
    start.get_by_role("link", name="Chapter <1>").last.click()
    assert start.url.endswith("/01_chapter.html")

    own = {"version": 2, "answers": {"01_chapter#question-a": entry(2, True)}, "exercises": {}, "interview": {}}
    elsewhere = reader("00_start", stored={KEY: json.dumps(own)})
    said = take_in(elsewhere, file)
    assert said.endswith("answers: 4, exercises: 2. What this browser had was kept.")
    assert stored(elsewhere) == RECORD | {"answers": RECORD["answers"] | own["answers"]}
    assert table(elsewhere)["Chapter <1>"] == ["2 of 6", "1 of 4", "2 of 2, 1 solved here"]
    assert not elsewhere.locator("#predict-a details").is_visible()  # an answer of elsewhere is not shown on arrival


def take_in(page, file) -> str:
    """Import a file; what is then said."""
    page.evaluate("document.querySelector('.progress-status').textContent = ''")
    with page.expect_file_chooser() as chooser:
        press(page, "Import")
    chooser.value.set_files(file)
    page.wait_for_function("document.querySelector('.progress-status').textContent !== ''")
    return page.locator(".progress-status").inner_text()


NO_RECORD = "holds no progress of this course. Choose a file that Export has written"


def test_a_file_that_is_no_record_changes_nothing_and_reset_asks_first(reader, tmp_path):
    page = reader("00_start", stored={KEY: "not ours", "fpcourse.progress.kept-1": "earlier"})
    line = page.locator("#your-progress .quiz-note")
    assert line.inner_text().endswith("in this browser: fpcourse.progress.kept-1, fpcourse.record.kept-1.")
    answer(page, "predict-a", 1)
    before = stored(page)

    for text, message in {
        "not JSON": NO_RECORD,
        '{"version": 1}': NO_RECORD,
        '{"version": 3, "answers": {}, "exercises": {}}': "is of version 3, and this page reads version 2",
    }.items():
        (tmp_path / "some.json").write_text(text, encoding="utf8")
        said = take_in(page, tmp_path / "some.json")
        assert said.startswith("some.json was not imported: it ") and said.endswith(" Nothing has changed.")
        assert message in said
        assert stored(page) == before

    for leave in ("Escape", "Enter"):
        button = page.locator("#your-progress").get_by_role("button", name="Reset")
        button.focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("dialog", name="Delete your progress from this browser").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Keep it"
        page.keyboard.press(leave)
        assert not page.get_by_role("dialog").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Reset" and stored(page) == before
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert stored(page) == {"version": 2, "answers": {}, "exercises": {}, "interview": {}}
    assert table(page)["Start"] == ["–", "0 of 1", "–"]
    quiz = page.locator("#predict-a")
    assert quiz.get_by_role("status").inner_text() == "" and not quiz.locator("details").is_visible()
    assert not quiz.get_by_role("radio").first.is_checked()


BLOCKED = {
    "no store": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no store'); }});",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full'); };",
}


@pytest.mark.parametrize("kind", BLOCKED)
def test_where_nothing_is_kept_all_works_and_a_line_says_so(reader, kind):
    page = reader(script=BLOCKED[kind])
    line = page.get_by_text(NOT_KEPT)
    assert line.is_visible() == (kind == "no store")  # that the store is full shows when something is put there
    answer(page, "question-a", 2)
    answer(page, "question-b", 2)
    box = page.get_by_role("checkbox", name="a hook")
    box.check()
    assert line.is_visible() and box.is_checked()
    assert page.locator(".quiz-score").inner_text() == "1 of 6 at first try; 4 still to answer."
    if kind == "no store":
        start = reader("00_start", context=page.context)
        answer(start, "predict-a", 1)
        assert start.get_by_text(NOT_KEPT).is_visible()
        assert table(start)["Start"] == ["–", "1 of 1", "–"]


def test_two_tabs_lose_nothing_of_each_other(reader):
    one = reader()
    other = reader(context=one.context)

    def handed_on(*names):
        """Wait until both tabs hold these answers: a browser hands on late what another tab has written."""
        for tab in (one, other):
            tab.wait_for_function(
                "([key, ids]) => ids.every((id) => Object(JSON.parse(localStorage.getItem(key))?.answers)[id])",
                arg=[KEY, [f"01_chapter#question-{name}" for name in names]],
            )

    answer(one, "question-a", 2)
    handed_on("a")
    answer(other, "question-b", 3)
    handed_on("a", "b")
    answer(one, "question-c", 1)
    handed_on("a", "b", "c")
    other.get_by_role("checkbox", name="a hook").check()
    one.wait_for_function("document.querySelector('.exercise-done input').checked")
    answer(other, "question-a", 1)  # answered in the other tab before
    for tab in (one, other):
        tab.wait_for_function("document.querySelector('.quiz-score').textContent.startsWith('3 of 6')")
        tab.wait_for_function("document.querySelector('.exercise-done input').checked")
    assert stored(other)["answers"]["01_chapter#question-a"] == {"first": 2, "last": 1, "right": True}


# The real pages.


def has_questions(path: str) -> bool:
    [source] = ROOT.glob(path.removesuffix("html") + "*")
    return re.search(r"\*\*(Predict first|Question 1)\.", source.read_text(encoding="utf8")) is not None


WITH_QUESTIONS = [path for path in pages() if has_questions(path)]


def test_every_question_of_the_course_answers(page, html):
    for path in WITH_QUESTIONS:
        page.goto((html / path).as_uri(), wait_until="domcontentloaded")
        check_every_option(page)
    assert page.errors == []


@pytest.mark.parametrize(
    ("path", "scheme", "width"),
    [
        ("book/03_tracing.html", "dark", 390),
        *(
            pytest.param(path, scheme, width, marks=pytest.mark.exhaustive)
            for path in WITH_QUESTIONS
            for scheme in ("light", "dark")
            for width in SIZES
        ),
    ],
)
def test_answered_questions_keep_nobody_out(new_context, html, path, scheme, width):
    page = new_context(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme).new_page()
    page.goto((html / path).as_uri())
    answer_all(page)
    assert violations(page, ".quiz") == []  # the rest of the page is read before an answer


def test_the_start_page_has_the_table(page):
    page.open_page("book/00_start.html")
    first, *_, last = table(page)
    assert (first, last) == ("The Forward Pass", "All pages")
