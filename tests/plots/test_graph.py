"""plots.graph: every node and every edge of an autograd graph."""

from collections import Counter

import pytest
import torch
from helpers.figures import graph_of, of_kind, text_boxes
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch
from torch import nn

from fpcourse import plots
from fpcourse.measure.autograd import autograd_graph
from fpcourse.models import ClinicalMLP, mlp
from fpcourse.page.palette import FEATURES, HIDDEN, MUTED
from fpcourse.plots.graph import MOST_NODES


def drawn_graph(graph):
    """Names by place, and the places that each arrow joins, read back from the figure."""
    (axes,) = plots.computation_graph(graph).axes
    names = {text.get_position(): text.get_text() for text in axes.texts if text.get_text()}
    arrows = [arrow for arrow in axes.texts if not arrow.get_text()]

    def place(x, y):
        return min(names, key=lambda at: abs(at[0] - x) + abs(at[1] - y))

    return axes, names, [(place(*arrow.xyann), place(*arrow.xy)) for arrow in arrows]


def label(node):
    """What is written in a node's box: a leaf has its name below, where the graph knows it."""
    return "\n".join([node.name.removesuffix("Backward0"), *([node.leaf.name] if node.leaf and node.leaf.name else [])])


def named_leaves():
    leaves = nn.ParameterDict({"w": torch.ones(3), "b": torch.ones(1)})
    return autograd_graph((leaves["w"].sum() + leaves["b"]) ** 2, leaves)


GRAPHS = {
    "named leaves": named_leaves,
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
    short = {node.index: label(node) for node in graph.nodes}
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
        assert box.width <= 0.225 * axes.bbox.width, text
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
        assert text.get_text() == label(node)
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
    for count in (MOST_NODES - 1, MOST_NODES):  # each addition is a node, the leaf is one more
        total = a
        for _ in range(count):
            total = total + 1
        graph = autograd_graph(total)
        assert len(graph.nodes) == count + 1
        if count < MOST_NODES:
            plots.computation_graph(graph)
        else:
            with pytest.raises(ValueError, match=r"121 nodes are too many to draw \(at most 120\); print the graph"):
                plots.computation_graph(graph)
