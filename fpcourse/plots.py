"""One function a figure: each takes results of the package and returns a matplotlib Figure, in one style.

Axes are placed by hand: a layout computed from the labels would move them from frame to frame. Colours come from
``palette``; text is black, which the page turns into the colour of its own text.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from fpcourse.autograd import AutogradGraph, Node
from fpcourse.calls import Trace
from fpcourse.nested import Shape
from fpcourse.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "text.parse_math": False,
}
WIDTH = 5.2  # inches, all figures: at this width the text stays legible on a phone
MOST_NODES = 120
ARROW = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}


@matplotlib.rc_context(STYLE)
def shape_ribbon(trace: Trace, active: int | None = None) -> Figure:
    """The tensors of a pass, top to bottom: a rectangle as wide as its features, as high as its batch.

    Widths and heights grow with the logarithm of the sizes. Row 0 is the input, row ``i`` the output of call
    ``i``; ``active`` lights one row.

    Raises:
        ValueError: a trace without calls, or one whose tensors are not ``(batch, features)``.
    """
    rows = _ribbon_rows(trace)
    figure, axes = _one_axes(height=0.31 * len(rows) + 0.35, left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 10), ylim=(len(rows) - 0.4, -0.9))
    axes.axis("off")
    for x, text, side in ((0.1, "output of", "left"), (5.2, "tensor", "center"), (9.9, "shape", "right")):
        axes.text(x, -0.65, text, ha=side, va="center", style="italic")
    for at, (label, (batch, features)) in enumerate(rows):
        width, height = 0.7 * np.log2(features + 1), 0.12 + 0.08 * np.log2(batch + 1)
        colour = FEATURES if at == 0 else OUTPUT if at == len(rows) - 1 else HIDDEN
        weight = "bold" if at == active else "normal"
        if at == active:
            axes.add_patch(Rectangle((0, at - 0.46), 10, 0.92, facecolor=BATCH, alpha=0.16))
        axes.add_patch(Rectangle((5.2 - width / 2, at - height / 2), width, height, facecolor=colour))
        axes.plot([5.1 - width / 2] * 2, [at - height / 2, at + height / 2], color=BATCH, linewidth=2.5)
        axes.text(0.1, at, label, va="center", weight=weight)
        axes.text(9.9, at, f"({batch}, {features})", va="center", ha="right", weight=weight)
    return figure


def _check_calls(trace: Trace) -> None:
    if not len(trace):
        raise ValueError("the trace holds no call to draw")


def _ribbon_rows(trace: Trace) -> list[tuple[str, Shape]]:
    _check_calls(trace)
    rows = [("input", trace[0].input_shapes[0]), *((call.label, call.output_shapes[0]) for call in trace)]
    for label, shape in rows:
        if len(shape) != 2 or not all(isinstance(size, int) for size in shape):
            raise ValueError(f"shape_ribbon draws (batch, features) tensors; {label} has shape {shape}")
    return rows


@matplotlib.rc_context(STYLE)
def parameters_and_activations(trace: Trace) -> Figure:
    """Beside one another for each call: its own parameters, and the elements of its output.

    Raises:
        ValueError: a trace without calls.
    """
    _check_calls(trace)
    labels = [call.label for call in trace]
    counts = {
        "parameters": [call.parameters for call in trace],
        "activation elements": [sum(map(_elements, call.output_shapes)) for call in trace],
    }
    figure = Figure(figsize=(WIDTH, 0.27 * len(labels) + 0.7))
    panels = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.13, right=0.99, bottom=0.05, top=0.86, wspace=0.12)
    for axes, (title, values), colour in zip(panels, counts.items(), (FEATURES, HIDDEN), strict=True):
        _labelled_bars(axes, title, labels, values, colour, room=1.3)
    panels[0].invert_yaxis()
    return figure


@matplotlib.rc_context(STYLE)
def bytes_and_parameters(rows: Mapping[str, tuple[int, int]]) -> Figure:
    """Beside one another for each row: the bytes of its output, and its parameters, each on a scale from 0.

    ``rows`` gives the two numbers by label; a label may be as long as ``layers.0.self_attn``.

    Raises:
        ValueError: nothing to draw.
    """
    if not rows:
        raise ValueError("no rows to draw")
    height = 0.22 * len(rows) + 0.5
    figure = Figure(figsize=(WIDTH, height))
    panels = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.32, right=0.99, bottom=0.08 / height, top=1 - 0.32 / height, wspace=0.06)
    columns = zip(*rows.values(), strict=True)
    for axes, title, values, colour in zip(
        panels, ("bytes of output", "parameters"), columns, (HIDDEN, FEATURES), strict=True
    ):
        _labelled_bars(axes, title, list(rows), values, colour, room=1.8)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _labelled_bars(
    axes: Axes, title: str, labels: Sequence[str], values: Sequence[int], colour: str, room: float
) -> None:
    """A horizontal bar a label with its number behind it; the axis ends at ``room`` times the longest bar."""
    axes.barh(labels, values, color=colour, height=0.62)
    most = max(1, *values)
    axes.set(title=title, xlim=(0, room * most), xticks=[])
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
    for at, value in enumerate(values):
        axes.text(value + 0.02 * most, at, f"{value:,}", va="center")


@matplotlib.rc_context(STYLE)
def bytes_against_batch(batch_sizes: Sequence[int], activation_bytes: Sequence[int], parameter_bytes: int) -> Figure:
    """The bytes of all layers' outputs, which grow with the batch, against those of the parameters.

    Raises:
        ValueError: a number of bytes that is not positive has no place on the logarithmic axis.
    """
    if min(*activation_bytes, parameter_bytes) <= 0:
        raise ValueError(f"bytes must be positive; got {list(activation_bytes)} and {parameter_bytes}")
    figure, axes = _one_axes(height=2.7, left=0.15, right=0.97, bottom=0.19, top=0.95)
    axes.plot(batch_sizes, activation_bytes, color=HIDDEN, marker="o", label="activations")
    axes.plot(batch_sizes, [parameter_bytes] * len(batch_sizes), color=FEATURES, linestyle="--", label="parameters")
    axes.set(xscale="log", yscale="log", xlabel="batch size")
    axes.set_xticks(batch_sizes, [f"{size:,}" for size in batch_sizes])
    axes.set_yticks(*_powers_of_ten(min(*activation_bytes, parameter_bytes), max(*activation_bytes, parameter_bytes)))
    axes.minorticks_off()
    axes.legend(loc="upper left")
    return figure


@matplotlib.rc_context(STYLE)
def unit_values(values: torch.Tensor, limit: float) -> Figure:
    """One step of a pass in numbers: row 0 of ``values`` (batch, units), over the range of the whole batch.

    The vertical axis runs from ``-limit`` to ``limit``, so that steps can be compared.

    Raises:
        ValueError: ``values`` is not two-dimensional.
    """
    if values.dim() != 2:
        raise ValueError(f"values must be (batch, units); got shape {tuple(values.shape)}")
    rows = values.detach().numpy()
    edges = np.arange(rows.shape[1] + 1) - 0.5
    figure, axes = _one_axes(height=1.75, left=0.11, right=0.98, bottom=0.27, top=0.97)
    axes.stairs(rows.max(0), edges, baseline=rows.min(0), fill=True, color=BATCH, alpha=0.3)
    axes.stairs(rows[0], edges, color=HIDDEN, linewidth=1.6)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(-limit, limit), xlabel="unit", ylabel="value")
    axes.set_xticks(sorted({0, (rows.shape[1] - 1) // 2, rows.shape[1] - 1}))
    return figure


@matplotlib.rc_context(STYLE)
def histograms(activations: Mapping[str, torch.Tensor], limit: float = 3.0, top: float = 0.6) -> Figure:
    """The distribution of each tensor's elements in 30 bins, side by side on equal axes.

    The horizontal axis runs from ``-limit`` to ``limit`` and leaves out values beyond; the vertical one is the
    share of all elements, from 0 to ``top``. Neither depends on the data, so that frames can be compared.

    Raises:
        ValueError: nothing to draw.
    """
    if not activations:
        raise ValueError("no activations to draw")
    figure = Figure(figsize=(WIDTH, 1.9))
    panels = figure.subplots(1, len(activations), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.11, right=0.98, bottom=0.24, top=0.86, wspace=0.12)
    for axes, (label, tensor) in zip(panels, activations.items(), strict=True):
        counts, edges = np.histogram(tensor.detach().float().numpy(), bins=30, range=(-limit, limit))
        axes.stairs(counts / tensor.numel(), edges, fill=True, color=HIDDEN)
        axes.set(title=label, xlim=(-limit, limit), ylim=(0, top), xlabel="value")
        axes.set_xticks([-limit, 0, limit], [f"{-limit:g}", "0", f"{limit:g}"])
    panels[0].set_ylabel("share")
    return figure


@matplotlib.rc_context(STYLE)
def training_step() -> Figure:
    """A diagram of one step of training, with the forward pass lit."""
    figure, axes = _one_axes(height=1.25, left=0.01, right=0.99, bottom=0.02, top=0.98)
    axes.set(xlim=(0, 8), ylim=(0, 1.6))
    axes.axis("off")
    arrow = {**ARROW, "linewidth": 1.3}
    for at, text in enumerate(("forward\npass", "loss", "backward\npass", "optimiser\nstep")):
        lit = at == 0
        axes.add_patch(Rectangle((2 * at + 0.1, 0.75), 1.6, 0.7, facecolor=BATCH, alpha=0.3 if lit else 0))
        axes.add_patch(Rectangle((2 * at + 0.1, 0.75), 1.6, 0.7, facecolor="none", edgecolor=BATCH if lit else MUTED))
        axes.text(2 * at + 0.9, 1.1, text, ha="center", va="center", weight="bold" if lit else "normal")
        if at < 3:
            axes.annotate("", (2 * at + 2.1, 1.1), (2 * at + 1.7, 1.1), arrowprops=arrow)
    axes.plot([6.9, 6.9, 0.9], [0.75, 0.3, 0.3], color=MUTED, linestyle="--", linewidth=1.3)
    axes.annotate("", (0.9, 0.75), (0.9, 0.3), arrowprops=arrow)
    axes.text(3.9, 0.12, "new weights, next batch", ha="center", va="center")
    return figure


@matplotlib.rc_context(STYLE)
def computation_graph(graph: AutogradGraph) -> Figure:
    """The autograd graph, the output on top, each node above the nodes it passes gradients to.

    A node that saved tensors for backward is filled; a leaf is outlined in the features' colour.

    Raises:
        ValueError: more nodes than a reader can tell apart.
    """
    if len(graph.nodes) > MOST_NODES:
        raise ValueError(
            f"{len(graph.nodes)} nodes are too many to draw (at most {MOST_NODES}); print the graph instead"
        )
    positions = _graph_positions(graph)
    depth = max(row for row, _ in positions.values()) + 1
    figure, axes = _one_axes(height=max(1.2, 0.52 * depth), left=0.01, right=0.99, bottom=0.01, top=0.99)
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
    corner, box = (x - width / 2, row - 0.27), {"boxstyle": "round,pad=0,rounding_size=0.02", "mutation_aspect": depth}
    edge, face = (FEATURES if node.leaf else MUTED), (HIDDEN if node.saved else "none")
    axes.add_patch(FancyBboxPatch(corner, width, 0.54, edgecolor="none", facecolor=face, alpha=0.25, **box))
    axes.add_patch(FancyBboxPatch(corner, width, 0.54, edgecolor=edge, facecolor="none", **box))
    # A letter is about 0.6 of the font size wide; the axes are WIDTH inches of 72 points.
    size = min(8, width * WIDTH * 72 / (0.6 * (len(name) + 1)))
    axes.text(x, row, name, ha="center", va="center", fontsize=size)


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


def _one_axes(height: float, **margins: float):
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots()
    figure.subplots_adjust(**margins)
    return figure, axes


def _elements(shape: Shape) -> int:
    return int(np.prod(shape))


def _powers_of_ten(low: float, high: float) -> tuple[list[float], list[str]]:
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    return [10.0**n for n in exponents], [f"{10 ** (n % 3)} {units[n // 3]}" for n in exponents]
