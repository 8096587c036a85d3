"""benchmarks: the tables hold the ratios that their headings say, and name each page."""

import importlib.util
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "tools" / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(f"bench_of_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_hold_the_ratios():
    """Made-up seconds: bare 1 ms, hooks 2 ms, trace 3 ms; torchinfo 9 ms where bare takes 2 ms."""
    bench = load("tracing")
    one = {tool: {"bare": 1e-3, "hooks": 2e-3, tool: 3e-3} for tool in bench.TOOLS}
    one["torchinfo"] = {"bare": 2e-3, "hooks": 3e-3, "torchinfo": 9e-3}
    one["torchview"] = "raises KeyError"
    medians = dict.fromkeys((*bench.MODELS, *bench.GROWN), one)
    costs = {row[0]: row[1] for row in bench.costs(medians)}
    assert costs["bare"] == "1,000\N{NO-BREAK SPACE}µs" and costs["hooks"] == "2.00" and costs["trace"] == "3.00"
    assert costs["torchinfo"] == "4.50" and costs["torchview"] == "raises KeyError"
    assert [row[:2] for row in bench.ratios(medians)] == [
        ["trace / hooks", "1.50"],
        ["added by trace / by torchinfo", "0.57"],  # 2 / 3.5
    ]
    # Ten layers: ten Linear, nine ReLU and the whole.
    assert bench.growth(medians)[0] == ["10", "20", "1.50", "50\N{NO-BREAK SPACE}µs", "100\N{NO-BREAK SPACE}µs"]


@pytest.mark.parametrize(
    ("tool", "outcome", "changed"),
    [
        ("`fpcourse.trace`", "success", []),
        ("`fpcourse.trace`", "error", []),
        ("hooks by hand", "success", ["statistics", "random state"]),
        ("hooks by hand", "error", ["statistics", "random state", "16 hooks"]),  # two on each of 8 modules
    ],
)
def test_what_a_look_leaves_is_seen(monkeypatch, tool, outcome, changed):
    monkeypatch.syspath_prepend(FOLDER)
    with torch.random.fork_rng():
        assert load("harmlessness").look(tool, outcome) == changed


def test_an_attribute_that_is_left_is_named(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    before, after = [["training"], ["training"]], [["training"], ["forward", "training"]]
    assert load("harmlessness").difference("attributes", before, after) == "attribute `forward` on 1 modules"


def test_a_row_of_the_pages_holds_what_lighthouse_reports():
    bench = load("pages")
    audits = {
        "largest-contentful-paint": {"numericValue": 1549.0},
        "total-blocking-time": {"numericValue": 20.4},
        "total-byte-weight": {"numericValue": 150 * 1024},
        "network-requests": {"details": {"items": [{}] * 14}},
        "dom-size": {"numericValue": 4321},
    }
    scores = dict(zip(bench.SCORES, (0.97, 1, 1, 0.5), strict=True))
    categories = {name: {"score": score} for name, score in scores.items()}
    report = {"audits": audits, "categories": categories, "environment": {"benchmarkIndex": 1234.5}}
    row = bench.row("book/01_forward_pass.html", report)
    assert row == ["01_forward_pass", "97", "100", "100", "50", "1.5", "20", "150", "14", "4321", "1234"]
    assert f"| {' | '.join(row)} |" in bench.text([row], "1.2.3") and len(row) == len(bench.HEADER)


def test_the_committed_table_has_the_start_page_and_each_chapter():
    bench = load("pages")
    names = [page.removeprefix("book/").removesuffix(".html") for page in bench.pages()]
    of_pages, _ = bench.RESULT.read_text(encoding="utf8").split("| figure, slider |")
    _, _, *rows = [line.split(" | ")[0].removeprefix("| ") for line in of_pages.splitlines() if line.startswith("| ")]
    assert names[0] == "00_start" and names == rows
