"""Small books under the real configuration, with the real extensions and a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from helpers.built_book import ROOT


def lay_out(book: Path, toc: str) -> Path:
    """All that a book needs, but its pages."""
    for name in ("book/_ext", "book/_static", "book/_templates", "fpcourse"):
        shutil.copytree(ROOT / name, book / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, book / name)
    (book / "_toc.yml").write_text(toc, encoding="utf8")
    return book


def write_notebook(file: Path, cells, code: str = "1 + 1") -> None:
    """A notebook of these cells, each an id and a text; where there is no text, a cell of code."""
    made = [
        nbformat.v4.new_code_cell(code, id=name) if text is None else nbformat.v4.new_markdown_cell(text, id=name)
        for name, text in cells
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=made), file)


def question(label="Predict first", name="a", right=2, options=("one", "two", "three"), text="What?") -> str:
    """A question each of whose feedbacks names the question and the option."""
    feedback = [
        f"{'**Right.** As' if at == right else 'Tempting, as'} {name}{at}." for at in range(1, len(options) + 1)
    ]
    listed = ["\n".join(f"{at}. {item}" for at, item in enumerate(items, 1)) for items in (options, feedback)]
    fold = f"<details>\n<summary>Answer</summary>\n\n{listed[1]}\n\n</details>"
    return f"**{label}.** {text} ({name})\n\n{listed[0]}\n\n{fold}"


def build(book: Path) -> subprocess.CompletedProcess:
    command = [os.path.join(os.path.dirname(sys.executable), "jupyter-book"), "build", "-n", "-W", "--keep-going", book]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
