"""Figures of a trace: the tensors' shapes, and what they cost."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpcourse.measure.calls import Trace
from fpcourse.measure.nested import Shape
from fpcourse.page.palette import BATCH, ERROR, FEATURES, HIDDEN, OUTPUT
from fpcourse.plots.style import in_style, labelled_bars, one_axes, side_by_side


@in_style
def shape_ribbon(trace: Trace, active: int | None = None) -> Figure:
    """The tensors of a pass, top to bottom: a rectangle, wider for more features, higher for a larger batch.

    Widths and heights grow with the logarithm of the sizes. Row 0 is the input, row ``i`` the output of call
    ``i``; ``active`` lights one row. A call that raised has no tensor: its row says what it expected.

    Raises:
        ValueError: a trace without calls, or one whose tensors are not ``(batch, features)``.
    """
    rows, failed = _ribbon_rows(trace), trace.failed
    error = fill(f"raised {failed.error}", 52) if failed else ""
    lines = len(rows) + 0.6 * len(error.splitlines()) + 0.4 * bool(failed)
    figure, axes = one_axes(height=0.31 * lines + 0.35, left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 10), ylim=(lines - 0.4, -0.9))
    axes.axis("off")
    sizes = "width: features; height: batch (log scales)"
    for x, text, side in ((0.1, "output of", "left"), (5.2, sizes, "center"), (9.9, "shape", "right")):
        axes.text(x, -0.65, text, ha=side, va="center", style="italic")
    if failed:
        axes.text(0.1, len(rows) - 0.3, failed.label, va="top", weight="bold", color=ERROR)
        axes.text(9.9, len(rows) - 0.3, error, va="top", ha="right", color=ERROR)
    for at, (label, (batch, features)) in enumerate(rows):
        width, height = 0.7 * np.log2(features + 1), 0.12 + 0.08 * np.log2(batch + 1)
        colour = FEATURES if at == 0 else OUTPUT if at == len(rows) - 1 and not failed else HIDDEN
        weight = "bold" if at == active else "normal"
        if at == active:
            axes.add_patch(Rectangle((0, at - 0.46), 10, 0.92, facecolor=BATCH, alpha=0.16))
        axes.add_patch(Rectangle((5.2 - width / 2, at - height / 2), width, height, facecolor=colour))
        axes.plot([5.1 - width / 2] * 2, [at - height / 2, at + height / 2], color=BATCH, linewidth=2.5)
        axes.text(0.1, at, label, va="center", weight=weight)
        axes.text(9.9, at, f"({batch}, {features})", va="center", ha="right", weight=weight)
    return figure


def check_calls(trace: Trace) -> None:
    """Raise a ValueError for a trace that holds nothing to draw."""
    if not len(trace):
        raise ValueError("the trace holds no call to draw")


def _ribbon_rows(trace: Trace) -> list[tuple[str, Shape]]:
    check_calls(trace)
    tensors = [
        ("input", trace[0].input_shapes),
        *((call.label, call.output_shapes) for call in trace if not call.error),
    ]
    rows = [(label, shapes[0] if shapes else ()) for label, shapes in tensors]
    for label, shape in rows:
        if len(shape) != 2 or not all(isinstance(size, int) for size in shape):
            raise ValueError(f"shape_ribbon draws (batch, features) tensors; {label} has shape {shape}")
    return rows


@in_style
def bytes_and_parameters(rows: Mapping[str, tuple[int, int]]) -> Figure:
    """Beside one another for each row: the bytes of its output, and its parameters, each on a scale from 0.

    ``rows`` gives the two numbers by label; a label may be as long as ``layers.0.self_attn``.

    Raises:
        ValueError: nothing to draw.
    """
    if not rows:
        raise ValueError("no rows to draw")
    height = 0.22 * len(rows) + 0.5
    figure, panels = side_by_side(
        2, height=height, left=0.32, right=0.99, bottom=0.08 / height, top=1 - 0.32 / height, wspace=0.06
    )
    columns = zip(*rows.values(), strict=True)
    for axes, title, values, colour in zip(
        panels, ("bytes of output", "parameters"), columns, (HIDDEN, FEATURES), strict=True
    ):
        labelled_bars(axes, title, list(rows), values, colour, room=1.8)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure


@in_style
def bytes_against_batch(batch_sizes: Sequence[int], activation_bytes: Sequence[int], parameter_bytes: int) -> Figure:
    """The bytes of all layers' outputs, which grow with the batch, against those of the parameters.

    Raises:
        ValueError: a number of bytes that is not positive has no place on the logarithmic axis.
    """
    if min(*activation_bytes, parameter_bytes) <= 0:
        raise ValueError(f"bytes must be positive; got {list(activation_bytes)} and {parameter_bytes}")
    figure, axes = one_axes(height=2.7, left=0.15, right=0.97, bottom=0.19, top=0.95)
    axes.plot(batch_sizes, activation_bytes, color=HIDDEN, marker="o", label="activations")
    axes.plot(batch_sizes, [parameter_bytes] * len(batch_sizes), color=FEATURES, linestyle="--", label="parameters")
    axes.set(xscale="log", yscale="log", xlabel="batch size")
    axes.set_xticks(batch_sizes, [f"{size:,}" for size in batch_sizes])
    axes.set_yticks(*_powers_of_ten(min(*activation_bytes, parameter_bytes), max(*activation_bytes, parameter_bytes)))
    axes.minorticks_off()
    axes.legend(loc="upper left")
    return figure


def _powers_of_ten(low: float, high: float) -> tuple[list[float], list[str]]:
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    return [10.0**n for n in exponents], [f"{10 ** (n % 3)} {units[n // 3]}" for n in exponents]
