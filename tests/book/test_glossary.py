"""Words of the glossary open their definition in place, and stay links."""

import pytest
from helpers.built_book import SIZES, violations
from playwright.sync_api import expect

PAGE = "book/03_tracing.html"


def word(page, name: str):
    return page.locator(f"article a.term[href$='#{name}']:visible").first


def test_a_word_opens_its_entrys_text_and_a_link_to_it(page):
    page.open_page("book/reference/glossary.html")
    entry = page.locator("#leaf-module p").inner_text()
    page.open_page(PAGE)
    word(page, "leaf-module").click()
    box = page.get_by_role("dialog", name="Leaf module")
    assert entry in box.inner_text()
    expect(box).to_be_in_viewport(ratio=1)
    box.get_by_role("link", name="In the glossary").click()
    page.wait_for_url("**/reference/glossary.html#leaf-module")
    assert page.errors == []


def test_by_keyboard_it_opens_and_gives_the_focus_back(page):
    page.open_page(PAGE)
    link, box = word(page, "leaf-module"), page.locator("#term-box")
    link.focus()
    page.keyboard.press("Enter")
    expect(box).to_be_focused()
    assert link.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")
    expect(box.get_by_role("link")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(link).to_be_focused()
    assert link.get_attribute("aria-expanded") == "false"


def test_one_is_open_at_a_time_until_a_click_elsewhere(page):
    page.open_page(PAGE)
    first, other, box = word(page, "leaf-module"), word(page, "hook"), page.locator("#term-box")
    first.click()
    other.click()
    expect(box).to_have_attribute("aria-label", "Hook")
    assert page.locator("[aria-expanded=true].term").count() == 1
    other.click()
    expect(box).to_be_hidden()
    first.click()
    box.locator("p").last.click()
    expect(box).to_be_visible()
    page.locator("article h1").click()
    expect(box).to_be_hidden()


def test_a_click_with_a_key_follows_the_link(page):
    page.open_page(PAGE)
    with page.context.expect_page() as opened:
        word(page, "leaf-module").click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url("**/reference/glossary.html#leaf-module")
    expect(page.locator("#term-box")).to_be_hidden()


def test_without_scripts_a_word_is_a_link(new_context, html):
    page = new_context(java_script_enabled=False).new_page()
    page.goto((html / PAGE).as_uri())
    word(page, "leaf-module").click()
    page.wait_for_url("**/reference/glossary.html#leaf-module")
    expect(page.locator("#leaf-module")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_an_open_definition_keeps_nobody_out_and_stays_in_the_window(new_context, html, scheme, width):
    page = new_context(color_scheme=scheme, viewport={"width": width, "height": SIZES[width]}).new_page()
    page.goto((html / PAGE).as_uri())
    for link in page.locator("article a.term:visible").all()[:12]:
        link.click()
        box = page.locator("#term-box").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        page.keyboard.press("Escape")
    word(page, "hook").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, "#term-box") == []
