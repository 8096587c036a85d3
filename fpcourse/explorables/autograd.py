"""graph_builder: what autograd records of one line after the other, and the gradients on their way back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from fpcourse import plots
from fpcourse.measure.autograd import SavedTensor, autograd_graph
from fpcourse.page.listing import Listing
from fpcourse.page.view import ErrorText, View

LINES = """x, w, b = leaves
p = x * w
s = p.sum()
z = s + b
loss = z ** 2
loss.backward()   # dL/dL = 1
# Pow: 2z*dL/dL to z
# Add: dL/dz to s and to b
# Sum: dL/ds to each element of p
# Mul: w*dL/dp to x, x*dL/dp to w"""
REQUIRE_GRAD = {"all": "xwb", "x_frozen": "wb", "w_only": "w", "b_only": "b", "no_grad": "xwb"}
SETTINGS = {"all": "x, w, b", "x_frozen": "w, b", "w_only": "w", "b_only": "b", "no_grad": "none (no_grad)"}
LEAVES = ("x", "w", "b")
MADE = ("p", "s", "z", "loss")
INPUTS = {"p": ("x", "w"), "s": ("p",), "z": ("s", "b"), "loss": ("z",)}
ARRIVES = {5: ("loss",), 6: ("z",), 7: ("s", "b"), 8: ("p",), 9: ("x", "w")}
PLACE = {
    "loss": (0.245, 0),
    "z": (0.245, 1),
    "s": (0.245, 2),
    "b": (0.755, 2),
    "p": (0.245, 3),
    "x": (0.245, 4),
    "w": (0.755, 4),
}
SAVED = {("MulBackward0", "self"): "x", ("MulBackward0", "other"): "w", ("PowBackward0", "self"): "z"}


@dataclass
class Pass:
    """A forward and a backward pass: its tensors, what nodes saved, each gradient as it arrived, and the error."""

    tensors: dict[str, torch.Tensor]
    saved: dict[str, Sequence[SavedTensor]] = field(default_factory=dict)  # by node
    arrived: dict[str, torch.Tensor] = field(default_factory=dict)
    freed: dict[str, set[str]] = field(default_factory=dict)  # the nodes freed by the time of an arrival
    error: RuntimeError | None = None

    def node(self, name: str) -> str:
        """The node that made a tensor; nothing for a leaf, and where nothing was recorded."""
        made_by = self.tensors[name].grad_fn
        return type(made_by).__name__ if made_by else ""

    def kept_for(self, name: str) -> list[str]:
        """The names of the tensors that the node of a tensor keeps."""
        node = self.node(name)
        return sorted(SAVED[node, save.name] for save in self.saved.get(node, ()))


def run(setting: str) -> Pass:
    tensors = {"x": torch.tensor([2.0, 3.0, 4.0]), "w": torch.tensor([0.5, -1.0, 0.3]), "b": torch.tensor([0.1])}
    for name in REQUIRE_GRAD[setting]:
        tensors[name].requires_grad_()
    with torch.set_grad_enabled(setting != "no_grad"):
        tensors["p"] = tensors["x"] * tensors["w"]
        tensors["s"] = tensors["p"].sum()
        tensors["z"] = tensors["s"] + tensors["b"]
        tensors["loss"] = tensors["z"] ** 2
    result, loss = Pass(tensors), tensors["loss"]
    if loss.requires_grad:
        result.saved = {node.name: node.saved for node in autograd_graph(loss).nodes if node.saved}
        for name, tensor in tensors.items():
            if tensor.requires_grad:
                tensor.register_hook(_arrival(result, name))
    try:
        loss.backward()
    except RuntimeError as error:
        result.error = error
    return result


def _arrival(result: Pass, name: str):
    def hook(gradient: torch.Tensor) -> None:
        result.arrived[name] = gradient.clone()
        result.freed[name] = {node.name for node in autograd_graph(result.tensors["loss"]).nodes if node.freed}

    return hook


def graph_builder(setting: str, step: int) -> View:
    result = run(setting)
    error = result.error if step > 4 else None
    exists = (*LEAVES, *MADE[:step])
    here = [name for name in ARRIVES.get(step, ()) if name in result.arrived]
    so_far = [name for at in range(5, step + 1) for name in ARRIVES[at] if name in result.arrived]
    freed = result.freed[so_far[-1]] if so_far else set()
    recorded = [name for name in exists if result.node(name)]
    still = [name for name in recorded if result.node(name) not in freed]
    saved = [tensor for name in PLACE if name in still for tensor in result.kept_for(name)]
    total = sum(save.bytes for name in still for save in result.saved.get(result.node(name), ()))
    boxes = {
        name: _box(result, name, step, so_far, here, freed)
        if name in exists
        else plots.Tracked(place, INPUTS.get(name, ()))
        for name, place in PLACE.items()
    }
    walked = [(output, name) for output, sources in INPUTS.items() for name in sources if name in here]
    picture = plots.recorded_steps(boxes, MADE[step - 1] if 1 <= step <= 4 else None, walked)
    content = (picture, Listing(LINES, active=(step,)))
    seen = ", ".join(f"{box.value} ({box.note})" for box in boxes.values() if box.value)
    text = _said_of_backward(result, step, here, so_far, freed) if step > 4 else _said_of_forward(result, setting, step)
    return View(
        (ErrorText(type(error).__name__, str(error)), *content) if error else content,
        caption=f"Step {step}: {text} Operations recorded: {len(recorded)}; bytes kept: {total}.",
        alt=f"The tensors of the pass, the loss on top, step {step}: {seen}. Kept: {', '.join(saved) or 'nothing'}. "
        f"Gradients: {'; '.join(box.gradient for box in boxes.values() if box.gradient) or 'none'}.",
        values={
            "recorded": [result.node(name) for name in recorded],
            "kept": saved,
            "bytes kept": total,
            "arriving": [[f"dL/d{name}", *result.arrived[name].flatten().tolist()] for name in here],
            "grad": [[name, *result.arrived[name].tolist()] for name in LEAVES if name in so_far],
            **({"error": type(error).__name__} if error else {}),
        },
    )


def _box(result: Pass, name: str, step: int, so_far: list[str], here: list[str], freed: set[str]) -> plots.Tracked:
    """A tensor that exists by now: its value, its node and what that keeps, and the gradient that has arrived."""
    tensor, node, saved, leaf = result.tensors[name], result.node(name), result.kept_for(name), name in LEAVES
    gradient = ""
    if leaf and name in so_far:
        gradient = f"{name}.grad = {_numbers(result.arrived[name])}"
    elif name in here:
        gradient = _arriving(result, name)
    note = node or ("leaf, " if leaf else "not recorded" if step else "")
    if leaf:
        note += "requires grad" if tensor.requires_grad else "requires no grad"
    size = sum(save.bytes for save in result.saved.get(node, ()))
    return plots.Tracked(
        PLACE[name],
        INPUTS.get(name, ()),
        f"{name} = {_numbers(tensor)}",
        note,
        tensor.requires_grad,
        leaf,
        gradient,
        f"keeps {_and(saved)}: {size} bytes" if saved else "",
        node in freed,
    )


def _said_of_forward(result: Pass, setting: str, step: int) -> str:
    if step == 0:
        return "three leaves, and no operation yet."
    name = MADE[step - 1]
    node, saved, line = result.node(name), result.kept_for(name), LINES.splitlines()[step]
    if node:
        return f"{line}. {node} is recorded and keeps {_and(saved) if saved else 'no tensor'}."
    why = "grad mode is off." if setting == "no_grad" else "no input requires a gradient."
    return f"{line}. Nothing is recorded: {why}"


def _said_of_backward(result: Pass, step: int, here: list[str], so_far: list[str], freed: set[str]) -> str:
    if result.error:
        return "loss.backward() finds no graph and raises." if step == 5 else "no gradient: backward() has raised."
    if not here:
        return "no such node was recorded; backward had ended before."
    before = result.freed[so_far[-len(here) - 1]] if len(so_far) > len(here) else set()
    new = sorted(freed - before)
    gradients = " and ".join(_arriving(result, name) for name in here)
    verb = " is where backward starts" if step == 5 else " arrived"
    return gradients + verb + (f"; {new[0]} has freed what it kept." if new else ".")


def _arriving(result: Pass, name: str) -> str:
    return f"dL/d{name.replace('loss', 'L')} = {_numbers(result.arrived[name])}"


def _and(names: list[str]) -> str:
    return " and ".join(sorted(names, reverse=True))


def _numbers(tensor: torch.Tensor) -> str:
    rounded = [f"{number:.2f}".rstrip("0").rstrip(".") for number in tensor.flatten().tolist()]
    return f"[{', '.join(rounded)}]" if tensor.dim() else rounded[0]
