"""The build itself: what must fail fails, each time, and what has changed is executed again."""

import os
import re
import subprocess

import pytest
from helpers.small_books import build, lay_out, write_notebook
from last_updated import last_commits

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
    return lay_out(tmp_path)


def write_page(book, source=COUNTING, prose="# A page\n\nText."):
    write_notebook(book / "book" / "page.ipynb", source, prose)


def built_text(book) -> str:
    return (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"prose": "# A page\n\n[a link](nowhere.md)"}, "nowhere.md"),
        ({"prose": "# A page\n\n[a run](page.ipynb#coed)"}, "'coed'"),
        ({"prose": "# A page\n\n## Code"}, "cell 'code' has the id of a heading"),
        (
            {"prose": "# A page\n\nIt is $\\frac{1$."},
            "page.ipynb:10004: WARNING: formula '\\\\frac{1': Missing close brace",
        ),
        ({"prose": "# A page\n\n$$\nx\n$$ (a)"}, "formula 'x': formulas have no numbers here"),
        ({"prose": "# A page\n\n![](../_static/readme.png)"}, "has no alt text"),
        ({"source": "raise ValueError('a broken cell')"}, "a broken cell"),
        ({"source": EXPLORABLE.format(broken=3)}, "no such wave"),
    ],
    ids=[
        "missing reference",
        "missing cell",
        "a cell's id twice",
        "broken formula",
        "numbered formula",
        "picture without words",
        "failing cell",
        "failing frame",
    ],
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


MATHS = """# A page

One <span id="line"></span>$x$ a line. It costs $5 and $6.

$$
y = a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p + q + r + s + t + u + v + w + x
$$
"""


def test_formulas_stand_on_the_line_and_scroll_where_they_are_wide(small_book, browser):
    write_page(small_book, prose=MATHS)
    assert build(small_book).returncode == 0
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto((small_book / "_build" / "html" / "book" / "page.html").as_uri())
    assert "It costs $5 and $6." in page.locator("article").inner_text()
    line, x, ex = page.evaluate(
        """() => {
            const mark = document.getElementById("line");
            mark.style.cssText = "display: inline-block; width: 1ex";
            const x = mark.nextElementSibling.querySelector("path").getBoundingClientRect();
            const { bottom, width } = mark.getBoundingClientRect();
            return [bottom, x, width];
        }"""
    )
    # MathJax's x is 442 units high and hangs 11 below the line: a little more than the text's.
    assert abs(x["height"] / ex - 453 / 442) < 0.05
    assert abs(x["bottom"] - line) < 1
    formula = page.locator(".formula")
    assert formula.evaluate("(box) => box.scrollWidth > box.clientWidth + 100")
    assert formula.evaluate("(box) => box.scrollHeight === box.clientHeight")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for _ in range(40):
        page.keyboard.press("Tab")
        if formula.evaluate("(box) => box === document.activeElement"):
            break
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "document.activeElement.matches('.formula') && document.activeElement.scrollLeft > 0",
        timeout=5000,
    )
    context.close()


def git(folder, *arguments, **environment):
    author = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], cwd=folder, check=True, env={**os.environ, **nothing, **author, **environment})


def test_a_page_says_when_it_was_last_changed_where_git_knows(small_book, monkeypatch):
    write_page(small_book)
    assert build(small_book).returncode == 0
    assert "Last updated" not in built_text(small_book)
    git(small_book, "init", "-q")
    git(small_book, "add", "book/page.ipynb")
    git(small_book, "commit", "-qm", "The page", GIT_COMMITTER_DATE="2020-02-03T12:00:00")
    git(small_book, "commit", "-qm", "Another thing", "--allow-empty", GIT_COMMITTER_DATE="2021-02-03T12:00:00")
    before = built_text(small_book)
    assert build(small_book).returncode == 0
    after = built_text(small_book)
    assert "Last updated on 3 February 2020." in after
    ran_at = [text.partition("ran at")[2][:30] for text in (before, after)]
    assert ran_at[0] and ran_at[0] == ran_at[1]  # written again, not run again
    assert [str(day) for day in last_commits(small_book).values()] == ["2020-02-03"]
    git(small_book.parent, "clone", "-q", "--depth=1", small_book.as_uri(), "shallow")
    assert (small_book.parent / "shallow" / "book" / "page.ipynb").is_file()
    assert last_commits(small_book.parent / "shallow") == {}
    monkeypatch.setenv("PATH", "")
    assert last_commits(small_book) == {}


def test_the_status_page_is_of_this_build_and_no_notebook_is_run_for_it(small_book):
    write_page(small_book)
    chapters = "parts:\n  - caption: Reference\n    chapters:\n      - file: book/status\n"
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/page\n" + chapters, encoding="utf8")
    tables = "\n".join(f"```{{this-build}} {name}\n```\n" for name in ("tests", "pages"))
    (small_book / "book" / "status.md").write_text(f"# Status\n\n{tables}", encoding="utf8")
    (small_book / "tests").mkdir()
    for count in (1, 2):
        text = "".join(f"def test_{i}(): ...\n" for i in range(count))
        (small_book / "tests" / "test_it.py").write_text(text, encoding="utf8")
        before = built_text(small_book).partition("ran at")[2][:30] if count == 2 else ""
        assert build(small_book).returncode == 0
        status = (small_book / "_build" / "html" / "book" / "status.html").read_text(encoding="utf8")
        cells = re.findall(r"<td[^>]*>(?:<p>)?(.*?)(?:</p>)?</td>", status)
        assert cells[cells.index(next(cell for cell in cells if "tests/" in cell)) + 1] == str(count)
        assert "data-place" not in status
    assert before and built_text(small_book).partition("ran at")[2][:30] == before
