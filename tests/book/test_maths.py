"""The formulas of the built pages: pictures made in the build, each with its MathML, and no script behind them."""

import importlib.util
import re

import pytest
from helpers.built_book import HTML, ROOT, pages
from helpers.notebooks import read
from helpers.prose import FORMULA

spec = importlib.util.spec_from_file_location("static_maths", ROOT / "book" / "_ext" / "static_maths.py")
static_maths = importlib.util.module_from_spec(spec)
spec.loader.exec_module(static_maths)


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


def test_there_are_formulas():
    assert {"00", "01", "04", "05", "06"} <= {path.removeprefix("book/")[:2] for path in WITH_FORMULAS}
    assert 20 < sum(len(formulas(path)) for path in WITH_FORMULAS) < 60


@pytest.mark.parametrize("path", pages())
def test_every_formula_is_a_hidden_picture_beside_its_mathml(page, path):
    page.open_page(path)
    page.locator("article details").evaluate_all("(all) => all.forEach((details) => { details.open = true; })")
    # The feedback of a question is hidden until it is answered.
    page.add_style_tag(content=".quiz > details { display: block !important; }")
    shown = page.locator("article mjx-container").evaluate_all(
        """(all) => all.map((formula) => ({
            pictures: formula.querySelectorAll(":scope > svg[aria-hidden=true]").length,
            drawn: formula.querySelectorAll("svg path").length,
            fromAFont: formula.querySelectorAll("svg text").length,
            unseen: formula.querySelector("mjx-assistive-mml")?.offsetHeight,
            mathml: formula.querySelectorAll(":scope > mjx-assistive-mml > math").length,
            box: formula.querySelector("svg").getBoundingClientRect().height,
            errors: formula.querySelectorAll("merror, [data-mml-node=merror], script, [id], [*|href]").length,
        }))"""
    )
    assert len(shown) == len(formulas(path))
    for formula in shown:
        assert formula["pictures"] == formula["mathml"] == 1 and formula["drawn"] > 0 and formula["box"] > 0
        assert formula["unseen"] == 1
        assert formula["fromAFont"] == formula["errors"] == 0
    # What a screen reader is given: role, and something to say.
    read_out = page.locator("article").get_by_role("math").all_text_contents()
    assert len(read_out) == len(shown) and all(text.strip() for text in read_out)
    boxes = page.get_by_role("group", name="Formula", exact=True).evaluate_all("(all) => all.map((e) => e.tabIndex)")
    assert boxes == [0] * sum(bool(block) for block, _ in formulas(path)), "not each block can be scrolled by keyboard"


@pytest.mark.parametrize("path", pages())
def test_no_tex_shows_and_no_page_loads_mathjax(page, path):
    page.open_page(path)
    text = page.locator("article").evaluate(
        """(article) => {
            const copy = article.cloneNode(true);
            copy.querySelectorAll("pre, code, script, style").forEach((code) => code.remove());
            return copy.textContent;
        }"""
    )
    assert re.findall(r"\$|\\[A-Za-z(\[]", text) == []
    assert page.evaluate("typeof MathJax") == "undefined"
    assert page.locator("article .math").count() == 0
    assert not re.search(r"<script[^>]*mathjax|tex-\w+\.js|katex", (HTML / path).read_text(encoding="utf8"), flags=re.I)


@pytest.mark.parametrize("path", WITH_FORMULAS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_formula_has_the_colour_of_the_text(browser, html, path, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto((html / path).as_uri())
    page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
    text = page.locator("article p").first.evaluate("(p) => getComputedStyle(p).color")
    fills = page.locator("article mjx-container path").evaluate_all(
        "(all) => [...new Set(all.map((path) => getComputedStyle(path).fill))]"
    )
    assert fills == [text]
    assert (sum(map(int, re.findall(r"\d+", text)[:3])) > 3 * 128) == (scheme == "dark")
    context.close()


@pytest.mark.parametrize("path", WITH_FORMULAS)
def test_formulas_are_there_without_javascript_and_on_paper(browser, html, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / path).as_uri())
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert page.locator("article .formula svg").first.bounding_box()["height"] > 10
    context.close()


@pytest.mark.parametrize(
    ("tex", "fault"),
    [
        (r"\frac{1}{2", "Missing close brace"),
        (r"\nosuch", r"Undefined control sequence \\nosuch"),
        ("x^2^3", "Double exponent"),
        (r"\begin{nosuch} x \end{nosuch}", "Unknown environment"),
        (r"\text{ŷ}", "not in MathJax's font"),
    ],
)
def test_what_mathjax_cannot_show_is_an_error(tex, fault):
    with pytest.raises(ValueError, match=fault):
        static_maths.typeset(tex, True)


def test_a_formula_is_the_same_whatever_came_before():
    first = static_maths.typeset("x^2", False)
    static_maths.typeset.cache_clear()
    with pytest.raises(ValueError):
        static_maths.typeset(r"\frac", False)
    static_maths.typeset(r"\frac{x}{y}", True)
    assert static_maths.typeset("x^2", False) == first
    assert static_maths.typeset("x^2", True) != first
