"""Every page of the built book, as a browser with no network finds it: in light, in dark, and without scripts."""

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import expected
import pytest
from bs4 import BeautifulSoup
from helpers.built_book import HTML, NARROW, ROOT, SIZES, pages, violations
from helpers.notebooks import read
from helpers.prose import FORMULA
from helpers.visits import FURNITURE, flat_violations, opened, unscripted
from ipython_pygments_lexers import IPython3Lexer
from playwright.sync_api import expect
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonConsoleLexer
from weight import compressed, report

ALL = [*pages(), "search.html", "genindex.html"]
# Between them these hold every component: figures, tables, questions, exercises, formulas, folds, the mock interview.
EVERY_COMPONENT = ["book/00_start.html", "book/01_forward_pass.html", "book/10_practice.html"]
SETTINGS = [(scheme, width) for scheme in ("light", "dark") for width in SIZES]


def formulas(path: str) -> list[tuple[str, str]]:
    """The formulas that a page's source holds outside code, each as a block of its own or within a line."""
    notebook = ROOT / path.replace(".html", ".ipynb")
    if notebook.exists():
        source = "\n\n".join(cell.source for cell in read(notebook).cells if cell.cell_type == "markdown")
    else:
        source = notebook.with_suffix(".md").read_text(encoding="utf8")
    source = re.sub(r"(?ms)^(`{3,})(?!\{).*?^\1$", "", source)
    return [found for found in FORMULA.findall(source) if any(found)]


WITH_FORMULAS = [path for path in pages() if formulas(path)]

each_page = pytest.mark.parametrize("path", pages())
each_theme = pytest.mark.parametrize("scheme", ["light", "dark"])


# What a page loads, and what it holds


@each_page
def test_page_loads_nothing_from_outside(visit, path):
    addresses = visit(path, "unscripted")["addresses"]
    assert len(addresses) > 8 and [address for address in addresses if re.match(r"([a-z]+:)?//", address)] == []


@pytest.mark.parametrize("path", ALL)
def test_page_in_a_browser_asks_for_nothing_outside(visit, path):
    assert [url for url in visit(path)["requests"] if not url.startswith(HTML.as_uri())] == []


@each_page
@each_theme
def test_page_logs_no_error(visit, path, scheme):
    assert visit(path, scheme)["errors"] == []


@each_page
def test_page_holds_no_traceback_and_no_widget_state(html, path):
    text = (html / path).read_text(encoding="utf8")
    assert "Traceback (most recent call last)" not in text
    assert "application/vnd.jupyter.widget" not in text
    assert "Error displaying widget" not in text


@each_page
def test_ids_are_unique(visit, path):
    ids = visit(path, "unscripted")["ids"]
    assert sorted(ids) == sorted(set(ids))


@each_page
def test_page_describes_itself(html, path):
    head = BeautifulSoup((html / path).read_bytes(), "html.parser").head
    (description,) = head.select("meta[name=description]")
    assert len(description["content"]) > 25


@each_page
def test_page_weighs_little(html, path):
    assert compressed((html / path).read_bytes()) <= 200, report(html / path)


@each_page
def test_a_page_and_all_that_it_loads_weigh_little(visit, path):
    """In KiB as sent, compressed: 350 for a chapter with its figures, 200 for any other page."""
    requests = [urlparse(url) for url in visit(path)["requests"]]
    files = {Path(unquote(url.path)) for url in requests if url.scheme == "file"}
    assert len(files) > 8
    total = sum(compressed(file.read_bytes()) for file in files)
    assert total <= (350 if re.match(r"book/\d\d_", path) else 200), report(HTML / path)


@each_page
def test_a_page_is_light_to_lay_out(visit, path):
    """Chapter 5 had 11,700 elements, and kept a phone busy for seconds."""
    assert visit(path)["elements"] <= 7500


def test_what_no_page_uses_is_not_in_the_book(html):
    assert not list(html.rglob("*fontawesome*")) and not list(html.rglob("*.woff2")) and not list(html.rglob("*.map"))
    assert sum(path.stat().st_size for path in html.rglob("*") if path.is_file()) < 8 * 1024**2


# Nobody is kept out


@pytest.mark.parametrize("path", ALL)
def test_nothing_keeps_a_reader_out(visit, path):
    assert visit(path)["violations"] == []


@pytest.mark.parametrize("path", EVERY_COMPONENT)
@pytest.mark.parametrize(("scheme", "width"), SETTINGS[1:])
def test_no_component_keeps_a_reader_out_in_any_setting(browser, html, path, scheme, width):
    with opened(browser, (html / path).as_uri(), scheme, width) as page:
        assert flat_violations(page) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize(("scheme", "width"), SETTINGS)
def test_nothing_keeps_a_reader_out_in_any_setting(browser, html, path, scheme, width):
    with opened(browser, (html / path).as_uri(), scheme, width) as page:
        assert violations(page) == []


@each_theme
def test_highlighted_code_stands_out_from_its_ground(browser, html, scheme):
    """A specimen of all that is highlighted in the book, in each of the start page's blocks."""
    blocks = "".join(
        block
        for path in pages()
        for block in re.findall(r'<div class="highlight">.*?</pre>', (html / path).read_text(encoding="utf8"), re.S)
    )
    kinds = sorted(set(re.findall(r'<span class="([\w ]+)">', blocks)))
    assert len(kinds) > 4
    specimen = " ".join(f'<span class="{kind}">{kind}</span>' for kind in kinds)
    with opened(browser, (html / "book/00_start.html").as_uri(), scheme) as page:
        page.evaluate(
            """(specimen) => document.querySelectorAll('div.highlight pre').forEach((pre) => {
                pre.innerHTML = specimen; })""",
            specimen,
        )
        assert violations(page, "div.highlight") == []


# Of code in a page and as Pygments alone marks it up, each letter's look: the markup is shown in a second box.
LOOKS = """([markups, selector]) => {
    const looks = (pre) => {
        const texts = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT), found = [];
        while (texts.nextNode()) {
            const {color, fontWeight, fontStyle} = getComputedStyle(texts.currentNode.parentElement);
            for (const letter of texts.currentNode.data.replace(/\\s/g, ''))
                found.push([letter, color, fontWeight, fontStyle].join(' '));
        }
        return found;
    };
    return [...document.querySelectorAll(selector)].map((pre, i) => {
        const box = document.createElement('div');
        box.innerHTML = markups[i];
        document.querySelector('article').append(box);
        return [looks(pre), looks(box.querySelector('pre'))];
    });
}"""


@pytest.mark.parametrize("path", ["book/05_activations.html", "book/reference/api.html"])
@each_theme
def test_code_looks_as_pygments_alone_would_have_it(browser, html, path, scheme):
    """Though most of its spans are left out."""
    selector = "article .highlight-ipython3 pre, article .highlight-default pre"
    with opened(browser, (html / path).as_uri(), scheme) as page:
        page.add_style_tag(path=html / "_static" / "pygments.css")  # as no page uses all of its rules
        sources = page.locator(selector).all_text_contents()
        lexer = PythonConsoleLexer() if path.endswith("api.html") else IPython3Lexer()
        markups = [highlight(source, lexer, HtmlFormatter()) for source in sources]
        blocks = page.evaluate(LOOKS, [markups, selector])
    assert len(blocks) > 20
    for written, wanted in blocks:
        assert written == wanted
    assert len({look.split(" ", 1)[1] for _, wanted in blocks for look in wanted}) > 4


@each_page
@each_theme
def test_text_in_figures_stands_out_from_its_ground(visit, path, scheme):
    """axe does not judge text in SVG."""
    assert [text for text in visit(path, scheme)["contrasts"] if text[3] < 4.5] == []


@each_page
@each_theme
def test_figures_follow_the_theme(visit, path, scheme):
    colours = visit(path, scheme)["colours"]
    for name in (".fp-picture text", ".fp-table td", "figcaption", ".fp-listing"):
        assert all(is_light(colour) == (scheme == "dark") for colour in colours[name]), (name, colours[name])


def is_light(colour: str) -> bool:
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) > 3 * 128


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("width", [390, NARROW])
def test_nothing_is_read_sideways(visit, path, width):
    """390 px: a phone; 320 px: the width at which WCAG asks for text that needs no scrolling to the side."""
    assert visit(path)["widths"][width] <= width


@pytest.mark.parametrize("path", ALL)
def test_every_icon_is_drawn(visit, path):
    """Each icon of the theme's has a drawing of ours, and a size to be seen in."""
    icons = visit(path)["icons"]
    assert icons and [name for name, mask in icons if mask != 'url("data:'] == []


@each_page
def test_a_page_is_complete_without_javascript(visit, path):
    found = visit(path, "unscripted")
    text, ground = found["ground"]
    assert text != ground != "rgba(0, 0, 0, 0)"
    seen = found["visible"]
    assert not any(seen[".fp-controls"])
    assert seen["article h1"] == [True] and seen["nav.bd-links a"][0] and seen["article p"][0]
    # Figures stand at their start, and what they ask is answered.
    for name in (".fp-picture svg", ".fp-explore figcaption", ".fp-answer"):
        assert all(seen[name]), name
    assert not any(seen[".fp-guesses"]) and not any(seen[".fp-card"])


@pytest.mark.parametrize("path", ALL)
def test_no_button_does_nothing_without_javascript(visit, path):
    """The one that may stay opens its menu by itself."""
    for width, names in visit(path, "unscripted")["controls"].items():
        assert set(names) <= {"Download this page"}, width


def test_menu_and_downloads_are_in_reach_on_a_phone_without_javascript(browser, html):
    with opened(browser, (html / "book/02_shapes.html").as_uri(), width=390, java_script_enabled=False) as page:
        expect(page.locator("nav.bd-links a", has_text="Glossary")).to_be_visible()
        page.get_by_role("button", name="Download this page").focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=".ipynb")).to_be_focused()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_theme_is_dark_without_javascript_too(browser, html):
    text, ground = unscripted(browser, (html / "book/00_start.html").as_uri(), "dark")["ground"]
    assert text != ground != "rgba(0, 0, 0, 0)"


@each_page
def test_printing_leaves_the_pages_furniture_out(visit, path):
    printed = visit(path)["printed"]
    assert {name: any(printed[name]) for name in FURNITURE} == dict.fromkeys(FURNITURE, False)
    # The title stands once: in the article, or above a table of contents for paper.
    assert printed["h1"].count(True) == 1


def test_a_tree_of_calls_folds_and_prints_open(html, new_context):
    page = new_context(java_script_enabled=False).new_page()
    page.goto((html / "book/08_trace_your_own.html").as_uri())
    tree = page.locator(".fp-table:has(details)").first
    deep, rows = tree.locator("tr", has_text="stage1.conv1"), tree.locator("tbody tr")
    expect(deep).to_be_hidden()
    tree.locator("summary", has_text="stage1").click()
    expect(deep).to_be_visible()
    page.emulate_media(media="print")
    assert [row.is_visible() for row in rows.all()] == [True] * rows.count()


# Figures and formulas


@each_page
def test_every_picture_has_an_alt_text_of_its_own(visit, path):
    found = visit(path)
    assert [alt for alt in found["alts"] if len(alt) <= 20 or "/" in alt] == []
    names = found["names"]
    assert all(name and len(name) > 40 for name in names)
    assert len(set(names)) == len(names)
    assert found["drawings"] == found["named drawings"]


@each_page
def test_every_figure_shows_plain_torchs_numbers(visit, path, cohort_rows):
    truths = expected.of_page(path)
    assert visit(path)["values"] == (expected.called(truths.figures, cohort_rows) if truths else [])
    assert truths or visit(path)["explorables"] == []


@each_page
def test_every_formula_is_a_hidden_picture_beside_its_mathml(visit, path):
    found, written = visit(path), formulas(path)
    assert len(found["formulas"]) == len(written)
    for formula in found["formulas"]:
        assert formula["pictures"] == formula["mathml"] == 1 and formula["drawn"] > 0 and formula["box"] > 0
        assert formula["unseen"] == 1
        assert formula["fromAFont"] == formula["errors"] == 0
    # What a screen reader is given: role, and something to say.
    assert len(found["read out"]) == len(written) and all(text.strip() for text in found["read out"])
    blocks = sum(bool(block) for block, _ in written)
    assert found["blocks"] == [0] * blocks, "not each block can be scrolled by keyboard"


def test_there_are_formulas():
    assert {"01", "05", "06", "gr"} <= {path.removeprefix("book/")[:2] for path in WITH_FORMULAS}
    assert 20 < sum(len(formulas(path)) for path in WITH_FORMULAS) < 60


@each_page
def test_no_tex_shows_and_no_page_loads_mathjax(visit, html, path):
    found = visit(path)
    assert re.findall(r"\$|\\[A-Za-z(\[]", found["words"]) == []
    assert found["MathJax"] == "undefined" and found["TeX"] == 0
    assert not re.search(r"<script[^>]*mathjax|tex-\w+\.js|katex", (html / path).read_text(encoding="utf8"), flags=re.I)


@pytest.mark.parametrize("path", WITH_FORMULAS)
@each_theme
def test_a_formula_has_the_colour_of_the_text(visit, path, scheme):
    colours = visit(path, scheme)["colours"]
    (colour,) = colours["article mjx-container path"]
    assert colour == colours["article p"][0] and is_light(colour) == (scheme == "dark")


@pytest.mark.parametrize("path", WITH_FORMULAS)
def test_formulas_are_there_without_javascript_and_on_paper(visit, path):
    assert all(height > 10 for height in visit(path, "unscripted")["formula heights"])
