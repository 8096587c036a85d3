"""The book's home: where it is set, buttons and links lead there exactly; where it is not, there are none."""

import json
import os
import pickle
import re
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from colab_notebooks import for_colab
from helpers.built_book import ROOT, violations
from helpers.small_books import build, lay_out, write_notebook
from home_address import BRANCH, COLAB_BRANCH, Home, home, set_options
from IPython.core.inputtransformer2 import TransformerManager
from sphinx.errors import ConfigError

HOME = "https://github.com/An-Owner/a.course"
PAGES = "https://an-owner.github.io/a.course/"
HUB = "https://hub.example.org/class"
LINKS = """\
# A chapter

[start](00_start.ipynb), [a term](reference/glossary.md#batch), [a run](01_forward_pass.ipynb#code), [here](#code),
[outside](https://example.org/page.md#x), [the chapters](reference/glossary.md)
"""


@pytest.fixture(scope="module")
def at_home(tmp_path_factory):
    """A small book with a home and a hub, built."""
    toc = "root: book/00_start\nchapters:\n- file: book/01_forward_pass\n- file: book/reference/glossary\n"
    book = lay_out(tmp_path_factory.mktemp("home") / "b", f"format: jb-book\n{toc}")
    for name, text in (("00_start", "# Start"), ("01_forward_pass", LINKS)):
        write_notebook(book / f"book/{name}.ipynb", [("prose", text), ("code", None)])
    (book / "book/reference").mkdir()
    (book / "book/reference/glossary.md").write_text("# Glossary\n\n## Batch\n\nText.\n", encoding="utf8")
    name_home(book, {"Repository": HOME, "JupyterHub": HUB})
    done = build(book)
    assert done.returncode == 0, done.stderr[-6000:]
    return book


def name_home(folder, urls):
    table = "".join(f'{label} = "{address}"\n' for label, address in urls.items())
    (folder / "pyproject.toml").write_text(f"[project.urls]\n{table}", encoding="utf8")


def read(book, page):
    return BeautifulSoup((book / "_build/html" / page).read_text(encoding="utf8"), "html.parser")


def outside(page) -> list[str]:
    """Every address outside the book that the page's frame leads to, without the text and the theme's own link."""
    for part in page.select("article"):
        part.decompose()
    return [tag["href"] for tag in page.select("[href]") if re.match(r"([a-z]+:)?//", tag["href"])]


@pytest.mark.parametrize("page", ["book/00_start", "book/01_forward_pass"])
def test_a_notebooks_buttons_lead_to_it(at_home, page):
    name = page.partition("/")[2]
    assert outside(read(at_home, f"{page}.html")) == [
        f"{PAGES}{page}.html",
        f"https://mybinder.org/v2/gh/An-Owner/a.course/main?urlpath=lab/tree/book/{name}.ipynb",
        f"{HUB}/hub/user-redirect/git-pull?repo=https%3A//github.com/An-Owner/a.course"
        f"&urlpath=lab/tree/a.course/book/{name}.ipynb&branch=main",
        f"https://colab.research.google.com/github/An-Owner/a.course/blob/colab/book/{name}.ipynb",
        f"{HOME}/edit/main/book/{name}.ipynb",
    ]


def test_a_page_without_cells_has_an_edit_link_and_no_button(at_home):
    page = "book/reference/glossary"
    assert outside(read(at_home, f"{page}.html")) == [f"{PAGES}{page}.html", f"{HOME}/edit/main/{page}.md"]


def test_the_canonical_address_is_said_once(at_home):
    (link,) = read(at_home, "book/01_forward_pass.html").select("link[rel=canonical]")
    assert link["href"] == f"{PAGES}book/01_forward_pass.html"


def test_the_opened_buttons_keep_nobody_out(new_context, at_home):
    page = new_context(viewport={"width": 390, "height": 844}, color_scheme="dark").new_page()
    page.goto((at_home / "_build/html/book/01_forward_pass.html").as_uri())
    page.locator(".dropdown-launch-buttons button").click()
    page.locator(".dropdown-launch-buttons .dropdown-menu a").first.wait_for(state="visible")
    assert violations(page) == []


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        ({"Repository": "https://github.com/owner"}, "/NAME\"; it is 'https://github.com/owner'"),
        ({"Repository": HOME, "JupyterHub": "hub.example.org"}, "/PATH\"; it is 'hub.example.org'"),
    ],
)
def test_a_bad_address_says_what_it_must_be(tmp_path, urls, message):
    name_home(tmp_path, urls)
    with pytest.raises(ConfigError, match=re.escape(message)):
        home(tmp_path)


@pytest.mark.parametrize(
    ("address", "repository", "pages"),
    [
        (f"{HOME}/", HOME, PAGES),
        (f"{HOME}.git", HOME, PAGES),
        ("https://github.com/owner/Owner.github.io", None, "https://owner.github.io/"),
    ],
)
def test_addresses_of_the_same_home(tmp_path, address, repository, pages):
    name_home(tmp_path, {"repository": address})
    found = home(tmp_path)
    assert (found.repository, found.pages) == (repository or address, pages)


def test_a_hub_is_not_needed(tmp_path):
    name_home(tmp_path, {"Repository": HOME})
    config = SimpleNamespace(html_theme_options={"launch_buttons": {"notebook_interface": "jupyterlab"}})
    set_options(SimpleNamespace(srcdir=tmp_path), config)
    assert config.html_theme_options["launch_buttons"] == {
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "jupyterhub_url": "",  # the theme makes no button of it
    }


# Colab's copies


def test_colabs_copy_is_the_notebook_with_one_cell_in_front(at_home):
    copies = sorted(file.relative_to(at_home / "_build/colab").as_posix() for file in at_home.rglob("colab/**/*.ipynb"))
    assert copies == ["book/00_start.ipynb", "book/01_forward_pass.ipynb"]
    for name in copies:
        copy = nbformat.read(at_home / "_build/colab" / name, as_version=4)
        nbformat.validate(copy)
        own = nbformat.read(at_home / name, as_version=4)
        assert copy.metadata == own.metadata
        assert [cell.id for cell in copy.cells] == ["install-on-colab", *(cell.id for cell in own.cells)]
        assert copy.cells[2] == own.cells[1]
        page = (at_home / "_build/html" / name).with_suffix(".html").read_text(encoding="utf8")
        assert "google.colab" not in page
        assert "google.colab" not in (at_home / "_build/html/_sources" / name).read_text(encoding="utf8")


def test_no_notebook_of_the_book_installs_anything():
    for file in (ROOT / "book").rglob("*.ipynb"):
        for cell in nbformat.read(file, as_version=4).cells:
            assert cell.cell_type != "code" or not re.search(r"(?m)^\s*[%!]|google\.colab", cell.source), file.name


def test_links_in_colabs_copy_lead_to_the_published_pages(at_home):
    copy = json.loads((at_home / "_build/colab/book/01_forward_pass.ipynb").read_text(encoding="utf8"))
    assert re.findall(r"\]\((.*?)\)", "".join(copy["cells"][1]["source"])) == [
        f"{PAGES}book/00_start.html",
        f"{PAGES}book/reference/glossary.html#batch",
        f"{PAGES}book/01_forward_pass.html#code",
        "#code",
        "https://example.org/page.md#x",
        f"{PAGES}book/reference/glossary.html",
    ]


def test_links_of_every_notebook_lead_to_pages_and_parts_that_are_there(html):
    found = Home("o", "n")
    metadata = pickle.loads((html.parent / ".doctrees/environment.pickle").read_bytes()).metadata
    for file in (ROOT / "book").rglob("*.ipynb"):
        docname = file.relative_to(ROOT).with_suffix("").as_posix()
        copy = for_colab(json.loads(file.read_text(encoding="utf8")), docname, found, metadata)
        prose = "\n".join("".join(cell["source"]) for cell in copy["cells"] if cell["cell_type"] == "markdown")
        assert re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", prose) == []
        for page, _, part in set(re.findall(rf"{re.escape(found.pages)}([^)#\s]+)(#?)([^)\s]*)\)", prose)):
            text = (html / page).read_text(encoding="utf8")
            assert not part or f'id="{part}"' in text, (docname, page, part)


@pytest.mark.parametrize("on_colab", [True, False])
def test_the_cell_installs_on_colab_alone(at_home, monkeypatch, on_colab):
    copy = nbformat.read(at_home / "_build/colab/book/00_start.ipynb", as_version=4)
    ran = []
    shell = SimpleNamespace(run_line_magic=lambda name, line: ran.append(f"%{name} {line}"))
    if on_colab:
        monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    exec(TransformerManager().transform_cell(copy.cells[0].source), {"get_ipython": lambda: shell})
    assert ran == [f'%pip install --quiet "fpcourse @ git+{HOME}@main"'] * on_colab


# The publishing workflow


def workflow():
    return yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf8"))


def test_the_workflow_publishes_the_branch_that_the_links_name():
    assert workflow()[True]["push"]["branches"] == [BRANCH]  # YAML reads the key "on" as true
    (push,) = [step["run"] for step in workflow()["jobs"]["colab"]["steps"] if "run" in step]
    assert push.rstrip().endswith(f" {COLAB_BRANCH}")


@pytest.mark.parametrize("named_before", [None, "https://github.com/someone/else"])
def test_the_workflow_names_the_repository_that_runs_it(tmp_path, named_before):
    own = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    project = re.sub(r"(?m)^\[project\.urls\]\n(?:[^\[].*\n|\n)*", "", own)
    if named_before:
        project += f'\n[project.urls]\nRepository = "{named_before}"\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf8")
    (step,) = [step for step in workflow()["jobs"]["build"]["steps"] if "home" in step.get("name", "")]
    environment = {**os.environ, "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "An-Owner/a.course"}
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    after = (tmp_path / "pyproject.toml").read_text(encoding="utf8")
    assert after.startswith(project)
    assert tomllib.loads(after)["project"]["urls"] == {"Repository": named_before or HOME}
    assert home(tmp_path).repository == (named_before or HOME)
