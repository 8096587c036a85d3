"""Figures of what layers put out: distributions with their zeros, zeros unit by unit, spread layer by layer."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from fpcourse.page.palette import BATCH, ERROR, HIDDEN, MUTED
from fpcourse.plots.style import WIDTH, in_style, one_axes, ticks_within

BINS = 28  # 0 is an edge, and 1 is none: values near a limit of tanh, or of a batch of two, share a bin
GAUGE = 0.09  # of a panel's height
NUMBERED = 8  # full bars: the numbers of more would run into one another


@in_style
def distributions(
    activations: Mapping[str, torch.Tensor], limit: float = 3.0, top: float = 0.3, columns: int = 3
) -> Figure:
    """The distribution of each tensor's elements: the zeros as a gauge, the others in 28 bins.

    The grey gauge above a panel is the share of elements that are exactly 0, the panel's width being all of
    them. Bars are shares of all elements, from 0 to ``top``, where taller ones are cut; values beyond ``limit``
    on either side are left out. No axis depends on the data, so that frames can be compared.

    Raises:
        ValueError: nothing to draw, or a tensor without elements.
    """
    if not activations:
        raise ValueError("no activations to draw")
    columns = min(columns, len(activations))
    rows = -(-len(activations) // columns)
    height = 1.5 * rows + 0.64
    figure = Figure(figsize=(WIDTH, height))
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(left=0.11, right=0.98, bottom=0.5 / height, top=1 - 0.59 / height, wspace=0.12, hspace=0.66)
    for at, axes in enumerate(panels.flat):
        if at >= len(activations):
            axes.remove()
            continue
        label, tensor = list(activations.items())[at]
        if not tensor.numel():
            raise ValueError(f"{label} has no elements to draw")
        values = tensor.detach().float().numpy().ravel()
        zeros = float((values == 0).mean())
        counts, edges = np.histogram(values[values != 0], bins=BINS, range=(-limit, limit))
        others = axes.stairs(counts / values.size, edges, fill=True, color=HIDDEN)
        axes.set(xlim=(-limit, limit), ylim=(0, top))
        axes.set_title(label, pad=7)
        ticks_within(axes, [-limit, 0, limit], [f"{-limit:g}", "0", f"{limit:g}"])
        axes.set_yticks([0, top], ["0", f"{top:g}"] if at % columns == 0 else ["", ""])
        gauge = axes.inset_axes([0, 1, 1, GAUGE])
        (share,) = gauge.barh([0], [zeros], height=1, color=MUTED)
        gauge.set(xlim=(0, 1), ylim=(-0.5, 0.5), xticks=[], yticks=[])
        gauge.spines[:].set_visible(False)
        if zeros:
            axes.text(-0.94 * limit, 0.83 * top, f"{zeros:.0%} zero")
        if at + columns >= len(activations):
            axes.set_xlabel("value")
    for axes in panels[:, 0]:
        axes.set_ylabel("share", labelpad=-4)
    words = ("values that are exactly 0", "other values")
    figure.legend([share, others], words, loc="upper left", bbox_to_anchor=(0.11, 1), ncols=2, borderaxespad=0)
    return figure


@in_style
def zeros_by_unit(outputs: Mapping[str, torch.Tensor]) -> Figure:
    """For each unit of outputs ``(samples, units)`` the share of samples for which it is 0; one panel a tensor.

    A unit that is 0 for every sample of a panel has a full bar in another colour and its number above it; of more than
    8 such units their count stands there.

    Raises:
        ValueError: nothing to draw, or outputs of another form.
    """
    if not outputs:
        raise ValueError("no outputs to draw")
    for label, tensor in outputs.items():
        if tensor.dim() != 2 or not tensor.numel():
            raise ValueError(f"outputs must be (samples, units); {label} has shape {tuple(tensor.shape)}")
    height = 1.12 * len(outputs) + 0.3
    figure = Figure(figsize=(WIDTH, height))
    panels = figure.subplots(len(outputs), 1, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.11, right=0.98, bottom=0.5 / height, top=1 - 0.34 / height, hspace=0.7)
    for axes, (label, tensor) in zip(panels, outputs.items(), strict=True):
        shares = (tensor.detach() == 0).double().mean(0).numpy()
        full = [unit for unit, share in enumerate(shares) if share == 1]
        marks = {unit: f"{unit}" for unit in full}
        if len(full) > NUMBERED:
            marks = {(len(shares) - 1) / 2: f"{len(full)} of {len(shares)}"}
        for unit, share in enumerate(shares):
            axes.bar(unit, share, width=0.8, color=ERROR if share == 1 else HIDDEN)
        for place, text in marks.items():
            axes.text(place, 1.04, text, ha="center", va="bottom", color=ERROR, weight="bold")
        axes.set(xlim=(-0.6, len(shares) - 0.4), ylim=(0, 1))
        axes.set_title(label, pad=13)
        axes.set_xticks(sorted({0, (len(shares) - 1) // 2, len(shares) - 1}))
        axes.tick_params(labelbottom=axes is panels[-1])
        axes.set_yticks([0, 0.5, 1], ["none", "half", "all"])
    panels[-1].set_xlabel("unit")
    return figure


@in_style
def spread_by_layer(
    over_all: Sequence[Sequence[float]],
    over_batch: Sequence[Sequence[float]],
    low: float,
    high: float,
    active: int | None = None,
) -> Figure:
    """Two stds, layer by layer, on a logarithmic axis from ``low`` to ``high``; one line a run.

    Solid: over all elements. Dashed: over the batch, per unit. ``active`` marks a layer, counted from 1.

    Raises:
        ValueError: no run, or runs of different lengths.
    """
    lengths = {len(run) for run in (*over_all, *over_batch)}
    if not over_all or len(over_all) != len(over_batch) or len(lengths) != 1:
        raise ValueError("over_all and over_batch must hold as many runs, all of one length")
    layers = range(1, lengths.pop() + 1)
    figure, axes = one_axes(height=2.7, left=0.14, right=0.98, bottom=0.2, top=0.84)
    if active is not None:
        axes.axvline(active, color=MUTED, linewidth=1)
    width = 1.8 if len(over_all) == 1 else 1
    for runs, colour, line, label in (
        (over_all, HIDDEN, "-", "over all elements"),
        (over_batch, BATCH, "--", "over the batch, per unit"),
    ):
        for at, run in enumerate(runs):
            axes.plot(layers, run, color=colour, linestyle=line, linewidth=width, label=None if at else label)
    axes.set(yscale="log", ylim=(low, high), xlim=(0.8, len(layers) + 0.2), xlabel="layer", ylabel="std")
    axes.minorticks_off()
    exponents = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
    exponents = exponents[:: -(-len(exponents) // 6)].astype(int)
    axes.set_yticks(10.0**exponents, [f"1e{n}" if abs(n) > 2 else f"{10.0**n:g}" for n in exponents])
    axes.set_xticks(list(layers))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return figure
