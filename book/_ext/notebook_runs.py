"""Notebooks are executed two at a time before Sphinx reads them, and again only when their runs may differ.

Runs are kept by jupyter-cache, where MyST-NB looks for them: by a notebook's code, in a folder of what all notebooks
import. So a change of prose, of a style sheet or of the book's scripts executes nothing. A notebook that fails here is
left to MyST-NB, which runs it once more and says where it failed.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors import utils
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = ("fpcourse",)
READ = ("book/_ext", "book/_static", "fpcourse/assets")
AT_A_TIME = 2


def fingerprint(*folders: str, without: set[str]) -> str:
    """A hash of the environment and of the files in folders of the project, but for those with some suffixes."""
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in [ROOT / "requirements.txt", *sorted(path for path in files if path.suffix not in without)]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def choose_cache(app, config):
    # As many threads as cores: more of them wait for each other, and cost several times the work.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Path(app.doctreedir).with_name(".notebook_runs")
    config.nb_execution_cache_path = str(folder / fingerprint(*IMPORTED, without={".pyc", ".css"}))
    for outdated in set(map(str, folder.glob("*"))) - {config.nb_execution_cache_path}:
        shutil.rmtree(outdated)


def execute(app, env, docnames):
    cache = get_cache(app.config.nb_execution_cache_path)
    notebooks = {}
    for path in (Path(env.doc2path(name)) for name in docnames):
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            with suppress(KeyError):
                cache.match_cache_notebook(notebook)
                continue
            notebooks[path] = notebook
    # The longest first, so that it is not run alone at the end.
    longest_first = sorted(notebooks, key=lambda path: -path.stat().st_size)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = pool.map(lambda path: run(notebooks[path], path, app.config.nb_execution_timeout), longest_first)
        for path, result in zip(longest_first, runs, strict=True):
            if not result.err:
                made = {"execution_seconds": result.time}
                cache.cache_notebook_bundle(
                    CacheBundleIn(result.nb, str(path), data=made), check_validity=False, overwrite=True
                )


def run(notebook, path: Path, timeout: int) -> utils.ExecutionResult:
    logging.getLogger(__name__).info("executing %s", path.name)
    return utils.single_nb_execution(notebook, cwd=str(path.parent), timeout=timeout, allow_errors=False)


def setup(app):
    # "env": Sphinx reads all documents again when this value differs from the last build's.
    app.add_config_value("book_fingerprint", fingerprint(*READ, without={".pyc"}), "env", str)
    app.connect("config-inited", choose_cache)
    app.connect("env-before-read-docs", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
