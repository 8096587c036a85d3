"""Notebooks are executed two at a time before Sphinx reads them, and again only when their runs may differ.

A run is kept in a file named by the notebook's code, in a folder named by what all notebooks import. So a change of
prose, of a style sheet or of the book's scripts executes nothing. A cell that fails is a warning: the build fails.
"""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = ("fpcourse",)
READ = (*IMPORTED, "book/_ext", "book/_static")
AT_A_TIME = 2


def fingerprint(*folders: str, without: set[str]) -> str:
    """A hash of the environment and of the files in folders of the project, but for those with some suffixes."""
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in [ROOT / "requirements.txt", *sorted(path for path in files if path.suffix not in without)]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def choose_folder(app):
    app.runs = Path(app.doctreedir).with_name(".notebook_runs") / fingerprint(*IMPORTED, without={".pyc", ".css"})
    app.runs.mkdir(parents=True, exist_ok=True)
    for outdated in set(app.runs.parent.iterdir()) - {app.runs}:
        shutil.rmtree(outdated, ignore_errors=True)


def code_cells(notebook) -> list:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_of(app, notebook) -> Path:
    """The file that keeps the run of a notebook with this code."""
    code = json.dumps(["".join(cell["source"]) for cell in code_cells(notebook)])
    return app.runs / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.ipynb"


def execute_missing(app, env, docnames):
    """Execute the notebooks among the documents whose runs are not kept."""
    notebooks = {}
    for name in docnames:
        path = Path(env.doc2path(name))
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            if not run_of(app, notebook).exists():
                notebooks[name] = notebook
    # The longest first, so that it is not run alone at the end.
    names = sorted(notebooks, key=lambda name: -len(str(notebooks[name])))

    def execute_and_keep(name: str) -> str:
        notebook, run = notebooks[name], run_of(app, notebooks[name])
        logging.getLogger(__name__).info("executing %s", name)
        fault = execute(notebook, Path(env.doc2path(name)).parent, app.config.nb_execution_timeout)
        if not fault:
            part = run.with_suffix(f".{Path(name).name}")  # whole or not there, if the build is interrupted
            nbformat.write(notebook, part)
            part.replace(run)
        return fault

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for name, fault in zip(names, pool.map(execute_and_keep, names), strict=True):
            if fault:
                logging.getLogger(__name__).warning("%s", fault, location=name)


def execute(notebook, folder: Path, timeout: int) -> str:
    """Execute a notebook in place; what failed and in which cell, or nothing."""
    begun = []
    where = {"metadata": {"path": str(folder)}}
    # A kernel sends what a cell prints in pieces, cut where its clock says; coalesced, it stands in one box.
    client = NotebookClient(notebook, timeout=timeout, coalesce_streams=True, resources=where)
    client.on_cell_start = lambda cell, cell_index: begun.append(cell.get("id", cell_index))
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return f"cell {begun[-1] if begun else 0!r} failed: {error}"
    return ""


def fill_in(app, docname, source):
    """What Sphinx reads is the notebook with the outputs of its run."""
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    notebook = json.loads(source[0])
    run = run_of(app, notebook)
    for cell in code_cells(notebook):
        cell["outputs"] = []  # the committed ones are not of this build
    if run.exists():
        executed = nbformat.read(run, as_version=4)
        for cell, outcome in zip(code_cells(notebook), code_cells(executed), strict=True):
            cell |= {"outputs": outcome.outputs, "execution_count": outcome.execution_count}
        notebook["metadata"]["language_info"] = executed.metadata.language_info
    source[0] = json.dumps(notebook)


def setup(app):
    # The kernels inherit this. More threads than cores wait for one another, and cost several times the work.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # "env": Sphinx reads all documents again when this value differs from the last build's.
    app.add_config_value("book_fingerprint", fingerprint(*READ, without={".pyc"}), "env", str)
    app.connect("builder-inited", choose_folder)
    app.connect("env-before-read-docs", execute_missing)
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
