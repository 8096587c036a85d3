"""trace_theatre_of: what a tracer of one's own and ``trace`` leave on the model, also when a call raises."""

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import nn

from fpcourse import plots
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP
from fpcourse.page.listing import Listing
from fpcourse.page.view import View

MOMENTS = ("before", "the forward begins", "the forward has ended", "the tracer has ended")
OUTLINE = """def trace(model, X):    # in outline
    keep buffers, hooks, modes, ...
    try:
        model(X)        # under global hooks
    finally:
        take the hooks away
        put everything back
    return the calls"""


class Watched(ClinicalMLP):
    """Takes a note when its forward begins, and when it has ended; ``take_note`` takes the others."""

    def __init__(self, notes: list):
        super().__init__()
        self.buffers_before = [buffer.clone() for buffer in self.buffers()]
        self.random_state = torch.get_rng_state()
        self.add_note = notes.append  # not the list: a trace would put its contents back

    def take_note(self) -> None:
        """Hooks on the modules, buffers that differ, and whether numbers were drawn."""
        hooks = sum(len(module._forward_hooks) for module in self.modules())
        moved = sum(not torch.equal(*pair) for pair in zip(self.buffers_before, self.buffers(), strict=True))
        self.add_note((hooks, moved, not torch.equal(self.random_state, torch.get_rng_state())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.take_note()
        try:
            return super().forward(x)
        finally:
            self.take_note()


def trace_theatre_of(minimal_trace: Callable, X: torch.Tensor) -> Callable[..., View]:
    """The draw function, for ``minimal_trace(model, X)`` as the page writes it."""
    labels = [call.label for call in trace(ClinicalMLP(), X)]

    def trace_theatre(fails: str, mode: str, tracer: str, moment: int) -> View:
        torch.manual_seed(0)
        notes = []
        model = Watched(notes)
        if fails != "none":  # this layer now expects one input fewer
            layer = getattr(model, fails)
            setattr(model, fails, nn.Linear(layer.in_features - 1, layer.out_features))
            model.random_state = torch.get_rng_state()
        model.train(mode == "train")
        model.take_note()
        try:
            handed, error = (minimal_trace if tracer == "minimal" else trace)(model, X), None
        except RuntimeError as raised:
            handed, error = getattr(raised, "partial_trace", ()), raised
        model.take_note()

        hooks, moved, drew = notes[moment]
        stop = len(labels) if error is None else labels.index(fails)
        ran = stop if moment > 1 else 0
        raised_by_now = error is not None and moment > 1
        states = {label: _state_of(at, ran, stop if raised_by_now else None) for at, label in enumerate(labels)}
        random_state = "moved" if drew else "as before"
        gauges = [
            (f"hooks on the modules: {hooks}", hooks, 7),
            (f"buffers that differ: {moved} of 6", moved, 6),
            (f"random state: {random_state}", int(drew), 1),
        ]
        text = f"{hooks} hooks on the modules, {moved} of 6 buffers differ from before, random state {random_state}."
        story = f"{ran} calls have finished" + (f", then {fails} raised: {error}" if raised_by_now else "")
        held = f"{len(handed)} rows" + (", the call that raised among them" if handed and error else "")
        rows = f" You hold {held}." if moment == 3 else ""
        source = inspect.getsource(minimal_trace).strip() if tracer == "minimal" else OUTLINE
        return View(
            (
                plots.trace_stage(states, gauges),
                Listing(source, active=tuple(_lit_lines(source, tracer, moment, error is not None))),
            ),
            caption=f"Moment {moment}, {MOMENTS[moment]}: {story}. Changed: {hooks} hooks, {moved} buffers"
            f"{', the random state' if drew else ''}.{rows}",
            alt=f"On the left the eight calls: {ran} finished{f', {fails} raised' if raised_by_now else ''}. "
            f"On the right: {text}",
            values={
                "calls finished": ran,
                "hooks on the modules": hooks,
                "buffers that differ": moved,
                "random state moved": drew,
                "rows you hold": len(handed) if moment == 3 else None,
            },
        )

    return trace_theatre


def _state_of(at: int, ran: int, raised_at: int | None) -> str:
    return "finished" if at < ran else "raised" if at == raised_at else "waiting"


def _lit_lines(source: str, tracer: str, moment: int, failed: bool) -> Sequence[int]:
    if tracer == "fpcourse.trace":
        return ((), (1,), (3,), (5, 6))[moment]
    lines = [line.strip() for line in source.splitlines()]
    register, run = lines.index("for name, module in model.named_modules():"), lines.index("model(X)")
    remove = lines.index("for handle in handles:")
    return ((), range(register, register + 4), (run,), () if failed else (remove, remove + 1))[moment]
