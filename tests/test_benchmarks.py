"""benchmarks: a tool is timed beside the bare forward pass, and the tables hold the ratios that their headings say."""

import functools
import gzip
import http.server
import importlib.util
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(f"bench_of_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bench():
    return load("tracing")


def test_a_tool_is_timed_in_a_process_of_its_own(bench):
    process = bench.Process("trace")
    try:
        reply = process.time("ClinicalMLP, batch 16")
        assert reply.keys() == {"bare", "hooks", "trace"}
        assert all(len(times) == bench.CALLS and min(times) > 0 for times in reply.values())
        assert min(reply["bare"]) < min(reply["hooks"]) < min(reply["trace"])
    finally:
        process.process.kill()
        process.process.communicate()


def test_what_a_tool_raises_stands_in_its_cell(bench):
    replies = [{"bare": [1.0, 3.0], "x": [2.0]}, {"bare": [2.0], "x": [4.0]}]
    assert bench.median(replies) == {"bare": 2.0, "x": 3.0}
    assert bench.median([*replies, "raises KeyError"]) == "raises KeyError"


def test_tables_hold_the_ratios(bench):
    """Made-up seconds: bare 1 ms, hooks 2 ms, trace 3 ms; torchinfo 9 ms where bare takes 2 ms."""
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


def test_a_row_of_the_pages_holds_what_lighthouse_reports():
    bench = load("pages")
    audits = {
        "largest-contentful-paint": {"numericValue": 1549.0},
        "total-blocking-time": {"numericValue": 20.4},
        "total-byte-weight": {"numericValue": 150 * 1024},
        "network-requests": {"details": {"items": [{}] * 14}},
    }
    scores = dict(zip(bench.SCORES, (0.97, 1, 1, 0.5), strict=True))
    report = {"audits": audits, "categories": {name: {"score": score} for name, score in scores.items()}}
    row = bench.row("book/01_forward_pass.html", report)
    assert row == ["01_forward_pass", "97", "100", "100", "50", "1.5", "20", "150", "14"]
    assert f"| {' | '.join(row)} |" in bench.text([row], "1.2.3") and len(row) == len(bench.HEADER)


def test_the_committed_table_has_the_start_page_and_each_chapter():
    bench = load("pages")
    names = [page.removeprefix("book/").removesuffix(".html") for page in bench.pages()]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in bench.RESULT.read_text(encoding="utf8").splitlines()]
    assert names[0] == "00_start" and names == [row for row in rows if row[:2].isdigit()]


def test_the_server_of_the_pages_compresses(tmp_path):
    bench = load("pages")
    (tmp_path / "a.html").write_text("word " * 1000, encoding="utf8")
    handler = functools.partial(bench.Compressing, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/a.html") as reply:
            data = reply.read()
            assert reply.headers["Content-Encoding"] == "gzip" and reply.headers["Content-Type"] == "text/html"
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/b.html")
        missing.value.close()
        server.shutdown()
    assert len(data) < 200 and gzip.decompress(data).startswith(b"word word")
