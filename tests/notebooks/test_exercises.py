"""An exercise in a notebook is whole: task, minutes, difficulty, hint, starter, checker, solution."""

import ast
import re

import pytest
from helpers.notebooks import read, texts_of_outputs
from refresh import NOTEBOOKS

from fpcourse.checks import check
from fpcourse.checks.exercises import checkers

FACTS = re.compile(r"\*\*(Required|Deeper|Drill|Case) · (\d+) minutes · (easy|medium|hard)\*\*")


def exercises_of(notebook) -> dict[str, tuple]:
    """For each exercise its cells ``ex-<name>`` (the task), ``ex-<name>-start`` and ``ex-<name>-solution``."""
    cells = {cell.id: cell for cell in notebook.cells}
    names = [name.removesuffix("-start") for name in cells if re.fullmatch(r"ex-[a-z-]+-start", name)]
    return {name: (cells.get(name), cells[f"{name}-start"], cells.get(f"{name}-solution")) for name in names}


ALL = [(path.stem, name, read(path), cells) for path in NOTEBOOKS for name, cells in exercises_of(read(path)).items()]
EACH = pytest.mark.parametrize(
    ("notebook", "task", "start", "solution"),
    [(notebook, *cells) for _, _, notebook, cells in ALL],
    ids=[f"{page}-{name}" for page, name, *_ in ALL],
)


def functions(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]


def defined(notebook, source: str) -> dict:
    """What a cell defines, run after nothing but the notebook's imports."""
    imports = [
        node
        for cell in notebook.cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    body = [node for node in ast.parse(source).body if not isinstance(node, ast.Expr)]
    names: dict = {}
    exec(compile(ast.Module([*imports, *body], []), "<cell>", "exec"), names)
    return names


@EACH
def test_an_exercise_says_what_to_do_how_long_it_takes_and_gives_a_hint(notebook, task, start, solution):
    assert task is not None and FACTS.search(task.source), "**Required · 5 minutes · easy**"
    assert re.search(r"(?m)^(## (Exercise|Go deeper: (exercise|drill),)|### (Case \d|Exercise:))", task.source)
    assert "<summary>Hint</summary>" in task.source
    if minutes := re.search(r"\((\d+) min\)", task.source.splitlines()[0]):
        assert minutes[1] == FACTS.search(task.source)[2]


@EACH
def test_the_starter_is_not_attempted_and_does_not_fail(notebook, task, start, solution):
    name = functions(start.source)[-1]
    assert f"check({name})" in start.source
    assert f"{name}: not attempted" in "\n".join(texts_of_outputs(start))
    assert check(defined(notebook, start.source)[name]).state == "not attempted"


@EACH
def test_the_solution_passes_the_same_checker_and_replaces_nothing(notebook, task, start, solution):
    name = functions(start.source)[-1]
    assert solution is not None and {"hide-cell", "solution"} <= set(solution.metadata.tags)
    assert f"check(solution_{name})" in solution.source
    assert all(function.startswith(f"solution_{name}") for function in functions(solution.source))
    assert f"{name}: passed" in "\n".join(texts_of_outputs(solution))
    assert check(defined(notebook, solution.source)[f"solution_{name}"]).state == "passed"


def test_every_exercise_stands_in_one_notebook():
    assert sorted(functions(cells[1].source)[-1] for _, _, _, cells in ALL) == sorted(checkers())
