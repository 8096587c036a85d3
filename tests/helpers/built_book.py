"""Where the built book is, which pages it has, and when a page is ready."""

from pathlib import Path

import yaml
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
SIZES = {1280: 900, 390: 844}  # windows of a laptop and of a phone
PATIENCE = 120_000  # milliseconds to wait for a state, as a busy machine is not a failure
A_TICK = 1500  # milliseconds in which a playing explorable steps once
NARROW = 320  # at which WCAG asks for text that needs no scrolling to the side


def _toc() -> dict:
    return yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))


def pages() -> list[str]:
    """Every page by its path in the built folder, in the order of the table of contents."""
    toc = _toc()
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [f"{file}.html" for file in files]


def main_path() -> dict[str, str]:
    """The pages of the main path in order, by their names; with each the number of its chapter, or "Start"."""
    toc = _toc()
    chapters = {Path(page["file"]).name: page["title"].split()[0] for page in toc["parts"][0]["chapters"]}
    return {Path(toc["root"]).name: "Start", **chapters}


def wait_until_ready(page) -> None:
    """Once each figure that moves can be moved."""
    page.wait_for_function("document.querySelector('.fp-explore:not(.fp-live), .fp-network:not(.fp-live)') === null")


def revisit(page) -> None:
    """Open the page once more, and again until it has begun with the record it left.

    A browser hands the record on late, and on a busy machine it may lose it on the way.
    """
    kept = page.evaluate("localStorage.getItem('fpcourse.record')")
    page.add_init_script("window.recordAtFirst = localStorage.getItem('fpcourse.record')")
    for _ in range(100):
        page.reload()
        if page.evaluate("window.recordAtFirst") == kept:
            return
        if kept is not None:
            page.evaluate("(record) => localStorage.setItem('fpcourse.record', record)", kept)
        page.wait_for_timeout(100)
    raise AssertionError(f"a page that is opened again does not begin with the record it left: {kept}")


def press(explorable, what: str) -> None:
    """One of an explorable's buttons, those in its menu too."""
    button = explorable.locator(f"[data-do={what}]")
    if not button.is_visible():
        explorable.locator(".fp-menu > summary").click()
    button.click()


def stop_clock(page) -> None:
    """From now on the page's clock, which was installed before, moves by ``page.clock.run_for`` alone."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)


def record(page) -> None:
    """Keep what the page asks for, and what goes wrong on it."""
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)


def violations(page, part: str | None = None) -> list[tuple[str, list[str]]]:
    """What axe finds on a page, or a part of it, by WCAG 2.2 AA and good practice: each rule with the elements."""
    # From the top, as a target that the header covers in part is too small for axe.
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = Axe().run(page, context=part, options=options).response["violations"]
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]
