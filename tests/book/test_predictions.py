"""The run that answers a prediction waits for it, with the words on it, and never where it could not be opened."""

import expected
import pytest
from helpers.built_book import pages, revisit
from playwright.sync_api import expect

PAGE = "book/01_forward_pass.html"
CHAPTERS = [path for path in pages() if expected.of_page(path)]


def run_of(page, cell: str):
    return page.locator(f"#{cell} details.prediction")


def words_on(page, cell: str):
    return page.locator(f"#{cell} + details.explanation p").first


def is_open(fold) -> bool:
    return fold.evaluate("(fold) => fold.open")


def test_a_question_opens_its_run_when_it_is_answered(page):
    page.open_page(PAGE)
    run, quiz = run_of(page, "middle"), page.locator("#predict-middle")
    output, figure = run.locator(".output").first, run_of(page, "bends-figure").locator(".output").first
    expect(figure).to_be_hidden()  # it belongs to the same run
    expect(output).to_be_hidden()
    quiz.locator("input[type=radio]").first.check()
    expect(output).to_be_hidden()
    quiz.get_by_role("button", name="Check").click()
    expect(output).to_be_visible()
    expect(figure).to_be_visible()
    revisit(page)  # the answer is in the record
    expect(output).to_be_visible()
    assert not is_open(run_of(page, "library-run"))


def test_a_prediction_without_options_opens_its_run_with_its_answer(page):
    page.open_page(PAGE)
    page.evaluate("document.querySelectorAll('details.go-deeper').forEach((fold) => { fold.open = true; })")
    expect(run_of(page, "sure").locator(".output").first).to_be_hidden()
    page.locator("details:has(+ #sure) > summary").click()
    expect(run_of(page, "sure").locator(".output").first).to_be_visible()


def test_one_key_skips(page):
    page.open_page(PAGE)
    expect(words_on(page, "one-unit")).to_be_hidden()
    run_of(page, "one-unit").locator("summary").focus()
    page.keyboard.press("Enter")
    expect(run_of(page, "one-unit").locator(".output").first).to_be_visible()
    expect(words_on(page, "one-unit")).to_be_visible()


def test_words_that_the_browser_finds_bring_their_run_along(page):
    page.open_page(PAGE)
    words_on(page, "one-unit").evaluate("(words) => { words.closest('details').open = true; }")
    expect(run_of(page, "one-unit").locator(".output").first).to_be_visible()


def test_a_link_to_a_run_opens_it(page):
    page.open_page(f"{PAGE}#middle")
    assert is_open(run_of(page, "middle")) and not is_open(run_of(page, "one-unit"))
    page.evaluate("location.hash = 'one-unit'")
    expect(run_of(page, "one-unit").locator(".output").first).to_be_visible()


def test_one_switch_shows_the_runs_of_all_pages(page):
    def states():
        return set(page.locator("details.prediction").evaluate_all("(folds) => folds.map((fold) => fold.open)"))

    page.open_page(PAGE)
    page.get_by_role("button", name="Always show runs").click()
    assert states() == {True}
    page.open_page("book/02_shapes.html")
    assert states() == {True}
    page.get_by_role("button", name="Fold runs until I have predicted").click()
    page.open_page(PAGE)
    assert states() == {False}


def test_the_switch_works_where_the_browser_keeps_nothing(page):
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }})")
    page.open_page(PAGE)
    page.get_by_role("button", name="Always show runs").click()
    assert is_open(run_of(page, "one-unit")) and is_open(run_of(page, "middle"))


@pytest.mark.parametrize("medium", ["print", "no script"])
def test_on_paper_and_without_scripts_nothing_is_folded(new_context, html, medium):
    page = new_context(java_script_enabled=medium == "print").new_page()
    page.goto((html / PAGE).as_uri())
    if medium == "print":
        page.emulate_media(media="print")
    outputs = page.locator("details.prediction:not(.go-deeper *) .output")
    words = page.locator("details.explanation:not(.go-deeper *) > p")
    assert outputs.count() > 5 and words.count() > 5
    assert words.evaluate_all("(all) => all.every((words) => words.checkVisibility() && words.offsetHeight > 0)")
    assert outputs.evaluate_all("(all) => all.every((output) => output.checkVisibility() && output.offsetHeight > 0)")


@pytest.mark.parametrize("path", CHAPTERS)
def test_no_figure_with_controls_is_folded(html, new_context, path):
    page = new_context(java_script_enabled=False).new_page()
    page.goto((html / path).as_uri())
    assert page.locator("details.prediction").count() > 0
    assert page.locator("details.prediction .fp-explore").count() == 0
