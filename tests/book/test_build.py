"""The build itself: what must fail fails, each time, and what has changed is executed again."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from built_book import ROOT

COUNTING = "import time; print('ran at', time.time_ns())"
EXPLORABLE = """\
from matplotlib.figure import Figure
from fpcourse import View, explore

def draw(n):
    if n == {broken}:
        raise ValueError("no such wave")
    return View(Figure(figsize=(1, 1)), "A caption.", "An empty figure.", {{"n": n}})

explore(draw, {{"n": [1, 2, 3]}})
"""


@pytest.fixture
def small_book(tmp_path):
    """A book of one notebook under the real configuration and extensions, with a copy of the package to change."""
    for name in ("book/_ext", "book/_static", "fpcourse"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", encoding="utf8")
    return tmp_path


def write_page(book, source=COUNTING, prose="# A page\n\nText."):
    cells = [nbformat.v4.new_markdown_cell(prose, id="prose"), nbformat.v4.new_code_cell(source, id="code")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "book" / "page.ipynb")


def build(book) -> subprocess.CompletedProcess:
    command = [os.path.join(os.path.dirname(sys.executable), "jupyter-book"), "build", "-n", "-W", "--keep-going", book]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})


def built_text(book) -> str:
    return (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"prose": "# A page\n\n[a link](nowhere.md)"}, "nowhere.md"),
        ({"prose": "# A page\n\n[a run](page.ipynb#coed)"}, "'coed'"),
        ({"prose": "# A page\n\n## Code"}, "cell 'code' has the id of a heading"),
        ({"source": "raise ValueError('a broken cell')"}, "a broken cell"),
        ({"source": EXPLORABLE.format(broken=3)}, "no such wave"),
    ],
    ids=["missing reference", "missing cell", "a cell's id twice", "failing cell", "failing frame"],
)
def test_a_failing_build_fails_again_unchanged(small_book, page, message):
    write_page(small_book, **page)
    for _ in range(2):
        done = build(small_book)
        assert done.returncode != 0
        assert message in done.stdout + done.stderr
    write_page(small_book)
    assert build(small_book).returncode == 0


def test_a_cell_can_be_linked_to_by_its_id(small_book):
    write_page(small_book, prose="# A page\n\n[a run](page.ipynb#code), [the same](#code)")
    assert build(small_book).returncode == 0
    assert built_text(small_book).count('href="#code"') == 2
    assert built_text(small_book).count(' id="code"') == 1


def test_a_failing_frame_is_named(small_book):
    write_page(small_book, EXPLORABLE.format(broken=2))
    done = build(small_book)
    assert "raised by draw(n=2)" in done.stdout + done.stderr


def test_notebooks_run_again_after_a_change_in_the_package_and_not_otherwise(small_book):
    write_page(small_book)
    assert build(small_book).returncode == 0
    first = built_text(small_book)
    assert "ran at" in first
    assert build(small_book).returncode == 0
    assert built_text(small_book) == first
    for changed in ("fpcourse/plots.py", "book/_ext/go_deeper.py"):
        with (small_book / changed).open("a", encoding="utf8") as source:
            source.write("\n# changed\n")
        assert build(small_book).returncode == 0
        assert built_text(small_book) != first
        first = built_text(small_book)


def test_the_kernels_of_the_build_are_static(small_book):
    write_page(small_book, EXPLORABLE.format(broken=9))
    assert build(small_book).returncode == 0
    assert 'class="fp-explore"' in built_text(small_book)
    assert "FPCOURSE_STATIC" not in os.environ


IN_PIECES = """\
import sys, time
for piece in ("one ", "line\\n", "and another\\n"):
    print(piece, end="", flush=True)
    time.sleep(0.5)
"""


def test_what_a_cell_prints_in_pieces_stands_in_one_box(small_book):
    write_page(small_book, IN_PIECES)
    assert build(small_book).returncode == 0
    assert built_text(small_book).count("one line\nand another\n") == 1
