"""Checks behind cells, in a small project with the conftest.py of this one: `pytest --nbval book/` runs them."""

import shutil
import subprocess
import sys

import nbformat
import pytest
from refresh import ROOT, refresh

CELLS = {
    "setup": "import torch\nfrom fpcourse import ClinicalMLP\ntorch.manual_seed(0)\nmodel, ten = ClinicalMLP(), 10",
    "passes": "print('passes')",
    "fails": "print('fails')",
    "raises": "print('raises')",
    "draws": "print('draws')",
    "asks-in-vain": "print('asks in vain')",
    # What checks might have left behind: draws, a name, a moved model.
    "as-before": "print(torch.rand(1).item(), 'secret' in globals())\n"
    "print(model.training, model.bn1.num_batches_tracked.item(), model.layer1.weight.grad)",
}
BEHIND = '''"""Checks."""

import torch


def passes(ten):
    assert ten == 10


def text_after(ten):
    assert ten == 11


def raises(model):
    model(torch.zeros(2, 3))


def draws(model):
    secret = torch.rand(3)
    model.eval()(torch.randn(4, 20)).sum().backward()
    model.train()(torch.randn(4, 20))


def asks_in_vain(nobody):
    assert nobody
'''


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What pytest says of a small notebook with checks behind its cells, by the number of the cell."""
    project = tmp_path_factory.mktemp("project")
    cells = [nbformat.v4.new_code_cell(source, id=cell_id) for cell_id, source in CELLS.items()]
    cells.insert(3, nbformat.v4.new_markdown_cell("Ten is eleven.", id="text-after"))
    for folder in ("book", "tests/helpers", "tests/notebooks/behind"):
        (project / folder).mkdir(parents=True)
    notebook = project / "book" / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    refresh(notebook)
    (project / "tests/notebooks/behind/page.py").write_text(BEHIND, encoding="utf8")
    (project / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["tests"]\n', encoding="utf8")
    for file in ("conftest.py", "tests/helpers/behind.py"):
        shutil.copy(ROOT / file, project / file)
    command = [sys.executable, "-m", "pytest", "--nbval", "book/", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=600).stdout


def line_of(code: str) -> int:
    return BEHIND.splitlines().index(code) + 1


def test_a_check_fails_with_its_cell_and_names_its_own_file_and_line(outcome):
    for cell, line in ((2, "    assert ten == 11"), (3, "    model(torch.zeros(2, 3))")):
        assert f"FAILED book/page.ipynb::Cell {cell} " in outcome
        assert f"behind/page.py:{line_of(line)}" in outcome.replace("\x1b[39m", "").replace("\x1b[32m", "")


def test_a_check_that_asks_for_what_is_not_there_says_so(outcome):
    assert "FAILED book/page.ipynb::Cell 5 " in outcome
    assert "asks for nobody, which the notebook does not have by then" in outcome


def test_what_a_check_draws_names_and_moves_is_not_seen_by_the_cells_after_it(outcome):
    for cell in (0, 1, 4, 6):
        assert f"PASSED book/page.ipynb::Cell {cell}\n" in outcome
