"""Figures of learning: losses by epoch, activations as points in a plane, and what a unit goes with."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED
from fpcourse.plots.style import WIDTH, in_style, one_axes, side_by_side


@in_style
def losses(
    training: Sequence[float], validation: Sequence[float], limits: tuple[float, float], active: int | None = None
) -> Figure:
    """Two losses against the epoch, from epoch 0 on. Solid: training. Dashed: validation. ``active`` marks an epoch.

    The vertical axis runs from the first to the second of ``limits``, so that figures can be compared.

    Raises:
        ValueError: no losses, or not as many of the one as of the other.
    """
    if not len(training) or len(training) != len(validation):
        raise ValueError(f"got {len(training)} training and {len(validation)} validation losses; give as many of each")
    figure, axes = one_axes(height=2.1, left=0.12, right=0.98, bottom=0.23, top=0.8)
    if active is not None:
        axes.axvline(active, color=MUTED, linewidth=1)
    for values, colour, line, label in (
        (training, HIDDEN, "-", "training loss"),
        (validation, BATCH, "--", "validation loss"),
    ):
        axes.plot(range(len(values)), values, color=colour, linestyle=line, linewidth=1.8, label=label)
    last = len(training) - 1
    axes.set(xlim=(-0.02 * last, 1.02 * last) if last else (-1, 1), ylim=limits, xlabel="epoch")
    axes.set_xticks(sorted({0, last // 2, last}))
    axes.set_yticks(limits, [f"{tick:g}" for tick in limits])
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return figure


@in_style
def representations(points: Mapping[str, torch.Tensor], values: torch.Tensor, limit: float) -> Figure:
    """Samples as points ``(samples, 2)`` in a plane, one panel a tensor, marked by their ``values`` ``(samples,)``.

    The first direction is the one in which they spread most. Blue triangles: the fifth with the lowest values. Orange
    dots: the fifth with the highest. Grey: the others.
    Both axes run from ``-limit`` to ``limit``; points beyond are drawn on the edge.

    Raises:
        ValueError: nothing to draw, or tensors of other shapes.
    """
    if not points:
        raise ValueError("no points to draw")
    for label, tensor in points.items():
        if tensor.shape != (len(values), 2) or values.dim() != 1:
            raise ValueError(
                f"points must be (samples, 2) and values (samples,); {label} has shape {tuple(tensor.shape)}, "
                f"values {tuple(values.shape)}"
            )
    lowest, highest = torch.quantile(values.double(), torch.tensor([0.2, 0.8], dtype=torch.float64))
    parts = (
        ("between", (values > lowest) & (values < highest), {"marker": ".", "color": MUTED, "markersize": 3}),
        ("lowest fifth", values <= lowest, {"marker": "v", "color": BATCH, "markersize": 3.5}),
        ("highest fifth", values >= highest, {"marker": "o", "color": FEATURES, "markersize": 3.5}),
    )
    figure, panels = side_by_side(len(points), height=3.0, left=0.06, right=0.98, bottom=0.18, top=0.8, wspace=0.08)
    for axes, (label, tensor) in zip(panels, points.items(), strict=True):
        inside = tensor.detach().clamp(-limit, limit)
        for name, chosen, style in parts:
            x, y = inside[chosen].T.tolist()
            axes.plot(x, y, linestyle="none", markeredgewidth=0, label=name, **style)
        _in_plane(axes, label, limit)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=3, borderaxespad=0.2, markerscale=2)
    panels[0].set_ylabel("next widest")
    return figure


def _in_plane(axes: Axes, title: str, limit: float) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.6, zorder=0)
    axes.axvline(0, color=MUTED, linewidth=0.6, zorder=0)
    edges = -1.04 * limit, 1.04 * limit
    axes.set(title=title, xlim=edges, ylim=edges, yticks=[], xlabel="widest direction")
    axes.set_xticks([-limit / 2, 0, limit / 2], [f"{-limit / 2:g}", "0", f"{limit / 2:g}"])


@in_style
def correlations(names: Sequence[str], panels: Mapping[str, Sequence[float]], top: int = 8) -> Figure:
    """Correlations with the named features as bars from -1 to 1; one panel a unit.

    Of all features those ``top`` are drawn that have the largest correlation in any panel, the largest first.

    Raises:
        ValueError: nothing to draw, not one value for each name, or a value that is no correlation.
    """
    if not panels:
        raise ValueError("no correlations to draw")
    for label, values in panels.items():
        if len(values) != len(names):
            raise ValueError(f"{label} has {len(values)} correlations for {len(names)} names")
        if not all(-1 <= value <= 1 for value in values):
            raise ValueError(f"{label} has a value that is not from -1 to 1, so no correlation")
    strength = {name: max(abs(values[at]) for values in panels.values()) for at, name in enumerate(names)}
    top_names = sorted(names, key=strength.get)[-top:]
    height = 0.24 * len(top_names) + 0.85
    figure = Figure(figsize=(WIDTH, height))
    drawn = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.33, right=0.98, bottom=0.45 / height, top=1 - 0.35 / height, wspace=0.15)
    for axes, (label, values) in zip(drawn, panels.items(), strict=True):
        widths = [values[names.index(name)] for name in top_names]
        axes.barh(top_names, widths, height=0.62, color=[FEATURES if width > 0 else BATCH for width in widths])
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set(title=label, xlim=(-1, 1), xlabel="correlation")
        axes.set_xticks([-0.8, 0, 0.8], ["-0.8", "0", "0.8"])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure
