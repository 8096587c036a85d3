"""Figures of the modes: one number over repeated passes, and what a mode and a gradient context each change."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpcourse.page.palette import MUTED, OUTPUT
from fpcourse.plots.style import WIDTH, in_style, one_axes


@in_style
def repeated_passes(values: Sequence[float], reference: float, limits: tuple[float, float]) -> Figure:
    """A dot for each pass, at the probability it gave, and a dashed line at the ``reference`` of eval mode.

    The vertical axis runs from the first to the second of ``limits``, so that figures can be compared.

    Raises:
        ValueError: no values, or one outside the limits, where it would not be seen.
    """
    figure, axes = one_axes(height=2.3, left=0.12, right=0.98, bottom=0.2, top=0.88)
    _draw_passes(axes, values, reference, limits)
    return figure


@in_style
def evaluations(values: Mapping[str, Sequence[float]], reference: float, limits: tuple[float, float]) -> Figure:
    """AUROCs of repeated evaluations, a column of dots a setting, and a dashed line at the one of eval mode.

    The vertical axis runs from the first to the second of ``limits``.

    Raises:
        ValueError: no values, or one outside the limits.
    """
    if not values:
        raise ValueError("no values to draw")
    figure, axes = one_axes(height=2.6, left=0.12, right=0.98, bottom=0.2, top=0.88)
    for at, (label, column) in enumerate(values.items()):
        _check_within((*column, reference), limits)
        across = [at + 0.5 * (number / max(1, len(column) - 1) - 0.5) for number in range(len(column))]
        axes.plot(across, column, "o", color=OUTPUT, markersize=3, markeredgewidth=0, label=label)
    axes.axhline(reference, color=MUTED, linestyle="--", linewidth=1.2)
    axes.set(xlim=(-0.5, len(values) - 0.5), ylim=limits, title="AUROC; dashed: eval mode")
    axes.set_xticks(range(len(values)), list(values))
    _three_ticks(axes, limits)
    return figure


@in_style
def switchboard(
    values: Sequence[float],
    reference: float,
    limits: tuple[float, float],
    effects: Mapping[str, tuple[bool, str]],
) -> Figure:
    """``repeated_passes``, and below it a lamp for each effect: filled where it is there, and its number.

    ``effects`` gives, by the words beside the lamp, whether it is lit and what stands at the right.

    Raises:
        ValueError: no effects, no values, or a value outside the limits.
    """
    if not effects:
        raise ValueError("no effects to draw")
    height = 2.1 + 0.27 * len(effects)
    figure = Figure(figsize=(WIDTH, height))
    passes, lamps = figure.subplots(2, 1)
    passes.set_position((0.12, 1 - 1.6 / height, 0.86, 1.35 / height))
    lamps.set_position((0.02, 0.05 / height, 0.96, 0.27 * len(effects) / height))
    _draw_passes(passes, values, reference, limits)
    lamps.set(xlim=(0, 10), ylim=(len(effects) - 0.5, -0.5))
    lamps.axis("off")
    for row, (words, (lit, number)) in enumerate(effects.items()):
        colour = "black" if lit else MUTED
        lamps.plot([0.2], [row], "o", markersize=8, color=colour, markerfacecolor=colour if lit else "none")
        lamps.text(0.55, row, words, va="center", weight="bold" if lit else "normal")
        lamps.text(9.9, row, number, va="center", ha="right", weight="bold" if lit else "normal")
    return figure


def _draw_passes(axes: Axes, values: Sequence[float], reference: float, limits: tuple[float, float]) -> None:
    if not len(values):
        raise ValueError("no values to draw")
    _check_within((*values, reference), limits)
    axes.axhline(reference, color=MUTED, linestyle="--", linewidth=1.2)
    size = 4 if len(values) <= 50 else 3
    axes.plot(range(1, len(values) + 1), values, "o", color=OUTPUT, markersize=size, markeredgewidth=0)
    axes.set(xlim=(0, len(values) + 1), ylim=limits, xlabel="pass")
    axes.set_title("probability; dashed: eval mode")
    axes.set_xticks([1, len(values) // 2, len(values)] if len(values) > 3 else range(1, len(values) + 1))
    _three_ticks(axes, limits)


def _check_within(values: Sequence[float], limits: tuple[float, float]) -> None:
    low, high = limits
    for value in values:
        if not low <= value <= high:
            raise ValueError(f"{value:.3g} is outside the axis, which runs from {low:g} to {high:g}")


def _three_ticks(axes: Axes, limits: tuple[float, float]) -> None:
    ticks = [limits[0], sum(limits) / 2, limits[1]]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
