"""What every page of the built book lets a reader do: themes, search, keyboard, folds, links, menus, copies, paper."""

from contextlib import ExitStack

import pytest
from helpers import visits
from helpers.built_book import HTML, SIZES, wait_until_ready
from playwright.sync_api import expect


@pytest.fixture
def opened(browser, html):
    """Opens a page in a window of this theme and width, all of its folds unfolded."""
    with ExitStack() as contexts:
        yield lambda path, *setting, **options: contexts.enter_context(
            visits.opened(browser, (html / path).as_uri(), *setting, **options)
        )


@pytest.mark.parametrize("stored", [None, "light", "dark"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_paint_has_the_readers_theme(new_context, html, scheme, stored):
    """The theme before any deferred script has run: the reader's own choice, else the system's."""
    context = new_context(color_scheme=scheme)
    if stored:
        context.add_init_script(f"localStorage.setItem('mode', '{stored}')")
    page = context.new_page()
    page.route("**/*theme.js", lambda route: route.abort())  # the theme's own script never comes
    page.goto((html / "book/00_start.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == (stored or scheme)


def test_the_theme_can_be_switched(opened):
    page = opened("book/00_start.html")
    seen = []
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        seen.append(page.evaluate("document.documentElement.dataset.mode"))
        assert page.locator("button.theme-switch-button i:visible").count() == 1
    assert sorted(seen) == ["auto", "dark", "light"]


def search(page, word: str) -> None:
    page.locator("button.search-button__button:visible").first.click()
    field = page.locator("dialog input[type=search]")
    field.fill(word)
    field.press("Enter")
    page.wait_for_url("**/search.html?*")
    expect(page.locator(".search-summary")).to_contain_text("finished")


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize(("word", "found"), [("topological", "Glossary"), ("whiteboard", "The interview answer")])
def test_search_finds_by_file_and_quotes_what_it_finds(opened, width, word, found):
    page = opened("book/00_start.html", width=width)
    search(page, word)
    # A function of the package is described instead.
    expect(page.locator("#search-results li:not(:has(> .context, > span))")).to_have_count(0)
    result = page.locator("#search-results li", has_text=found).first
    expect(result.locator(".context .highlighted").first).to_have_text(word, ignore_case=True)
    assert page.errors == []
    result.locator("a").click()
    assert found in page.locator("h1").first.text_content()


def test_what_was_searched_for_is_marked_where_a_result_leads_and_nowhere_else(opened):
    page = opened("book/00_start.html")
    search(page, "topological")
    page.go_back()
    page.wait_for_url("**/00_start.html")
    assert page.locator(".highlight-link").count() == 0
    search(page, "topological")
    page.locator("#search-results a", has_text="Glossary").first.click()
    page.wait_for_url("**/glossary.html*")
    expect(page.locator("article .highlighted").first).to_have_text("Topological")
    hide = page.get_by_role("link", name="Hide Search Matches")
    assert hide.evaluate("(link) => getComputedStyle(link, '::before').content") == "none"
    hide.click()
    # The link's address is a script, which the browser runs after the click.
    expect(page.locator(".highlighted")).to_have_count(0)


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
    page = opened("book/02_shapes.html", scheme)
    for _ in range(40):
        page.keyboard.press("Tab")
        name, outline, shadow = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e); return [e.outerHTML.slice(0, 120), "
            "s.outlineStyle === 'none' ? 0 : parseFloat(s.outlineWidth), s.boxShadow]; })()"
        )
        assert outline >= 1 or shadow != "none", name


def test_code_can_be_copied(opened):
    page = opened("book/01_forward_pass.html", permissions=["clipboard-read", "clipboard-write"])
    cell = page.locator("div.cell").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_function("document.querySelector('button.copybtn').classList.contains('success')")
    assert page.evaluate("navigator.clipboard.readText()").strip() == cell.locator("pre").first.inner_text().strip()


def test_the_notebook_can_be_downloaded(opened):
    page = opened("book/01_forward_pass.html")
    link = page.locator("a.btn-download-source-button")
    assert link.get_attribute("href").endswith("01_forward_pass.ipynb")
    assert (HTML / "book" / link.get_attribute("href")).resolve().is_file()


def test_the_go_deeper_sections_are_folded_and_open_by_keyboard(page):
    page.open_page("book/02_shapes.html")
    folded = page.locator("details.go-deeper")
    assert folded.count() == 3
    assert not folded.first.locator("pre").first.is_visible()
    folded.first.locator("> summary").focus()
    page.keyboard.press("Enter")
    assert folded.first.locator("pre").first.is_visible()


def test_a_link_to_a_cell_opens_the_section_it_is_folded_in(page):
    cell = "04_autograd.html#mlp-cases"
    page.open_page("book/04_autograd.html")
    code = page.locator("#mlp-cases pre").first
    assert not code.is_visible()
    page.open_page("book/reference/misconceptions.html")
    page.locator(f"article a[href='../{cell}']").first.click()
    page.wait_for_url(f"**/{cell}")
    wait_until_ready(page)
    assert code.is_visible()
    expect(code).to_be_in_viewport()
    assert page.errors == []


@pytest.mark.parametrize("cell", ["ex-dead-units-solution", "imports"])
def test_a_link_to_a_folded_cell_unfolds_it(page, cell):
    page.open_page("book/05_activations.html")
    code = page.locator(f"#{cell} pre").first
    expect(code).to_be_hidden()
    page.open_page(f"book/05_activations.html#{cell}")
    expect(code).to_be_in_viewport()


def test_imports_open_by_keyboard(page):
    page.open_page("book/05_activations.html")
    fold = page.locator("details:has(#imports) > summary")
    expect(fold).to_have_text("Setup", use_inner_text=True)
    fold.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#imports pre")).to_be_visible()


def test_a_link_to_a_figure_leaves_its_code_folded(page):
    page.open_page("book/02_shapes.html#bytes-figure")
    expect(page.locator("#bytes-figure figure")).to_be_in_viewport()
    assert not page.locator("#bytes-figure .cell_input").is_visible()


def test_folded_code_is_found_by_its_text(page):
    """As the browser's own search finds it, a link to a text does: the fold opens."""
    page.open_page("book/05_activations.html#:~:text=def%20distribution_bench")
    expect(page.locator("pre", has_text="def distribution_bench")).to_be_in_viewport()


def test_folded_code_is_left_alone_until_it_is_unfolded_and_then_scrolls_by_keyboard(page):
    """The theme's script measures code, to make what scrolls a tab stop; the browser must lay it out for that."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.open_page("book/05_activations.html")
    fold = page.locator("details.hide", has_text="def distribution_bench")
    code = fold.locator("pre")
    page.wait_for_function("document.querySelector('pre[tabindex]')")
    assert code.get_attribute("tabindex") is None
    fold.locator("> summary").click()
    expect(code).to_have_attribute("tabindex", "0")


def test_menu_opens_on_a_phone(opened):
    page = opened("book/02_shapes.html", width=390)
    link = page.locator("nav a", has_text="Glossary").first
    expect(link).to_be_hidden()
    page.locator("button.primary-toggle").first.click()
    expect(link).to_be_visible()


def test_a_page_read_in_the_dark_prints_dark_on_white_and_is_dark_again(opened):
    page = opened("book/01_forward_pass.html", scheme="dark")
    page.evaluate("""() => addEventListener('beforeprint', () => {
        window.printed = ['.bd-article p', '.bd-article pre', '.fp-picture text'].map((name) => {
            const {color, fill} = getComputedStyle(document.querySelector(name));
            return (name.endsWith('text') ? fill : color).match(/[0-9.]+/g).slice(0, 3).map(Number);
        });
    })""")
    page.pdf()
    assert all(max(colour) < 90 for colour in page.evaluate("window.printed"))
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_paper_has_solutions_and_no_code_of_figures(page):
    page.open_page("book/01_forward_pass.html")
    page.emulate_media(media="print")
    solution, figure = page.locator(".tag_solution pre").first, page.locator(".tag_hide-input pre").first
    assert solution.evaluate("(e) => e.checkVisibility() && e.offsetHeight > 0") and not figure.is_visible()
    assert page.evaluate("""[...document.querySelectorAll('.bd-article pre')]
        .every((pre) => !pre.checkVisibility() || pre.scrollWidth <= pre.clientWidth)""")


def test_printing_shows_the_start_frame_and_no_controls(page):
    page.open_page("book/02_shapes.html")
    page.emulate_media(media="print")
    assert page.locator(".fp-picture svg").first.is_visible()
    assert not page.locator(".fp-controls").first.is_visible()
    assert page.locator(".fp-answer").first.is_visible()
    # Answers and "Go deeper" sections are read on paper too, whether or not they were opened.
    assert page.locator("article details.go-deeper p").first.evaluate(
        "(p) => p.checkVisibility() && p.offsetHeight > 0"
    )
