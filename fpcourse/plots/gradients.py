"""Figures of a small computation on its way forward and back: as autograd records it, and number by number."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT
from fpcourse.plots.style import ARROW, in_style, one_axes, rounded_box

HALF_WIDTH, HALF_HEIGHT, LINE, ASPECT = 0.235, 0.375, 0.22, 6


@dataclass(frozen=True)
class Tracked:
    """One tensor in ``recorded_steps``, and what autograd has behind it at this moment.

    Args:
        place: the middle of its box, from 0 (left) to 1, and its row, 0 on top.
        inputs: the names of the tensors it is computed from.
        value: its name and numbers; empty for a tensor that does not exist yet.
        note: the line below: the operation recorded, or that there is none.
        requires_grad: whether a gradient can reach it.
        leaf: whether it is one whose gradient is kept.
        gradient: the gradient that is here at this moment, as text.
        kept: what its operation keeps for backward, as text; it stands on the right of the box.
        freed: backward has dropped what was kept.
    """

    place: tuple[float, int]
    inputs: tuple[str, ...] = ()
    value: str = ""
    note: str = ""
    requires_grad: bool = False
    leaf: bool = False
    gradient: str = ""
    kept: str = ""
    freed: bool = False


@in_style
def recorded_steps(
    tensors: Mapping[str, Tracked], active: str | None = None, walked: Collection[tuple[str, str]] = ()
) -> Figure:
    """A computation in the middle of its forward or backward pass, the result on top, places fixed by the caller.

    A tensor that does not exist yet is a dotted outline; one that requires no gradient is dashed; a leaf that
    requires one is outlined in the features' colour. An arrow runs as backward will, from a result to an input
    that requires a gradient; where nothing was recorded there is a dashed line without a head. What an
    operation keeps stands on the right of its result, filled, or dashed once it is freed. From step to step the
    light moves on, a value comes out of its first input, and a gradient out of the result it arrives from.

    Args:
        tensors: by name.
        active: the tensor to light.
        walked: the arrows, as pairs (result, input), along which a gradient comes at this moment.

    Raises:
        ValueError: an input, or ``active``, is not among the tensors, or a walked arrow is not in the figure.
    """
    _check(tensors, active, walked)
    rows = 1 + max(tensor.place[1] for tensor in tensors.values())
    figure, axes = one_axes(height=0.78 * rows, left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 1), ylim=(rows - 0.53, -0.47))
    axes.axis("off")
    for name, tensor in tensors.items():
        for source in tensor.inputs if tensor.value else ():
            _draw_edge(axes, tensor, tensors[source], (name, source) in walked)
    result_of = {source: name for name, tensor in tensors.items() for source in tensor.inputs}
    for name, tensor in tensors.items():
        value = " ".join((name, *tensor.inputs[:1]))
        gradient = f"d-{name} d-{result_of[name]}" if name in result_of else f"d-{name}"
        _draw_box(axes, tensor, name == active, value, gradient)
    return figure


def _check(tensors: Mapping[str, Tracked], active: str | None, walked: Collection[tuple[str, str]]) -> None:
    named = {source for tensor in tensors.values() for source in tensor.inputs} | ({active} if active else set())
    if unknown := named - tensors.keys():
        raise ValueError(f"{', '.join(sorted(unknown))} is not among the tensors ({', '.join(tensors)})")
    arrows = {(name, source) for name, tensor in tensors.items() if tensor.value for source in tensor.inputs}
    for edge in walked:
        if edge not in arrows or not tensors[edge[1]].requires_grad:
            raise ValueError(f"no arrow from {edge[0]} to {edge[1]}: a gradient cannot come along it")


def _draw_edge(axes: Axes, result: Tracked, source: Tracked, walked: bool) -> None:
    (x, row), (x_below, row_below) = result.place, source.place
    start, end = (x, row + HALF_HEIGHT), (x_below, row_below - HALF_HEIGHT)
    if result.requires_grad and source.requires_grad:
        style = {**ARROW, "color": OUTPUT, "linewidth": 2.2} if walked else ARROW
        axes.annotate("", end, start, arrowprops=style)
    else:
        axes.plot(*zip(start, end, strict=True), color=MUTED, linewidth=1, linestyle="--")


def _draw_box(axes: Axes, tensor: Tracked, active: bool, value_gid: str, gradient_gid: str) -> None:
    x, row = tensor.place
    corner, size = (x - HALF_WIDTH, row - HALF_HEIGHT), (2 * HALF_WIDTH, 2 * HALF_HEIGHT)
    if not tensor.value:
        axes.add_patch(rounded_box(corner, *size, ASPECT, edgecolor=MUTED, facecolor="none", linestyle=":"))
        return
    if active:
        axes.add_patch(rounded_box(corner, *size, ASPECT, edgecolor="none", facecolor=BATCH, alpha=0.16, gid="active"))
    edge = FEATURES if tensor.leaf and tensor.requires_grad else MUTED
    line = "-" if tensor.requires_grad else "--"
    axes.add_patch(rounded_box(corner, *size, ASPECT, edgecolor=edge, facecolor="none", linestyle=line))
    axes.text(x, row - LINE + 0.02, tensor.value, ha="center", va="center", weight="bold", gid=value_gid)
    axes.text(
        x, row + 0.02, tensor.note, ha="center", va="center", color=MUTED if not tensor.requires_grad else "black"
    )
    look = {"color": OUTPUT, "weight": "bold", "gid": gradient_gid}
    axes.text(x, row + LINE + 0.02, tensor.gradient, ha="center", va="center", **look)
    if tensor.kept or tensor.freed:
        _draw_kept(axes, tensor)


def _draw_kept(axes: Axes, tensor: Tracked) -> None:
    x, row = tensor.place
    corner, size = (x + HALF_WIDTH + 0.03, row - 0.17), (2 * HALF_WIDTH - 0.03, 0.34)
    if not tensor.freed:
        axes.add_patch(rounded_box(corner, *size, ASPECT, edgecolor="none", facecolor=HIDDEN, alpha=0.25))
    colour, line = (MUTED, "--") if tensor.freed else (HIDDEN, "-")
    axes.add_patch(rounded_box(corner, *size, ASPECT, edgecolor=colour, facecolor="none", linestyle=line))
    middle = corner[0] + size[0] / 2
    axes.text(middle, row, "freed" if tensor.freed else tensor.kept, ha="center", va="center")


@dataclass(frozen=True)
class Number:
    """One number in ``slopes_and_gradients``.

    Args:
        place: the middle of its box, on axes 10 across, from row -2 at the top to row 2.
        value: its name and number; empty for one that is not computed yet.
        gradient: the gradient that has arrived so far, as text.
        leaf: whether its gradient is what the backward pass is for.
    """

    place: tuple[float, float]
    value: str = ""
    gradient: str = ""
    leaf: bool = False


@in_style
@matplotlib.rc_context({"font.size": 11})  # its numbers are read one by one, on a phone too
def slopes_and_gradients(
    numbers: Mapping[str, Number],
    slopes: Mapping[tuple[str, str], str],
    walked: Collection[tuple[str, str]] = (),
    back: bool = False,
) -> Figure:
    """A chain of operations on single numbers, each with its gradient below it, and on each edge its local slope.

    Edges are pairs (input, result). The arrows run from inputs to results or, ``back``, the other way, with a line
    and no head where no gradient is sent; those ``walked`` at this moment are lit. From step to step a value comes
    out of its first input, and a gradient out of a result that it arrives from.

    Args:
        numbers: by name.
        slopes: what is written on each edge; empty for an edge whose slope nobody needs, or not yet.

    Raises:
        ValueError: an edge between numbers that are not there, or a walked edge that is not among the edges.
    """
    if unknown := {name for edge in slopes for name in edge} - numbers.keys():
        raise ValueError(f"{', '.join(sorted(unknown))} is not among the numbers ({', '.join(numbers)})")
    if missing := set(walked) - slopes.keys():
        raise ValueError(f"no edge {missing.pop()} among the edges")
    figure, axes = one_axes(height=2.75, left=0, right=1, bottom=0, top=1)
    axes.set(xlim=(0, 10), ylim=(2.65, -2.65))
    axes.axis("off")
    for (source, result), slope in slopes.items():
        _draw_slope(axes, numbers[source], numbers[result], slope, (source, result) in walked, back)
    inputs = {result: source for source, result in reversed(slopes)}
    results = {source: result for source, result in slopes}
    for name, number in numbers.items():
        (x, y), width = number.place, 3.1 if len(number.gradient) > 10 else 1.4
        look = {"edgecolor": FEATURES if number.leaf else MUTED, "facecolor": "none"}
        line = "-" if number.value else ":"
        axes.add_patch(rounded_box((x - width / 2, y - 0.52), width, 1.04, 1, linestyle=line, **look))
        gid = " ".join(filter(None, (name, inputs.get(name))))
        axes.text(x, y - 0.22, number.value, ha="center", va="center", weight="bold", gid=gid)
        gid = " ".join(f"d-{each}" for each in (name, results.get(name)) if each)
        look = {"color": OUTPUT, "weight": "bold", "gid": gid}
        axes.text(x, y + 0.24, number.gradient, ha="center", va="center", **look)
    return figure


def _draw_slope(axes: Axes, source: Number, result: Number, slope: str, walked: bool, back: bool) -> None:
    (x, y), (x_result, y_result) = source.place, result.place
    ends = [(x + 0.7, y), (x_result - 0.7, y)] if y == y_result else [(x, y), (x_result, y_result)]
    if y != y_result:  # from the edge of one box to the edge of the other
        down = 0.52 if y < y_result else -0.52
        ends = [(x, y + down), (x_result, y_result - down)]
    if not (source.value and result.value):
        axes.plot(*zip(*ends, strict=True), color=MUTED, linewidth=1, linestyle=":")
    elif back and not slope:
        axes.plot(*zip(*ends, strict=True), color=MUTED, linewidth=1, linestyle="--")
    else:
        start, end = ends[::-1] if back else ends
        lit = {"color": OUTPUT if back else BATCH, "linewidth": 2.4}
        axes.annotate("", end, start, arrowprops={**ARROW, **(lit if walked else {})})
    middle_x, middle_y = (ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2
    level = y == y_result
    side = -0.2 if x_result < x else 0.2
    axes.text(
        middle_x if level else middle_x + side,
        middle_y - (0.3 if level else 0.15 if x != x_result else 0),
        slope,
        ha="center" if level else "right" if side < 0 else "left",
        va="center",
        style="italic",
        color=OUTPUT if walked and back else "black",
    )
