"""trace_theatre_of: what a tracer of one's own and ``trace`` leave on the model, also when a call raises.

kept_pre_activation_of: what a hook has kept of an output, once a layer in place has written over it.
"""

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


WAYS = {
    "output": lambda output: output,
    "detach": lambda output: output.detach(),
    "detach and clone": lambda output: output.detach().clone(),
}


def kept_pre_activation_of(X: torch.Tensor) -> Callable[..., View]:
    """The draw function, for a batch of patients: what is kept of bn1's output in the trained network, in one way."""

    def kept_pre_activation(keeping: str, inplace: bool, calls_done: int) -> View:
        model = ClinicalMLP.trained()
        model.relu = nn.ReLU(inplace=inplace)
        with torch.no_grad():
            output = model.bn1(model.layer1(X))
            kept = WAYS[keeping](output)  # what a hook on bn1 would keep
            if calls_done == 3:
                model.relu(output)
        below = (kept < 0).float().mean().item()
        done = "bn1" if calls_done == 2 else "relu, in place," if inplace else "relu"
        return View(
            plots.unit_values(kept, limit=4.5, row="patient 0, as kept of bn1"),
            caption=f"{done} has run: {below:.0%} of what was kept ({keeping}) is below 0, and patient 0 begins with "
            f"{kept[0, 0]:.3f}, {kept[0, 1]:.3f}, {kept[0, 2]:.3f}.",
            alt=f"The 64 kept values of patient 0, from {kept[0].min():.2f} to {kept[0].max():.2f}, over the range of "
            f"the batch, from {kept.min():.2f} to {kept.max():.2f}.",
            values={"patient 0, first values": kept[0, :3], "share below 0": below},
        )

    return kept_pre_activation
