"""What the README shows, made from today's book: python tools/readme.py prints the numbers and takes the picture.

The numbers are those of one patient of the clinic's trained network; the picture is a page of the built book.
"""

import torch
from browser import FLAGS, launch_options
from playwright.sync_api import sync_playwright
from refresh import ROOT

from fpcourse import case, patients

PICTURE = ROOT / "book" / "_static" / "readme.png"
PAGE = ROOT / "_build" / "html" / "book" / "06_modes.html"
FIGURE = "#explore-switchboard"
FORGOTTEN = 20  # calls in train mode


def risks() -> list[float]:
    """The risk of patient 0 in a batch of 16: in eval mode, in two calls of train mode, and in eval mode after more."""
    model, X = case(1).healthy.eval(), patients(16, seed=0).X

    def risk() -> float:
        with torch.no_grad():
            return torch.sigmoid(model(X)[0, 0]).item()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        before = risk()
        model.train()
        forgotten = [risk() for _ in range(FORGOTTEN)]
        model.eval()
    return [before, *forgotten[:2], risk()]


def take_picture() -> None:
    """The switchboard, as a reader on a laptop sees it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=FLAGS, **launch_options(playwright))
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(f"{PAGE.as_uri()}{FIGURE}?context=no_grad")
        page.wait_for_selector(f"{FIGURE}.fp-live")
        page.wait_for_selector(f"{FIGURE} [data-name=context] label:has-text('no_grad') :checked")
        page.evaluate("(name) => scrollBy(0, document.querySelector(name).getBoundingClientRect().top - 60)", FIGURE)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    print("README.md should say:", *(f"{value:.3f}" for value in risks()))
    take_picture()
    print(PICTURE)
