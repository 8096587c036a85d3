"""Figures of tracing: calls in the order in which they ran, and the stage of a trace."""

from collections.abc import Mapping, Sequence
from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpcourse.measure.calls import Call, Trace
from fpcourse.page.palette import BATCH, ERROR, HIDDEN, MUTED
from fpcourse.plots.shapes import check_calls
from fpcourse.plots.style import in_style, one_axes

LONGEST = 32  # letters of a label; longer ones lose their beginning
STATES = ("finished", "raised", "waiting")


@in_style
def call_timeline(trace: Trace, modules: Sequence[str] | None = None) -> Figure:
    """A row for each module, a bar for each call. A leaf call takes one step, a container spans what ran inside it.

    The axis counts steps, not seconds. ``modules`` gives the rows by dotted name, top to bottom; one that never
    ran says so. By default they are the modules that ran, in the order of their first calls. A call that raised
    is marked, and the title says what it expected.

    Raises:
        ValueError: a trace without calls, or a call whose module is not in ``modules``.
    """
    check_calls(trace)
    names = list(dict.fromkeys(call.name for call in trace.calls)) if modules is None else list(modules)
    for call in trace.calls:
        if call.name not in names:
            raise ValueError(f"{call.name!r} ran, but is none of the rows: {', '.join(map(repr, names))}")
    failed = trace.failed
    error = fill(f"{failed.label} raised {failed.error}", 70) if failed else ""
    head = 0.06 + 0.2 * len(error.splitlines())
    height = 0.29 * len(names) + 0.56 + head
    labels = [name or trace.calls[0].type for name in names]
    labels = [label if len(label) <= LONGEST else "…" + label[1 - LONGEST :] for label in labels]
    left = 0.04 + 0.0145 * max(map(len, labels))  # a letter of the labels is about that share of the width
    figure, axes = one_axes(height=height, left=left, right=0.99, bottom=0.46 / height, top=1 - head / height)
    for call, (begin, end) in zip(trace.calls, _spans(trace.calls), strict=True):
        row = names.index(call.name)
        place = ((begin + 0.54, row - 0.32), end - begin - 0.08, 0.64)
        colour, alpha = (ERROR, 1) if call is failed else (HIDDEN, 1) if call.is_leaf else (MUTED, 0.35)
        axes.add_patch(Rectangle(*place, facecolor=colour, alpha=alpha))
    ran = {call.name for call in trace.calls}
    for row, name in enumerate(names):
        if name not in ran:
            axes.text(0.6, row, "never called", va="center", color=MUTED, style="italic")
    figure.text(0.01, 1 - 0.04 / height, error, va="top", color=ERROR)
    steps = sum(call.is_leaf for call in trace.calls)
    axes.set(xlim=(0.45, steps + 0.55), ylim=(len(names) - 0.5, -0.5), xlabel="step (one for each leaf call)")
    axes.set_xticks(range(1, steps + 1, 1 + steps // 15))
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def _spans(calls: Sequence[Call]) -> list[tuple[int, int]]:
    """For each call the leaf calls that had ended before it began, and when it ended."""
    begins, step = [], 0
    for call in calls:
        begins.append(step)
        step += call.is_leaf
    ends = [step] * len(calls)
    for at, call in enumerate(calls):
        later = (begins[i] for i in range(at + 1, len(calls)) if calls[i].depth <= call.depth)
        ends[at] = next(later, step)
    return list(zip(begins, ends, strict=True))


@in_style
def trace_stage(calls: Mapping[str, str], gauges: Sequence[tuple[str, int, int]]) -> Figure:
    """Where a trace stands: on the left the calls, each ``finished``, ``raised`` or ``waiting``; on the right gauges.

    A gauge is a sentence, how many of its squares are lit, and how many squares there are.

    Raises:
        ValueError: another state of a call, or a gauge with more lit squares than it has.
    """
    for label, state in calls.items():
        if state not in STATES:
            raise ValueError(f"a call is {', '.join(STATES)}; {label} is {state!r}")
    for text, lit, count in gauges:
        if not 0 <= lit <= count:
            raise ValueError(f"{text!r}: {lit} of {count} squares lit")
    figure, axes = one_axes(height=0.3 * len(calls) + 0.35, left=0.01, right=0.99, bottom=0.01, top=0.99)
    axes.set(xlim=(0, 10), ylim=(len(calls) - 0.4, -1.1))
    axes.axis("off")
    look = {"va": "center", "fontsize": 11.5}  # larger than elsewhere: there is room for it
    axes.text(0.1, -0.75, "calls", style="italic", **look)
    axes.text(4.9, -0.75, "state", style="italic", **look)
    faces = {"finished": HIDDEN, "raised": ERROR, "waiting": "none"}
    for at, (label, state) in enumerate(calls.items()):
        edge = MUTED if state == "waiting" else faces[state]
        axes.add_patch(Rectangle((0.1, at - 0.3), 0.5, 0.6, facecolor=faces[state], edgecolor=edge))
        axes.text(0.85, at, label, weight="bold" if state == "raised" else "normal", **look)
        axes.text(4.3, at, "" if state == "waiting" else state, ha="right", color=edge, **look)
    for place, (text, lit, count) in enumerate(gauges):
        top = place * len(calls) / len(gauges)
        axes.text(4.9, top, text, weight="bold" if lit else "normal", **look)
        for square in range(count):
            face, edge = (BATCH, BATCH) if square < lit else ("none", MUTED)
            axes.add_patch(Rectangle((4.9 + 0.66 * square, top + 0.55), 0.48, 0.6, facecolor=face, edgecolor=edge))
    return figure
