"""The README: the numbers it opens with are a run's, its table of pages is the book's, as is the start page's."""

import re

import pytest
from helpers.built_book import pages
from helpers.notebooks import read
from readme import risks
from refresh import NOTEBOOKS, ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf8")
IN_ORDER = sorted(NOTEBOOKS, key=lambda path: pages().index(path.relative_to(ROOT).with_suffix(".html").as_posix()))
MINUTES = {path.stem: re.search(r"\*(\d+) minutes", read(path).cells[0].source)[1] for path in IN_ORDER}


def test_it_opens_with_a_run():
    shown = [float(number) for number in re.findall(r"(?:# |, then )(0\.\d+)", TEXT)]
    # The last digit depends on the processor, on which the network is trained anew.
    assert shown == pytest.approx(risks(), abs=0.005)
    assert f"says that one patient's risk, in a batch of 16, is {shown[0]:.3f}" in TEXT


def test_the_minutes_are_the_pages_own():
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", TEXT, flags=re.M)
    assert [minutes for _, minutes in rows] == list(MINUTES.values())
    start = "\n".join(cell.source for cell in read(NOTEBOOKS[0]).cells)
    assert MINUTES.items() >= dict(re.findall(r"^\| \[.+\]\((\w+)\.ipynb\) \| (\d+) \|", start, flags=re.M)).items()


def test_it_is_short():
    assert len(TEXT.splitlines()) < 100
