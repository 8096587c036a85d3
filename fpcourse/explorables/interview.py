"""whiteboard: the interview answer as a drawing, moment by moment."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch.nn import functional as F

from fpcourse import plots
from fpcourse.cohort import patients
from fpcourse.measure.autograd import AutogradGraph, autograd_graph
from fpcourse.models import ClinicalMLP
from fpcourse.page.listing import Listing
from fpcourse.page.view import View, failed

SAID = """1. a batch: a row a patient
2. Z = X @ W.T + b
3. BatchNorm, activation, dropout
4. the last layer: logits
5. the loss: one number for the batch
6. what autograd has recorded
7. loss.backward()
8. what the mode decides"""
LABELS = ("X", "layer1", "bn1", "relu:1", "drop", "layer2", "bn2", "relu:2", "layer3", "loss")
DRAWN_AT = (1, 2, 8, 9, 10, 10, 10, 10)  # how many rows are on the board at each moment
LIT_AT = ((0,), (1,), (2, 3, 4, 5, 6, 7), (8,), (9,), (), (), (2, 4, 6))
DOES = {
    "train": {"bn1": "uses the batch", "drop": "zeroes and scales", "bn2": "uses the batch"},
    "eval": {"bn1": "uses running statistics", "drop": "hands its input on", "bn2": "uses running statistics"},
}


@dataclass(frozen=True)
class Pass:
    """One pass of a fresh model, call by call, and backward after it, if that can be."""

    tensors: tuple[torch.Tensor, ...]  # in the order of LABELS
    kept: dict[str, tuple[str, int]]  # for each call that has a node: its name, and the bytes it keeps
    graph: AutogradGraph | None
    gradients: dict[str, list[tuple[int, ...]]]  # by layer, the shapes of its parameters' gradients
    error: RuntimeError | None
    buffers_moved: int
    random_state_moved: bool


def run(mode: str, recording: str) -> Pass:
    torch.manual_seed(0)
    model, batch = ClinicalMLP().train(mode == "train"), patients(16, seed=0)
    buffers, random_state = [buffer.clone() for buffer in model.buffers()], torch.get_rng_state()
    tensors = [batch.X]
    with torch.set_grad_enabled(recording == "grad"):
        for label in LABELS[1:9]:
            tensors.append(getattr(model, label.split(":")[0])(tensors[-1]))
        tensors.append(F.binary_cross_entropy_with_logits(tensors[-1], batch.y))
    kept = {}
    for label, (before, tensor) in zip(LABELS[1:], pairwise(tensors), strict=True):
        if tensor.grad_fn is not before.grad_fn:  # in eval mode dropout adds no node
            node = autograd_graph(tensor).nodes[0]
            kept[label] = node.name.removesuffix("Backward0"), sum(save.bytes for save in node.saved)
    graph, error = autograd_graph(tensors[-1]) if kept else None, None
    try:
        tensors[-1].backward()
    except RuntimeError as raised:
        error = raised
    gradients = {
        name: [tuple(p.grad.shape) for p in part.parameters() if p.grad is not None]
        for name, part in model.named_children()
    }
    moved = sum(not torch.equal(was, now) for was, now in zip(buffers, model.buffers(), strict=True))
    drew = not torch.equal(random_state, torch.get_rng_state())
    return Pass(tuple(tensors), kept, graph, gradients, error, moved, drew)


def whiteboard(moment: int, mode: str, recording: str) -> View:
    result = run(mode, recording)
    drawn, at_the_end = DRAWN_AT[moment - 1], moment >= 6
    rows = [_row(result, at, moment, mode) for at in range(drawn)]
    nothing = "nothing recorded" if at_the_end else ""
    board = plots.whiteboard(rows + [plots.Written()] * (len(LABELS) - drawn), nothing)
    content = board, Listing(SAID, active=(moment - 1,))
    caption = f"Moment {moment}: {_tells(result)[moment - 1]}"
    values = {
        "patient 0": [tensor.flatten()[0] for tensor in result.tensors[:drawn]],
        "recorded": [[label, *kept] for label, kept in result.kept.items()] if at_the_end else [],
        "bytes kept": result.graph.saved_bytes if moment == 6 and result.graph else 0,
        "nodes in the graph": len(result.graph.nodes) if moment == 6 and result.graph else 0,
        "gradients": [[name, *map(str, own)] for name, own in result.gradients.items() if own] if moment >= 7 else [],
        "buffers moved": result.buffers_moved if moment == 8 else None,
        "random state moved": result.random_state_moved if moment == 8 else None,
    }
    if moment == 7 and result.error:
        return failed(result.error, content, caption=caption, values=values)
    left = "; ".join(f"{row.tensor}, {row.number}" for row in rows)
    right = "; ".join(f"{row.node}, {row.note}" for row in rows if row.node)
    alt = f"On the left, from top to bottom: {left}. On the right: {right or nothing or 'nothing yet'}."
    return View(content, caption=caption, alt=alt, values=values)


def _row(result: Pass, at: int, moment: int, mode: str) -> plots.Written:
    label, tensor = LABELS[at], result.tensors[at]
    number = f"mean {tensor:.3f}" if label == "loss" else f"patient 0: {tensor[0, 0]:.3f}"
    if moment == 8:
        number = DOES[mode].get(label, number)
    node, note = "", ""
    if moment >= 6 and label in result.kept:
        node, size = result.kept[label]
        node = node.replace("BinaryCrossEntropy", "BCE")  # to fit into its box
        own = result.gradients.get(label)
        back = f"grad {' and '.join(map(str, own))}" if own else "passes it on"
        note = back if moment >= 7 else f"keeps {size:,} bytes"
    gradient, lit = moment >= 7 and bool(node), at in LIT_AT[moment - 1]
    return plots.Written(f"{label} {tuple(tensor.shape)}", number, node, note, gradient=gradient, lit=lit)


def _tells(result: Pass) -> tuple[str, ...]:
    """What each of the eight moments tells."""
    tensors, graph = result.tensors, result.graph
    logit = tensors[8][0, 0]
    recorded = (
        f"these {len(result.kept)} of the graph's {len(graph.nodes)} nodes together keep {graph.saved_bytes:,} bytes, "
        "what two of them keep counted once. The others transpose weights or collect gradients."
        if graph
        else "nothing is recorded, since grad mode is off."
    )
    walked = "each parameter has a gradient of its own shape; what was kept is freed."
    return (
        "patient 0 is the first row.",
        f"patient 0's first unit is {tensors[1][0, 0]:.3f}.",
        f"patient 0's first unit leaves drop as {tensors[4][0, 0]:.3f}.",
        f"patient 0's logit is {logit:.3f}, its probability {torch.sigmoid(logit):.3f}.",
        f"{tensors[9]:.3f}, the mean over {len(tensors[0])} patients.",
        recorded,
        walked if graph else "there is no graph to walk.",
        f"{result.buffers_moved} of 6 buffers moved, the random state "
        f"{'moved' if result.random_state_moved else 'did not'}.",
    )
