"""Figures of one layer: its sums step by step, and what its activation does."""

from collections.abc import Mapping, Sequence

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT
from fpcourse.plots.style import ARROW, WIDTH, in_style, one_axes, side_by_side

CELL_WIDTH, CELL_HEIGHT = 36, 21  # in points, as are all places in layer_step
X_AT, Z_AT, A_AT, W_AT, B_AT = (42, 22), (210, 22), (300, 22), (42, 124), (160, 124)
SUM_COLUMNS = (210, 312, 372)


@in_style
@matplotlib.rc_context({"font.size": 11})
def neuron(features: Sequence[float], weights: Sequence[float], bias: float) -> Figure:
    """One unit with ReLU: each feature times its weight, their sum with the bias, and the activation.

    The wider a line, the larger its weight; that of a negative weight is dashed. Room is for three features.

    Raises:
        ValueError: no weight for some feature, or no room.
    """
    if len(features) != len(weights) or not 1 <= len(features) <= 3:
        raise ValueError(
            f"expected one to three features and a weight for each, got {len(features)} and {len(weights)}"
        )
    figure, axes = one_axes(height=2.5, left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 10), ylim=(4.6, -0.1))
    axes.axis("off")
    z, middle = bias + sum(x * w for x, w in zip(features, weights, strict=True)), len(features) * 0.7 - 0.35
    for row, (x, w) in enumerate(zip(features, weights, strict=True)):
        y = 0.35 + 1.4 * row
        _number_box(axes, 0.8, y, f"x{row} = {_number(x)}", FEATURES)
        line = {"linewidth": 1 + 1.5 * abs(w), "linestyle": "--" if w < 0 else "-"}
        axes.plot((1.6, 3.1), (y, y), color=MUTED, **line)
        axes.text(2.35, y - 0.35, f"× {_number(w, factor=True)}", ha="center", va="center")
        _number_box(axes, 3.6, y, _number(x * w), FEATURES, width=1)
        axes.annotate("", (5.2, middle), (4.1, y), arrowprops=ARROW)
    _number_box(axes, 6, middle, f"z = {_number(z)}", HIDDEN)
    _number_box(axes, 6, 4.15, f"b = {_number(bias)}", FEATURES)
    _number_box(axes, 9.2, middle, f"a = {_number(max(z, 0.0))}", HIDDEN)
    axes.annotate("", (6, middle + 0.35), (6, 3.8), arrowprops=ARROW)
    axes.annotate("", (8.4, middle), (6.8, middle), arrowprops=ARROW)
    for x, text in ((6, "add up"), (7.6, "ReLU")):
        axes.text(x, middle - 0.65, text, ha="center", va="center", style="italic")
    return figure


def _number_box(axes: Axes, x: float, y: float, text: str, colour: str, width: float = 1.6) -> None:
    corner = (x - width / 2, y - 0.35)
    axes.add_patch(Rectangle(corner, width, 0.7, facecolor=colour, alpha=0.2))
    axes.add_patch(Rectangle(corner, width, 0.7, facecolor="none", edgecolor=colour))
    axes.text(x, y, text, ha="center", va="center", weight="bold")


@in_style
@matplotlib.rc_context({"font.size": 11})  # its numbers are read one by one, on a phone too
def layer_step(
    X: torch.Tensor,
    W: torch.Tensor,
    b: torch.Tensor,
    Z: torch.Tensor,
    A: torch.Tensor,
    at: tuple[int, int, int],
    sums: Sequence[float],
) -> Figure:
    """One step on the way from ``X`` (batch, features) to ``Z`` and ``A`` (batch, units), number by number.

    ``at`` is the row, the unit and the part: a feature's number while products are added, the number of features
    for the bias, one more for the activation. Its numbers are lit. ``Z`` and ``A`` hold nan where nothing has been
    computed; ``sums`` holds what stood in ``Z[row, unit]`` after each part so far. Room is for three features,
    three rows and two units. From step to step the outlines and lights move on, a feature and the bias come out of
    their cells into the sum, and a number of ``A`` out of ``Z``.

    Raises:
        ValueError: a part that is not there, as many sums as do not belong to it, or no room.
    """
    (rows, features), units = X.shape, len(W)
    row, unit, part = at
    if rows > 3 or features > 3 or units > 2:
        raise ValueError(f"layer_step has room for 3 rows, 3 features, 2 units; got {rows}, {features}, {units}")
    if not (0 <= row < rows and 0 <= unit < units and 0 <= part <= features + 1):
        raise ValueError(f"no row, unit and part {at} in {rows} rows, {units} units and {features + 2} parts")
    if len(sums) != min(part, features) + 1:
        raise ValueError(f"part {part} comes after {min(part, features) + 1} sums; got {len(sums)}")
    figure, axes = one_axes(height=3.3, left=0, right=1, bottom=0, top=1)
    axes.set(xlim=(0, WIDTH * 72), ylim=(3.3 * 72, 0))
    axes.axis("off")
    multiplies, adds_bias, activates = part < features, part == features, part > features
    row_names, unit_names = [f"row {at}" for at in range(rows)], [f"unit {at}" for at in range(units)]
    _grid(axes, X_AT, f"X  ({rows}, {features})", X, FEATURES, row_names)
    _grid(axes, Z_AT, f"Z  ({rows}, {units})", Z, HIDDEN)
    _grid(axes, A_AT, f"A  ({rows}, {units})", A, HIDDEN, source="Z")
    _grid(axes, W_AT, f"W  ({units}, {features})", W, FEATURES, unit_names)
    _grid(axes, B_AT, f"b  ({units},)", b[:, None], FEATURES)
    for x, _ in (Z_AT, A_AT):
        for number, name in enumerate(unit_names):
            axes.text(x + (number + 0.5) * CELL_WIDTH, 97, name, ha="center", va="center", fontsize=9)
    if multiplies:
        _light(axes, X_AT, row, part, FEATURES, "lit-X")
        _light(axes, W_AT, unit, part, FEATURES, "lit-W")
    if adds_bias:
        _light(axes, B_AT, unit, 0, FEATURES, "lit-b lit-W")
    _light(axes, Z_AT, row, unit, HIDDEN, "lit-Z")
    if activates:
        _light(axes, A_AT, row, unit, HIDDEN, "lit-A lit-Z")
    _outline(axes, X_AT, row, features, BATCH, "row")
    _outline(axes, W_AT, unit, features, HIDDEN, "unit")
    _sum_lines(axes, X[row], W[unit], b[unit], A[row, unit], at, sums)
    return figure


def _grid(
    axes: Axes, corner, title: str, table: torch.Tensor, colour: str, names: Sequence[str] = (), source: str = ""
) -> None:
    """A table of numbers in cells, its name above; a nan leaves its cell empty. A new number comes from ``source``."""
    left, top = corner
    axes.text(left, top - 9, title, va="center", weight="bold")
    for i, numbers in enumerate(table.tolist()):
        for k, number in enumerate(numbers):
            x, y = left + k * CELL_WIDTH, top + i * CELL_HEIGHT
            axes.add_patch(Rectangle((x, y), CELL_WIDTH, CELL_HEIGHT, facecolor="none", edgecolor=colour, alpha=0.5))
            if number == number:
                text = axes.text(x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2, _number(number), ha="center", va="center")
                text.set_gid(f"{title[0]}{i}{k} {source}{i}{k}" if source else f"{title[0]}{i}{k}")
    for i, name in enumerate(names):
        axes.text(left - 5, top + (i + 0.5) * CELL_HEIGHT, name, ha="right", va="center")


def _light(axes: Axes, corner, row: int, column: int, colour: str, gid: str) -> None:
    place = (corner[0] + column * CELL_WIDTH, corner[1] + row * CELL_HEIGHT)
    axes.add_patch(Rectangle(place, CELL_WIDTH, CELL_HEIGHT, facecolor=colour, alpha=0.3, gid=gid))


def _outline(axes: Axes, corner, row: int, columns: int, colour: str, gid: str) -> None:
    place = (corner[0], corner[1] + row * CELL_HEIGHT)
    size = (columns * CELL_WIDTH, CELL_HEIGHT)
    axes.add_patch(Rectangle(place, *size, facecolor="none", edgecolor=colour, linewidth=2, gid=gid))


def _sum_lines(axes: Axes, x, w, bias, activated, at: tuple[int, int, int], sums: Sequence[float]) -> None:
    """The parts of one cell so far, each with what it adds and the running sum after it."""
    row, unit, part = at
    lines = [
        (f"{_number(feature)} · {_number(weight, factor=True)}", _number(feature * weight), _number(total))
        for feature, weight, total in zip(x.tolist(), w.tolist(), sums, strict=False)
    ]
    if part >= len(x):
        lines.append((f"b[{unit}]", _number(bias.item()), _number(sums[-1])))
    axes.text(Z_AT[0], 115, f"Z[{row}, {unit}]", va="center", weight="bold")
    for place, text in zip(SUM_COLUMNS[1:], ("adds", "sum"), strict=True):
        axes.text(place, 115, text, ha="right", va="center", style="italic")
    for number, line in enumerate(lines):
        weight = "bold" if number == part else "normal"
        source = f"X{row}{number}" if number < len(x) else f"b{unit}0"
        gids = (f"part{row}{unit}{number} {source}", None, None)
        for place, text, side, gid in zip(SUM_COLUMNS, line, ("left", "right", "right"), gids, strict=True):
            axes.text(place, 135 + 20 * number, text, ha=side, va="center", weight=weight, gid=gid)
    if part > len(x):
        axes.text(SUM_COLUMNS[0], 219, f"activation: A[{row}, {unit}]", va="center", weight="bold")
        axes.text(SUM_COLUMNS[2], 219, _number(activated.item()), ha="right", va="center", weight="bold")


def _number(value: float, factor: bool = False) -> str:
    """At most three decimals and a true minus; a negative second factor stands in brackets."""
    text = f"{round(value, 3) + 0.0:g}".replace("-", "−")  # -0.0 + 0.0 is 0.0
    return f"({text})" if factor and value < 0 else text


@in_style
def contributions(
    x: torch.Tensor,
    parts: Mapping[str, torch.Tensor],
    totals: Mapping[str, torch.Tensor],
    one_layer: torch.Tensor,
    limits: tuple[float, float],
) -> Figure:
    """Side by side for each kind of network of one feature: what its units add, and their total.

    ``parts`` holds a ``(points, units)`` tensor by title, ``totals`` one of ``(points,)``; ``one_layer``, the output
    of a single linear layer, is drawn as dots in every panel. The vertical axis runs between ``limits``.

    Raises:
        ValueError: nothing to draw, or totals under other titles.
    """
    if not parts or list(parts) != list(totals):
        raise ValueError(f"parts and totals need the same titles; got {list(parts)} and {list(totals)}")
    figure, panels = side_by_side(len(parts), height=2.7, left=0.09, right=0.98, bottom=0.17, top=0.9, wspace=0.1)
    for axes, title in zip(panels, parts, strict=True):
        for column in parts[title].T:
            axes.plot(x, column, color=HIDDEN, linewidth=1, linestyle="--")
        axes.plot(x, totals[title], color=OUTPUT, linewidth=2.4)
        axes.plot(x[::4], one_layer[::4], color=FEATURES, linestyle="none", marker="o", markersize=4)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.set(title=title, xlim=(x[0].item(), x[-1].item()), ylim=limits, xlabel="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@in_style
def decision_surfaces(
    axis: torch.Tensor,
    logits: Mapping[str, torch.Tensor],
    points: torch.Tensor,
    targets: torch.Tensor,
    names: tuple[str, str] = ("feature 0", "feature 1"),
) -> Figure:
    """Side by side, where the logit of two features is above 0 (filled), and ``points`` (count, 2) by their target.

    ``logits`` holds by title a ``(len(axis), len(axis))`` tensor: row, the second feature, upwards; column, the first.

    Raises:
        ValueError: a logit that has one sign everywhere has no boundary.
    """
    for title, surface in logits.items():
        if not surface.min() < 0 < surface.max():
            raise ValueError(f"{title!r}: the logit does not change its sign, so there is no boundary to draw")
    figure, panels = side_by_side(len(logits), height=2.85, left=0.1, right=0.98, bottom=0.17, top=0.9, wspace=0.1)
    ends = (axis[0].item(), axis[-1].item())
    for axes, (title, surface) in zip(panels, logits.items(), strict=True):
        axes.contourf(axis, axis, surface, levels=[0, surface.max().item() + 1], colors=[OUTPUT], alpha=0.3)
        axes.contour(axis, axis, surface, levels=[0], colors=[OUTPUT], linewidths=2)
        for target, face in ((0, "white"), (1, "black")):
            x, y = points[targets == target].T
            axes.plot(x, y, color="black", markerfacecolor=face, linestyle="none", marker="o", markersize=9)
        axes.set(title=title, xlim=ends, ylim=ends, xlabel=names[0], xticks=[0, 1], yticks=[0, 1])
    panels[0].set_ylabel(names[1])
    return figure


@in_style
def activation_curves(z: torch.Tensor, curves: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> Figure:
    """Side by side for each activation: its value and its slope at the points ``z``, from -1.2 to 2.2.

    Raises:
        ValueError: nothing to draw.
    """
    if not curves:
        raise ValueError("no activations to draw")
    figure, panels = side_by_side(len(curves), height=2.2, left=0.09, right=0.98, bottom=0.21, top=0.88, wspace=0.12)
    for axes, (title, (values, slopes)) in zip(panels, curves.items(), strict=True):
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.plot(z, values, color=HIDDEN, linewidth=2)
        axes.plot(z, slopes, color=FEATURES, linewidth=1.6, linestyle="--")
        axes.set(title=title, xlim=(z[0].item(), z[-1].item()), ylim=(-1.2, 2.2), xlabel="z")
        axes.set_yticks([-1, 0, 1, 2])
    return figure
