"""The checkers of the exercises on autograd: leaves_behind, kept_bytes."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import torch

from fpcourse.checks.exercises import Attempt, Suspect, describe, exercise, same
from fpcourse.measure.autograd import autograd_graph
from fpcourse.models import ClinicalMLP, mlp

DOUBLED, DEEP = 40, 3_000
Leaves = dict[str, torch.Tensor]


@exercise(then="Let it also say how many operations lie between the tensor and each leaf.")
def leaves_behind(attempt: Attempt) -> None:
    """The tensors in whose .grad a backward would put something, each once."""
    for words, tensor, leaves in _graphs():
        tried = f"{attempt.name}({words})"
        _compare_leaves(attempt, attempt(tensor, tried=tried), leaves)


def _graphs() -> Iterator[tuple[str, torch.Tensor, Leaves]]:
    """Each time what the tensor is, the tensor, and the leaves behind it by name, as the code here made them."""
    size = random.randint(2, 6)
    x, v, w, b = torch.randn(size), _leaf(size), _leaf(size), _leaf(1)
    # First with leaves of one element: on others, in and == raise an error that says less than these graphs do.
    small, value = _leaf(1), random.random()
    yield "(x * w).sum() + b, x plain data", (x[:1] * small).sum() + b, {"w": small, "b": b}
    same_as_b = {name: torch.full((1,), value, requires_grad=True) for name in ("b", "c")}
    yield "b * c, of equal values", same_as_b["b"] * same_as_b["c"], same_as_b
    yield "(w * x + w) * b, w used twice", (w * x + w) * b, {"w": w, "b": b}
    yield "torch.stack([x, v, w]), three inputs", torch.stack([x, v, w]), {"v": v, "w": w}
    model = ClinicalMLP(size, (size + 1, size + 2)).eval()
    getattr(model, random.choice(("layer1", "bn1", "layer2", "layer3"))).requires_grad_(False)
    asked = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    yield "the logits of a ClinicalMLP, one of its layers frozen", model(torch.randn(3, size)), asked
    with torch.no_grad():
        yield "w * x, computed under no_grad", w * x, {}
    doubled = w
    for _ in range(DOUBLED):
        doubled = doubled + doubled
    yield f"y, after y = w and {DOUBLED} times y = y + y: 2**{DOUBLED} paths, {DOUBLED + 1} nodes", doubled, {"w": w}
    chain = v
    for _ in range(DEEP):
        chain = chain + 1
    words = f"y + w, after y = v and {DEEP:,} times y = y + 1: keep a list of the nodes still to visit"
    yield words, chain + w, {"v": v, "w": w}


def _leaf(size: int) -> torch.Tensor:
    return torch.randn(size, requires_grad=True)


def _compare_leaves(attempt: Attempt, result: Any, leaves: Leaves) -> None:
    expected = ", ".join(leaves) or "no tensor"
    if not isinstance(result, (list, tuple, set)):
        nothing = "A function without a return statement returns None." if result is None else ""
        attempt.fail(describe(result), f"a list of tensors: {expected}", nothing)
    names = [next((name for name, leaf in leaves.items() if item is leaf), None) for item in result]
    answer = ", ".join(name or describe(item) for name, item in zip(names, result, strict=True)) or "no tensor"
    strangers = [item for name, item in zip(names, result, strict=True) if name is None]
    if any(hasattr(item, "next_functions") for item in strangers):
        attempt.fail("nodes", f"tensors: {expected}", "An AccumulateGrad has its leaf in variable.")
    attempt.require(
        not strangers, answer, expected, "Not all of these are leaves of this graph that ask for a gradient."
    )
    twice = [name for name, times in Counter(names).items() if times > 1]
    attempt.require(not twice, answer, expected, "Two paths lead to one leaf: visit each node once.")
    missing = [name for name in leaves if name not in names]
    looks_like = "Follow every pair in next_functions, at every node."
    if any(same(leaves[name], leaves[other]) for name in missing for other in names):
        looks_like = "in and == compare the numbers of tensors. Two leaves of equal values are two: compare with is."
    attempt.require(not missing, answer, expected, looks_like)


@exercise(then="Replace nn.ReLU by nn.GELU, predict again, then measure with autograd_graph.")
def kept_bytes(attempt: Attempt) -> None:
    """The bytes that a forward pass of mlp(widths) keeps for the backward pass, activations and parameters apart."""
    for depth in (3, 2, 4, 5):
        batch, widths = _telling_sizes(depth)
        net = mlp(widths)
        graph = autograd_graph(net(torch.randn(batch, widths[0])), net)
        result = attempt(batch, list(widths))
        attempt.dictionary(result, ("activations", "parameters"))
        for key, expected, suspects in (
            ("activations", graph.activation_bytes, _wrong_activations(batch, widths)),
            ("parameters", graph.parameter_bytes, _wrong_parameters(widths)),
        ):
            attempt.require(
                _is_whole(result[key]), f"{key}: {describe(result[key])}", f"{key}: a whole number of bytes"
            )
            attempt.equal(int(result[key]), expected, list(suspects), f"{key}:")


def _telling_sizes(depth: int) -> tuple[int, list[int]]:
    """A batch size and widths for which no two of the wrong counts are equal by chance."""
    while True:
        batch, widths = random.randint(5, 40), random.sample(range(2, 60), depth)
        groups = [list(_wrong_activations(batch, widths)), list(_wrong_parameters(widths))]
        if depth == 2 or all(len({suspect.value for suspect in group}) == len(group) for group in groups):
            return batch, widths  # of two widths, without a hidden layer, several counts are always equal


def _is_whole(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value == value // 1


def _wrong_activations(batch: int, widths: Sequence[int]) -> Iterator[Suspect]:
    first, hidden, last = widths[0], sum(widths[1:-1]), widths[-1]
    yield Suspect(batch * (first + hidden), "These are numbers, not bytes: a float32 takes 4.")
    yield Suspect(8 * batch * (first + hidden), "A float32 takes 4 bytes, and float64 takes 8.")
    twice = (
        "Either what goes into the ReLU was counted, which is not kept, or what comes out of it was counted twice: two "
        "nodes save it, in the same memory."
    )
    yield Suspect(4 * batch * (first + 2 * hidden), twice, 19)
    yield Suspect(
        4 * batch * (first + 2 * hidden + last), f"{twice} The output of the last layer is not kept either.", 19
    )
    outputs = "What comes out of each linear layer was counted. A linear layer keeps what goes in."
    yield Suspect(4 * batch * (hidden + last), outputs, 19)
    yield Suspect(4 * batch * (first + hidden + last), "The last layer's output was counted: no node needs it.")
    yield Suspect(4 * batch * hidden, "The batch itself is missing: the first layer's weight needs it.")
    yield Suspect(4 * (first + hidden), "One row was counted: the batch has more.")


def _wrong_parameters(widths: Sequence[int]) -> Iterator[Suspect]:
    weights = [4 * n_in * n_out for n_in, n_out in pairwise(widths)]
    biases = [4 * n_out for n_out in widths[1:]]
    first = "The first weight was counted: it would give the gradient of the data, which nobody asks for."
    bias = "Biases were counted: the derivative of a sum needs none of its terms."
    yield Suspect(sum(weights) + sum(biases), f"These are all parameters. {first} {bias}")
    yield Suspect(sum(weights), first)
    yield Suspect(sum(weights[1:]) + sum(biases[1:]), bias)
    yield Suspect(sum(weights[1:]) + sum(biases), bias)
    yield Suspect(sum(weights[1:]) // 4, "Numbers were counted, not bytes.")
    yield Suspect(0, "A weight is kept too: with it a layer finds the gradient of its input.")
