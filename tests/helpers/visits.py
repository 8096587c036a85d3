"""What a browser finds on a page of the built book: one visit a page and theme answers all questions about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from helpers.built_book import NARROW, PATIENCE, SIZES, record, violations, wait_until_ready

UNFOLD = "document.querySelectorAll('details:not(.fp-menu)').forEach((fold) => { fold.open = true; })"
# axe takes most of its time for the thousands of spans of highlighted code; their colours are judged on a specimen.
FLATTEN = "document.querySelectorAll('div.highlight pre').forEach((pre) => { pre.textContent = pre.textContent; })"
# The theme's script makes unfolded code a tab stop a moment after it was unfolded.
TAB_STOPS = "[...document.querySelectorAll('pre:not([tabindex])')].every((pre) => !pre.checkVisibility())"
WITHOUT_SCRIPTS = ("article h1", "nav.bd-links a", "article p", ".fp-picture svg", ".fp-explore figcaption",
                   ".fp-answer", ".fp-controls", ".fp-guesses", ".fp-card")  # fmt: skip
FORMULA = "document.querySelector('article .formula svg')?.getBoundingClientRect().height"
FURNITURE = (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-footer")

# Each text in a figure: its words, its colour, what is filled below it, and the contrast of the two.
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
    const texts = [...document.querySelectorAll('.fp-picture svg text')].filter((text) => text.checkVisibility());
    return texts.map((text) => {
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

COLOURS = """() => Object.fromEntries(
    ['.fp-picture text', '.fp-table td', 'figcaption', '.fp-listing', 'article p', 'article mjx-container path'].map(
        (name) => [name, [...new Set([...document.querySelectorAll(name)].map(
            (e) => getComputedStyle(e)[e.namespaceURI.endsWith('svg') ? 'fill' : 'color']))]]))"""

FORMULAS = """() => [...document.querySelectorAll('article mjx-container')].map((formula) => ({
    pictures: formula.querySelectorAll(':scope > svg[aria-hidden=true]').length,
    drawn: formula.querySelectorAll('svg path').length,
    fromAFont: formula.querySelectorAll('svg text').length,
    unseen: formula.querySelector('mjx-assistive-mml')?.offsetHeight,
    mathml: formula.querySelectorAll(':scope > mjx-assistive-mml > math').length,
    box: formula.querySelector('svg').getBoundingClientRect().height,
    errors: formula.querySelectorAll('merror, [data-mml-node=merror], script, [id], [*|href]').length,
}))"""

WORDS = """() => {
    const copy = document.querySelector('main').cloneNode(true);
    copy.querySelectorAll('pre, code, script, style').forEach((code) => code.remove());
    return copy.textContent;
}"""

IN_EACH_THEME = {"contrasts": CONTRASTS, "colours": COLOURS}

IN_LIGHT = {
    "alts": "[...document.querySelectorAll('article img')].map((image) => image.alt)",
    "names": """[...document.querySelectorAll('article [role=img]:not([aria-hidden=true])')]
        .map((e) => e.getAttribute('aria-label'))""",
    # Inline SVG outside a named figure would be a picture without a name; a button's icon is none.
    "drawings": "document.querySelectorAll('article .cell_output svg:not(button svg)').length",
    "named drawings": "document.querySelectorAll('article .cell_output [role=img] svg').length",
    "values": """[...document.querySelectorAll('figure.fp-view:not(.fp-explore *)')]
        .map((figure) => JSON.parse(figure.querySelector('.fp-values').textContent))""",
    "explorables": "[...document.querySelectorAll('.fp-explore')].map((root) => root.id)",
    "icons": """[...document.querySelectorAll("[class*='fa-']")]
        .map((icon) => [icon.className, getComputedStyle(icon).maskImage.slice(0, 10)])""",
    "words": WORDS,
    "elements": "document.querySelectorAll('*').length",
    "MathJax": "typeof MathJax",
    "TeX": "document.querySelectorAll('article .math').length",
}

# Of the page as it was written, before any script.
UNSCRIPTED = {
    "ids": "[...document.querySelectorAll('[id]')].map((e) => e.id)",
    # What a page loads; links that a reader follows may lead out of the book.
    "addresses": """[...document.querySelectorAll(`:is(script, iframe, audio, video, embed, img, source)[src],
        [srcset], use, image, object, link:not(:is(
            [rel=canonical], [rel=author], [rel=index], [rel=search], [rel=next], [rel=prev]))`)]
        .flatMap((e) => ['src', 'srcset', 'href', 'xlink:href', 'data'].map((name) => e.getAttribute(name)))
        .filter(Boolean)""",
    "ground": """(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))""",
}

CONTROLS = """() => [...document.querySelectorAll('button, input, select, textarea, [onclick]')]
    .filter((e) => e.checkVisibility({visibilityProperty: true})).map((e) => e.ariaLabel || e.title || e.innerText)"""


@contextmanager
def opened(browser: Browser, address: str, scheme: str = "light", width: int = 1280, **options) -> Iterator[Page]:
    """The page in a window of this width and theme, all of its folds unfolded; its requests and errors are recorded."""
    size = {"width": width, "height": SIZES[width]}
    with browser.new_context(viewport=size, color_scheme=scheme, **options) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        record(page)
        page.goto(address)
        if options.get("java_script_enabled", True):
            wait_until_ready(page)
            page.wait_for_function("document.documentElement.dataset.theme !== 'auto'")
        page.evaluate(UNFOLD)
        if options.get("java_script_enabled", True):
            page.wait_for_function(TAB_STOPS)
        yield page


def answers(page: Page, questions: dict[str, str]) -> dict:
    return {name: page.evaluate(question) for name, question in questions.items()}


def visible(page: Page, *selectors: str) -> dict[str, list[bool]]:
    """Of each selector, which of its elements can be seen."""
    seen = """(all) => all.map((e) => e.checkVisibility({visibilityProperty: true})
        && e.getBoundingClientRect().height > 0)"""
    return {selector: page.locator(selector).evaluate_all(seen) for selector in selectors}


def formulas(page: Page) -> dict:
    """The formulas, and what a screen reader is given of them."""
    # The feedback of a question is hidden until it is answered.
    style = page.add_style_tag(content=".quiz > details { display: block !important; }")
    found = {
        "formulas": page.evaluate(FORMULAS),
        "read out": page.locator("article").get_by_role("math").all_text_contents(),
        "blocks": page.get_by_role("group", name="Formula", exact=True).evaluate_all(
            "(all) => all.map((block) => block.tabIndex)"
        ),
    }
    style.evaluate("(style) => style.remove()")
    return found


def flat_violations(page: Page) -> list[tuple[str, list[str]]]:
    page.evaluate(FLATTEN)
    return violations(page)


def in_light(browser: Browser, address: str) -> dict:
    with opened(browser, address) as page:
        found = answers(page, IN_EACH_THEME | IN_LIGHT) | formulas(page)
        found |= {"requests": [*page.requests], "errors": [*page.errors]}  # without those of what follows
        found["violations"] = flat_violations(page)
        found["widths"] = {}
        for width in (390, NARROW):
            page.set_viewport_size({"width": width, "height": 844})
            found["widths"][width] = page.evaluate("document.documentElement.scrollWidth")
        page.set_viewport_size({"width": 1280, "height": SIZES[1280]})
        page.emulate_media(media="print")
        return found | {"printed": visible(page, *FURNITURE, "h1")}


def in_dark(browser: Browser, address: str) -> dict:
    with opened(browser, address, "dark") as page:
        return answers(page, IN_EACH_THEME) | {"errors": page.errors}


def unscripted(browser: Browser, address: str, scheme: str = "light") -> dict:
    with opened(browser, address, scheme, java_script_enabled=False) as page:
        found = answers(page, UNSCRIPTED) | {"visible": visible(page, *WITHOUT_SCRIPTS)}
        on_screen = page.evaluate(FORMULA)
        found["controls"] = {}
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            found["controls"][width] = page.evaluate(CONTROLS)
        page.emulate_media(media="print")
        return found | {"formula heights": [on_screen, page.evaluate(FORMULA)]}


VISITS = {"light": in_light, "dark": in_dark, "unscripted": unscripted}
