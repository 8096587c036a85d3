"""plots.distributions: bars, gauges and lines are those of plain counting."""

import math
from itertools import pairwise

import pytest
import torch
from helpers.figures import colour, of_kind
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle, StepPatch

from fpcourse import plots
from fpcourse.page.palette import BATCH, ERROR, HIDDEN, MUTED


def gauge_of(axes):
    (gauge,) = axes.child_axes
    (bar,) = of_kind(gauge, Rectangle)
    return gauge, bar


def test_zeros_are_a_gauge_and_the_rest_are_bars_by_hand():
    # Bins of 3/14 from -3: 0.1 falls into bin 14, 1.0 into bin 18, -2.95 into bin 0, 3 into the last, 7 into none.
    tensor = torch.tensor([[0.0, 0.0, 0.1, 0.1, 1.0, -2.95, 3.0, 7.0]], dtype=torch.float64, requires_grad=True)
    (axes,) = plots.distributions({"relu:1": tensor}, columns=1).axes
    (steps,) = of_kind(axes, StepPatch)
    shares = dict(enumerate(steps.get_data().values.tolist()))
    assert len(shares) == 28
    assert {at: share for at, share in shares.items() if share} == {0: 0.125, 14: 0.25, 18: 0.125, 27: 0.125}
    gauge, bar = gauge_of(axes)
    assert bar.get_x() == 0 and bar.get_width() == 0.25 and gauge.get_xlim() == (0, 1)
    assert colour(bar) == MUTED and colour(steps) == HIDDEN
    assert [text.get_text() for text in axes.texts] == ["25% zero"]
    assert axes.get_title(loc="left") == "relu:1"
    assert axes.get_xlabel() == "value" and axes.get_ylabel() == "share"
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["values that are exactly 0", "other values"]
    assert [colour(patch) for patch in legend.get_patches()] == [MUTED, HIDDEN]


def test_no_zeros_no_words_about_them():
    (axes,) = plots.distributions({"layer1": torch.ones(4)}).axes
    assert gauge_of(axes)[1].get_width() == 0 and not axes.texts


@settings(max_examples=4)
@given(st.integers(1, 7), st.integers(1, 4), st.sampled_from([0.5, 3.0]), st.integers(0, 99))
def test_panels_equal_counting(count, columns, limit, seed):
    torch.manual_seed(seed)
    tensors = {f"layer{at}": torch.randn(5, 7).relu() - 0.3 * (at % 2) for at in range(count)}
    figure = plots.distributions(tensors, limit=limit, top=0.9, columns=columns)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(tensors)
    for axes, tensor in zip(figure.axes, tensors.values(), strict=True):
        numbers = tensor.flatten().tolist()
        edges = [-limit + at * 2 * limit / 28 for at in range(29)]
        counts = [sum(x != 0 and low <= x < high for x in numbers) for low, high in pairwise(edges)]
        (steps,) = of_kind(axes, StepPatch)
        assert steps.get_data().values * len(numbers) == pytest.approx(counts)
        assert gauge_of(axes)[1].get_width() == pytest.approx(numbers.count(0) / len(numbers))
        assert axes.get_xlim() == (-limit, limit) and axes.get_ylim() == (0, 0.9)


def test_distributions_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no activations to draw"):
        plots.distributions({})
    with pytest.raises(ValueError, match="bn1 has no elements to draw"):
        plots.distributions({"bn1": torch.zeros(0, 4)})


def test_zeros_by_unit_by_hand():
    outputs = torch.tensor([[0.0, 0.0, 2.0, 0.0], [1.0, 0.0, 2.0, -0.0], [0.0, 0.0, 2.0, 3.0], [1.0, 0.0, 2.0, 3.0]])
    one, other = plots.zeros_by_unit({"four": outputs.requires_grad_(), "two": outputs[:2]}).axes
    bars = of_kind(one, Rectangle)
    assert [bar.get_height() for bar in bars] == [0.5, 1, 0, 0.5]
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == pytest.approx([0, 1, 2, 3])
    assert [colour(bar) for bar in bars] == [HIDDEN, ERROR, HIDDEN, HIDDEN]
    assert [text.get_text() for text in one.texts] == ["1"] and [text.get_text() for text in other.texts] == ["1", "3"]
    assert [bar.get_height() for bar in of_kind(other, Rectangle)] == [0.5, 1, 0, 1]
    assert (one.get_title(loc="left"), other.get_title(loc="left")) == ("four", "two")
    assert one.get_ylim() == other.get_ylim() == (0, 1)
    assert [label.get_text() for label in one.get_yticklabels()] == ["none", "half", "all"]


@pytest.mark.parametrize(("full", "texts"), [(8, list("01234567")), (9, ["9 of 32"]), (32, ["32 of 32"])])
def test_many_full_bars_are_counted(full, texts):
    outputs = torch.ones(3, 32)
    outputs[:, :full] = 0
    (axes,) = plots.zeros_by_unit({"a": outputs}).axes
    assert [text.get_text() for text in axes.texts] == texts
    assert [colour(bar) for bar in of_kind(axes, Rectangle)] == [ERROR] * full + [HIDDEN] * (32 - full)


def test_one_sample_that_fires_is_no_full_bar():
    outputs = torch.zeros(512, 1)
    outputs[7] = 0.1
    (axes,) = plots.zeros_by_unit({"a": outputs}).axes
    (bar,) = of_kind(axes, Rectangle)
    assert bar.get_height() == 511 / 512 and colour(bar) == HIDDEN and not axes.texts


def test_zeros_by_unit_refuse_other_forms():
    with pytest.raises(ValueError, match="no outputs to draw"):
        plots.zeros_by_unit({})
    for tensor in (torch.zeros(3), torch.zeros(0, 3), torch.zeros(2, 3, 4)):
        with pytest.raises(ValueError, match=r"outputs must be \(samples, units\); conv has shape \("):
            plots.zeros_by_unit({"conv": tensor})


def test_spread_lines_are_the_runs():
    over_all, over_batch = [[1.0, 0.5, 0.2], [0.9, 0.6, 0.4]], [[0.8, 0.1, 0.01], [0.7, 0.2, 0.02]]
    (axes,) = plots.spread_by_layer(over_all, over_batch, low=0.001, high=10, active=2).axes
    marker, *lines = axes.lines
    assert set(marker.get_xdata()) == {2} and marker.get_color() == MUTED
    assert [
        line.get_ydata().tolist() if hasattr(line.get_ydata(), "tolist") else list(line.get_ydata()) for line in lines
    ] == [
        *over_all,
        *over_batch,
    ]
    assert all(list(line.get_xdata()) == [1, 2, 3] for line in lines)
    assert [line.get_color() for line in lines] == [HIDDEN] * 2 + [BATCH] * 2
    assert [line.get_linestyle() for line in lines] == ["-"] * 2 + ["--"] * 2
    assert axes.get_yscale() == "log" and axes.get_ylim() == (0.001, 10)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["over all elements", "over the batch, per unit"]


@pytest.mark.parametrize(("low", "high"), [(0.1, 2), (1e-10, 1e4), (1e-3, 10)])
def test_spread_ticks_say_their_place(low, high):
    (axes,) = plots.spread_by_layer([[1.0]], [[1.0]], low=low, high=high).axes
    ticks = list(zip(axes.get_yticks(), (label.get_text() for label in axes.get_yticklabels()), strict=True))
    assert 2 <= len(ticks) <= 6
    for place, text in ticks:
        assert low <= place <= high and math.isclose(float(text), place)
    assert len(axes.lines) == 2  # no layer is marked


@pytest.mark.parametrize(("over_all", "over_batch"), [([], []), ([[1.0]], []), ([[1.0]], [[1.0, 2.0]])])
def test_spread_refuses_runs_that_do_not_match(over_all, over_batch):
    with pytest.raises(ValueError, match="as many runs, all of one length"):
        plots.spread_by_layer(over_all, over_batch, low=0.1, high=1)


def test_axes_stand_still_between_frames():
    torch.manual_seed(0)
    small, large = torch.randn(2, 4), 1e4 * torch.randn(128, 4)
    for frames in (
        [plots.distributions({"a": x, "bn1": x}) for x in (small, large)],
        [plots.zeros_by_unit({"a": x.relu(), "b": x}) for x in (small, large)],
        [plots.spread_by_layer([[1, s]], [[s, 1]], low=1e-3, high=10, active=a) for s, a in ((1, None), (0.1, 2))],
    ):
        first, second = frames
        assert first.get_layout_engine() is None
        assert [axes.get_position().bounds for axes in first.axes] == [
            axes.get_position().bounds for axes in second.axes
        ]
        assert (first.get_size_inches() == second.get_size_inches()).all()
        assert [axes.get_ylim() for axes in first.axes] == [axes.get_ylim() for axes in second.axes]
