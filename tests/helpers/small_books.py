"""Small books under the real configuration, with the real extensions and a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from helpers.built_book import ROOT


def lay_out(book: Path, toc: str = "format: jb-book\nroot: book/page\n") -> Path:
    """All that a book needs, but its pages."""
    for name in ("book/_ext", "book/_static", "book/_templates", "fpcourse"):
        shutil.copytree(ROOT / name, book / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, book / name)
    (book / "_toc.yml").write_text(toc, encoding="utf8")
    return book


def write_notebook(file: Path, source: str, prose: str) -> None:
    cells = [nbformat.v4.new_markdown_cell(prose, id="prose"), nbformat.v4.new_code_cell(source, id="code")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)


def build(book: Path) -> subprocess.CompletedProcess:
    command = [os.path.join(os.path.dirname(sys.executable), "jupyter-book"), "build", "-n", "-W", "--keep-going", book]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
