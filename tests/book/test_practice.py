"""Practise the interview: all questions without JavaScript, the mock interview and its clock, the cards."""

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from helpers.built_book import NARROW, ROOT, SIZES, violations
from playwright.sync_api import expect

PAGE = "book/10_practice.html"
INTERVIEW = ROOT / "book" / "interview"
BANK = yaml.safe_load((INTERVIEW / "bank.yml").read_text(encoding="utf8"))
CARDS, SEEN, RATINGS = "fpcourse.cards", "fpcourse.seen", "fpcourse.ratings"
BLOCKED = (
    "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked', 'SecurityError'); }})"
)
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"


@pytest.fixture
def opened(browser, html):
    """Opens the page; afterwards no page has had an error, but for the theme's own where there is no store."""
    contexts, errors = [], []

    def open_page(width=1280, scheme="light", script="", clock=False, **options):
        size = {"width": width, "height": SIZES.get(width, 844)}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if clock:
            page.clock.install()
        if script:
            page.add_init_script(script)
        page.goto((html / PAGE).as_uri())
        if options.get("java_script_enabled", True):
            expect(page.locator(".practice-without").first).to_be_hidden()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert set(errors) <= {"blocked", "full"}


def simulator(page):
    return page.locator("#practice-simulator")


def draw(page, seconds=30, level=None, topic=""):
    form = simulator(page).locator("form")
    for box in form.locator("[name=level]").all():
        box.set_checked(level in (None, box.get_attribute("value")))
    form.locator(f"[name=seconds][value='{seconds}']").check()
    form.locator("select").select_option(topic)
    form.get_by_role("button", name="Draw a question").click()


def press(root, name):
    root.get_by_role("button", name=name, exact=True).click()


def asked(page) -> dict:
    """The entry whose question is shown."""
    shown = simulator(page).locator(".practice-asked").inner_text()
    [entry] = [entry for entry in BANK if words(entry["question"]) == words(shown)]
    return entry


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def kept(page, key: str):
    return page.evaluate(f"JSON.parse(localStorage.getItem('{key}'))")


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


def test_a_link_to_a_question_shows_it_and_leaves_the_answer_folded(opened):
    page = opened()
    page.locator("table a[href='#batchnorm-in-eval']").click()
    expect(page.locator("#batchnorm-in-eval summary").first).to_be_in_viewport()
    assert not page.locator("#batchnorm-in-eval .bank-answer").is_visible()


def test_the_script_is_on_this_page_alone(html):
    having = [path for path in html.rglob("*.html") if "practice.js" in path.read_text(encoding="utf8")]
    assert [path.relative_to(html).as_posix() for path in having] == [PAGE]


# The mock interview


def test_a_question_of_the_chosen_level_and_topic_is_drawn(opened):
    page = opened()
    draw(page, level="senior", topic="mixed precision")
    assert asked(page)["id"] == "mixed-precision"
    expect(page.locator(".practice-card").first).to_be_focused()
    draw(page, level="screen", topic="mixed precision")
    expect(simulator(page).get_by_role("status")).to_contain_text("No question is of this topic at these levels")
    assert not simulator(page).locator(".practice-asking").is_visible()


def test_no_question_comes_twice_until_all_were_seen_also_after_a_reload(opened):
    page = opened()
    level = [entry["id"] for entry in BANK if entry["level"] == "screen"]
    had = []
    for number in range(len(level)):
        if number == 5:
            page.reload()
            expect(simulator(page).locator("form")).to_be_visible()
        draw(page, level="screen")
        had.append(asked(page)["id"])
        expect(simulator(page).get_by_role("status")).to_have_text("")
    assert sorted(had) == sorted(level)
    draw(page, level="screen")
    assert asked(page)["id"] in level and asked(page)["id"] != had[-1]
    expect(simulator(page).get_by_role("status")).to_contain_text(f"all {len(level)} questions")
    draw(page, level="senior")  # the questions of another level have not been had
    expect(simulator(page).get_by_role("status")).to_have_text("")


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (30, ["skeleton", "replies"]),
        (120, ["skeleton", "listens", "replies"]),
        (300, ["skeleton", "listens", "follow-ups", "replies"]),
    ],
)
def test_the_length_decides_what_is_asked_and_shown(opened, seconds, parts):
    page = opened()
    draw(page, seconds)
    task = simulator(page).locator(".practice-task").inner_text()
    assert task.startswith({30: "Thirty seconds", 120: "Two minutes", 300: "Five minutes"}[seconds])
    rubric = simulator(page).locator(".practice-rubric")
    assert not rubric.is_visible()
    press(simulator(page), "I have answered")
    expect(rubric).to_be_focused()
    found = rubric.locator("> div").evaluate_all("(all) => all.map((e) => e.classList[0])")
    assert found == [f"bank-{part}" for part in parts]
    answer = rubric.locator("> details")
    assert not answer.locator("p").is_visible()
    answer.locator("summary").click()
    assert words(answer.locator("p").inner_text()) == words(asked(page)["answer"])
    assert rubric.locator("> p a").get_attribute("href") == f"#{asked(page)['id']}"


def test_nothing_of_the_page_has_its_id_twice_while_a_rubric_is_shown(opened):
    page = opened()
    draw(page, 300)
    press(simulator(page), "I have answered")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert sorted(ids) == sorted(set(ids))


def left(page) -> str:
    return simulator(page).locator(".practice-left").inner_text()


def test_the_clock_is_announced_twice_and_its_end_ends_nothing(opened):
    page = opened(clock=True)
    page.evaluate(
        """() => {
            window.said = [];
            const status = document.querySelector('#practice-simulator [role=status]');
            new MutationObserver(() => said.push(status.textContent)).observe(status, {childList: true});
        }"""
    )
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


def test_the_clock_stands_while_it_is_paused(opened):
    page = opened(clock=True)
    draw(page, 120)
    page.clock.run_for(30_000)
    assert left(page) == "1:30 left"
    press(simulator(page), "Pause")
    page.clock.run_for(600_000)
    assert left(page) == "1:30 left"
    press(simulator(page), "Go on")
    page.clock.run_for(31_000)
    assert left(page) == "0:59 left"
    expect(simulator(page).get_by_role("status")).to_have_text("Half of the time is over: 1 min 0 s left.")


def test_the_clock_can_be_switched_off_and_stays_off(opened):
    page = opened(clock=True)
    draw(page)
    press(simulator(page), "Switch the timer off")
    expect(simulator(page).get_by_role("button", name="I have answered")).to_be_focused()
    page.clock.run_for(60_000)
    expect(simulator(page).get_by_role("status")).to_contain_text("The timer is off")
    press(simulator(page), "I have answered")
    press(simulator(page), "Next question")
    assert not simulator(page).locator(".practice-clock").is_visible()
    page.clock.run_for(60_000)
    expect(simulator(page).get_by_role("status")).to_have_text("")


def test_the_clock_stops_with_the_answer(opened):
    page = opened(clock=True)
    draw(page)
    page.clock.run_for(3_000)
    press(simulator(page), "I have answered")
    page.clock.run_for(60_000)
    expect(simulator(page).get_by_role("status")).to_have_text("")


def test_a_rating_is_kept_and_shown_again(opened):
    page = opened()
    draw(page, level="senior", topic="checkpointing")
    press(simulator(page), "I have answered")
    press(simulator(page), "Adequate")
    expect(simulator(page).get_by_role("status")).to_have_text("Rated: adequate.")
    assert kept(page, RATINGS) == {"version": 1, "marks": {"checkpointing": "adequate"}}
    press(simulator(page), "Next question")
    assert simulator(page).locator("[data-rate]:visible").count() == 0
    page.reload()
    expect(simulator(page).locator(".practice-summary")).to_have_text(
        f"Rated so far: 1 adequate, of {len(BANK)} questions."
    )
    draw(page, level="senior", topic="checkpointing")
    press(simulator(page), "I have answered")
    pressed = simulator(page).locator("[data-rate][aria-pressed=true]")
    assert pressed.all_inner_texts() == ["Adequate"]


# The cards


def cards(page):
    return page.locator("#practice-cards")


def sort_card(page, pile: str) -> str:
    """Turns the card on top and puts it on a pile; its question."""
    question = cards(page).locator(".practice-asked").inner_text()
    press(cards(page), "Turn the card")
    press(cards(page), pile)
    return question


def test_a_card_shows_its_points_when_it_is_turned(opened):
    page = opened()
    back = cards(page).locator(".practice-back")
    assert not back.is_visible() and not cards(page).get_by_role("button", name="Known", exact=True).is_visible()
    press(cards(page), "Turn the card")
    points = back.locator("li").all_inner_texts()
    assert [words(point) for point in points] == [words(point) for point in BANK[0]["skeleton"]]


def test_piles_survive_a_reload(opened):
    page = opened()
    known, again = sort_card(page, "Known"), sort_card(page, "Again")
    expect(cards(page).locator(".practice-summary")).to_have_text(f"New: {len(BANK) - 2}. Again: 1. Known: 1.")
    page.reload()
    expect(cards(page).locator(".practice-summary")).to_have_text(f"New: {len(BANK) - 2}. Again: 1. Known: 1.")
    assert cards(page).locator(".practice-asked").inner_text() not in (known, again)
    for pile, question in (("known", known), ("again", again)):
        cards(page).locator("[name=pile]").select_option(pile)
        assert cards(page).locator(".practice-asked").inner_text() == question


def test_again_comes_after_the_new_ones_and_known_does_not(opened):
    page = opened()
    cards(page).locator("[name=level]").select_option("senior")
    senior = [entry for entry in BANK if entry["level"] == "senior"]
    had = [sort_card(page, "Again" if number == 3 else "Known") for number in range(len(senior))]
    assert [words(question) for question in had] == [words(entry["question"]) for entry in senior]
    assert sort_card(page, "Known") == had[3]
    expect(cards(page).get_by_role("status")).to_have_text("No card is in this pile.")
    assert not cards(page).locator(".practice-card").is_visible()


def test_the_piles_are_emptied_after_a_question_in_the_page(opened):
    page = opened()
    page.on("dialog", lambda dialog: pytest.fail("a dialog of the browser"))
    assert not cards(page).get_by_role("button", name="Empty both piles").is_visible()
    sort_card(page, "Known")
    press(cards(page), "Empty both piles")
    expect(cards(page).get_by_role("button", name="No, keep them")).to_be_focused()
    press(cards(page), "No, keep them")
    assert kept(page, CARDS)["marks"] == {BANK[0]["id"]: "known"}
    press(cards(page), "Empty both piles")
    press(cards(page), "Yes, empty them")
    assert kept(page, CARDS) == {"version": 1, "marks": {}}
    expect(cards(page).locator(".practice-summary")).to_have_text(f"New: {len(BANK)}. Again: 0. Known: 0.")


# What the browser keeps

UNREADABLE = [
    "{not json",
    "null",
    "[]",
    '{"version": 0, "known": ["a"]}',
    '{"version": 2, "marks": {}}',
    '{"version": 1}',
    '{"version": 1, "marks": []}',
    '{"version": 1, "marks": {"what-is-a-forward-pass": "learned"}}',
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_set_aside(opened, text):
    page = opened()
    page.evaluate(
        f"([text]) => {{ localStorage['{CARDS}'] = text; localStorage['{CARDS}.kept-1'] = 'older'; }}", [text]
    )
    page.reload()
    expect(cards(page).locator(".practice-summary")).to_have_text(f"New: {len(BANK)}. Again: 0. Known: 0.")
    assert page.evaluate(f"localStorage.getItem('{CARDS}.kept-1')") == "older"
    assert page.evaluate(f"localStorage.getItem('{CARDS}.kept-2')") == text
    sort_card(page, "Known")
    assert kept(page, CARDS)["marks"] == {BANK[0]["id"]: "known"}
    page.reload()
    expect(cards(page).locator(".practice-summary")).to_contain_text("Known: 1.")
    assert page.evaluate(f"localStorage.getItem('{CARDS}.kept-3')") is None


def test_marks_of_questions_that_are_gone_do_no_harm(opened):
    text = json.dumps({"version": 1, "marks": {"a-question-of-old": "known", "__proto__": "again"}})
    page = opened(script=f"localStorage.setItem('{CARDS}', {json.dumps(text)})")
    expect(cards(page).locator(".practice-summary")).to_have_text(f"New: {len(BANK)}. Again: 0. Known: 0.")


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


def test_all_of_it_goes_by_keyboard(opened):
    page = opened()
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
    assert list(kept(page, RATINGS)["marks"].values()) == ["strong"]
    assert len(kept(page, SEEN)["marks"]) == 2
    page.locator("#practice-cards [name=level]").focus()
    for key in ("Tab", "Enter", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert kept(page, CARDS)["marks"] == {BANK[0]["id"]: "known"}


def show_everything(page):
    """A rubric, a turned card, a question about the piles, and every fold."""
    draw(page, 300)
    press(simulator(page), "I have answered")
    press(simulator(page), "Not yet")
    sort_card(page, "Known")
    press(cards(page), "Turn the card")
    press(cards(page), "Empty both piles")
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_a_reader_out_in_any_state(opened, width, scheme):
    """The whole page, with all questions unfolded, is among those of test_shell."""
    page = opened(width, scheme)
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    found = []
    for get_there in (draw, show_everything):
        get_there(page)
        found += violations(page, ".practice")
    assert found == []


def test_nothing_is_read_sideways_in_any_state(opened):
    page = opened(NARROW)
    draw(page, 300)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    show_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


def test_controls_are_large_enough_to_hit(opened):
    page = opened(390)
    show_everything(page)
    for box in page.locator(".practice :is(button, select, label):visible").all():
        assert box.bounding_box()["height"] >= 24


def test_nothing_is_requested_and_no_handler_stands_in_the_page(opened, html):
    page = opened()
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    show_everything(page)
    assert requested == []
    controls = [(INTERVIEW / f"{part}.html").read_text(encoding="utf8") for part in ("simulator", "cards")]
    assert not re.search(r"\son\w+=|javascript:|<script|style=", "".join(controls))


def test_on_paper_the_questions_are_there_and_the_controls_are_not(opened):
    page = opened()
    page.emulate_media(media="print")
    assert page.locator(".practice").evaluate_all("(all) => all.every((e) => !e.checkVisibility())")
    assert page.locator(".bank-answer p").last.evaluate("(p) => p.checkVisibility() && p.offsetHeight > 0")
