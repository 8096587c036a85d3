"""explorables.js on a page of two explorables, without a build: what they owe to one another and to the reader."""

import pytest
from helpers.built_book import A_TICK, press, record, stop_clock, wait_until_ready

from fpcourse.page.built import page_html
from fpcourse.page.explorable import Explorable, Try
from fpcourse.page.markup import asset
from fpcourse.page.view import View
from fpcourse.tables import Table


def wave(n, m):
    table = Table(("n", "m"), ((str(n), str(m)),))
    return View(table, f"n is {n}, m is {m}.", "A table.", {"n": n, "m": m})


@pytest.fixture
def two(new_context, tmp_path):
    """A page with the explorables a and b, and a heading far below the first."""
    tries = (Try({"n": 3}, "What is n?", ["2", "3"], "ANSWER"),)
    explorable = Explorable.checked(wave, {"n": [0, 1, 2, 3], "m": [0, 1]}, {}, {}, "n", tries)
    body = page_html(explorable, "a") + '<h2 id="heading" style="margin-top:3000px">H</h2>' + page_html(explorable, "b")
    path = tmp_path / "page.html"
    scripts = f"<script>{asset('packed.js')}</script><script>{asset('explorables.js')}</script>"
    html = f"<!doctype html><style>{asset('views.css')}</style><body>{body}{scripts}"
    path.write_text(html, encoding="utf8")
    page = new_context(viewport={"width": 900, "height": 700}).new_page()
    page.clock.install()
    record(page)
    page.address = path.as_uri()
    open_at(page, "")
    yield page
    assert page.errors == []


def open_at(page, state: str) -> None:
    page.goto("about:blank")
    page.goto(page.address + state)
    wait_until_ready(page)


def values(page, name: str) -> dict:
    return page.evaluate(f"JSON.parse(document.querySelector('#{name} .fp-values').textContent)")


def move(page, name: str, control: str, to: int) -> None:
    page.locator(f"#{name} input[name={control}]").fill(str(to))


def wait_for_address(page, end: str) -> None:
    page.wait_for_function("(end) => location.href.endsWith(end)", arg=end)


def stays(page, name: str) -> bool:
    """Whether the figure is the same after more than one tick of Play."""
    before = values(page, name)
    page.clock.run_for(A_TICK)
    return values(page, name) == before


def test_the_address_holds_both_and_a_link_restores_both(two):
    move(two, "a", "n", 2)
    wait_for_address(two, "#a?n=2")
    move(two, "b", "m", 1)
    wait_for_address(two, "#b?m=1;a?n=2")
    open_at(two, "#b?m=1;a?n=2")
    assert (values(two, "a"), values(two, "b")) == ({"n": 2, "m": 0}, {"n": 0, "m": 1})
    move(two, "a", "n", 0)
    wait_for_address(two, "#b?m=1")


def test_a_link_to_a_heading_loses_no_state(two):
    move(two, "b", "n", 3)
    wait_for_address(two, "#b?n=3")
    two.evaluate("location.hash = 'heading'")
    move(two, "a", "n", 1)
    wait_for_address(two, "#a?n=1;b?n=3")
    assert values(two, "b") == {"n": 3, "m": 0}


def test_the_explorable_named_first_is_scrolled_to(two):
    open_at(two, "#b?n=1")
    assert two.evaluate("document.querySelector('#b').getBoundingClientRect().top") < 700
    open_at(two, "#a?n=1;b?n=1")
    assert two.evaluate("scrollY") < 700


def test_a_changed_address_and_the_back_button_are_followed(two):
    open_at(two, "#a?n=1")
    press(two.locator("#a"), "play")
    two.evaluate("location.hash = '#a?n=2;b?m=1'")
    two.wait_for_function("document.querySelector('#b figcaption').textContent.endsWith('m is 1.')")
    assert values(two, "a")["n"] == 2 and stays(two, "a")
    two.go_back()
    two.wait_for_function("document.querySelector('#b figcaption').textContent.endsWith('m is 0.')")
    assert values(two, "a") == {"n": 1, "m": 0}


def test_many_quick_changes_leave_the_address_of_the_last(two):
    two.evaluate("""() => { const input = document.querySelector("#a input[name=n]");
        for (let i = 0; i < 402; i += 1) {
          input.value = i % 4; input.dispatchEvent(new Event("input", {bubbles: true}));
        } }""")
    wait_for_address(two, "#a?n=1")
    assert values(two, "a")["n"] == 1


@pytest.mark.parametrize("act", ["reset", "back", "forward", "slider", "try", "focus"])
def test_play_stops_when_the_reader_acts(two, act):
    press(two.locator("#a"), "play")
    if act == "slider":
        move(two, "a", "m", 1)
    elif act == "try":
        two.locator("#a .fp-try-link").click()
    elif act == "focus":
        two.locator("#a .fp-table").focus()
    else:
        press(two.locator("#a"), act)
    assert two.locator("#a [data-do=play]").text_content() == "Play"
    assert stays(two, "a")


def test_play_at_the_end_begins_again(two):
    move(two, "a", "n", 3)
    stop_clock(two)
    press(two.locator("#a"), "play")
    assert values(two, "a")["n"] == 0
    two.clock.run_for(A_TICK)
    assert values(two, "a")["n"] == 1


def test_while_a_question_is_open_nothing_moves_but_reset(two):
    two.locator("#a .fp-try-link").click()
    for control in two.locator("#a .fp-control").all():
        assert control.evaluate("(element) => element.inert")
    assert two.locator("#a [data-do=play]").evaluate("(element) => element.inert")
    assert not two.locator("#b .fp-control").first.evaluate("(element) => element.inert")
    card = two.locator("#a .fp-card")
    two.get_by_role("group", name="What is n?").get_by_text("3", exact=True).click()
    assert card.inner_text().startswith("You said: 3. ANSWER") and values(two, "a")["n"] == 3
    press(two.locator("#a"), "reset")
    assert not card.is_visible() and values(two, "a")["n"] == 0
    two.locator("#a .fp-try-link").click()
    press(two.locator("#a"), "reset")
    assert two.locator("#a .fp-view").evaluate("(figure) => !figure.inert") and not card.is_visible()


@pytest.mark.parametrize("answered", [False, True])
def test_escape_closes_a_question_and_gives_the_focus_back(two, answered):
    move(two, "a", "n", 2)
    link, card = two.locator("#a .fp-try-link"), two.locator("#a .fp-card")
    link.click()
    assert values(two, "a")["n"] == 0  # the figure as the question finds it
    if answered:
        card.get_by_text("Skip").click()
        assert card.locator("p").inner_text() == "ANSWER"
    two.keyboard.press("Escape")
    assert not card.is_visible() and link.evaluate("(link) => link === document.activeElement")
    assert values(two, "a")["n"] == (3 if answered else 2)


def test_an_answer_goes_when_the_reader_moves_on(two):
    two.locator("#a .fp-try-link").click()
    two.locator("#a .fp-card").get_by_text("Skip").click()
    move(two, "a", "m", 1)
    assert not two.locator("#a .fp-card").is_visible()


def test_a_figure_is_printed_without_its_question(two):
    two.locator("#a .fp-try-link").click()
    two.emulate_media(media="print")
    assert not two.locator("#a .fp-card").is_visible()
    assert two.locator("#a .fp-table").evaluate("(table) => getComputedStyle(table).filter") == "none"


def test_play_has_two_speeds(two):
    stop_clock(two)
    press(two.locator("#a"), "speed")
    press(two.locator("#a"), "play")
    two.clock.run_for(A_TICK)
    assert values(two, "a")["n"] == 0
    two.clock.run_for(A_TICK)
    assert values(two, "a")["n"] == 1


def test_one_moved_slider_announces_itself_alone(two):
    assert two.locator("#a output[aria-live=off]").count() == 2
    assert two.get_by_role("group", name="Interactive figure: wave").count() == 2
