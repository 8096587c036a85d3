"""The figure of an autograd graph."""

from collections import Counter

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpcourse.measure.autograd import AutogradGraph, Node
from fpcourse.page.palette import FEATURES, HIDDEN, MUTED
from fpcourse.plots.style import ARROW, WIDTH, in_style, one_axes, rounded_box

MOST_NODES = 120


@in_style
def computation_graph(graph: AutogradGraph) -> Figure:
    """The autograd graph, the output on top, each node above the nodes it passes gradients to.

    A node that saved tensors for backward is filled; a leaf is outlined in the features' colour, and its name, where
    the graph has one, is written in its box.

    Raises:
        ValueError: more nodes than a reader can tell apart.
    """
    if len(graph.nodes) > MOST_NODES:
        raise ValueError(
            f"{len(graph.nodes)} nodes are too many to draw (at most {MOST_NODES}); print the graph instead"
        )
    positions = _graph_positions(graph)
    depth = max(row for row, _ in positions.values()) + 1
    row_height = 0.66 if any(node.leaf and node.leaf.name for node in graph.nodes) else 0.52  # inches
    figure, axes = one_axes(height=max(1.2, row_height * depth), left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 1), ylim=(depth - 0.45, -0.55))
    axes.axis("off")
    for start, end in graph.edges:
        (row, x), (row_below, x_below) = positions[start], positions[end]
        axes.annotate("", (x_below, row_below - 0.27), (x, row + 0.27), arrowprops=ARROW)
    crowd = Counter(row for row, _ in positions.values())
    for node in graph.nodes:
        _draw_node(axes, node, positions[node.index], width=min(0.3, 0.92 / max(crowd.values())), depth=depth)
    return figure


def _draw_node(axes: Axes, node: Node, place: tuple[int, float], width: float, depth: int) -> None:
    row, x = place
    name = node.name.removesuffix("Backward0")
    lines = [name, node.leaf.name] if node.leaf and node.leaf.name else [name]
    corner = (x - width / 2, row - 0.27)
    edge, face = (FEATURES if node.leaf else MUTED), (HIDDEN if node.saved else "none")
    axes.add_patch(rounded_box(corner, width, 0.54, depth, edgecolor="none", facecolor=face, alpha=0.25))
    axes.add_patch(rounded_box(corner, width, 0.54, depth, edgecolor=edge, facecolor="none"))
    # A letter is about 0.6 of the font size wide; the axes are WIDTH inches of 72 points. 8.8 are 11 px on a phone.
    size = min(8.8, width * WIDTH * 72 / (0.6 * (max(map(len, lines)) + 1)))
    axes.text(x, row, "\n".join(lines), ha="center", va="center", fontsize=size)


def _graph_positions(graph: AutogradGraph) -> dict[int, tuple[int, float]]:
    """For each node its row (the longest path from the output) and its place in the row, from 0 to 1."""
    depth = dict.fromkeys((node.index for node in graph.nodes), 0)
    below: dict[int, list[int]] = {index: [] for index in depth}
    waiting = dict.fromkeys(depth, 0)
    for start, end in graph.edges:
        below[start].append(end)
        waiting[end] += 1
    ready = [index for index, count in waiting.items() if count == 0]
    while ready:
        index = ready.pop()
        for end in below[index]:
            depth[end] = max(depth[end], depth[index] + 1)
            waiting[end] -= 1
            if waiting[end] == 0:
                ready.append(end)
    rows: dict[int, list[int]] = {}
    for index, row in depth.items():
        rows.setdefault(row, []).append(index)
    return {index: (row, (at + 0.5) / len(rows[row])) for row in rows for at, index in enumerate(rows[row])}
