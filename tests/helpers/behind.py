"""Checks behind a notebook's cells: what backs a sentence runs in the notebook's kernel, and not in the reader's way.

``tests/notebooks/behind/<page>.py`` holds them. A function named after a cell, mostly the one with the sentence
(``dead_end`` for ``dead-end``), is called once the code before it has run, with the notebook's values for the names of
its parameters. The root's ``conftest.py`` sends the call.
"""

import ast
import importlib.util
import inspect
from contextlib import ExitStack
from functools import cache
from itertools import takewhile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "notebooks" / "behind"


@cache
def checks(page: str, folder: Path = FOLDER) -> dict[str, ast.FunctionDef]:
    """The checks behind a page's cells, by the id of the cell; read, not run."""
    file = folder / f"{page}.py"
    tree = ast.parse(file.read_text(encoding="utf8")) if file.exists() else ast.Module([], [])
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {function.name.replace("_", "-"): function for function in functions}


def after(notebook, cell_id: str) -> list[str]:
    """The ids of a code cell and of the text that follows it: what stands behind any of these is checked after it."""
    ids = [cell["id"] for cell in notebook["cells"]]
    at = ids.index(cell_id)
    text = takewhile(lambda cell: cell["cell_type"] != "code", notebook["cells"][at + 1 :])
    return [cell_id, *(cell["id"] for cell in text)]


def call(page: str, cell_id: str, folder: Path = FOLDER) -> str:
    """The code that calls a check in a notebook's kernel: one expression, which leaves no name there."""
    run = f"__import__('runpy').run_path({__file__!r})['run']"
    return f"{run}({str(folder / f'{page}.py')!r}, {cell_id.replace('-', '_')!r}, globals())"


def run(file: str, function: str, namespace: dict) -> None:
    """Call a check. The random state, and models that it is given, are afterwards what they were."""
    from torch import nn

    from fpcourse.measure.preserve import same_random_state, unchanged

    spec = importlib.util.spec_from_file_location("behind", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    check = getattr(module, function)
    names = inspect.signature(check).parameters
    if missing := [name for name in names if name not in namespace]:
        raise NameError(f"{function} in {file} asks for {', '.join(missing)}, which the notebook does not have by then")
    values = {name: namespace[name] for name in names}
    with same_random_state(), ExitStack() as models:
        for value in values.values():
            if isinstance(value, nn.Module):
                models.enter_context(unchanged(value))
        check(**values)
