"""plots.learning: losses stand at their values, points are marked by their values, bars reach to their correlations."""

import pytest
import torch
from matplotlib.colors import to_hex

from fpcourse import plots
from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED

LOSSES = {"training": [0.6, 0.4, 0.3, 0.25], "validation": [0.6, 0.5, 0.45, 0.5], "limits": (0.2, 0.7)}
POINTS = torch.tensor([[0.0, 0.0], [1.0, -1.0], [2.0, 2.0], [-3.0, 1.0], [9.0, 0.5]])
VALUES = torch.tensor([3.0, 1.0, 2.0, 4.0, 5.0])


def test_a_line_for_each_loss_and_a_mark_at_the_epoch():
    (axes,) = plots.losses(**LOSSES, active=2).axes
    mark, training, validation = axes.lines
    assert list(mark.get_xdata()) == [2, 2] and to_hex(mark.get_color()) == MUTED
    for line, name, colour, style in (
        (training, "training", HIDDEN, "-"),
        (validation, "validation", BATCH, "--"),
    ):
        assert line.get_xydata().tolist() == [[epoch, loss] for epoch, loss in enumerate(LOSSES[name])]
        assert (to_hex(line.get_color()), line.get_linestyle()) == (colour, style)
        assert line.get_label() == f"{name} loss"
    assert axes.get_ylim() == LOSSES["limits"] and axes.get_xticks().tolist() == [0, 1, 3]


def test_without_an_active_epoch_there_is_no_mark():
    (axes,) = plots.losses(**LOSSES).axes
    assert len(axes.lines) == 2


@pytest.mark.parametrize(("training", "validation"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [])])
def test_losses_come_in_pairs(training, validation):
    with pytest.raises(ValueError, match=f"got {len(training)} training and {len(validation)} validation losses"):
        plots.losses(training, validation, limits=(0, 1))


def test_one_epoch_can_be_drawn():
    (axes,) = plots.losses([0.5], [0.5], limits=(0, 1)).axes
    assert axes.get_xticks().tolist() == [0]


def test_points_are_marked_by_their_values_and_those_beyond_lie_on_the_edge():
    one, other = plots.representations({"a": POINTS, "b": -POINTS}, VALUES, limit=4).axes
    for axes, points in ((one, POINTS), (other, -POINTS)):
        between, lowest, highest = axes.lines[:3]
        inside = points.clamp(-4, 4)
        assert lowest.get_xydata().tolist() == inside[[1]].tolist()
        assert highest.get_xydata().tolist() == inside[[4]].tolist()
        assert between.get_xydata().tolist() == inside[[0, 2, 3]].tolist()
        assert [to_hex(line.get_color()) for line in (between, lowest, highest)] == [MUTED, BATCH, FEATURES]
        assert len({line.get_marker() for line in (between, lowest, highest)}) == 3
        assert axes.get_xlim() == axes.get_ylim() == (-4.16, 4.16)
    assert [axes.get_title(loc="left") for axes in (one, other)] == ["a", "b"]
    assert highest.get_xydata().tolist() == [[-4.0, -0.5]]  # of the second panel, clamped


def test_the_two_fifths_have_a_fifth_each():
    values = torch.rand(200)
    (axes,) = plots.representations({"a": torch.randn(200, 2)}, values, limit=4).axes
    assert [len(line.get_xdata()) for line in axes.lines[:3]] == [120, 40, 40]


@pytest.mark.parametrize(
    ("points", "values", "said"),
    [
        ({}, VALUES, "no points"),
        ({"a": POINTS}, VALUES[:3], r"a has shape \(5, 2\), values \(3,\)"),
        ({"a": POINTS[:, :1]}, VALUES, r"a has shape \(5, 1\)"),
        ({"a": POINTS}, VALUES[:, None], r"values \(5, 1\)"),
    ],
)
def test_points_of_another_form_are_refused(points, values, said):
    with pytest.raises(ValueError, match=said):
        plots.representations(points, values, limit=4)


NAMES = ["age", "stays", "female"]
PANELS = {"before": [0.1, -0.2, 0.0], "after": [-0.5, 0.9, 0.05]}


def bars(axes):
    names = [label.get_text() for label in axes.figure.axes[0].get_yticklabels()]  # shared by the panels
    return {name: (bar.get_width(), to_hex(bar.get_facecolor())) for name, bar in zip(names, axes.patches, strict=True)}


def test_a_bar_a_feature_the_largest_on_top():
    before, after = plots.correlations(NAMES, PANELS).axes
    assert bars(before) == {"female": (0.0, BATCH), "age": (0.1, FEATURES), "stays": (-0.2, BATCH)}
    assert bars(after) == {"female": (0.05, FEATURES), "age": (-0.5, BATCH), "stays": (0.9, FEATURES)}
    assert list(bars(after)) == ["female", "age", "stays"]  # upwards
    assert before.get_xlim() == after.get_xlim() == (-1, 1)


def test_the_weakest_are_left_out():
    before, _ = plots.correlations(NAMES, PANELS, top=2).axes
    assert list(bars(before)) == ["age", "stays"]


@pytest.mark.parametrize(
    ("panels", "said"),
    [
        ({}, "no correlations"),
        ({"a": [0.1]}, "a has 1 correlations for 3 names"),
        ({"a": [0.1, 1.2, 0.0]}, "no correlation"),
        ({"a": [0.1, float("nan"), 0.0]}, "no correlation"),
    ],
)
def test_what_is_no_correlation_is_refused(panels, said):
    with pytest.raises(ValueError, match=said):
        plots.correlations(NAMES, panels)
