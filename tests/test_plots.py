"""plots: what is drawn is what was given, in its place, in the colour of its kind; axes do not move between frames."""

import re
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, Rectangle, StepPatch
from torch import nn

from fpcourse import plots
from fpcourse.autograd import autograd_graph
from fpcourse.models import ClinicalMLP, mlp
from fpcourse.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT
from fpcourse.tracing import trace
from fpcourse.views import svg

MODEL = ClinicalMLP().eval()
CALLS = trace(MODEL, torch.zeros(16, 20))
LABELS = ["layer1", "bn1", "relu:1", "drop", "layer2", "bn2", "relu:2", "layer3"]
SHAPES = [(16, 64)] * 4 + [(16, 32)] * 3 + [(16, 1)]
PARAMETERS = [20 * 64 + 64, 128, 0, 0, 64 * 32 + 32, 64, 0, 33]

LONG_ROWS = {
    "layers.0.self_attn": (2_097_152, 4224),
    "stage1.shortcut": (1024, 2_073_178),
    "fc": (40, 0),
}


def graph_of(model=MODEL, X=None):
    return autograd_graph(model(torch.ones(16, 20) if X is None else X).sum(), model)


def every_figure():
    return {
        "shape_ribbon": plots.shape_ribbon(CALLS, active=3),
        "parameters_and_activations": plots.parameters_and_activations(CALLS),
        "bytes_and_parameters": plots.bytes_and_parameters(LONG_ROWS),
        "bytes_against_batch": plots.bytes_against_batch([1, 16, 1024], [1412, 22592, 1445888], 14596),
        "unit_values": plots.unit_values(torch.randn(16, 64), limit=4),
        "histograms": plots.histograms({name: torch.randn(16, 64) for name in "abcd"}),
        "training_step": plots.training_step(),
        "computation_graph": plots.computation_graph(graph_of()),
    }


FIGURES = list(every_figure())


def of_kind(axes, kind):
    return [patch for patch in axes.patches if type(patch) is kind]


def colour(patch):
    return to_hex(patch.get_facecolor())


def texts_by_row(axes):
    """The texts of an axes, top row first, each row from left to right."""
    rows = {}
    for text in axes.texts:
        x, y = text.get_position()
        rows.setdefault(y, []).append((x, text.get_text()))
    return [[text for _, text in sorted(rows[y])] for y in sorted(rows)]


# All figures


@pytest.fixture(scope="module")
def figures():
    return every_figure()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_leave_pyplot_alone_and_hold_no_nan(figures, name):
    figure = figures[name]
    assert pyplot.get_fignums() == [] and figure.canvas.manager is None
    assert figure.get_size_inches()[0] == plots.WIDTH
    assert not re.search(r"\b(nan|inf)\b", svg(figure, "p-"))


def text_boxes(figure):
    """The text that shows, with its place in pixels."""
    FigureCanvasAgg(figure).draw()
    found = []
    for axes in figure.axes:
        texts = [*axes.texts, axes._left_title]
        if axes.axison:
            texts += [axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                texts += [tick.label1 for tick in ticks if tick.label1.get_visible()]
        found += [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_text_stays_on_the_figure_and_off_other_text(figures, name):
    figure, found = figures[name], text_boxes(figures[name])
    assert len(found) > 4
    for text, box in found:
        assert min(box.x0, box.y0) > -1, text
        assert box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1, text
    for (one, box), (other, other_box) in combinations(found, 2):
        across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        up = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert min(across, up) < 2, (one, other)


def test_the_readers_style_is_left_and_text_is_no_formula():
    before = dict(pyplot.rcParams)
    figure = plots.histograms({"cost in $ and $": torch.zeros(2)})
    assert dict(pyplot.rcParams) == before
    assert "cost in $ and $" in svg(figure, "p-")


def positions(figure):
    return [axes.get_position().bounds for axes in figure.axes]


def test_axes_stand_still_between_frames():
    torch.manual_seed(0)
    small, large = torch.randn(2, 4), 1e4 * torch.randn(128, 4)
    for frames in (
        [plots.histograms({"a": x, "bn1": x}) for x in (small, large)],
        [plots.unit_values(x, limit=2) for x in (small, large)],
        [plots.shape_ribbon(trace(MODEL, torch.zeros(n, 20)), active) for n, active in ((1, None), (4096, 2))],
        [plots.bytes_against_batch([1, n], [10, 10 * n], 40) for n in (2, 10**6)],
    ):
        first, second = frames
        assert first.get_layout_engine() is None  # which would move them at the first draw
        assert positions(first) == positions(second)
        assert (first.get_size_inches() == second.get_size_inches()).all()
    for one, other in zip(*[plots.histograms({"a": x, "b": x}).axes for x in (small, large)], strict=True):
        assert one.get_xlim() == other.get_xlim() == (-3, 3) and one.get_ylim() == other.get_ylim() == (
            0,
            0.6,
        )


# shape_ribbon


def test_ribbon_has_a_row_for_the_input_and_for_each_output():
    (axes,) = plots.shape_ribbon(CALLS).axes
    rows = list(zip(["input", *LABELS], [(16, 20), *SHAPES], strict=True))
    assert texts_by_row(axes) == [
        ["output of", "tensor", "shape"],
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


def empty_trace():
    with pytest.raises(RuntimeError) as caught:
        trace(MODEL, torch.zeros(16, 19))
    return caught.value.partial_trace


@pytest.mark.parametrize("draw", [plots.shape_ribbon, plots.parameters_and_activations])
def test_a_trace_without_calls_is_refused(draw):
    with pytest.raises(ValueError, match="the trace holds no call to draw"):
        draw(empty_trace())


# parameters_and_activations


def test_bars_are_parameters_and_elements():
    left, right = plots.parameters_and_activations(CALLS).axes
    elements = [batch * features for batch, features in SHAPES]
    for axes, title, values, face in (
        (left, "parameters", PARAMETERS, FEATURES),
        (right, "activation elements", elements, HIDDEN),
    ):
        assert axes.get_title(loc="left") == title
        assert [bar.get_width() for bar in axes.patches] == values
        assert [bar.get_y() + bar.get_height() / 2 for bar in axes.patches] == pytest.approx(range(8))
        assert {colour(bar) for bar in axes.patches} == {face}
        assert texts_by_row(axes) == [[f"{value:,}"] for value in values]
        assert axes.get_xlim()[1] > max(values)
    assert [label.get_text() for label in left.get_yticklabels()] == LABELS
    low, high = left.get_ylim()
    assert low > high and right.get_ylim() == (low, high)  # the first call on top


def test_frozen_parameters_count_and_a_pass_may_have_none():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    model[0].bias.requires_grad_(False)
    left, _ = plots.parameters_and_activations(trace(model, torch.zeros(5, 3))).axes
    assert [bar.get_width() for bar in left.patches] == [8, 0]
    left, right = plots.parameters_and_activations(trace(nn.ReLU(), torch.zeros(5, 3))).axes
    assert [bar.get_width() for bar in (*left.patches, *right.patches)] == [0, 15]


# bytes_and_parameters


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


# bytes_against_batch


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


# unit_values


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
    (zero,) = axes.lines
    assert set(zero.get_ydata()) == {0} and zero.get_color() == MUTED


@pytest.mark.parametrize(("units", "ticks"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (64, [0, 31, 63])])
def test_unit_ticks_are_units(units, ticks):
    assert plots.unit_values(torch.zeros(1, units), limit=1).axes[0].get_xticks().tolist() == ticks


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), ()])
def test_unit_values_refuse_other_shapes(shape):
    with pytest.raises(ValueError, match=r"values must be \(batch, units\); got shape \("):
        plots.unit_values(torch.zeros(shape), limit=1)


# histograms


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


@settings(max_examples=10)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3),
    st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    st.integers(0, 99),
)
def test_histograms_equal_counting(shapes, limit, seed):
    torch.manual_seed(seed)
    tensors = {f"layer{at}": at + 2 * torch.randn(shape) for at, shape in enumerate(shapes)}
    figure = plots.histograms(tensors, limit=limit, top=0.9)
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


# training_step


def test_training_step_lights_the_forward_pass():
    (axes,) = plots.training_step().axes
    words = ["forward pass", "loss", "backward pass", "optimiser step"]
    *names, back = [text for text in axes.texts if text.get_text()]
    arrows = [text for text in axes.texts if not text.get_text()]
    assert [" ".join(name.get_text().split()) for name in names] == words
    assert back.get_text() == "new weights, next batch"
    assert [name.get_weight() for name in names] == ["bold", "normal", "normal", "normal"]
    frames = [patch for patch in of_kind(axes, Rectangle) if patch.get_edgecolor()[3] == 1]
    lights = [patch for patch in of_kind(axes, Rectangle) if patch.get_facecolor()[3] > 0]
    for frame, name in zip(frames, names, strict=True):
        assert frame.get_center() == pytest.approx(name.get_position())
    assert [light.get_bbox().bounds for light in lights] == [frames[0].get_bbox().bounds]
    assert colour(lights[0]) == BATCH
    assert [to_hex(frame.get_edgecolor()) for frame in frames] == [BATCH, MUTED, MUTED, MUTED]
    for arrow, (one, next_one) in zip(arrows, pairwise(frames), strict=False):
        assert arrow.xyann[0] == pytest.approx(one.get_bbox().x1) and arrow.xy[0] == pytest.approx(next_one.get_x())
    (line,) = axes.lines  # from the last box to below the first, where the last arrow goes up into it
    (start_x, start_y), *_, end = line.get_xydata().tolist()
    assert (start_x, start_y) == (pytest.approx(frames[3].get_center()[0]), frames[3].get_y())
    assert len(arrows) == 4 and list(arrows[3].xyann) == end
    assert arrows[3].xy == (pytest.approx(frames[0].get_center()[0]), frames[0].get_y())


# computation_graph


def drawn_graph(graph):
    """Names by place, and the places that each arrow joins, read back from the figure."""
    (axes,) = plots.computation_graph(graph).axes
    names = {text.get_position(): text.get_text() for text in axes.texts if text.get_text()}
    arrows = [arrow for arrow in axes.texts if not arrow.get_text()]

    def place(x, y):
        return min(names, key=lambda at: abs(at[0] - x) + abs(at[1] - y))

    return axes, names, [(place(*arrow.xyann), place(*arrow.xy)) for arrow in arrows]


GRAPHS = {
    "ClinicalMLP": graph_of,
    "train": lambda: graph_of(ClinicalMLP(), torch.randn(16, 20)),
    "mlp": lambda: graph_of(mlp([20, 8, 1], nn.Sigmoid)),
    "square": lambda: autograd_graph((lambda a: (a * a).sum())(torch.ones(3, requires_grad=True))),
    "diamond": lambda: autograd_graph((lambda a: a.exp() + a.sin().cos())(torch.ones(3, requires_grad=True))),
    "turned diamond": lambda: autograd_graph((lambda a: a.sin().cos() + a.exp())(torch.ones(3, requires_grad=True))),
    "skip": lambda: autograd_graph((lambda a: (a.exp().sin() + a).sum())(torch.ones(3, requires_grad=True))),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_node_and_every_edge_is_drawn_downwards(name):
    graph = GRAPHS[name]()
    _, names, arrows = drawn_graph(graph)
    short = {node.index: node.name.removesuffix("Backward0") for node in graph.nodes}
    assert Counter(names.values()) == Counter(short.values())
    expected = Counter((short[start], short[end]) for start, end in graph.edges)
    assert Counter((names[start], names[end]) for start, end in arrows) == expected
    assert all(start[1] < end[1] for start, end in arrows)
    (top,) = [place for place in names if place[1] == 0]
    assert names[top] == short[0]
    # A row further down for each step of the longest way from the output.
    depth = {top: 0}
    for _ in names:
        for start, end in arrows:
            if start in depth:
                depth[end] = max(depth.get(end, 0), depth[start] + 1)
    assert {place: row for place, row in depth.items()} == {place: place[1] for place in names}


@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_do_not_overlap_and_stay_inside(name):
    axes, names, _ = drawn_graph(GRAPHS[name]())
    assert sorted(axes.get_xlim()) == [0, 1]
    low, high = sorted(axes.get_ylim())
    for text, box in text_boxes(axes.figure):
        assert box.width <= 0.22 * axes.bbox.width, text
    for x, y in names:
        assert 0.11 <= x <= 0.89 and low < y - 0.27 and y + 0.27 < high
        assert all(abs(x - other) >= 0.22 for other, row in names if row == y and other != x)


def test_nodes_that_saved_are_filled_and_leaves_outlined():
    graph = graph_of()
    axes, _, _ = drawn_graph(graph)
    boxes = of_kind(axes, FancyBboxPatch)
    fills, outlines = boxes[::2], boxes[1::2]
    texts = [text for text in axes.texts if text.get_text()]
    for node, fill, outline, text in zip(graph.nodes, fills, outlines, texts, strict=True):
        assert text.get_text() == node.name.removesuffix("Backward0")
        for box in (fill, outline):
            centre = box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2
            assert centre == pytest.approx(text.get_position())
        assert to_hex(fill.get_facecolor()) == (HIDDEN if node.saved else "#000000")
        assert bool(fill.get_facecolor()[3]) == bool(node.saved)
        assert to_hex(outline.get_edgecolor()) == (FEATURES if node.leaf else MUTED)
    assert sum(node.leaf is not None for node in graph.nodes) == 10  # 3 weights, 3 biases, 2 x 2 of BatchNorm
    assert {node.name for node in graph.nodes if node.saved} >= {"ReluBackward0", "AddmmBackward0"}


def test_too_large_a_graph_is_refused():
    a = torch.ones(1, requires_grad=True)
    for count in (plots.MOST_NODES - 1, plots.MOST_NODES):  # each addition is a node, the leaf is one more
        total = a
        for _ in range(count):
            total = total + 1
        graph = autograd_graph(total)
        assert len(graph.nodes) == count + 1
        if count < plots.MOST_NODES:
            plots.computation_graph(graph)
        else:
            with pytest.raises(ValueError, match=r"121 nodes are too many to draw \(at most 120\); print the graph"):
                plots.computation_graph(graph)


@pytest.mark.parametrize(("activations", "parameters"), [([1, 2], 0), ([0, 2], 4)])
def test_bytes_that_are_not_positive_are_refused(activations, parameters):
    with pytest.raises(ValueError, match="bytes must be positive"):
        plots.bytes_against_batch([1, 2], activations, parameters)
