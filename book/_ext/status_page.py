"""The status page says of the build that makes it: what was built, when and with what; its tests; what each page took.

``{this-build}`` writes a table into the page. The page is read anew at each build, and no other page for its sake. Run
times and sizes are known once all pages are written: the table holds a place for each, filled in at the end. (MyST-NB's
own table of run times, ``nb-exec-table``, names files instead of pages, and says by emoji that no notebook failed.)
"""

import gzip
import json
import platform
import re
from collections import Counter
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from last_updated import git
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util.docutils import SphinxDirective

VERSIONS = ("fpcourse", "torch", "matplotlib", "ipywidgets", "jupyter-book", "sphinx-book-theme")
PLACE = '<span data-place="{}"></span>'
LOADED = re.compile(r'(?:<(?:link|script)\b[^>]*?\b(?:href|src)=|@import )"([^":?]+\.(?:css|js))\b')


def made(root: Path, env) -> list[tuple]:
    """When the book was built and from what, with which versions, and when the committed benchmark was run."""
    now = datetime.now().astimezone()
    commit = git(root, "log", "-1", "--format=%h of %cs") or "not known: built without git's history"
    changed = ", and changes that are not committed" if git(root, "status", "--porcelain") else ""
    measured = re.match(r"Measured on (.+?) with", (root / "benchmarks/tracing.md").read_text(encoding="utf8"))[1]
    rows = [
        ("built on", f"{now.day} {now:%B %Y, %H:%M %Z}"),
        ("commit", commit + changed),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in VERSIONS),
        ("benchmark", f"measured on {measured}: [What a trace costs](benchmark.md)"),
    ]
    return [("what", "this build"), ("---", "---"), *rows]


def tests(root: Path, env) -> list[tuple]:
    """How many test functions stand in the files of each folder, and how many cells the notebooks have."""
    counts: Counter[str] = Counter()
    for file in sorted(root.glob("tests/**/test_*.py")):
        found = re.findall(r"^def test_", file.read_text(encoding="utf8"), flags=re.M)
        counts[f"`{file.parent.relative_to(root).as_posix()}/`"] += len(found)
    notebooks = [json.loads(file.read_text(encoding="utf8")) for file in root.glob("book/*.ipynb")]
    cells = sum(cell["cell_type"] == "code" for notebook in notebooks for cell in notebook["cells"])
    return [("where", "tests"), ("---", "---:"), *counts.items(), ("code cells in `book/`", cells)]


def pages(root: Path, env) -> list[tuple]:
    """Places for the run time and the size of each page, and for the size of what all pages load."""
    rows = [("page", "run, seconds", "size, KiB"), ("---", "---:", "---:")]
    for page in sorted(env.found_docs):
        link = f"[](/{env.doc2path(page, base=False)})"
        rows.append((link, PLACE.format(f"{page} seconds"), PLACE.format(f"{page} KiB")))
    return [*rows, ("loaded by all pages", "–", PLACE.format("shared KiB"))]


class ThisBuild(SphinxDirective):
    required_arguments = 1

    def run(self):
        self.env.note_reread()
        table = {"made": made, "tests": tests, "pages": pages}[self.arguments[0]]
        rows = table(Path(self.env.srcdir), self.env)
        return self.parse_text_to_nodes("\n".join(f"| {' | '.join(map(str, row))} |" for row in rows))


def kib(*files: Path) -> str:
    return f"{sum(len(gzip.compress(file.read_bytes())) for file in files) / 1024:.0f}"


def loaded(file: Path) -> set[Path]:
    """The style sheets and scripts that a page, or a style sheet, names, and those that they name."""
    named = {(file.parent / address).resolve() for address in LOADED.findall(file.read_text(encoding="utf8"))}
    return named.union(*(loaded(sheet) for sheet in named if sheet.suffix == ".css"))


def fill_in(app, exception):
    for status in () if exception else app.env.reread_always:
        written = Path(app.builder.get_outfilename(status))
        facts = {"shared KiB": kib(*loaded(written))}
        for page in app.env.found_docs:
            run = NbMetadataCollector.get_doc_data(app.env)[page].get("exec_data")
            facts[f"{page} seconds"] = f"{run['runtime']:.0f}" if run else "–"
            facts[f"{page} KiB"] = kib(Path(app.builder.get_outfilename(page)))
        text = written.read_text(encoding="utf8")
        for name, fact in facts.items():
            text = text.replace(PLACE.format(name), fact)
        written.write_text(text, encoding="utf8")


def setup(app):
    app.add_directive("this-build", ThisBuild)
    app.connect("build-finished", fill_in, priority=950)  # after lean_styles has written its sheet
    return {"parallel_read_safe": True, "parallel_write_safe": True}
