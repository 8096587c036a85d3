"""The code of a page: a name means one thing, a section runs alone, and a cell runs twice."""

import ast
import builtins
import re
import symtable

import nbformat
import pytest
from helpers.notebooks import code_cells, read, texts_of_outputs
from nbclient import NotebookClient
from refresh import NOTEBOOKS

rules_of = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


class Bindings(ast.NodeVisitor):
    """The names that a cell binds: those it assigns, and others: imports, loop variables, errors that it handles."""

    def __init__(self, source: str):
        self.assigned, self.others = set(), set()
        self.visit(ast.parse(source))

    def visit_For(self, node):
        self.others |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        for part in (node.iter, *node.body, *node.orelse):
            self.visit(part)

    def visit_ExceptHandler(self, node):
        self.others.add(node.name)
        self.generic_visit(node)

    def visit_Import(self, node):
        self.others |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}

    visit_ImportFrom = visit_Import

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self.assigned.add(node.id)

    def visit_FunctionDef(self, node):
        self.assigned.add(node.name)  # its own names are not the cell's

    visit_ClassDef = visit_FunctionDef

    def leave(self, node):
        """It has names of its own."""

    visit_Lambda = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = leave


def names_needed(source: str) -> set[str]:
    """The names that a cell, or a function in it, reads and does not bind."""
    tables, names = [symtable.symtable(source, "cell", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        names |= {name.get_name() for name in table.get_symbols() if name.is_referenced() and (top or name.is_global())}
    bound = Bindings(source)
    return names - set(dir(builtins)) - bound.assigned - bound.others


def code_by_section(notebook):
    """For each code cell the title of its section, its id and its source."""
    title = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield title, cell.id, cell.source
        else:
            title = (re.findall(r"(?m)^## (.+)$", cell.source) or [title])[-1]


def assigned_twice(notebook) -> dict[str, list[str]]:
    """For names that more than one cell assigns, those cells."""
    cells = {}
    for _, cell, source in code_by_section(notebook):
        for name in Bindings(source).assigned:
            cells.setdefault(name, []).append(cell)
    return {name: where for name, where in cells.items() if len(where) > 1}


def names_missing(notebook) -> dict[str, set[str]]:
    """What cells read that nothing binds before: neither imports and set-up, the first two cells, nor their section.

    A section may go on from others: its first cell says ``# Goes on from "Two switches, not one".``
    """
    known, missing = {"": set()}, {}
    for at, (title, cell, source) in enumerate(code_by_section(notebook)):
        names = known.setdefault("" if at < 2 else title, set(known[""]))
        for line in re.findall(r"(?m)^# Goes on from (.+)\.$", source):
            starts = tuple(re.findall(r'"(.+?)"', line))
            names |= set().union(*(bound for before, bound in known.items() if before.startswith(starts)))
        if needed := names_needed(source) - names:
            missing[cell] = needed
        names |= Bindings(source).assigned | Bindings(source).others
    return missing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_cell_that_only_imports_is_named_so(path):
    """By its name the build folds it."""
    bodies = {cell.id: ast.parse(cell.source).body for cell in code_cells(read(path))}
    importing = (ast.Import, ast.ImportFrom)
    assert {name for name, body in bodies.items() if all(isinstance(line, importing) for line in body)} <= {"imports"}


@rules_of
def test_a_name_is_assigned_in_one_cell_only(path):
    assert assigned_twice(read(path)) == {}


@rules_of
def test_a_section_needs_imports_and_set_up_alone(path):
    assert names_missing(read(path)) == {}


@pytest.mark.exhaustive
@rules_of
def test_a_cell_run_twice_shows_the_same(path):
    notebook = read(path)
    for at in reversed([at for at, cell in enumerate(notebook.cells) if cell.cell_type == "code"]):
        notebook.cells.insert(at + 1, notebook.cells[at].copy())
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}}).execute()
    cells = code_cells(notebook)  # a stream comes in pieces, cut anywhere
    differing = [
        first.id
        for first, second in zip(cells[::2], cells[1::2], strict=True)
        if "".join(texts_of_outputs(first)) != "".join(texts_of_outputs(second))
    ]
    assert differing == []


def test_what_breaks_a_rule_is_noticed():
    def notebook(*parts):
        new = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
        cells = [new[not part.startswith("#")](part, id=f"c{at}") for at, part in enumerate(parts)]
        return nbformat.v4.new_notebook(cells=cells)

    start = "import torch", "x = torch.ones(2)", "## One", "def double():\n    return 2 * x\ny = double()"
    assert names_missing(notebook(*start)) == {} == assigned_twice(notebook(*start))
    assert names_missing(notebook(*start, "## Two", "print([y for _ in x])")) == {"c5": {"y"}}
    assert names_missing(notebook(*start, "## Two", 'y\n# Goes on from "One".\n')) == {}
    assert assigned_twice(notebook(*start, "with a as y:\n    pass")) == {"y": ["c3", "c4"]}
    assert assigned_twice(notebook(*start, "for y in x:\n    print([y for y in x])")) == {}
