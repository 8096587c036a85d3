"""The figure of a whole pass as one draws it on a whiteboard: down the layers, and back up the graph."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from fpcourse.page.palette import BATCH, HIDDEN, MUTED, OUTPUT
from fpcourse.plots.style import ARROW, in_style, one_axes, rounded_box

ROW = 0.5  # inches
FORWARD, GRAPH = 0.245, 0.755  # the middles of the two lanes
HALF_WIDTH, HALF_HEIGHT, LINE, ASPECT = 0.235, 0.36, 0.17, 10


@dataclass(frozen=True)
class Written:
    """One row of ``whiteboard``: a tensor of the pass on the left, what autograd has behind it on the right.

    Args:
        tensor: its name and shape; empty for what has not been drawn yet.
        number: the line below.
        node: the operation recorded; empty where nothing is.
        note: the line below it: what the node keeps, or what became of it.
        gradient: whether the note is a gradient that has arrived.
        lit: whether this tensor is the one spoken of.
    """

    tensor: str = ""
    number: str = ""
    node: str = ""
    note: str = ""
    gradient: bool = False
    lit: bool = False


@in_style
def whiteboard(rows: Sequence[Written], nothing: str = "") -> Figure:
    """The rows from top to bottom; on the left arrows lead down, on the right up, from each node to the one before it.

    The right-hand arrows run as backward does, so they point at earlier operations; those that a gradient has
    come along are thick. ``nothing`` is written in the right-hand lane where no row has a node.

    Raises:
        ValueError: no rows, or a row that is drawn below one that is not.
    """
    drawn = [bool(row.tensor) for row in rows]
    if not any(drawn):
        raise ValueError("no row to draw: the first needs a tensor")
    if drawn != sorted(drawn, reverse=True):
        raise ValueError("a row is drawn below one that is not; a pass runs from top to bottom")
    figure, axes = one_axes(height=ROW * (len(rows) + 0.4), left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.9))
    axes.axis("off")
    for at in range(1, sum(drawn)):
        axes.annotate("", (FORWARD, at - HALF_HEIGHT), (FORWARD, at - 1 + HALF_HEIGHT), arrowprops=ARROW)
    for at, row in enumerate(rows):
        _draw_tensor(axes, at, row)
    _draw_graph(axes, rows)
    if nothing and not any(row.node for row in rows):
        axes.text(GRAPH, (len(rows) - 1) / 2, nothing, ha="center", va="center", color=MUTED)
    return figure


def _draw_tensor(axes: Axes, at: int, row: Written) -> None:
    if row.lit:
        axes.add_patch(_box(FORWARD, at, edgecolor="none", facecolor=BATCH, alpha=0.16))
    axes.add_patch(_box(FORWARD, at, edgecolor=MUTED, facecolor="none", linestyle="-" if row.tensor else ":"))
    axes.text(FORWARD, at - LINE, row.tensor, ha="center", va="center", weight="bold")
    axes.text(FORWARD, at + LINE, row.number, ha="center", va="center")


def _draw_graph(axes: Axes, rows: Sequence[Written]) -> None:
    nodes = [(at, row) for at, row in enumerate(rows) if row.node]
    axes.text(FORWARD, -0.65, "forward, downwards", ha="center", va="center", style="italic")
    if nodes:
        axes.text(GRAPH, -0.65, "the graph: backward, upwards", ha="center", va="center", style="italic")
    for (above, earlier), (below, _) in itertools.pairwise(nodes):
        style = {**ARROW, "color": OUTPUT, "linewidth": 2.2} if earlier.gradient else ARROW
        axes.annotate("", (GRAPH, above + HALF_HEIGHT), (GRAPH, below - HALF_HEIGHT), arrowprops=style)
    for at, row in nodes:
        axes.plot((FORWARD + HALF_WIDTH, GRAPH - HALF_WIDTH), (at, at), color=MUTED, linewidth=1, linestyle="--")
        if not row.gradient:
            axes.add_patch(_box(GRAPH, at, edgecolor="none", facecolor=HIDDEN, alpha=0.25))
        axes.add_patch(_box(GRAPH, at, edgecolor=OUTPUT if row.gradient else HIDDEN, facecolor="none"))
        axes.text(GRAPH, at - LINE, row.node, ha="center", va="center", weight="bold")
        axes.text(GRAPH, at + LINE, row.note, ha="center", va="center", color=OUTPUT if row.gradient else "black")


def _box(middle: float, row: int, **style) -> FancyBboxPatch:
    return rounded_box((middle - HALF_WIDTH, row - HALF_HEIGHT), 2 * HALF_WIDTH, 2 * HALF_HEIGHT, ASPECT, **style)
