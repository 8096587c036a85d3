"""The checkers of the exercises on where gradients come from: times_and_tanh, layer_backward, exp_and_relu."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from fpcourse.checks.exercises import Attempt, Suspect, describe, exercise, same
from fpcourse.checks.forms import Gaps


class Value:
    """The engine of the page, with what its exercise adds."""

    def __init__(self, data, made_from=()):
        self.data, self.grad = data, 0.0
        self.made_from = made_from  # pairs: an input, and the local slope

    def __add__(self, other):
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def order(self, done):
        for source, _ in self.made_from:
            if source not in done:
                source.order(done)
        done[self] = True
        return done

    def backward(self):
        self.grad = 1.0
        for value in reversed(self.order({})):
            for source, slope in value.made_from:
                source.grad += slope * value.grad

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, ((self, 1 - t * t),))


TIMES_AND_TANH = (
    Gaps(
        """
        def times_and_tanh(a, b, Value):
            first, second = ⟦b.data, a.data | a.data, b.data | 1.0, 1.0⟧
            product = Value(a.data * b.data, (⟦(a, first), (b, second) | (b, first), (a, second)⟧))
            t = math.tanh(a.data)
            return product, Value(t, ((a, ⟦= 1 - t * t | 1 - t ** 2 | 1 - a.data * a.data | 1 - t | t | 1.0⟧),))
        """,
        also_right=("001", "110", "111"),  # the pairs the other way round
    ),
    Gaps(
        """
        def times_and_tanh(a, b, Value):
            slopes = ⟦(b.data, a.data) | (a.data, b.data) | (a.data + b.data, a.data + b.data)⟧
            product = Value(a.data * b.data, tuple(zip((a, b), slopes)))
            up, down = math.exp(a.data), math.exp(-a.data)
            t = (up - down) / (up + down)
            return product, Value(t, ((a, ⟦4 / (up + down) ** 2 | (up + down) / (up - down) | t * (1 - t)⟧),))
        """
    ),
)


@exercise(then="Give Value a subtraction and a power: which local slopes do they have?", forms=TIMES_AND_TANH)
def times_and_tanh(attempt: Attempt) -> None:
    """Product and tanh of Values: numbers and gradients, alone, then together with values used twice."""
    for _ in range(3):
        a, b = _telling_number(), _telling_number()
        x, y = _doubles(a, b)
        tried = f"{attempt.name}(Value({a}), Value({b}), Value)"
        product, (first, second) = _two_values(attempt, a, b, f"{tried}, the product")
        attempt.equal(product.data, a * b, what="its data")
        torch.autograd.backward(x * y)
        slopes = list(_wrong_factors(a, b))
        _compare_gradient(attempt, product, first, x.grad.item(), [one for one, _ in slopes], attempt.tried, "a.grad")
        attempt.equal(second.grad, y.grad.item(), [other for _, other in slopes], "b.grad")
        squashed, (first, _) = _two_values(attempt, a, b, f"{tried}, the tanh", at=1)
        attempt.equal(squashed.data, math.tanh(a), [Suspect(math.tanh(b), "That is tanh(b).")], "its data")
        [slope] = torch.autograd.grad(torch.tanh(x), x)
        _compare_gradient(
            attempt, squashed, first, slope.item(), list(_wrong_slopes_of_tanh(a)), attempt.tried, "a.grad"
        )
    a, b = _telling_number(), _telling_number()
    x, y = _doubles(a, b)
    tried = f"t * t + t * b, where t = tanh(a · b), a = Value({a}), b = Value({b})"
    product, (first, second) = _two_values(attempt, a, b, tried)
    with attempt.running(tried):
        t = attempt.function(product, product, Value)[1]
        result = attempt.function(t, t, Value)[0] + attempt.function(t, second, Value)[0]
    squashed = torch.tanh(x * y)
    torch.autograd.backward(squashed * squashed + squashed * y)
    _compare_gradient(attempt, result, first, x.grad.item(), [], tried, "a.grad")
    attempt.equal(second.grad, y.grad.item(), [], "b.grad")


def _telling_number() -> float:
    """A number that is far from 0, 1 and -1, at which wrong slopes are equal to right ones."""
    return random.choice((-1, 1)) * round(random.choice((random.uniform(0.3, 0.8), random.uniform(1.3, 2.0))), 3)


def _doubles(a: float, b: float) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in (a, b))


def _two_values(attempt: Attempt, a: float, b: float, tried: str, at: int = 0) -> tuple[Value, tuple[Value, Value]]:
    """One of the two results, made sure of, and the Values that it was made from."""
    sources = Value(a), Value(b)
    result = attempt(*sources, Value, tried=tried)
    nothing = "A function without a return statement returns None." if result is None else ""
    pair = isinstance(result, (tuple, list)) and len(result) == 2
    attempt.require(pair, describe(result), "two Values: the product and the tanh", nothing)
    for value in result:
        _check_value(attempt, value)
    _check_untouched(attempt, *sources)
    return result[at], sources


def _wrong_factors(a: float, b: float) -> Iterator[tuple[Suspect, Suspect]]:
    """Wrong gradients of a product, by a and by b."""
    for by_a, by_b, looks_like in (
        (a, b, "Each factor got itself. Nudge a by h, and a · b moves by h times the other one."),
        (1.0, 1.0, "Slopes of 1 are those of a sum."),
        (0.0, 0.0, "The way back is missing: made_from names each input with its local slope."),
        (a * b, a * b, "That is the product itself, not how fast it changes."),
        (a + b, a + b, "That is the sum of both factors."),
    ):
        yield Suspect(by_a, looks_like), Suspect(by_b, looks_like)


def _wrong_slopes_of_tanh(a: float) -> Iterator[Suspect]:
    t = math.tanh(a)
    yield Suspect(0.0, "No slope of tanh came back: made_from is empty, or holds 0.")
    yield Suspect(
        1 - a * a,
        "That is 1 minus the square of what went in. Beyond 1 it would be negative, and tanh never falls.",
    )
    yield Suspect(1 - t, "That is 1 minus the output, without its square: for negative inputs it would be above 1.")
    yield Suspect(t, "That is what tanh puts out, not how fast it changes: at 0 it would say that tanh is flat there.")
    yield Suspect(t * (1 - t), "That is the rule for a sigmoid, whose outputs lie between 0 and 1.")
    yield Suspect(1.0, "A slope of 1 is what tanh has at 0, and nowhere else.")
    yield Suspect(1 / t, "That is 1 over the output.")


LAYER_BACKWARD = (
    Gaps(
        """
        def layer_backward(X, W, Z, dA):
            gate = ⟦(Z > 0) | Z.relu()⟧
            dZ = ⟦dA * gate | dA * (gate > 0) | dA⟧
            dX = dZ @ W
            dW = dZ.T @ X
            db = ⟦= dZ.sum(dim=0) | dZ.sum(0) | dZ.mean(dim=0) | dZ⟧
            return dX, dW, db
        """,
        also_right=("001", "010", "011", "110", "111"),  # a gate that is open is above 0, however it is written
    ),
    Gaps(
        """
        def layer_backward(X, W, Z, dA):
            dZ = dA * (Z > 0)
            dX = dZ @ ⟦W | W.T⟧
            dW = torch.zeros_like(W)
            db = torch.zeros(len(W))
            for x, dz in zip(X, dZ):                # one patient after the other
                dW ⟦+= | =⟧ dz[:, None] * x         # (out, 1) times (in,)
                db ⟦+= dz | = dz | += dz / len(X)⟧
            return dX, dW, db
        """
    ),
)


@exercise(then="And with a tanh instead of the ReLU: what takes the place of the gate?", forms=LAYER_BACKWARD)
def layer_backward(attempt: Attempt) -> None:
    """dX, dW and db of a linear layer with its ReLU against autograd, on shapes of all kinds and on a square one."""
    for batch, n_in, n_out in ((5, 3, 2), (1, 4, 3), (3, 3, 3), (random.randint(6, 9), 2, random.randint(3, 5))):
        X, W = torch.randn(batch, n_in), torch.randn(n_out, n_in)
        b, dA = torch.randn(n_out), torch.randn(batch, n_out)
        leaves = [tensor.clone().requires_grad_() for tensor in (X, W, b)]
        Z = leaves[0] @ leaves[1].T + leaves[2]
        expected = torch.autograd.grad(torch.relu(Z), leaves, dA)
        Z = Z.detach()
        tried = f"{attempt.name}(X, W, Z, dA) with X {(batch, n_in)}, W {(n_out, n_in)}, Z and dA {(batch, n_out)}"
        given = [tensor.clone() for tensor in (X, W, Z, dA)]
        result = attempt(*given, tried=tried)
        nothing = "A function without a return statement returns None." if result is None else ""
        three = isinstance(result, (tuple, list)) and len(result) == 3
        attempt.require(three, describe(result), "three tensors: dX, dW, db", nothing)
        gates = _wrong_gates(X, W, Z, dA)
        for name, found, right, suspects, gate in zip(
            ("dX", "dW", "db"), result, expected, _wrong_ways(X, W, dA * (Z > 0), *expected), gates, strict=True
        ):
            attempt.equal(found, right, [*suspects, *gate], name)
        changed = "The function wrote into what it was given."
        attempt.require(
            all(map(torch.equal, given, (X, W, Z, dA))), "other inputs than before", "all four left alone", changed
        )


def _wrong_gates(X, W, Z, dA) -> Iterator[list[Suspect]]:
    """By result, what comes of a gate that is left out, or that passes on z in place of 1."""
    wrong = (
        (dA, "The gate was left out: where Z isn't above 0, nothing comes back."),
        (dA * Z.relu(), "An open gate has a slope of 1. This multiplied by what it lets through on the way forward."),
    )
    for send_back in (lambda dZ: dZ @ W, lambda dZ: dZ.T @ X, lambda dZ: dZ.sum(0)):
        yield [Suspect(send_back(dZ), looks_like) for dZ, looks_like in wrong]


def _wrong_ways(X, W, dZ, dX, dW, db) -> tuple[list[Suspect], ...]:
    """What people take for dX, dW and db."""
    n, square = len(X), W.shape[0] == W.shape[1]
    scaled = "This is divided by the batch once too often: if the loss is a mean, its 1/n is in dZ already."
    return (
        [
            *(
                [
                    Suspect(
                        dZ @ W.T,
                        "That is the forward pass again. On the way back the weights aren't transposed.",
                    )
                ]
                if square
                else []
            ),
            Suspect(dX / n, scaled),
            Suspect(dX.T, "dX is transposed. A gradient has the shape of its tensor."),
        ],
        [
            Suspect(dW.T, "dW is transposed. A gradient has the shape of its tensor, (out, in)."),
            Suspect(dW / n, scaled),
            Suspect(
                dZ[-1][:, None] * X[-1],
                "That is the last patient's part. Every patient met these weights: add the parts up.",
            ),
            Suspect(
                dZ[:, :, None] * X[:, None],
                "This has a part per patient. Every patient met these weights: add the parts up.",
            ),
        ],
        [
            Suspect(
                dZ,
                "This has a row per patient: the sum over the batch is missing. All patients share the bias.",
            ),
            Suspect(db / n, scaled),
            Suspect(
                dZ[-1],
                "That is the last patient's part. The same bias was added for all: add the parts up.",
            ),
            Suspect(dZ.sum(), "All was added up, over patients and units. There is one bias per unit."),
            Suspect(dZ.sum(1), "The sum ran over the units. It is the patients who share a bias."),
            Suspect(db[None], "A gradient has the shape of its tensor, and b has one axis."),
            Suspect(
                torch.ones_like(db),
                "1 is the local slope of each addition. It has to be multiplied by what arrives, dZ.",
            ),
        ],
    )


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


@exercise(then="Give Value a division, and make a sigmoid: from exp, and by itself.", forms=EXP_AND_RELU)
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
        _check_value(attempt, value)
    _check_untouched(attempt, source)
    return tuple(result)


def _check_value(attempt: Attempt, value: Any) -> None:
    """A Value, with a plain number in it and pairs that say what it was made from."""
    plain = "Backward has to find the way back: wrap the number in a Value."
    attempt.require(isinstance(value, Value), describe(value), "a Value", plain)
    number = isinstance(value.data, (int, float)) and not isinstance(value.data, bool)
    attempt.require(
        number, f"data: {describe(value.data)}", "data: a number", "The engine computes with plain numbers."
    )
    pairs = (
        "made_from holds pairs, also when there is one: the input, a Value, and the local slope, a plain number. "
        "So it is ((value, 2.0),)."
    )
    attempt.require(_is_made_from(value.made_from), "another made_from", "a tuple of pairs", pairs)


def _check_untouched(attempt: Attempt, *sources: "Value") -> None:
    for name, source in zip("ab", sources, strict=False):
        written = f"{name}.grad = {describe(source.grad)} before backward"
        early = "backward() writes into grad, not the operation."
        attempt.require(same(source.grad, 0.0), written, f"{name}.grad = 0.0", early)


def _is_made_from(made_from: Any) -> bool:
    return isinstance(made_from, (tuple, list)) and all(
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and isinstance(pair[0], Value)
        and isinstance(pair[1], (int, float))
        for pair in made_from
    )


def _compare_gradient(
    attempt: Attempt,
    result: Value,
    source: Value,
    expected: float,
    suspects: Sequence[Suspect],
    tried: str,
    what: str = "value.grad",
) -> None:
    with attempt.running(tried):  # the reader's pairs may hold anything, a cycle too
        result.backward()
    attempt.equal(source.grad, expected, suspects, what)


def _wrong_data(name: str, data: float) -> Iterator[Suspect]:
    if name == "relu" and data > 0:
        yield Suspect(1.0, "1 is ReLU's slope here, not what it puts out.")


def _wrong_derivatives(name: str, data: float) -> Iterator[Suspect]:
    if name == "exp":
        yield Suspect(0.0, "The way back is missing: made_from names each input with its local slope.")
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
