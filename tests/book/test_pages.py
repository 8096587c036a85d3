"""Every page of the built book, as a file and in a browser with no network."""

import gzip
import re
from html.parser import HTMLParser

import expected
import pytest
from helpers.built_book import HTML, pages, wait_until_ready
from playwright.sync_api import expect

# Links that a reader follows may lead out of the book; what a page loads may not.
LOADED = {
    **dict.fromkeys(("script", "iframe", "audio", "video", "embed"), ("src",)),
    **dict.fromkeys(("img", "source"), ("src", "srcset")),
    **dict.fromkeys(("link", "use"), ("href",)),
    "image": ("href", "xlink:href"),
    "object": ("data",),
}
NOT_FETCHED = {"canonical", "author", "index", "search", "next", "prev"}


class Loads(HTMLParser):
    """What a page loads, and all its ids."""

    def __init__(self):
        super().__init__()
        self.addresses, self.ids = [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "link" and attributes.get("rel") in NOT_FETCHED:
            return
        self.addresses += [attributes[name] for name in LOADED.get(tag, ()) if attributes.get(name)]


def parsed(path: str) -> Loads:
    loads = Loads()
    loads.feed((HTML / path).read_text(encoding="utf8"))
    return loads


@pytest.mark.parametrize("path", pages())
def test_page_loads_nothing_from_outside(html, path):
    outside = [address for address in parsed(path).addresses if re.match(r"([a-z]+:)?//", address)]
    assert outside == []


@pytest.mark.parametrize("path", pages())
def test_page_in_a_browser_asks_for_nothing_outside_and_logs_no_error(page, path):
    page.open_page(path)
    page.wait_for_timeout(200)
    assert [url for url in page.requests if not url.startswith(HTML.as_uri())] == []
    assert page.errors == []


@pytest.mark.parametrize("path", pages())
def test_page_holds_no_traceback_and_no_widget_state(html, path):
    text = (html / path).read_text(encoding="utf8")
    assert "Traceback (most recent call last)" not in text
    assert "application/vnd.jupyter.widget" not in text
    assert "Error displaying widget" not in text


@pytest.mark.parametrize("path", pages())
def test_every_picture_has_an_alt_text_of_its_own(page, path):
    page.open_page(path)
    for image in page.locator("article img").all():
        alt = image.get_attribute("alt") or ""
        assert len(alt) > 20 and "/" not in alt, alt
    names = page.locator("article [role=img]:not([aria-hidden=true])").evaluate_all(
        "(all) => all.map((e) => e.getAttribute('aria-label'))"
    )
    assert all(name and len(name) > 40 for name in names)
    assert len(set(names)) == len(names)
    # Inline SVG outside a named figure would be a picture without a name; a button's icon is none.
    drawn = page.locator("article .cell_output svg:not(button svg)").count()
    assert drawn == page.locator("article .cell_output [role=img] svg").count()


@pytest.mark.parametrize("path", pages())
def test_every_figure_shows_plain_torchs_numbers(page, path, cohort_rows):
    page.open_page(path)
    shown = page.locator("figure.fp-view:not(.fp-explore *)").evaluate_all(
        "(all) => all.map((figure) => JSON.parse(figure.querySelector('.fp-values').textContent))"
    )
    truths = expected.of_page(path)
    assert shown == (expected.called(truths.figures, cohort_rows) if truths else [])


@pytest.mark.parametrize("path", pages())
def test_ids_are_unique(html, path):
    ids = parsed(path).ids
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("path", pages())
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_follow_the_theme_and_fit_a_phone(browser, html, path, scheme):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto((html / path).as_uri())
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    light_text = scheme == "dark"
    for selector in (".fp-picture text", ".fp-table td", "figcaption", ".fp-listing"):
        for colour in page.locator(selector).evaluate_all(
            "(all) => [...new Set(all.map((e) => getComputedStyle(e).getPropertyValue("
            "e.namespaceURI.endsWith('svg') ? 'fill' : 'color')))]"
        ):
            channels = [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]
            assert (sum(channels) / 3 > 128) == light_text, (selector, colour)
    context.close()


@pytest.mark.parametrize("path", pages())
def test_page_weighs_little(html, path):
    assert len(gzip.compress((html / path).read_bytes())) <= 200 * 1024


def test_the_go_deeper_sections_are_folded_and_open_by_keyboard(page):
    page.open_page("book/02_shapes.html")
    folded = page.locator("details.go-deeper")
    assert folded.count() == 5
    assert not folded.first.locator("pre").first.is_visible()
    folded.first.locator("> summary").focus()
    page.keyboard.press("Enter")
    assert folded.first.locator("pre").first.is_visible()


@pytest.mark.parametrize("cell", ["05_activations.html#depth-claims", "04_autograd.html#mlp-cases"])
def test_a_link_to_a_cell_unfolds_it(page, cell):
    """The first cell is hidden, and inside a folded section; the second is inside one."""
    page.open_page("book/" + cell.partition("#")[0])
    code = page.locator("#" + cell.partition("#")[2]).locator("pre").first
    assert not code.is_visible()
    page.open_page("book/reference/misconceptions.html")
    page.locator(f"article a[href='../{cell}']").first.click()
    page.wait_for_url(f"**/{cell}")
    wait_until_ready(page)
    assert code.is_visible()
    expect(code).to_be_in_viewport()
    assert page.errors == []


def test_a_link_to_a_figure_leaves_its_code_folded(page):
    page.open_page("book/02_shapes.html#bytes-figure")
    expect(page.locator("#bytes-figure figure")).to_be_in_viewport()
    assert not page.locator("#bytes-figure .cell_input").is_visible()


def test_menu_opens_on_a_phone(browser, html):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto((html / "book/02_shapes.html").as_uri())
    page.wait_for_timeout(300)
    link = page.locator("nav a", has_text="Glossary").first
    assert not link.is_visible()
    page.locator("button.primary-toggle").first.click()
    page.wait_for_timeout(400)
    assert link.is_visible()
    context.close()


def test_printing_shows_the_start_frame_and_no_controls(page):
    page.open_page("book/00_start.html")
    page.emulate_media(media="print")
    assert page.locator(".fp-picture svg").first.is_visible()
    assert not page.locator(".fp-controls").first.is_visible()
    assert page.locator(".fp-answer").first.is_visible()
    # Answers and "Go deeper" sections are read on paper too, whether or not they were opened.
    assert page.locator("article details p").first.evaluate("(p) => p.checkVisibility() && p.offsetHeight > 0")
