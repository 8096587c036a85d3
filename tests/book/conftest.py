"""A fresh build of the book, and a real browser to read it with."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from browser import FLAGS, launch_options
from filelock import FileLock
from helpers.built_book import HTML, PATIENCE, ROOT, record, wait_until_ready
from helpers.visits import VISITS
from playwright.sync_api import expect

OFFLINE = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # Nothing outside this machine can be reached, as on a train.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

# Playwright switches off what keeps a page from rewriting its address too often; a reader's browser has it on.
NOT_AS_A_READER = ["--disable-ipc-flooding-protection"]

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def html(tmp_path_factory) -> Path:
    """The folder of the built book, brought up to date by the first worker that asks for it."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with FileLock(shared / "book.lock"):
        if not (shared / "book.built").exists():
            build = [Path(sys.executable).with_name("jupyter-book"), "build", "-n", "-W", "--keep-going", ROOT]
            done = subprocess.run(build, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
            (shared / "book.built").touch()
    return HTML


@pytest.fixture(scope="session")
def browser_type_launch_args(playwright):
    options = {"args": [*FLAGS, *OFFLINE], "ignore_default_args": NOT_AS_A_READER, "timeout": PATIENCE}
    return options | launch_options(playwright)


@pytest.fixture
def new_context(new_context):
    """pytest-playwright's, which closes its contexts; these wait long."""

    def patient(**options):
        context = new_context(**options)
        context.set_default_timeout(PATIENCE)
        return context

    return patient


@pytest.fixture(scope="session")
def cohort_rows():
    """The patients themselves are fpcourse's; what the network makes of them is not."""
    from fpcourse import patients

    cohort, training, validation = patients(512, seed=0), patients(4000, seed=1), patients(2000, seed=0)
    return {
        "X": cohort.X,
        "y": cohort.y,
        "training_X": training.X,
        "training_y": training.y,
        "validation_X": validation.X,
        "validation_y": validation.y,
        "true_logit": torch.logit(validation.risk).flatten(),
        "feature_names": validation.features,
    }


@pytest.fixture(scope="session")
def visit(browser, html):
    """What a browser finds on a page in light, in dark, or without scripts: a dictionary, asked for once a worker."""
    found = cache(lambda path, how: VISITS[how](browser, (html / path).as_uri()))
    return lambda path, how="light": found(path, how)


@pytest.fixture
def page(new_context, html):
    """A page that records what it asked for and what went wrong."""
    page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    record(page)
    page.open_page = lambda path: _open(page, html, path)
    return page


def _open(page, html: Path, path: str) -> None:
    name, _, state = path.partition("#")
    page.goto((html / name).as_uri() + (f"#{state}" if state else ""))
    wait_until_ready(page)
