"""The sheets on paper: each on one page, legible, nothing cut off, and nothing of the theme around it."""

import re

import pytest
from helpers.visits import opened

SHEETS = ("cheat", "question")
# The part of the paper inside margins of 8 mm, in CSS pixels, and how much of its height stays free for other fonts.
PAPERS = {"A4": (210 - 16, 297 - 16), "Letter": (215.9 - 16, 279.4 - 16)}
SMALLEST_PT, FREE_PX = 7.5, 15

TEXTS = """(root) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement, style = getComputedStyle(element);
        const shown = element.checkVisibility() && element.getClientRects().length;
        if (shown && walker.currentNode.textContent.trim())
            found.push({pt: parseFloat(style.fontSize) * 72 / 96, colour: style.color,
                        inside: !!element.closest(root)});
    }
    return found; }"""
GROUNDS = "[...document.querySelectorAll('html, body')].map((e) => getComputedStyle(e).backgroundColor)"


def px(mm: float) -> int:
    return int(mm / 25.4 * 96)


def address(html, name: str) -> str:
    return (html / f"book/reference/{name}_sheet.html").as_uri()


@pytest.fixture(scope="module", params=SHEETS)
def sheet(browser, html, request):
    with opened(browser, address(html, request.param)) as page:
        page.root = f"#{request.param}-sheet"
        yield page


@pytest.mark.parametrize("paper", PAPERS)
def test_it_is_printed_on_one_page(sheet, paper):
    margins = dict.fromkeys(("top", "right", "bottom", "left"), "0.4in")  # a browser's own
    printed = sheet.pdf(format=paper, margin=margins)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


@pytest.mark.parametrize("paper", PAPERS)
def test_nothing_is_cut_off_and_a_little_room_is_left(sheet, paper):
    width, height = map(px, PAPERS[paper])
    sheet.set_viewport_size({"width": width, "height": height})
    sheet.emulate_media(media="print")
    assert sheet.locator(sheet.root).evaluate("(e) => e.getBoundingClientRect().bottom") <= height - FREE_PX
    assert sheet.evaluate("document.documentElement.scrollWidth") <= width
    wide = sheet.evaluate(
        """(root) => [...document.querySelectorAll(`${root}, ${root} *`)]
           .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80))""",
        sheet.root,
    )
    assert wide == []
    # Text wider than its column would lie over the next one.
    beyond = sheet.evaluate(
        """([root, width]) => [...document.querySelectorAll(`${root} :is(p, pre, code, td, th)`)]
           .flatMap((e) => [...e.getClientRects()].filter((r) => r.left < -1 || r.right > width + 1
               || (r.left < width / 2 - 20 && r.right > width / 2 && !e.matches('h1 + p, h1 + p *')))
               .map(() => e.outerHTML.slice(0, 80)))""",
        [sheet.root, width],
    )
    assert beyond == []


@pytest.mark.parametrize("name", SHEETS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_on_paper(browser, html, name, scheme):
    with opened(browser, address(html, name), scheme) as page:
        page.emulate_media(media="print")
        texts, grounds = page.evaluate(TEXTS, f"#{name}-sheet"), page.evaluate(GROUNDS)
    assert len(texts) > 100 and all(text["inside"] for text in texts)
    assert min(text["pt"] for text in texts) >= SMALLEST_PT
    assert {text["colour"] for text in texts} == {"rgb(0, 0, 0)"}
    assert set(grounds) == {"rgb(255, 255, 255)"}


def test_the_other_pages_print_as_before(page):
    page.open_page("book/reference/glossary.html")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('article section')).columnCount") == "auto"


@pytest.mark.parametrize("selector", ["table", "pre"])
def test_tables_scroll_inside_themselves_on_a_phone(sheet, selector):
    sheet.set_viewport_size({"width": 390, "height": 844})
    sheet.emulate_media(media="screen")
    clipped = sheet.evaluate(
        """([root, selector]) => [...document.querySelectorAll(`${root} ${selector}`)].filter((e) => {
            const box = selector === 'table' ? e.parentElement : e;
            return box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== 'auto'; }).length""",
        [sheet.root, selector],
    )
    assert clipped == 0
