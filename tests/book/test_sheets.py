"""The sheets on paper: each on one page, legible, nothing cut off, and nothing of the theme around it."""

import re

import pytest

SHEETS = ("cheat", "question")
# The part of the paper inside margins of 8 mm, in CSS pixels, and how much of its height stays free for other fonts.
PAPERS = {"A4": (210 - 16, 297 - 16), "Letter": (215.9 - 16, 279.4 - 16)}
SMALLEST_PT, FREE_PX = 7.5, 15


def px(mm: float) -> int:
    return int(mm / 25.4 * 96)


def address(html, name: str) -> str:
    return (html / f"book/reference/{name}_sheet.html").as_uri()


@pytest.fixture(params=[(name, scheme) for name in SHEETS for scheme in ("light", "dark")], ids="-".join)
def sheet(browser, html, request):
    name, scheme = request.param
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.root = f"#{name}-sheet"
    page.goto(address(html, name))
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    yield page
    context.close()


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


def test_it_is_legible_on_paper(sheet):
    sheet.emulate_media(media="print")
    texts = sheet.evaluate(
        """(root) => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
            while (walker.nextNode()) {
                const element = walker.currentNode.parentElement, style = getComputedStyle(element);
                const shown = element.checkVisibility() && element.getClientRects().length;
                if (shown && walker.currentNode.textContent.trim())
                    found.push({pt: parseFloat(style.fontSize) * 72 / 96, colour: style.color,
                                inside: !!element.closest(root)});
            }
            return found; }""",
        sheet.root,
    )
    assert len(texts) > 100 and all(text["inside"] for text in texts)
    assert min(text["pt"] for text in texts) >= SMALLEST_PT
    assert {text["colour"] for text in texts} == {"rgb(0, 0, 0)"}
    grounds = "[...document.querySelectorAll('html, body')].map((e) => getComputedStyle(e).backgroundColor)"
    assert set(sheet.evaluate(grounds)) == {"rgb(255, 255, 255)"}


def test_the_other_pages_print_as_before(page):
    page.open_page("book/reference/glossary.html")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('article section')).columnCount") == "auto"


@pytest.mark.parametrize("name", SHEETS)
def test_tables_scroll_inside_themselves_on_a_phone(browser, html, name):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(address(html, name))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for selector in ("table", "pre"):
        clipped = page.evaluate(
            """([root, selector]) => [...document.querySelectorAll(`${root} ${selector}`)].filter((e) => {
                const box = selector === 'table' ? e.parentElement : e;
                return box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== 'auto'; }).length""",
            [f"#{name}-sheet", selector],
        )
        assert clipped == 0
    context.close()
