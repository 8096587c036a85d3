"""plots.shapes: what is drawn is what was given, in its place, in the colour of its kind."""

import numpy as np
import pytest
import torch
from helpers.figures import CALLS, LABELS, LONG_ROWS, MODEL, SHAPES, colour, of_kind, texts_by_row
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from torch import nn

from fpcourse import plots
from fpcourse.measure.tracing import trace
from fpcourse.page.palette import BATCH, ERROR, FEATURES, HIDDEN, OUTPUT


def test_ribbon_has_a_row_for_the_input_and_for_each_output():
    (axes,) = plots.shape_ribbon(CALLS).axes
    rows = list(zip(["input", *LABELS], [(16, 20), *SHAPES], strict=True))
    assert texts_by_row(axes) == [
        ["output of", "width: features; height: batch (log scales)", "shape"],
        *[[label, f"({batch}, {features})"] for label, (batch, features) in rows],
    ]
    low, high = axes.get_ylim()
    assert low > high  # row 0 on top


@pytest.mark.parametrize("batch", [1, 16, 128])
def test_rectangles_are_as_wide_as_features_and_as_high_as_the_batch(batch):
    (axes,) = plots.shape_ribbon(trace(MODEL, torch.zeros(batch, 20))).axes
    bars = of_kind(axes, Rectangle)
    features = [20, *[shape[1] for shape in SHAPES]]
    for at, (bar, size) in enumerate(zip(bars, features, strict=True)):
        assert bar.get_y() + bar.get_height() / 2 == pytest.approx(at)
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(5.2)
        assert bar.get_width() == pytest.approx(bars[-1].get_width() * np.log2(size + 1))  # one feature: log2(2)
    assert len({bar.get_height() for bar in bars}) == 1
    assert bars[0].get_height() == pytest.approx(0.12 + 0.08 * np.log2(batch + 1))
    assert [colour(bar) for bar in bars] == [FEATURES, *[HIDDEN] * 7, OUTPUT]
    for at, (line, bar) in enumerate(zip(axes.lines, bars, strict=True)):
        assert to_hex(line.get_color()) == BATCH
        assert line.get_xdata() == pytest.approx([bar.get_x() - 0.1] * 2)
        assert line.get_ydata() == pytest.approx([at - bar.get_height() / 2, at + bar.get_height() / 2])


@pytest.mark.parametrize("active", [0, 3, 8])
def test_the_active_row_alone_is_lit(active):
    (axes,) = plots.shape_ribbon(CALLS, active).axes
    lit, *_ = lights = [patch for patch in axes.patches if patch.get_alpha()]
    assert len(lights) == 1 and colour(lit) == BATCH
    assert lit.get_y() < active < lit.get_y() + lit.get_height() <= active + 0.5
    bold = {text.get_position()[1] for text in axes.texts if text.get_weight() == "bold"}
    assert bold == {active}
    assert not [patch for patch in plots.shape_ribbon(CALLS).axes[0].patches if patch.get_alpha()]


def test_ribbon_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match=r"draws \(batch, features\) tensors; input has shape \(2, 3, 20\)$"):
        plots.shape_ribbon(trace(nn.Linear(20, 1), torch.zeros(2, 3, 20)))
    with pytest.raises(ValueError, match=r"2 has shape \(2, 5, 4\)$"):
        plots.shape_ribbon(trace(nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Unflatten(1, (5, 4))), torch.zeros(2, 20)))
    with pytest.raises(ValueError, match=r"input has shape \('batch', 20\)$"):
        plots.shape_ribbon(CALLS.symbolic(trace(MODEL, torch.zeros(8, 20)), "batch"))


def partial_trace(columns):
    with pytest.raises(RuntimeError) as caught:
        trace(MODEL, torch.zeros(16, columns))
    return caught.value.partial_trace


def test_ribbon_marks_the_call_that_failed():
    (axes,) = plots.shape_ribbon(partial_trace(19)).axes
    assert texts_by_row(axes)[1:] == [
        ["input", "(16, 19)"],
        ["layer1", "raised RuntimeError; it expects a last axis of 20"],
    ]
    assert {to_hex(text.get_color()) for text in axes.texts[3:5]} == {ERROR}
    assert [colour(bar) for bar in of_kind(axes, Rectangle)] == [FEATURES]


def test_a_trace_without_calls_is_refused():
    with pytest.raises(ValueError, match="the trace holds no call to draw"):
        plots.shape_ribbon(CALLS.filter(name="none"))


def test_bars_are_bytes_and_parameters():
    left, right = plots.bytes_and_parameters(LONG_ROWS).axes
    for axes, title, at, face in ((left, "bytes of output", 0, HIDDEN), (right, "parameters", 1, FEATURES)):
        values = [row[at] for row in LONG_ROWS.values()]
        assert axes.get_title(loc="left") == title
        assert [bar.get_width() for bar in axes.patches] == values
        assert {colour(bar) for bar in axes.patches} == {face}
        assert texts_by_row(axes) == [[f"{value:,}"] for value in values]
        assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] > max(values)
    assert [label.get_text() for label in left.get_yticklabels()] == list(LONG_ROWS)
    low, high = left.get_ylim()
    assert low > high and right.get_ylim() == (low, high)  # the first row on top


def test_a_row_may_hold_nothing_but_rows_there_must_be():
    left, right = plots.bytes_and_parameters({"Identity": (0, 0)}).axes
    assert [bar.get_width() for bar in (*left.patches, *right.patches)] == [0, 0]
    with pytest.raises(ValueError, match="no rows to draw"):
        plots.bytes_and_parameters({})


def test_lines_are_the_bytes_given():
    (axes,) = plots.bytes_against_batch([1, 16, 1024], [1412, 22592, 1445888], 14596).axes
    activations, parameters = axes.lines
    assert activations.get_xydata().tolist() == [[1, 1412], [16, 22592], [1024, 1445888]]
    assert parameters.get_xydata().tolist() == [[1, 14596], [16, 14596], [1024, 14596]]
    assert (activations.get_color(), parameters.get_color()) == (HIDDEN, FEATURES)
    assert parameters.get_linestyle() == "--"
    assert axes.get_xscale() == axes.get_yscale() == "log" and axes.get_xlabel() == "batch size"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["activations", "parameters"]
    assert [handle.get_color() for handle in axes.get_legend().get_lines()] == [HIDDEN, FEATURES]
    assert axes.get_xticks().tolist() == [1, 16, 1024]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "16", "1,024"]


def test_ticks_are_powers_of_ten_under_their_names():
    (axes,) = plots.bytes_against_batch([1, 10**8], [50, 5 * 10**9], 2000).axes
    ticks = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert ticks == {
        "10 B": 10, "100 B": 1e2, "1 kB": 1e3, "10 kB": 1e4, "100 kB": 1e5,
        "1 MB": 1e6, "10 MB": 1e7, "100 MB": 1e8, "1 GB": 1e9, "10 GB": 1e10,
    }  # fmt: skip
    assert len(axes.get_xticks(minor=True)) == len(axes.get_yticks(minor=True)) == 0


@pytest.mark.parametrize(("activations", "parameters"), [([1, 2], 0), ([0, 2], 4)])
def test_bytes_that_are_not_positive_are_refused(activations, parameters):
    with pytest.raises(ValueError, match="bytes must be positive"):
        plots.bytes_against_batch([1, 2], activations, parameters)
