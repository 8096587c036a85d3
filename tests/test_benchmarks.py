"""benchmarks: a tool is timed beside the bare forward pass, and the tables hold the ratios that their headings say."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "tracing.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_of_tracing", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
