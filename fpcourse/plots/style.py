"""The one style of all figures. Axes are placed by hand: a layout computed from labels would move them between frames.

Colours come from ``palette``; text is black, which the page turns into the colour of its own text.
"""

from collections.abc import Callable, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from fpcourse.page.palette import MUTED

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
ARROW = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}


def in_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """The function draws in this style, whatever the reader's own is, and leaves the reader's."""
    return matplotlib.rc_context(STYLE)(draw)


def one_axes(height: float, **margins: float) -> tuple[Figure, Axes]:
    """A figure of the one width, this height in inches and these margins, from 0 to 1."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots()
    figure.subplots_adjust(**margins)
    return figure, axes


def side_by_side(count: int, height: float, **margins: float) -> tuple[Figure, Sequence[Axes]]:
    """As ``one_axes``, with this many panels in a row, on one vertical axis."""
    figure = Figure(figsize=(WIDTH, height))
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    figure.subplots_adjust(**margins)
    return figure, panels


def rounded_box(corner: tuple[float, float], width: float, height: float, aspect: float, **style) -> FancyBboxPatch:
    """A box with rounded corners, on axes on which a unit is this many times as long across as down."""
    shape = {"boxstyle": "round,pad=0,rounding_size=0.015", "mutation_aspect": aspect}
    return FancyBboxPatch(corner, width, height, **shape, **style)


def labelled_bars(
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


def ticks_within(axes: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    """Ticks whose first and last labels do not reach into the neighbouring panels."""
    axes.set_xticks(places, labels)
    texts = axes.get_xticklabels()
    texts[0].set_horizontalalignment("left")
    texts[-1].set_horizontalalignment("right")
