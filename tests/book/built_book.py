"""Where the built book is, which pages it has, and when one is ready."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"


def pages() -> list[str]:
    """Every page by its path in the built folder, in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [f"{file}.html" for file in files]


def wait_until_ready(page) -> None:
    """An explorable is ready when its controls are shown."""
    page.wait_for_function("[...document.querySelectorAll('.fp-controls')].every((form) => !form.hidden)")
