"""The checkers of the exercises on autograd: accumulate, leaves_behind, kept_bytes."""

import random
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, pairwise
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.exercises import Attempt, Suspect, describe, exercise, same
from fpcourse.checks.forms import Gaps
from fpcourse.measure.autograd import autograd_graph
from fpcourse.models import ClinicalMLP, mlp

DOUBLED, DEEP = 40, 3_000
Leaves = dict[str, torch.Tensor]
ACCUMULATE = (
    Gaps(
        """
        def accumulate(model, loss_of, X, y, size):
            model.zero_grad()
            total, divide_by = 0.0, ⟦1 | len(X) | len(X.split(size))⟧
            for rows, targets in zip(X.split(size), y.split(size)):
                weight = ⟦len(rows) / len(X) | len(rows) | 1⟧
                loss = weight * loss_of(model(rows), targets)
                loss.backward()
                total += ⟦= loss.item() | loss.detach().item() | loss | loss.detach()⟧
            for parameter in model.parameters():
                parameter.grad /= divide_by
            return total / divide_by
        """,
        also_right=("001", "110", "111"),  # the division at the end, once for all parts
    ),
    Gaps(
        """
        def accumulate(model, loss_of, X, y, size):
            model.zero_grad()
            total = 0.0
            for start in range(0, len(X), size):
                rows, targets = X[start : start + size], y[start : start + size]
                loss = loss_of(model(rows), targets) * len(rows) / ⟦len(X) | size | len(rows)⟧
                total += ⟦loss.item() | loss⟧
                ⟦loss.backward() | model.zero_grad(); loss.backward() | pass⟧
            return total
        """
    ),
)


@exercise(
    then="Put a BatchNorm into the model, in train mode. Why is the gradient a different one now?", forms=ACCUMULATE
)
def accumulate(attempt: Attempt) -> None:
    """The gradient of a batch that goes through the model in parts: its value, what was before, and what is left."""
    cases = ((10, 4), (7, 3), (12, 4), (5, 8), (random.randint(6, 9), 1))
    for (rows, size), loss_of in zip(cases, cycle((F.binary_cross_entropy_with_logits, F.mse_loss))):
        model, X, y = mlp([3, 4, 1]), torch.randn(rows, 3), torch.rand(rows, 1).round()
        weights = list(model.parameters())
        parts = list(zip(X.split(size), y.split(size), strict=True))
        losses = [loss_of(model(part), targets) for part, targets in parts]
        of_parts = [torch.autograd.grad(loss, weights) for loss in losses]
        numbers, sizes = [loss.item() for loss in losses], [len(part) for part, _ in parts]
        for value in weights:
            value.grad = torch.randn_like(value)
        old = [value.grad.clone() for value in weights]
        before, batch = [value.detach().clone() for value in weights], (X.clone(), y.clone())
        tried = f"{attempt.name}(model, {loss_of.__name__}, X, y, size={size}) with {rows} rows"
        with _calls_watched(model) as calls:
            result = attempt(model, loss_of, X, y, size, tried=tried)
        _require_parts(attempt, calls, size, set(sizes))
        names = [name for name, _ in model.named_parameters()]
        for name, value, was, *gradients in zip(names, weights, old, *of_parts, strict=True):
            _require_gradient(attempt, name, value.grad, was, gradients, sizes)
        _require_mean(attempt, result, numbers, sizes)
        same_batch = torch.equal(X, batch[0]) and torch.equal(y, batch[1])
        attempt.require(same_batch, "a batch that was written into", "the batch as it was given")
        attempt.require(model.training, "a model in eval mode", "the mode in which it was given")
        moved = not all(map(torch.equal, before, weights))
        attempt.require(not moved, "other parameters than before", "parameters as they were, and no step")


class _Saved:
    """What a node keeps in the place of a saved tensor, and lets go of together with it."""

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor


@contextmanager
def _calls_watched(model: nn.Sequential) -> Iterator[list[tuple[int, bool]]]:
    """For each call of the model its rows, and whether an earlier part's graph keeps saved tensors as it begins."""
    calls: list[tuple[int, bool]] = []
    saved: weakref.WeakSet[_Saved] = weakref.WeakSet()

    def pack(tensor: torch.Tensor) -> _Saved:
        saved.add(stand_in := _Saved(tensor.detach()))  # or an output would hold its node, which holds the output
        return stand_in

    hook = model[0].register_forward_pre_hook(lambda module, inputs: calls.append((len(inputs[0]), len(saved) > 0)))
    with hook, torch.autograd.graph.saved_tensors_hooks(pack, lambda stand_in: stand_in.tensor):
        yield calls


def _require_parts(attempt: Attempt, calls: list[tuple[int, bool]], size: int, of_parts: set[int]) -> None:
    most = max((rows for rows, _ in calls), default=0)
    attempt.require(most <= size, f"{most} rows in one call of the model", f"at most {size}")
    looks_like = "backward() frees what a part's graph has saved: call it on each part, before the next one begins."
    kept = any(kept for _, kept in calls)
    attempt.require(not kept, "a graph kept from part to part", "one part's graph at a time", looks_like)
    others = {rows for rows, _ in calls} - of_parts
    smaller = f"a part of size {min(others, default=0)}"
    attempt.require(not others, smaller, f"{size} rows at a time, fewer only in the last part")


def _require_gradient(
    attempt: Attempt,
    name: str,
    grad: torch.Tensor | None,
    old: torch.Tensor,
    gradients: Sequence[torch.Tensor],
    sizes: Sequence[int],
) -> None:
    nothing = "No gradient has arrived: is backward() called?"
    attempt.require(grad is not None, f"None in the .grad of {name}", "a gradient", nothing)
    suspects = list(_wrong_gradients(gradients, sizes, old))
    attempt.equal(grad, _mean_over_rows(gradients, sizes), suspects, f"in the .grad of {name}")


def _require_mean(attempt: Attempt, result: Any, numbers: Sequence[float], sizes: Sequence[int]) -> None:
    attempt.equal(result, _mean_over_rows(numbers, sizes), list(_wrong_means(numbers, sizes)), "the loss")
    tensor, looks_like = isinstance(result, torch.Tensor), ""
    if tensor:
        holds = "It holds on to the nodes of every part's graph. .item() makes a plain number of it."
        looks_like = holds if result.grad_fn else ".item() makes a plain number of a tensor."
    attempt.require(isinstance(result, float), f"a {type(result).__name__}", "a float", looks_like)


def _mean_over_rows(of_parts: Sequence[Any], sizes: Sequence[int]) -> Any:
    return sum(size * mean for size, mean in zip(sizes, of_parts, strict=True)) / sum(sizes)


def _wrong_gradients(gradients: Sequence[torch.Tensor], sizes: Sequence[int], old: torch.Tensor) -> Iterator[Suspect]:
    expected, rows, parts = _mean_over_rows(gradients, sizes), sum(sizes), len(sizes)
    yield Suspect(expected + old, "What was in .grad before is still in there: backward() adds.", 18)
    yield Suspect(sum(gradients), "Each part's mean went in whole, so the parts together count too much.")
    equal = "Every part has the same weight here, but the last one has fewer rows."
    yield Suspect(sum(gradients) / parts, equal)
    yield Suspect(rows * expected, "That is the gradient of the sum over all rows. The loss is to be their mean.")
    once_more = "It is divided once too often: weighting by a share of the rows divides already."
    yield Suspect(expected / rows, once_more)
    yield Suspect(expected / parts, once_more)
    yield Suspect(rows * expected / parts, "Weighted by rows, the parts have to be divided by all rows.")
    yield Suspect(sum(gradients) / rows, "Each part's mean went in whole, and the number of rows divides it too far.")
    by_part = rows * expected / max(sizes)
    yield Suspect(by_part, "Each part was divided by the size of one part, so together they count too much.")
    last = "Only the last part is left: something resets .grad between the parts."
    for divide_by in (1, rows / sizes[-1], max(sizes) / sizes[-1]):
        yield Suspect(gradients[-1] / divide_by, last)
    yield Suspect(old, "Nothing has arrived; that is what was in .grad before.")


def _wrong_means(numbers: Sequence[float], sizes: Sequence[int]) -> Iterator[Suspect]:
    mean, rows = _mean_over_rows(numbers, sizes), sum(sizes)
    yield Suspect(sum(numbers), "The parts' means were added up.")
    yield Suspect(sum(numbers) / len(numbers), "That is the mean of the parts' means, and the last one has fewer rows.")
    yield Suspect(rows * mean, "That is the sum over all rows, not their mean.")
    yield Suspect(numbers[-1], "That is the loss of the last part.")
    yield Suspect(sizes[-1] / rows * numbers[-1], "That is the last part's share of the loss.")


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
