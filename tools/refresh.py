"""Run every notebook in place and normalise it, and let the checkers judge what a page's exercises offer.

python tools/refresh.py [NOTEBOOK | book/exercises.json ...]
"""

import json
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from fpcourse.checks.exercises import check_form, checkers
from fpcourse.checks.forms import data

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))
EXERCISES = ROOT / "book/exercises.json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# What the built page folds is folded in JupyterLab and in Colab, too.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
# The fold of an exercise's solution has words of its own in the built page.
SOLUTION = {"mystnb": {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}}


def normalised(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what differs from run to run or from machine to machine.

    A widget view is dropped: it names a model that lives in one kernel. The picture beside it stays.
    """
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            **{key: notebook.metadata[key] for key in ("myst",) if key in notebook.metadata},
        }
    )
    count = 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        folded = FOLDED if {"hide-cell", "hide-input"} & set(tags) else {}
        solution = SOLUTION if "solution" in tags else {}
        cell.metadata = {"tags": tags, **folded, **solution} if tags else {}
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            output.pop("transient", None)
            if "execution_count" in output:
                output.execution_count = count
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
                output.metadata = {}
    return notebook


def text_of(notebook: nbformat.NotebookNode) -> str:
    """The notebook as it stands in its file."""
    return nbformat.writes(notebook, version=4) + "\n"


def refresh(path: Path) -> None:
    """Execute one notebook and write it back normalised."""
    # A committed output is what a reader's kernel shows, whatever the caller's environment.
    os.environ.pop("FPCOURSE_STATIC", None)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, coalesce_streams=True, resources={"metadata": {"path": path.parent}}
    ).execute()
    path.write_text(text_of(normalised(notebook)), encoding="utf8")


def judged(form) -> dict:
    """A form of an exercise with the checker's verdict on each of its answers."""
    return data(form, {key: check_form(form, key) for key in form.every_key()})


def refresh_exercises() -> None:
    forms = {name: list(map(judged, checker.forms)) for name, checker in checkers().items() if checker.forms}
    EXERCISES.write_text(json.dumps(forms, ensure_ascii=False, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else [*NOTEBOOKS, EXERCISES]:
        print(path)
        if path.suffix == ".json":
            refresh_exercises()
        else:
            refresh(path)
