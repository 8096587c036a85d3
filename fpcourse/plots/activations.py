"""Figures of the numbers themselves: one pass, unit by unit, and distributions."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT
from fpcourse.plots.style import in_style, one_axes, side_by_side, ticks_within

STEPS = 4  # shades of a cell


@in_style
def unit_values(values: torch.Tensor, limit: float, row: str = "patient 0", others: str = "the batch") -> Figure:
    """One step of a pass in numbers: row 0 of ``values`` (batch, units), over the range of the whole batch.

    ``row`` and ``others`` name the two in the legend.

    The vertical axis runs from ``-limit`` to ``limit``, so that steps can be compared.

    Raises:
        ValueError: ``values`` is not two-dimensional.
    """
    if values.dim() != 2:
        raise ValueError(f"values must be (batch, units); got shape {tuple(values.shape)}")
    rows = values.detach().numpy()
    edges = np.arange(rows.shape[1] + 1) - 0.5
    figure, axes = one_axes(height=1.95, left=0.13, right=0.98, bottom=0.24, top=0.87)
    band = f"range of {others}"
    axes.stairs(rows.max(0), edges, baseline=rows.min(0), fill=True, color=BATCH, alpha=0.3, label=band)
    axes.stairs(rows[0], edges, color=HIDDEN, linewidth=1.6, label=row)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(-limit, limit), xlabel="unit", ylabel="value")
    axes.set_xticks(sorted({0, (rows.shape[1] - 1) // 2, rows.shape[1] - 1}))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, reverse=True)
    return figure


@in_style
def tensor_rows(rows: Mapping[str, torch.Tensor], limit: float = 2.0) -> Figure:
    """The tensors of a pass for one patient, ``(units,)`` each: a row of bars a tensor, the first above.

    Bars reach from ``-limit`` to ``limit``; a unit is as wide in each row. Above 0 the colour is the tensor's: facts,
    hidden units, output.
    """
    figure, axes = one_axes(height=0.42 * len(rows) + 0.1, left=0.13, right=0.9, bottom=0.02, top=0.98)
    widest = max(len(values) for values in rows.values())
    for row, (label, values) in enumerate(rows.items()):
        middle, numbers = -row, values.detach().numpy().clip(-limit, limit) / limit * 0.42
        edges = np.arange(len(numbers) + 1) + (widest - len(numbers)) / 2
        own = FEATURES if row == 0 else OUTPUT if row == len(rows) - 1 else HIDDEN
        for side, colour in ((numbers.clip(min=0), own), (numbers.clip(max=0), MUTED)):
            axes.stairs(middle + side, edges, baseline=middle, fill=True, color=colour)
        axes.plot(edges[[0, -1]], [middle, middle], color=MUTED, linewidth=0.6)
        axes.text(-0.02, middle, label, transform=axes.get_yaxis_transform(), ha="right", va="center")
        axes.text(1.02, middle, str(len(numbers)), transform=axes.get_yaxis_transform(), va="center", color=MUTED)
    axes.set(xlim=(0, widest), ylim=(-len(rows) + 0.4, 0.6))
    axes.axis("off")
    return figure


@in_style
def tensor_fields(fields: Mapping[str, torch.Tensor], limit: float = 2.0) -> Figure:
    """The tensors of a pass, ``(batch, units)``, one below the other: a cell for each number, patients down.

    A cell is coloured above 0 and grey below, in four shades: the stronger, the further from 0, up to ``limit``.

    Raises:
        ValueError: a tensor that is not two-dimensional.
    """
    for label, values in fields.items():
        if values.dim() != 2:
            raise ValueError(f"{label} must be (batch, units); got shape {tuple(values.shape)}")
    gap = 3
    height = sum(len(values) + gap for values in fields.values())
    widest = max(values.shape[1] for values in fields.values())
    figure, axes = one_axes(height=0.031 * height, left=0.13, right=0.86, bottom=0.01, top=0.99)
    top = 0
    for at, (label, values) in enumerate(fields.items()):
        own = FEATURES if at == 0 else OUTPUT if at == len(fields) - 1 else HIDDEN
        rows, units = values.shape
        left, middle = (widest - units) / 2, top + rows / 2
        _draw_cells(axes, values.detach().numpy() / limit, (left, top), own)
        axes.plot(left + np.array([0, units, units, 0, 0]), top + np.array([0, 0, rows, rows, 0]), color=MUTED, lw=0.6)
        axes.text(-0.02, middle, label, transform=axes.get_yaxis_transform(), ha="right", va="center")
        shape = f"({rows}, {units})"
        axes.text(1.02, middle, shape, transform=axes.get_yaxis_transform(), va="center", color=MUTED)
        top += rows + gap
    axes.set(xlim=(-0.3, widest + 0.3), ylim=(height - gap / 2, -gap / 2))
    axes.axis("off")
    return figure


def _draw_cells(axes: Axes, strengths: np.ndarray, corner: tuple[float, float], own: str) -> None:
    """The cells of one field, those of one shade as one path: thousands of patches would be slow to show."""
    shades = (strengths.clip(-1, 1) * STEPS).round()
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    for shade in sorted(set(shades.flat) - {0}):
        rows, units = np.nonzero(shades == shade)
        corners = np.stack([units + corner[0], rows + corner[1]], axis=1)
        path = Path((corners[:, None] + square).reshape(-1, 2), np.tile(codes, len(corners)))
        axes.add_patch(PathPatch(path, facecolor=own if shade > 0 else MUTED, alpha=abs(shade) / STEPS, linewidth=0))


@in_style
def histograms(
    activations: Mapping[str, torch.Tensor],
    span: tuple[float, float] = (-3.0, 3.0),
    top: float = 0.6,
    values: str = "value",
) -> Figure:
    """The distribution of each tensor's elements in 30 bins, side by side on equal axes.

    The horizontal axis, labelled ``values``, covers ``span`` and leaves out what is beyond; the vertical one is the
    share of all elements, from 0 to ``top``. Neither depends on the data, so that frames can be compared.

    Raises:
        ValueError: nothing to draw.
    """
    if not activations:
        raise ValueError("no activations to draw")
    figure, panels = side_by_side(
        len(activations), height=1.9, left=0.11, right=0.98, bottom=0.24, top=0.86, wspace=0.12
    )
    for axes, (label, tensor) in zip(panels, activations.items(), strict=True):
        counts, edges = np.histogram(tensor.detach().float().numpy(), bins=30, range=span)
        axes.stairs(counts / tensor.numel(), edges, fill=True, color=HIDDEN)
        axes.set(title=label, xlim=span, ylim=(0, top), xlabel=values)
        ticks = (span[0], sum(span) / 2, span[1])
        ticks_within(axes, ticks, [f"{tick:g}" for tick in ticks])
    panels[0].set_ylabel("share")
    return figure
