"""Figures of the numbers themselves: one pass, unit by unit, and distributions."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure

from fpcourse.page.palette import BATCH, FEATURES, HIDDEN, MUTED, OUTPUT
from fpcourse.plots.style import in_style, one_axes, side_by_side, ticks_within


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
    figure, axes = one_axes(height=1.95, left=0.11, right=0.98, bottom=0.24, top=0.87)
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
def histograms(activations: Mapping[str, torch.Tensor], limit: float = 3.0, top: float = 0.6) -> Figure:
    """The distribution of each tensor's elements in 30 bins, side by side on equal axes.

    The horizontal axis runs from ``-limit`` to ``limit`` and leaves out values beyond; the vertical one is the
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
        counts, edges = np.histogram(tensor.detach().float().numpy(), bins=30, range=(-limit, limit))
        axes.stairs(counts / tensor.numel(), edges, fill=True, color=HIDDEN)
        axes.set(title=label, xlim=(-limit, limit), ylim=(0, top), xlabel="value")
        ticks_within(axes, [-limit, 0, limit], [f"{-limit:g}", "0", f"{limit:g}"])
    panels[0].set_ylabel("share")
    return figure
