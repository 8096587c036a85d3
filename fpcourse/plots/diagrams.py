"""Drawings of ideas, without data."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpcourse.page.palette import BATCH, MUTED
from fpcourse.plots.style import ARROW, in_style, one_axes


@in_style
def training_step() -> Figure:
    """A diagram of one step of training, with the forward pass lit."""
    figure, axes = one_axes(height=1.25, left=0.01, right=0.99, bottom=0.02, top=0.98)
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
