"""What every page of the built book shares: weight, icons, theme, search, and that nobody is kept out."""

import gzip
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from helpers.built_book import HTML, NARROW, SIZES, pages, violations, wait_until_ready

ALL = [*pages(), "search.html", "genindex.html"]


@pytest.fixture
def opened(browser, html):
    """Opens a page in a window of this width and theme, all of its folds unfolded."""
    contexts = []

    def open_page(path, width=1280, scheme="light", **options):
        size = {"width": width, "height": SIZES.get(width, 844)}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme, **options))
        page = contexts[-1].new_page()
        page.goto((html / path).as_uri())
        if options.get("java_script_enabled", True):
            wait_until_ready(page)
            page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
        page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_a_reader_out(opened, path, width, scheme):
    assert violations(opened(path, width, scheme)) == []


@pytest.mark.parametrize("path", ALL)
def test_nothing_is_read_sideways(opened, path):
    """320 px: the width at which WCAG asks for text that needs no scrolling to the side."""
    page = opened(path, NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const shown = (colour, below, alpha = 1) => {   // a colour over what lies below it, as red, green and blue
        canvas.globalAlpha = 1; canvas.fillStyle = below; canvas.fillRect(0, 0, 1, 1);
        canvas.globalAlpha = alpha; canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const light = (rgb) => rgb.map((c) => c / 255).map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const ground = getComputedStyle(document.body).backgroundColor;
    return [...document.querySelectorAll('.fp-picture svg text')].map((text) => {
        const box = text.getBoundingClientRect(), style = getComputedStyle(text);
        let below = ground;
        // What is filled under the text, from the back to the front.
        for (const shape of text.closest('svg').querySelectorAll('path, rect')) {
            const area = shape.getBoundingClientRect(), fill = getComputedStyle(shape);
            if (fill.fill === 'none' || area.left > box.left + 1 || area.right < box.right - 1 ||
                area.top > box.top + box.height / 2 || area.bottom < box.top + box.height / 2) continue;
            below = `rgb(${shown(fill.fill, below, fill.fillOpacity * fill.opacity).join()})`;
        }
        const [bright, dim] = [light(shown(style.fill, below)), light(shown(below, below))].sort((a, b) => b - a);
        return [text.textContent, style.fill, below, (bright + .05) / (dim + .05)];
    });
}"""


@pytest.mark.parametrize("path", pages())
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_in_figures_stands_out_from_its_ground(opened, path, scheme):
    """axe does not judge text in SVG."""
    low = [found for found in opened(path, 1280, scheme).evaluate(CONTRASTS) if found[3] < 4.5]
    assert low == []


@pytest.mark.parametrize("path", pages())
def test_a_page_and_all_that_it_loads_weigh_little(page, path):
    """In KiB as sent, compressed: 350 for a chapter with its figures, 200 for any other page."""
    page.open_page(path)
    page.wait_for_load_state("networkidle")
    files = {Path(unquote(urlparse(url).path)) for url in page.requests}
    assert len(files) > 8
    total = sum(len(gzip.compress(file.read_bytes())) for file in files) / 1024
    print(f"{path}: {total:.0f} KiB in {len(files)} files")
    assert total <= (350 if re.match(r"book/\d\d_", path) else 200)


def test_what_no_page_uses_is_not_in_the_book(html):
    assert not list(html.rglob("*fontawesome*")) and not list(html.rglob("*.woff2")) and not list(html.rglob("*.map"))
    assert sum(path.stat().st_size for path in html.rglob("*") if path.is_file()) < 8 * 1024**2


@pytest.mark.parametrize("path", ALL)
def test_every_icon_is_drawn(opened, path):
    """Each icon of the theme's has a drawing of ours, and a size to be seen in."""
    icons = (
        opened(path)
        .locator("[class*='fa-']")
        .evaluate_all("(all) => all.map((icon) => [icon.className, getComputedStyle(icon).maskImage.slice(0, 10)])")
    )
    assert icons and [name for name, mask in icons if mask != 'url("data:'] == []


@pytest.mark.parametrize("stored", [None, "light", "dark"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_paint_has_the_readers_theme(browser, html, scheme, stored):
    """The theme before any deferred script has run: the reader's own choice, else the system's."""
    context = browser.new_context(color_scheme=scheme)
    if stored:
        context.add_init_script(f"localStorage.setItem('mode', '{stored}')")
    page = context.new_page()
    page.route("**/*theme.js", lambda route: route.abort())  # the theme's own script never comes
    page.goto((html / "book/00_start.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == (stored or scheme)
    context.close()


@pytest.mark.parametrize("path", pages())
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_complete_without_javascript(opened, path, scheme):
    page = opened(path, 1280, scheme, java_script_enabled=False)
    assert page.locator("article h1").is_visible()
    text, ground = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert text != ground and ground != "rgba(0, 0, 0, 0)"
    assert page.locator(".fp-explore .fp-controls").evaluate_all("(all) => all.every((form) => form.hidden)")
    for name in ("nav.bd-links a", "article p"):
        assert page.locator(name).first.is_visible()


def test_the_theme_can_be_switched(opened):
    page = opened("book/00_start.html")
    seen = []
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        seen.append(page.evaluate("document.documentElement.dataset.mode"))
        assert page.locator("button.theme-switch-button i:visible").count() == 1
    assert sorted(seen) == ["auto", "dark", "light"]


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize(("word", "found"), [("topological", "Glossary"), ("whiteboard", "The interview answer")])
def test_search_finds_by_file(opened, width, word, found):
    page = opened("book/00_start.html", width)
    page.locator("button.search-button__button:visible").first.click()
    field = page.locator("dialog input[type=search]")
    field.fill(word)
    field.press("Enter")
    page.wait_for_url("**/search.html?*")
    result = page.locator("#search-results li a", has_text=found).first
    result.wait_for()
    result.click()
    assert found in page.locator("h1").first.text_content()


def test_the_skip_link_comes_first_and_leads_to_the_text(opened):
    page = opened("book/02_shapes.html")
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    assert link.text_content().strip() == "Skip to main content" and link.is_visible()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_focus_can_be_seen(opened, scheme):
    """By keyboard, the first forty stops of a page each have an outline, or a shadow in its place."""
    page = opened("book/02_shapes.html", 1280, scheme)
    for _ in range(40):
        page.keyboard.press("Tab")
        name, outline, shadow = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e); return [e.outerHTML.slice(0, 120), "
            "s.outlineStyle === 'none' ? 0 : parseFloat(s.outlineWidth), s.boxShadow]; })()"
        )
        assert outline >= 1 or shadow != "none", name


def test_code_can_be_copied(browser, html):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto((html / "book/01_forward_pass.html").as_uri())
    wait_until_ready(page)
    cell = page.locator("div.cell").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_function("document.querySelector('button.copybtn').classList.contains('success')")
    assert page.evaluate("navigator.clipboard.readText()").strip() == cell.locator("pre").first.inner_text().strip()
    context.close()


def test_the_notebook_can_be_downloaded(opened):
    page = opened("book/01_forward_pass.html")
    link = page.locator("a.btn-download-source-button")
    assert link.get_attribute("href").endswith("01_forward_pass.ipynb")
    assert (HTML / "book" / link.get_attribute("href")).resolve().is_file()


@pytest.mark.parametrize("path", pages())
def test_printing_leaves_the_pages_furniture_out(opened, path):
    page = opened(path)
    page.emulate_media(media="print")
    for name in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-footer"):
        assert page.locator(name).evaluate_all("(all) => all.every((e) => !e.checkVisibility())"), name
    # The title stands once: in the article, or above a table of contents for paper.
    assert page.locator("h1").evaluate_all("(all) => all.filter((h1) => h1.checkVisibility()).length") == 1
