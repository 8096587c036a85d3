"""Explorables in a real JupyterLab: run all cells, move a control by keyboard, and see what the built page shows.

Three notebooks hold one of each kind: sliders, choices and Play in chapter 1, a table and an error in chapter 2, and on
the start page the figure that runs the pass itself.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from helpers.built_book import ROOT
from playwright.sync_api import expect

# A lab of its own: no home directory is read or written, and it asks nobody for news.
FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
START_S, RUN_MS, FOCUS_MS = 40, 60_000, 5_000


@contextmanager
def jupyterlab(folder: Path):
    """A JupyterLab over a folder of copies, at a free port behind a token; gone afterwards, with its kernels."""
    environment = {name: str(folder / part) for name, part in FOLDERS.items()}
    news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps(NO_NEWS), encoding="utf8")
    (folder / "books").mkdir()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={folder / 'books'}"]
    inherited = {name: value for name, value in os.environ.items() if name != "FPCOURSE_STATIC"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env={**inherited, **environment}, stdout=log, stderr=log)
        try:
            yield address(folder, server)
        finally:
            server.send_signal(signal.SIGTERM)  # it stops its kernels first
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def address(folder: Path, server: subprocess.Popen) -> dict:
    """Where the server listens, as it says itself once it is up."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        for file in (folder / "runtime").glob("jpserver-*.json"):
            try:
                return json.loads(file.read_text(encoding="utf8"))
            except ValueError:
                pass  # not yet written to its end
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{(folder / 'log').read_text()[-3000:]}", pytrace=False)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with jupyterlab(folder) as server:
        yield {**server, "books": folder / "books"}


def prompt(cell, at: int) -> str:
    """What stands before the cell once it has run; JupyterLab shows nothing before a folded solution."""
    return "" if cell.metadata.get("jupyter", {}).get("source_hidden") else f"[{at}]:"


@pytest.fixture
def notebook(lab, browser):
    """Opens a copy of a notebook, without its outputs, in JupyterLab and runs all its cells."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    tab = context.new_page()
    tab.set_default_timeout(RUN_MS)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))

    def run(name: str):
        copied = nbformat.read(ROOT / "book" / name, as_version=4)
        code = [cell for cell in copied.cells if cell.cell_type == "code"]
        for cell in code:
            cell.update(outputs=[], execution_count=None)
        nbformat.write(copied, lab["books"] / name)
        tab.goto(f"{lab['url']}lab/workspaces/{Path(name).stem}/tree/{name}?token={lab['token']}")
        tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        tab.get_by_role("menuitem", name="Run", exact=True).click()
        tab.get_by_text("Run All Cells", exact=True).click()
        prompts = tab.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
        expect(prompts).to_have_text([prompt(cell, at) for at, cell in enumerate(code, 1)], timeout=RUN_MS)
        tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # until then JupyterLab may move the focus
        assert tab.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
        return tab

    yield run
    context.close()
    assert asked and all(url.startswith((lab["url"], "data:", "blob:")) for url in asked)


# What a reader sees of one frame, in a built page as in a notebook.
SEEN = """(root) => ({
    caption: root.querySelector('figcaption').textContent,
    values: JSON.parse(root.querySelector('.fp-values').textContent),
    rows: [...root.querySelectorAll('.fp-table tr')].map((row) => row.innerText),
    error: root.querySelector('.fp-error')?.innerText ?? null,
})"""


def built(page, path: str, explorable: str, state: str) -> dict:
    """What the built page shows for a state of its explorable."""
    page.goto("about:blank")
    page.open_page(f"book/{path}#{explorable}?{state}")
    return page.locator(f"#{explorable}").evaluate(SEEN)


def shows(tab, wanted: dict) -> None:
    """The notebook's explorable comes to show the same as the built page."""
    expect(tab.locator(".jp-OutputArea figcaption")).to_have_text(wanted["caption"], timeout=RUN_MS)
    assert tab.locator(".jp-OutputArea:has(> * figcaption)").evaluate(SEEN) == wanted


def move(handle, key: str, steps: int = 1) -> None:
    """Moves a slider by keyboard. JupyterLab may take the focus for itself once: then the key is pressed again."""
    for _ in range(steps):
        before = handle.get_attribute("aria-valuenow")
        for _ in range(3):
            handle.press(key)
            try:
                expect(handle).not_to_have_attribute("aria-valuenow", before, timeout=FOCUS_MS)
                break
            except AssertionError:
                continue
        else:
            pytest.fail(f"The slider stays at {before} whatever is pressed.", pytrace=False)


def slider(tab, label: str):
    return tab.locator(f".widget-hslider:has(label:text-is('{label}')) [role=slider]")


def test_sliders_choices_and_play_in_chapter_1(notebook, page):
    tab = notebook("01_forward_pass.ipynb")
    move(slider(tab, "step"), "ArrowRight", 3)
    wanted = [built(page, "01_forward_pass.html", "explore-layer-stepper", "step=4")]
    shows(tab, wanted[0])
    slider(tab, "step").press("End")
    tab.locator(".widget-toggle-button:text-is('sigmoid')").press("Enter")
    move(slider(tab, "step"), "ArrowLeft")
    wanted.append(built(page, "01_forward_pass.html", "explore-layer-stepper", "step=29&activation=sigmoid"))
    shows(tab, wanted[1])
    tab.locator(".widget-play button").first.press("Enter")  # from the last step but one to the last, where it stops
    wanted.append(built(page, "01_forward_pass.html", "explore-layer-stepper", "step=30&activation=sigmoid"))
    shows(tab, wanted[2])
    assert len({seen["caption"] for seen in wanted}) == 3  # each move was seen by its caption


def test_a_table_and_an_error_in_chapter_2(notebook, page):
    tab = notebook("02_shapes.ipynb")
    move(slider(tab, "batch size"), "ArrowRight")
    wanted = built(page, "02_shapes.html", "explore-shape-bench", "batch_size=128")
    assert len(wanted["rows"]) > 8 and wanted["error"] is None
    shows(tab, wanted)
    move(slider(tab, "features in the data"), "ArrowLeft")
    wanted = built(page, "02_shapes.html", "explore-shape-bench", "batch_size=128&features=19")
    assert wanted["rows"] == [] and "cannot be multiplied" in wanted["error"]
    shows(tab, wanted)


def test_the_opening_figure_runs_its_pass_here_too(notebook):
    tab = notebook("00_start.ipynb")
    address, figure = tab.url, tab.locator(".fp-network.fp-live")
    expect(figure.locator(".fp-risk b")).to_have_text("0.126", timeout=RUN_MS)
    figure.get_by_role("button", name="All 64").click()
    expect(figure.locator(".fp-risk b")).to_have_text("0.073")
    assert figure.locator("canvas").first.evaluate("(fields) => fields.clientWidth") > 400
    assert tab.url == address
