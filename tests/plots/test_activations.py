"""plots.activations: lines and bars are those of plain counting."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.figures import colour, of_kind
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch, StepPatch

from fpcourse import plots
from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT


def test_unit_values_are_row_0_within_the_batch():
    values = torch.tensor([[0.5, -1.0, 0.0], [0.25, 2.0, -3.0], [1.0, 0.0, 0.0]], requires_grad=True)
    (axes,) = plots.unit_values(values, limit=4).axes
    band, row = of_kind(axes, StepPatch)
    assert row.get_data().values.tolist() == [0.5, -1.0, 0.0]
    assert band.get_data().values.tolist() == [1.0, 2.0, 0.0]
    assert band.get_data().baseline.tolist() == [0.25, -1.0, -3.0]
    for steps in (band, row):
        assert steps.get_data().edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert colour(band) == BATCH and to_hex(row.get_edgecolor()) == HIDDEN and not row.get_fill()
    assert axes.get_xlim() == (-0.5, 2.5) and axes.get_ylim() == (-4, 4)
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["patient 0", "range of the batch"]
    (zero,) = axes.lines
    assert set(zero.get_ydata()) == {0} and zero.get_color() == MUTED


@pytest.mark.parametrize(("units", "ticks"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (64, [0, 31, 63])])
def test_unit_ticks_are_units(units, ticks):
    assert plots.unit_values(torch.zeros(1, units), limit=1).axes[0].get_xticks().tolist() == ticks


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), ()])
def test_unit_values_refuse_other_shapes(shape):
    with pytest.raises(ValueError, match=r"values must be \(batch, units\); got shape \("):
        plots.unit_values(torch.zeros(shape), limit=1)


def test_a_field_has_a_cell_for_each_number_in_its_shade():
    fields = {"facts": torch.tensor([[0.1, 1.0]]), "layer": torch.tensor([[-2.0, 0.5, 0.5], [9.0, -0.5, 0.0]])}
    (axes,) = plots.tensor_fields(fields).axes

    def cells(patch):
        return [tuple(corner) for corner in patch.get_path().vertices[::5].tolist()]

    found = {(colour(patch), patch.get_alpha()): cells(patch) for patch in of_kind(axes, PathPatch)}
    assert found == {
        (FEATURES, 0.5): [(1.5, 0)],  # 0.1 is too near to 0 to show; the narrower field stands in the middle
        (OUTPUT, 0.25): [(1, 4), (2, 4)],
        (OUTPUT, 1): [(0, 5)],
        (MUTED, 1): [(0, 4)],
        (MUTED, 0.25): [(1, 5)],
    }
    assert [text.get_text() for text in axes.texts] == ["facts", "(1, 2)", "layer", "(2, 3)"]
    with pytest.raises(ValueError, match=r"layer must be \(batch, units\); got shape \(3,\)"):
        plots.tensor_fields({"layer": torch.zeros(3)})


def test_a_histogram_by_hand():
    # Bins of 0.2 from -3: 0.1 falls into bin 15, -2.95 into bin 0, 3.0 into the last one, 7 into none.
    tensor = torch.tensor([[0.1, 0.1, -2.95, 3.0, 7.0]], dtype=torch.float64, requires_grad=True)
    (axes,) = plots.histograms({"layer1": tensor}).axes
    (steps,) = of_kind(axes, StepPatch)
    shares = dict(enumerate(steps.get_data().values.tolist()))
    assert len(shares) == 30
    assert {at: share for at, share in shares.items() if share} == {0: 0.2, 15: 0.4, 29: 0.2}
    assert steps.get_data().edges == pytest.approx(np.linspace(-3, 3, 31)) and colour(steps) == HIDDEN
    assert axes.get_title(loc="left") == "layer1" and (axes.get_xlabel(), axes.get_ylabel()) == (
        "value",
        "share",
    )


@settings(max_examples=4)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3),
    st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    st.integers(0, 99),
)
def test_histograms_equal_counting(shapes, limit, seed):
    torch.manual_seed(seed)
    tensors = {f"layer{at}": at + 2 * torch.randn(shape) for at, shape in enumerate(shapes)}
    figure = plots.histograms(tensors, span=(-limit, limit), top=0.9)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(tensors)
    for axes, tensor in zip(figure.axes, tensors.values(), strict=True):
        (steps,) = of_kind(axes, StepPatch)
        numbers = tensor.double().flatten().tolist()
        edges = [-limit + at * 2 * limit / 30 for at in range(31)]
        counts = [sum(low <= x < high for x in numbers) for low, high in pairwise(edges)]
        assert steps.get_data().values * len(numbers) == pytest.approx(counts)
        assert axes.get_xlim() == (-limit, limit) and axes.get_ylim() == (0, 0.9)


def test_histograms_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no activations to draw"):
        plots.histograms({})


def test_half_precision_can_be_drawn():
    (axes,) = plots.histograms({"a": torch.full((4,), 0.1, dtype=torch.bfloat16)}).axes
    assert of_kind(axes, StepPatch)[0].get_data().values[15] == 1
