"""Practise the interview: all questions without JavaScript, the mock interview and its clock, the cards."""

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from helpers.built_book import NARROW, ROOT, SIZES, revisit, violations
from playwright.sync_api import expect

PAGE = "book/10_practice.html"
INTERVIEW = ROOT / "book" / "interview"
BANK = yaml.safe_load((INTERVIEW / "bank.yml").read_text(encoding="utf8"))
KEY = "fpcourse.record"
BLOCKED = (
    "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked', 'SecurityError'); }})"
)
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"


@pytest.fixture
def opened(new_context, html):
    """Opens the page; afterwards no page has had an error, but for the theme's own where there is no store."""
    errors = []

    def open_page(width=1280, scheme="light", script="", clock=False, **options):
        size = {"width": width, "height": SIZES[width]}
        page = new_context(viewport=size, color_scheme=scheme, **options).new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if clock:
            page.clock.install()
        if script:
            page.add_init_script(script)
        page.goto((html / PAGE).as_uri(), wait_until="domcontentloaded")
        if options.get("java_script_enabled", True):
            expect(page.locator(".practice-without").first).to_be_hidden()
        return page

    yield open_page
    assert set(errors) <= {"blocked", "full"}


def simulator(page):
    return page.locator("#practice-simulator")


def draw(page, seconds=30, level="", topic=""):
    """Fill in the form and draw; another test does so by keyboard."""
    simulator(page).locator("form").evaluate(
        """(form, [seconds, level, topic]) => {
            form.querySelectorAll("[name=level]").forEach((box) => { box.checked = !level || box.value === level; });
            form.seconds.value = seconds;
            form.topic.value = topic;
            form.requestSubmit();
        }""",
        [str(seconds), level, topic],
    )


def press(root, name):
    root.get_by_role("button", name=name, exact=True).click()


def status(root):
    return expect(root.get_by_role("status"))


def asked(page) -> dict:
    """The entry whose question is shown."""
    shown = simulator(page).locator(".practice-asked").inner_text()
    [entry] = [entry for entry in BANK if words(entry["question"]) == words(shown)]
    return entry


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def marks(page, field: str) -> dict:
    """What the browser keeps of one kind, by question."""
    interview = page.evaluate(f"JSON.parse(localStorage.getItem('{KEY}')).interview")
    return {name: entry[field] for name, entry in interview.items() if field in entry}


# The questions in the page


class Entries(HTMLParser):
    """What stands in the page as it is sent, question by question."""

    def __init__(self):
        super().__init__()
        self.texts, self.here = {}, None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "details" and "data-id" in attributes:
            self.here = attributes["data-id"]
            self.texts[self.here] = []
        elif tag == "h3" or (tag == "section" and self.here):
            self.here = None

    def handle_data(self, data):
        if self.here:
            self.texts[self.here].append(data)


def test_every_question_is_in_the_page_as_it_is_sent_and_once(html):
    entries = Entries()
    entries.feed((html / PAGE).read_text(encoding="utf8"))
    assert list(entries.texts) == [entry["id"] for entry in BANK]
    for entry in BANK:
        text = words(" ".join(entries.texts[entry["id"]]))
        said = [
            entry["question"],
            *entry["skeleton"],
            entry["listens_for"],
            entry["answer"],
            *entry["replies"].values(),
        ]
        for part in said + [text for one in entry["follow_ups"] for text in one.values()]:
            assert " ".join(words(part)) in " ".join(text), part


def test_without_javascript_every_answer_can_be_reached(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(".practice form, .practice-asking").evaluate_all(
        "(all) => all.every((e) => !e.checkVisibility())"
    )
    assert page.locator(".practice-without").evaluate_all("(all) => all.every((e) => e.checkVisibility())")
    answers = page.locator(".bank-question")
    assert answers.count() == len(BANK)
    first = answers.first
    assert not first.locator(".bank-answer").is_visible()
    first.locator("summary").first.click()
    assert first.locator(".bank-answer").is_visible()
    follow_up = first.locator(".bank-follow-ups details").first
    assert not follow_up.locator("p").is_visible()
    follow_up.locator("summary").click()
    assert follow_up.locator("p").is_visible()


# The mock interview


LENGTHS = {
    30: ("Thirty seconds", ["skeleton", "replies"]),
    120: ("Two minutes", ["skeleton", "listens", "replies"]),
    300: ("Five minutes", ["skeleton", "listens", "follow-ups", "replies"]),
}


def test_what_is_drawn_asked_and_shown_and_a_rating_is_kept(opened):
    page = opened()
    page.locator("table a[href='#batchnorm-in-eval']").click()
    expect(page.locator("#batchnorm-in-eval summary").first).to_be_in_viewport()
    assert not page.locator("#batchnorm-in-eval .bank-answer").is_visible()

    draw(page, level="senior", topic="mixed precision")
    assert asked(page)["id"] == "mixed-precision"
    expect(page.locator(".practice-card").first).to_be_focused()
    draw(page, level="screen", topic="mixed precision")
    status(simulator(page)).to_contain_text("No question is of this topic at these levels")
    assert not simulator(page).locator(".practice-asking").is_visible()

    rubric = simulator(page).locator(".practice-rubric")
    for seconds, (task, parts) in LENGTHS.items():
        draw(page, seconds)
        assert simulator(page).locator(".practice-task").inner_text().startswith(task)
        assert not rubric.is_visible()
        press(simulator(page), "I have answered")
        expect(rubric).to_be_focused()
        shown = rubric.locator("> div").evaluate_all("(all) => all.map((e) => e.classList[0])")
        assert shown == [f"bank-{part}" for part in parts]
        answer = rubric.locator("> details")
        assert not answer.locator("p").is_visible()
        answer.locator("summary").click()
        assert words(answer.locator("p").inner_text()) == words(asked(page)["answer"])
        assert rubric.locator("> p a").get_attribute("href") == f"#{asked(page)['id']}"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert sorted(ids) == sorted(set(ids))

    draw(page, level="senior", topic="checkpointing")
    press(simulator(page), "I have answered")
    press(simulator(page), "Adequate")
    status(simulator(page)).to_have_text("Rated: adequate.")
    assert marks(page, "rating") == {"checkpointing": "adequate"}
    press(simulator(page), "Next question")
    assert simulator(page).locator("[data-rate]:visible").count() == 0
    revisit(page)
    expect(simulator(page).locator(".practice-summary")).to_have_text(
        f"Rated so far: 1 adequate, of {len(BANK)} questions."
    )
    draw(page, level="senior", topic="checkpointing")
    press(simulator(page), "I have answered")
    pressed = simulator(page).locator("[data-rate][aria-pressed=true]")
    assert pressed.all_inner_texts() == ["Adequate"]


def test_no_question_comes_twice_until_all_were_seen_also_after_a_reload(opened):
    page = opened()
    level = [entry["id"] for entry in BANK if entry["level"] == "screen"]
    had = []
    for number in range(len(level)):
        if number == 5:
            revisit(page)
            expect(simulator(page).locator("form")).to_be_visible()
        draw(page, level="screen")
        had.append(asked(page)["id"])
        status(simulator(page)).to_have_text("")
    assert sorted(had) == sorted(level)
    draw(page, level="screen")
    assert asked(page)["id"] in level and asked(page)["id"] != had[-1]
    status(simulator(page)).to_contain_text(f"all {len(level)} questions")
    draw(page, level="senior")  # the questions of another level have not been had
    status(simulator(page)).to_have_text("")


def left(page) -> str:
    return simulator(page).locator(".practice-left").inner_text()


def test_the_clock(opened):
    page = opened(clock=True)
    page.evaluate(
        """() => {
            window.said = [];
            const status = document.querySelector('#practice-simulator [role=status]');
            new MutationObserver(() => said.push(status.textContent)).observe(status, {childList: true});
        }"""
    )
    # It is announced twice, and its end ends nothing.
    draw(page)
    assert left(page) == "0:30 left"
    page.clock.run_for(10_000)
    assert left(page) == "0:20 left"
    page.clock.run_for(60_000)
    said = [text for text in page.evaluate("said") if text]
    assert said == ["Half of the time is over: 15 seconds left.", "The time is over. Finish your sentence."]
    assert simulator(page).locator(".practice-left").evaluate("(e) => !e.closest('[role=status], [aria-live]')")
    assert not simulator(page).locator(".practice-clock").is_visible()
    press(simulator(page), "I have answered")
    assert simulator(page).locator(".practice-rubric").is_visible()

    # It stands while it is paused.
    draw(page, 120)
    page.clock.run_for(30_000)
    assert left(page) == "1:30 left"
    press(simulator(page), "Pause")
    page.clock.run_for(600_000)
    assert left(page) == "1:30 left"
    press(simulator(page), "Go on")
    page.clock.run_for(31_000)
    assert left(page) == "0:59 left"
    status(simulator(page)).to_have_text("Half of the time is over: 1 min 0 s left.")

    # It stops with the answer.
    draw(page)
    page.clock.run_for(3_000)
    press(simulator(page), "I have answered")
    page.clock.run_for(60_000)
    status(simulator(page)).to_have_text("")

    # Switched off, it stays off.
    draw(page)
    press(simulator(page), "Switch the timer off")
    expect(simulator(page).get_by_role("button", name="I have answered")).to_be_focused()
    page.clock.run_for(60_000)
    status(simulator(page)).to_contain_text("The timer is off")
    press(simulator(page), "I have answered")
    press(simulator(page), "Next question")
    assert not simulator(page).locator(".practice-clock").is_visible()
    page.clock.run_for(60_000)
    status(simulator(page)).to_have_text("")


# The cards


def cards(page):
    return page.locator("#practice-cards")


def sort_card(page, pile: str) -> str:
    """Turns the card on top and puts it on a pile; its question."""
    question = cards(page).locator(".practice-asked").inner_text()
    press(cards(page), "Turn the card")
    press(cards(page), pile)
    return question


def counts(page, again: int, known: int):
    expect(cards(page).locator(".practice-summary")).to_have_text(
        f"New: {len(BANK) - again - known}. Again: {again}. Known: {known}."
    )


ODD = {  # a question that is gone, and marks of other kinds: not counted, and carried along
    "a-question-of-old": {"pile": "known"},
    BANK[0]["id"]: {"pile": "learned"},
    BANK[1]["id"]: 3,
}


def test_cards_are_turned_and_piles_survive_a_reload_and_are_emptied(opened):
    record = {"version": 2, "answers": {}, "exercises": {}, "interview": ODD}
    page = opened()
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, json.dumps(record)])
    revisit(page)
    page.on("dialog", lambda dialog: pytest.fail("a dialog of the browser"))
    counts(page, again=0, known=0)
    assert not cards(page).get_by_role("button", name="Empty both piles").is_visible()

    back = cards(page).locator(".practice-back")
    assert not back.is_visible() and not cards(page).get_by_role("button", name="Known", exact=True).is_visible()
    press(cards(page), "Turn the card")
    points = back.locator("li").all_inner_texts()
    assert [words(point) for point in points] == [words(point) for point in BANK[0]["skeleton"]]
    known = cards(page).locator(".practice-asked").inner_text()
    press(cards(page), "Known")
    again = sort_card(page, "Again")

    counts(page, again=1, known=1)
    revisit(page)
    counts(page, again=1, known=1)
    assert cards(page).locator(".practice-asked").inner_text() not in (known, again)
    for pile, question in (("known", known), ("again", again)):
        cards(page).locator("[name=pile]").select_option(pile)
        assert cards(page).locator(".practice-asked").inner_text() == question

    press(cards(page), "Empty both piles")
    expect(cards(page).get_by_role("button", name="No, keep them")).to_be_focused()
    press(cards(page), "No, keep them")
    piles = {"a-question-of-old": "known", BANK[0]["id"]: "known", BANK[1]["id"]: "again"}
    assert marks(page, "pile") == piles
    press(cards(page), "Empty both piles")
    press(cards(page), "Yes, empty them")
    assert marks(page, "pile") == {"a-question-of-old": "known"}
    counts(page, again=0, known=0)

    # What is put on "again" comes after the new ones, and what is known does not come.
    cards(page).locator("[name=pile]").select_option("learn")
    cards(page).locator("[name=level]").select_option("senior")
    senior = [entry for entry in BANK if entry["level"] == "senior"]
    had = [sort_card(page, "Again" if number == 3 else "Known") for number in range(len(senior))]
    assert [words(question) for question in had] == [words(entry["question"]) for entry in senior]
    assert sort_card(page, "Known") == had[3]
    status(cards(page)).to_have_text("No card is in this pile.")
    assert not cards(page).locator(".practice-card").is_visible()


@pytest.mark.parametrize("script", [BLOCKED, FULL], ids=["blocked", "full"])
def test_without_a_store_the_page_works_and_says_that_nothing_is_kept(opened, script):
    page = opened(script=script)
    first = sort_card(page, "Known")
    expect(cards(page).locator(".practice-summary")).to_contain_text("Known: 1. This browser keeps nothing")
    cards(page).locator("[name=pile]").select_option("known")
    assert cards(page).locator(".practice-asked").inner_text() == first
    had = set()
    for _ in range(10):
        draw(page, level="senior")
        had.add(asked(page)["id"])
    assert len(had) == 10
    press(simulator(page), "I have answered")
    press(simulator(page), "Strong")
    expect(simulator(page).locator(".practice-summary")).to_contain_text("Rated so far: 1 strong")


# For every reader


def test_all_of_it_goes_by_keyboard_and_requests_nothing(opened):
    page = opened()
    page.wait_for_load_state()
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.locator("#practice-simulator [name=level]").first.focus()
    for key in ("Space", "Tab", "Space", "Tab", "Tab", "ArrowRight", "Tab", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert asked(page)["level"] == "senior"
    assert simulator(page).locator(".practice-task").inner_text().startswith("Two minutes")
    for key in ("Tab", "Space", "Tab", "Tab", "Enter"):  # the clock is paused, then the answer
        page.keyboard.press(key)
    expect(simulator(page).locator(".practice-rubric")).to_be_focused()
    for key in ("Tab", "Tab", "Tab", "Space", "Tab", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert list(marks(page, "rating").values()) == ["strong"]
    assert len(marks(page, "seen")) == 2
    page.locator("#practice-cards [name=level]").focus()
    for key in ("Tab", "Enter", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert marks(page, "pile") == {BANK[0]["id"]: "known"}
    assert requested == []


def show_everything(page):
    """A rubric, a turned card, a question about the piles, and every fold."""
    draw(page, 300)
    press(simulator(page), "I have answered")
    press(simulator(page), "Not yet")
    sort_card(page, "Known")
    press(cards(page), "Turn the card")
    press(cards(page), "Empty both piles")
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        ("dark", 390),
        pytest.param("light", 390, marks=pytest.mark.exhaustive),
        pytest.param("dark", 1280, marks=pytest.mark.exhaustive),
    ],
)
def test_nothing_keeps_a_reader_out_in_any_state(opened, scheme, width):
    """The whole page, with all questions unfolded, is among those of test_pages."""
    page = opened(width, scheme)
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    draw(page)
    page.set_viewport_size({"width": NARROW, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    assert violations(page, ".practice") == []
    show_everything(page)
    assert violations(page, ".practice") == []
    heights = page.locator(".practice :is(button, select, label):visible").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect().height)"
    )
    assert min(heights) >= 24
    page.set_viewport_size({"width": NARROW, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    page.emulate_media(media="print")
    assert page.locator(".practice").evaluate_all("(all) => all.every((e) => !e.checkVisibility())")
    assert page.locator(".bank-answer p").last.evaluate("(p) => p.checkVisibility() && p.offsetHeight > 0")


def test_no_handler_stands_in_the_page():
    controls = [(INTERVIEW / f"{part}.html").read_text(encoding="utf8") for part in ("simulator", "cards")]
    assert not re.search(r"\son\w+=|javascript:|<script|style=", "".join(controls))
