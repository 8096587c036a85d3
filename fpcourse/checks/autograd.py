"""The checkers of the exercises on autograd: leaves_behind, exp_and_relu, kept_bytes."""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import torch

from fpcourse.checks.exercises import Attempt, Suspect, describe, exercise, same
from fpcourse.checks.forms import Gaps
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


class Value:
    """The engine of the chapter, as its page has it."""

    def __init__(self, data, made_from=()):
        self.data, self.grad = data, 0.0
        self.made_from = made_from  # pairs: input, derivative by it

    def __add__(self, other):
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __pow__(self, n):
        return Value(self.data**n, ((self, n * self.data ** (n - 1)),))

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, ((self, 1 - t * t),))

    def order(self, done):
        """Everything behind this value, inputs first, then the value."""
        if self not in done:
            for source, _ in self.made_from:
                source.order(done)
            done[self] = 0.0  # its gradient, to come
        return done

    def backward(self):
        arrived = self.order({})
        arrived[self] = 1.0
        for value in reversed(arrived):
            for source, derivative in value.made_from:
                arrived[source] += derivative * arrived[value]
            if not value.made_from:  # a leaf keeps it, and adds up
                value.grad += arrived[value]


EXP_AND_RELU = (
    Gaps(
        """
        def exp_and_relu(value, Value):
            e = math.exp(value.data)
            gate = ⟦float(value.data > 0) | max(value.data, 0.0)⟧
            exp = Value(e, ((value, ⟦= e | math.exp(value.data) | value.data | 1.0 | value.data * e
                | value.data * math.exp(value.data - 1)⟧),))
            relu = Value(max(value.data, 0.0), ((value, ⟦gate | 1.0 | float(gate > 0)⟧),))
            return exp, relu
        """,
        # Either gate says on which side of 0 the value is, and math.exp(value.data) is e.
        also_right=("002", "102", "010", "012", "112"),
    ),
    Gaps(
        """
        def exp_and_relu(value, Value):
            x = value.data
            exp = Value(math.exp(x), ((value, ⟦math.exp(x) | x * math.exp(x - 1) | 1 / math.exp(x)⟧),))
            if x > 0:
                return exp, Value(⟦x | 1.0⟧, ((value, ⟦1.0 | x⟧),))
            return exp, Value(0.0, ((value, 0.0),))
        """
    ),
)


@exercise(then="Give Value a sigmoid: from exp, with a power of −1, and by itself.", forms=EXP_AND_RELU)
def exp_and_relu(attempt: Attempt) -> None:
    """The exponential and the ReLU of a Value: numbers and gradients, alone, used twice, and one after the other."""
    for sign in (1, -1, 1, -1):
        data = sign * round(random.uniform(0.3, 2.0), 3)  # as it is shown
        for name, torch_function, at in (("exp", torch.exp, 0), ("relu", torch.relu, 1)):
            tried = f"{attempt.name}(Value({data}), Value), its {name}"
            source, x = Value(data), torch.tensor(data, dtype=torch.float64, requires_grad=True)
            y = torch_function(x)
            y.backward()
            output = _pair_from(attempt, source, tried)[at]
            attempt.equal(output.data, y.item(), list(_wrong_data(name, data)), what="its data")
            _compare_gradient(attempt, output, source, x.grad.item(), list(_wrong_derivatives(name, data)), tried)
    for data in (round(random.uniform(0.3, 1.0), 3), -round(random.uniform(0.3, 1.0), 3)):
        x, source = torch.tensor(data, dtype=torch.float64, requires_grad=True), Value(data)
        (torch.exp(x) * torch.exp(x) + torch.relu(x) * torch.exp(torch.relu(x)) + x * torch.relu(x)).backward()
        tried = f"e * e + r * exp(r) + a * r, where a = value = Value({data}), e = exp(a), r = relu(a)"
        e, r = _pair_from(attempt, source, tried)
        result = e * e + r * _pair_from(attempt, r, tried)[0] + source * r
        _compare_gradient(attempt, result, source, x.grad.item(), [], tried)


def _pair_from(attempt: Attempt, source: Value, tried: str) -> tuple[Value, Value]:
    """Both results, made sure of: two Values, each made from the source."""
    result = attempt(source, Value, tried=tried)
    nothing = "A function without a return statement returns None." if result is None else ""
    pair = isinstance(result, (tuple, list)) and len(result) == 2
    attempt.require(pair, describe(result), "two Values: the exponential and the ReLU", nothing)
    for value in result:
        plain = "Backward has to find the way back: wrap the number in a Value."
        attempt.require(isinstance(value, Value), describe(value), "a Value", plain)
        number = isinstance(value.data, (int, float)) and not isinstance(value.data, bool)
        attempt.require(
            number, f"data: {describe(value.data)}", "data: a number", "The engine computes with plain numbers."
        )
        pairs = (
            "made_from holds pairs, also when there is one: the input, a Value, and the derivative, a plain number. "
            "So it is ((value, 2.0),)."
        )
        attempt.require(_is_made_from(value.made_from), "another made_from", "a tuple of pairs", pairs)
    written = f"a.grad = {describe(source.grad)} before backward"
    attempt.require(same(source.grad, 0.0), written, "a.grad = 0.0", "backward() writes into grad, not the operation.")
    return tuple(result)


def _is_made_from(made_from: Any) -> bool:
    return isinstance(made_from, (tuple, list)) and all(
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and isinstance(pair[0], Value)
        and isinstance(pair[1], (int, float))
        for pair in made_from
    )


def _compare_gradient(
    attempt: Attempt, result: Value, source: Value, expected: float, suspects: Sequence[Suspect], tried: str
) -> None:
    with attempt.running(tried):  # the reader's pairs may hold anything, a cycle too
        result.backward()
    attempt.equal(source.grad, expected, suspects, "value.grad")


def _wrong_data(name: str, data: float) -> Iterator[Suspect]:
    if name == "relu" and data > 0:
        yield Suspect(1.0, "1 is ReLU's slope here, not what it puts out.")


def _wrong_derivatives(name: str, data: float) -> Iterator[Suspect]:
    if name == "exp":
        yield Suspect(0.0, "The way back is missing: made_from names each input with the derivative by it.")
        yield Suspect(
            data * math.exp(data - 1), "That is the rule for a power, x to a fixed n. Here x is the exponent."
        )
        yield Suspect(data, "That is the input itself: at 0 it would say that exp is flat there.")
        yield Suspect(data * math.exp(data), "That is x times exp(x): at 0 it would say that exp is flat there.")
        yield Suspect(math.exp(-data), "That is exp(−x): it gets smaller where exp gets steeper.")
        yield Suspect(1.0, "A derivative of 1 everywhere is that of a straight line.")
    elif data > 0:
        yield Suspect(0.0, "No gradient came back: made_from is empty, or holds 0. Above 0 ReLU's derivative is 1.")
        yield Suspect(data, "That is what ReLU puts out, not how fast it changes.")
        yield Suspect(1 / data, "That is 1 over the input.")
    else:
        yield Suspect(1.0, "Below 0 nothing changes when the input does, so nothing should come back.")


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
