"""plots.tracing: bars at their steps, changes at their heights, squares for what is lit."""

import pytest
import torch
from helpers.figures import CALLS, GAUGES, LABELS, colour, of_kind, texts_by_row
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from torch import nn

from fpcourse import plots
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP
from fpcourse.page.palette import BATCH, ERROR, HIDDEN, MUTED

MODULES = ["", "layer1", "layer2", "layer3", "relu", "bn1", "bn2", "drop"]


def bars(figure):
    """Of each bar the row, the steps it covers, and its colour."""
    (axes,) = figure.axes
    return [
        (round(bar.get_center()[1]), round(bar.get_x() + 0.46), round(bar.get_bbox().x1 - 0.46), colour(bar))
        for bar in of_kind(axes, Rectangle)
    ]


def rows(figure):
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert low > high  # row 0 on top
    return [label.get_text() for label in axes.get_yticklabels()]


def test_each_call_has_a_bar_in_its_modules_row_at_its_step():
    figure = plots.call_timeline(CALLS, MODULES)
    steps = ["layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3"]
    assert bars(figure) == [
        (0, 1, 8, MUTED),
        *[(MODULES.index(name), at, at, HIDDEN) for at, name in enumerate(steps, start=1)],
    ]
    assert rows(figure) == ["ClinicalMLP", *MODULES[1:]]
    (axes,) = figure.axes
    assert axes.get_xticks().tolist() == list(range(1, 9)) and axes.get_xlabel() == "step (one for each leaf call)"
    low, high = axes.get_xlim()
    assert low < 0.54 and high > 8.46 and not [text for text in axes.texts if text.get_text()]


class Twice(nn.Module):
    """A block that runs twice, and a module that never does."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU(), nn.Tanh()))
        self.spare = nn.ReLU()
        self.end = nn.Linear(3, 1)

    def forward(self, x):
        return self.end(self.block(self.block(x)))


def test_containers_span_what_ran_inside_and_what_never_ran_says_so():
    calls = trace(Twice(), torch.zeros(2, 3))
    assert rows(plots.call_timeline(calls)) == ["Twice", "block", "block.0", "block.1", "block.1.0", "block.1.1", "end"]
    names = ["", "block", "block.0", "block.1", "block.1.0", "block.1.1", "spare", "end"]
    figure = plots.call_timeline(calls, names)
    assert bars(figure) == [
        (0, 1, 7, MUTED),
        (1, 1, 3, MUTED), (2, 1, 1, HIDDEN), (3, 2, 3, MUTED), (4, 2, 2, HIDDEN), (5, 3, 3, HIDDEN),
        (1, 4, 6, MUTED), (2, 4, 4, HIDDEN), (3, 5, 6, MUTED), (4, 5, 5, HIDDEN), (5, 6, 6, HIDDEN),
        (7, 7, 7, HIDDEN),
    ]  # fmt: skip
    assert texts_by_row(figure.axes[0]) == [["never called"]]
    assert figure.axes[0].texts[0].get_position()[1] == names.index("spare")


def test_a_timeline_marks_the_call_that_failed():
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.ReLU()))
    with pytest.raises(RuntimeError) as caught:
        trace(model, torch.zeros(2, 3))
    figure = plots.call_timeline(caught.value.partial_trace)
    assert rows(figure) == ["Sequential", "0", "1", "1.0"]
    assert bars(figure) == [(0, 1, 2, MUTED), (1, 1, 1, HIDDEN), (2, 2, 2, MUTED), (3, 2, 2, ERROR)]
    (text,) = figure.texts
    assert (
        text.get_text() == "1.0 raised RuntimeError; it expects a last axis of 4" and to_hex(text.get_color()) == ERROR
    )


def test_a_timeline_marks_a_container_that_failed_and_cuts_long_names():
    class Fails(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + torch.ones(7)

    name = "a_part_of_the_model_with_a_name_that_is_longer_than_a_figure_is_wide"
    model = nn.Sequential()
    model.add_module(name, Fails(nn.ReLU()))
    with pytest.raises(RuntimeError) as caught:
        trace(model, torch.zeros(2, 3))
    figure = plots.call_timeline(caught.value.partial_trace)
    assert rows(figure)[1] == f"…{name[-31:]}" and [bar[-1] for bar in bars(figure)] == [MUTED, ERROR, HIDDEN]


def test_a_timeline_needs_calls_and_a_row_for_each():
    with pytest.raises(ValueError, match="no call to draw"):
        plots.call_timeline(CALLS.filter(name="none"))
    with pytest.raises(ValueError, match="'layer3' ran, but is none of the rows: '', 'layer1'"):
        plots.call_timeline(CALLS, [name for name in MODULES if name != "layer3"])


def test_the_stage_shows_each_call_and_the_gauges():
    states = {label: "finished" if at < 4 else "raised" if at == 4 else "waiting" for at, label in enumerate(LABELS)}
    (axes,) = plots.trace_stage(states, GAUGES).axes
    boxes, squares = of_kind(axes, Rectangle)[:8], of_kind(axes, Rectangle)[8:]
    assert [colour(box) for box in boxes[:5]] == [HIDDEN] * 4 + [ERROR]
    assert all(box.get_facecolor()[3] == 0 for box in boxes[5:])
    assert [box.get_center()[1] for box in boxes] == pytest.approx(range(8))
    assert len(squares) == 7 + 6 + 1
    lit = [square.get_facecolor()[3] == 1 for square in squares]
    assert lit == [True] * 7 + [True] * 3 + [False] * 3 + [False]
    assert {colour(square) for square, on in zip(squares, lit, strict=True) if on} == {BATCH}
    for text, count in ((GAUGES[0][0], 7), (GAUGES[1][0], 6), (GAUGES[2][0], 1)):
        (title,) = [one for one in axes.texts if one.get_text() == text]
        below = [one for one in squares if 0 < one.get_y() - title.get_position()[1] < 1]
        assert len(below) == count
        assert (title.get_weight() == "bold") == (text != GAUGES[2][0])
    beside = {row[0]: row[1:] for row in texts_by_row(axes) if row[0] in LABELS}
    assert [beside[label][0] for label in LABELS[:5]] == ["finished"] * 4 + ["raised"]
    assert "finished" not in beside["layer3"] and "raised" not in beside["layer3"]
    low, high = axes.get_ylim()
    assert low > high


def test_the_stage_stands_still_between_frames_and_refuses_nonsense():
    one = plots.trace_stage(dict.fromkeys(LABELS, "waiting"), [("a: 0", 0, 7)])
    other = plots.trace_stage(dict.fromkeys(LABELS, "raised"), GAUGES)
    assert one.axes[0].get_position().bounds == other.axes[0].get_position().bounds
    assert one.axes[0].get_ylim() == other.axes[0].get_ylim()
    assert (one.get_size_inches() == other.get_size_inches()).all()
    with pytest.raises(ValueError, match="a call is finished, raised, waiting; bn1 is 'done'"):
        plots.trace_stage({"bn1": "done"}, [])
    with pytest.raises(ValueError, match="'hooks': 8 of 7 squares lit"):
        plots.trace_stage({"bn1": "raised"}, [("hooks", 8, 7)])


def test_a_timeline_makes_room_for_long_names():
    short = plots.call_timeline(trace(ClinicalMLP(), torch.zeros(2, 20)))
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    long = plots.call_timeline(trace(layer, torch.zeros(1, 2, 32)), [name for name, _ in layer.named_modules()])
    assert short.axes[0].get_position().x0 < long.axes[0].get_position().x0 < 0.5
    long.draw_without_rendering()
    assert min(label.get_window_extent().x0 for label in long.axes[0].get_yticklabels()) > 0
