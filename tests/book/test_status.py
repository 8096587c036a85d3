"""The status page and the day on each page, held against the built files, the environment and git."""

import gzip
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helpers.built_book import HTML, ROOT, pages

PAGE = "book/reference/status.html"


def git(*arguments: str) -> str:
    """What git says, or nothing where it cannot."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def tables(page) -> list[dict[str, list[str]]]:
    """The rows of each table by what stands first in them."""
    page.open_page(PAGE)
    return page.locator("article table").evaluate_all(
        """(all) => all.map((table) => Object.fromEntries([...table.querySelectorAll('tbody tr')].map((row) =>
            [...row.cells].map((cell) => cell.innerText)).map(([first, ...others]) => [first, others])))"""
    )


def kib(*files: Path) -> int:
    return round(sum(len(gzip.compress(file.read_bytes())) for file in files) / 1024)


def test_it_says_what_was_built_when_and_with_what(page):
    import ipywidgets
    import matplotlib
    import torch

    made = {name: text for name, [text] in tables(page)[0].items()}
    assert made["Python"] == sys.version.split()[0]
    for module in (torch, matplotlib, ipywidgets):
        assert made[module.__name__] == module.__version__
    built = datetime.strptime(made["built on"].rpartition(" ")[0], "%d %B %Y, %H:%M")
    written = datetime.fromtimestamp((HTML / PAGE).stat().st_mtime)
    assert abs((written - built).total_seconds()) < 300
    assert made["commit"].startswith(git("rev-parse", "--short", "HEAD") or "not known")
    measured = (ROOT / "benchmarks" / "tracing.md").read_text(encoding="utf8").partition(" with")[0]
    assert measured == f"M{made['benchmark'][1:].partition(':')[0]}" and len(measured) > 20


def test_it_counts_what_pytest_collects(page):
    counts = {where: int(count) for where, [count] in tables(page)[1].items()}
    collect = [sys.executable, "-m", "pytest", "--collect-only", "tests/plots", "book/00_start.ipynb"]
    found = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    functions = {line.partition("[")[0] for line in found if line.startswith("tests/plots/")}
    assert len(functions) == counts["tests/plots/"] > 20
    notebooks = {path.stem: path.read_text(encoding="utf8") for path in ROOT.glob("book/*.ipynb")}
    cells = {name: text.count('"cell_type": "code"') for name, text in notebooks.items()}
    assert sum(line.startswith("book/") for line in found) == cells["00_start"]
    assert counts["code cells in book/"] == sum(cells.values())
    assert counts.keys() == {
        "tests/",
        "tests/book/",
        "tests/checks/",
        "tests/interview/",
        "tests/notebooks/",
        "tests/plots/",
        "code cells in book/",
    }


def test_it_gives_each_page_its_run_time_and_size(page):
    rows = tables(page)[2]
    loaded = {Path(urlsplit(url).path) for url in page.requests}
    shared = kib(*(file for file in loaded if file.suffix in {".css", ".js"}))
    assert rows.popitem() == ("loaded by all pages", ["–", f"{shared}"])
    for path in pages():
        page.open_page(path)
        seconds, size = rows.pop(page.locator("h1").first.inner_text().rstrip("#"))
        assert abs(int(size) - kib(HTML / path)) <= (path == PAGE)  # it was weighed before its own numbers were in
        assert int(seconds) > 0 if (ROOT / path).with_suffix(".ipynb").exists() else seconds == "–"
    assert rows == {}


@pytest.mark.parametrize("path", pages())
def test_a_page_ends_with_the_day_of_its_last_commit(page, path):
    page.open_page(path)
    [source] = [file for file in ROOT.glob(path.replace(".html", ".*")) if file.suffix in {".md", ".ipynb"}]
    known = git("rev-parse", "--is-shallow-repository") == "false"
    day = git("log", "-1", "--format=%cs", "--", str(source)) if known else ""
    shown = page.locator(".last-updated")
    assert shown.count() == bool(day)
    if day:
        said = datetime.strptime(shown.inner_text().strip(), "Last updated on %d %B %Y.")
        # What these pages document or include may have changed after their own text.
        includes = Path(path).stem in {"api", "benchmark", "status", "10_practice", "question_sheet"}
        assert said == datetime.fromisoformat(day) or (includes and said > datetime.fromisoformat(day))
