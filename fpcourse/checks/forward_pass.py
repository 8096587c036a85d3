"""The checkers of the exercises of this chapter."""

from itertools import pairwise, product

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.forms import Gaps

THREE_HIDDEN_LAYERS = (
    Gaps(
        """
        def three_hidden_layers(features, first, second, third):
            model = nn.Sequential(
                nn.Linear(features, first), nn.ReLU(),
                nn.Linear(first, second), nn.ReLU(),
                nn.Linear(second, third), nn.ReLU(),
                ⟦nn.Linear(third, 1) | nn.Linear(third, 1), nn.ReLU() | nn.Linear(third, 1), nn.Sigmoid()⟧,
            )
            count = features * first + first * second + second * third
            biases = ⟦first + second + third + 1 | first + second + third
                     | features + first + second + third | 1 + 1 + 1 + 1⟧
            count += biases + ⟦= third | third + 1 | 1⟧
            return model, count
        """,
        also_right=("011",),  # the last bias is counted in either term
    ),
    Gaps(
        """
        def three_hidden_layers(features, first, second, third):
            widths = [features, first, second, third, 1]
            layers, count = [], 0
            for n_in, n_out in zip(widths, widths[1:]):
                layers += [nn.Linear(n_in, n_out), nn.ReLU()]
                count += ⟦n_in * n_out + n_out | n_in * n_out | n_in * n_out + n_in | n_in * n_out + 1⟧
            model = nn.Sequential(*layers⟦[:-1] | [:] | [1:]⟧)
            return model, count
        """
    ),
)


@exercise(
    then="Double all three hidden widths: which of the four layers come close to four times as many numbers?",
    forms=THREE_HIDDEN_LAYERS,
)
def three_hidden_layers(attempt: Attempt) -> None:
    for _ in range(3):
        widths = _distinct(4)
        with _Asked() as asked:
            result = attempt(*widths)
        attempt.require(
            isinstance(result, (tuple, list)) and len(result) == 2 and isinstance(result[0], nn.Module),
            result,
            "a pair, (model, count)",
        )
        model, count = result
        _check_layers(attempt, model, [*pairwise(widths), (widths[-1], 1)])
        _check_order(attempt, model, widths)
        attempt.require(
            not asked.numel,
            "a count that the model was asked for, with numel()",
            "a count worked out from the four widths",
        )
        attempt.tried = f"{attempt.name}{tuple(widths)}"
        _check_count(attempt, count, [*widths, 1])


class _Asked(TorchFunctionMode):
    """A block that sees whether a tensor is asked for its number of elements."""

    numel = False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.numel |= function in (torch.Tensor.numel, torch.Tensor.nelement, torch.numel)
        return function(*args, **(kwargs or {}))


def _check_layers(attempt: Attempt, model: nn.Module, expected: list[tuple[int, int]]) -> None:
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    sizes = [(linear.in_features, linear.out_features) for linear in linears]
    attempt.require(
        sizes == expected, f"Linear layers of (in, out) {sizes}", f"{expected}", _order_of_sizes(sizes, expected)
    )
    own = {type(module).__name__ for module in model.modules() if list(module.parameters(recurse=False))}
    attempt.require(
        own == {"Linear"} and all(linear.bias is not None for linear in linears),
        f"a model with weights in {', '.join(sorted(own))}"
        + (", some without bias" if any(linear.bias is None for linear in linears) else ""),
        "weights and biases in four Linear layers, and in nothing else",
    )


def _order_of_sizes(sizes: list[tuple[int, int]], expected: list[tuple[int, int]]) -> str:
    if len(sizes) != len(expected):
        return f"It has {len(sizes)} Linear layers."
    if sorted(sizes) == sorted(expected):
        return "The layers are not in the order in which they run: each takes in what the one before it puts out."
    if [set(pair) for pair in sizes] == [set(pair) for pair in expected]:
        return "These are (out, in), the order of a weight's shape."
    if any(before[1] != after[0] for before, after in pairwise(sizes)):
        return "A layer takes in another number than the one before it puts out."
    if sizes[-1][1] != 1:
        return f"It ends in {sizes[-1][1]} numbers per patient."
    return "These are other widths than the arguments."


def _check_order(attempt: Attempt, model: nn.Module, widths: list[int]) -> None:
    """Run the model with fresh weights, and hold it against the same layers with a ReLU at other places."""
    X, weights, layers = _telling_weights(model, widths[0])
    relu, none = torch.relu, torch.nn.Identity()
    with attempt.running(f"{attempt.name}{tuple(widths)}, and its model on a tensor of shape {tuple(X.shape)}"):
        out = torch.func.functional_call(model, weights, (X,))
    attempt.equal(
        out,
        _stack(X, layers),
        [
            Suspect(_stack(X, layers, last=relu), "A ReLU stands after the last layer: no logit is below 0."),
            Suspect(_stack(X, layers, none), "The first hidden layer has no ReLU after it.", 1),
            Suspect(_stack(X, layers, relu, none), "The second hidden layer has no ReLU after it.", 1),
            Suspect(_stack(X, layers, none, none), "The first two hidden layers have no ReLU after them.", 1),
            Suspect(_stack(X, layers, relu, relu, none), "The third hidden layer has no ReLU after it.", 1),
            Suspect(_stack(X, layers, none, none, none), "Nothing stands between the layers, so they are one.", 1),
            Suspect(torch.sigmoid(_stack(X, layers)), "A sigmoid stands at the end: these are probabilities.", 2),
        ],
        what="the model's output",
    )


def _telling_weights(model: nn.Module, features: int) -> tuple[torch.Tensor, dict, list]:
    """An input and weights by name and by layer with which logits lie on both sides of 0."""
    while True:
        X = 8 * torch.randn(64, features)  # far enough for a ReLU6 to show
        weights = {
            name: torch.randn(value.shape) / value.shape[-1] ** 0.5 if value.dim() == 2 else torch.randn(value.shape)
            for name, value in model.named_parameters()
        }
        layers = list(zip(*[iter(weights.values())] * 2, strict=True))
        weights[list(weights)[-1]] -= _stack(X, layers).median()
        logits = _stack(X, layers)
        if logits.min() < -0.01 and logits.max() > 0.01:  # not so where a whole layer is 0 for most rows
            return X, weights, layers


def _stack(X, layers, first=torch.relu, second=torch.relu, third=torch.relu, last=torch.nn.Identity()):  # noqa: B008
    for (W, b), activation in zip(layers, (first, second, third, last), strict=True):
        X = activation(X @ W.T + b)
    return X


def _check_count(attempt: Attempt, count: object, widths: list[int]) -> None:
    weights, units, third = sum(into * out for into, out in pairwise(widths)), sum(widths[1:]), widths[-2]
    biases = {
        units: "",
        0: "The biases are missing.",
        4: "That counts four biases, one for each layer.",
        sum(widths[:-1]): "That counts a bias for each number that goes into a layer.",
        units - 1: "The bias of the layer that gives the logit is missing.",
    }
    slips = {
        0: "",
        1: "One bias is counted twice.",
        1 - third: "The layer that gives the logit is counted with a single weight.",
        -third - 1: "The layer that gives the logit is not counted.",
    }
    alone = "A single number is counted for the layer that gives the logit."
    suspects = [Suspect(weights + units - third, alone)] + [
        Suspect(weights + number + slip, f"{says} {adds}".strip())
        for (slip, adds), (number, says) in product(slips.items(), biases.items())
    ]
    attempt.equal(count, weights + units, suspects, what="the count")


@exercise(then="Put in the first patient alone, X[:1]: does each step give the row that it gave before?")
def every_step(attempt: Attempt) -> None:
    for depth in (3, 1, 2, 5):
        widths = _distinct(depth + 1)
        X, layers = torch.randn(6, widths[0]), [nn.Linear(into, out) for into, out in pairwise(widths)]
        given, expected = X.clone(), _steps(X, layers)
        result = attempt(X, layers, tried=f"X of shape {tuple(X.shape)} and {depth} layers of widths {widths[1:]}")
        attempt.require(same(X, given), "another X than before", "X as it was given", "A step wrote into its input.")
        attempt.require(isinstance(result, dict), result, f"a dictionary with the keys {', '.join(expected)}")
        _check_keys(attempt, list(result), list(expected))
        for key, value in expected.items():
            attempt.equal(result[key], value, _suspects_of_step(key, expected, layers), what=key)


def _steps(X: torch.Tensor, layers: list[nn.Linear]) -> dict[str, torch.Tensor]:
    steps, A = {}, X
    for number, layer in enumerate(layers, start=1):
        Z = A @ layer.weight.T + layer.bias
        A = Z.clamp(min=0)
        steps |= {f"z{number}": Z, f"a{number}": A}
    return dict(list(steps.items())[:-1])


def _check_keys(attempt: Attempt, keys: list, expected: list[str]) -> None:
    looks_like = ""
    if set(expected) < set(keys):
        looks_like = "The last layer takes the first step alone; no activation follows it."
    elif set(keys) == set(expected):
        looks_like = "The keys are right; they do not stand in the order in which the numbers arise."
    elif set(keys) < set(expected):
        looks_like = "Each step has its own key: a second value under the same key replaces the first."
    attempt.require(keys == expected, f"keys {_listed(keys)}", f"keys {_listed(expected)}", looks_like)


def _listed(keys: list) -> str:
    return ", ".join(map(str, keys)) or "none"


def _suspects_of_step(key: str, steps: dict[str, torch.Tensor], layers: list[nn.Linear]) -> list[Suspect]:
    kind, number = key[0], int(key[1:])
    if kind == "a":
        return [Suspect(steps[f"z{number}"], "That is the pre-activation: the ReLU is missing.")]
    layer, suspects = layers[number - 1], []
    if number < len(layers):
        suspects.append(
            Suspect(steps[f"a{number}"], "Nothing is below 0: the ReLU wrote into the tensor that is kept as z.")
        )
    if number > 1:
        before = steps[f"z{number - 1}"]
        suspects.append(
            Suspect(before @ layer.weight.T + layer.bias, "The layer was given z, not a: the ReLU was passed by.")
        )
    return [*suspects, Suspect(steps[key] - layer.bias, "The bias is missing.")]


@exercise(then="Put an nn.ReLU among the layers. At which line does the rule stop working?")
def as_one_layer(attempt: Attempt) -> None:
    square, mixed = _distinct(1)[0], _distinct(5)
    for widths, biases in [
        ([square] * 3, (True, True)),
        (mixed[:3], (True, True)),
        (mixed[:2], (True,)),
        (mixed, (False, True, False, False)),
    ]:
        layers = [nn.Linear(*pair, bias=bias) for pair, bias in zip(pairwise(widths), biases, strict=True)]
        given = [parameter.clone() for layer in layers for parameter in layer.parameters()]
        W, b = _composed(layers)
        result = attempt(layers, tried=f"layers of (in, out, bias) {_described(layers)}")
        attempt.require(
            isinstance(result, (tuple, list))
            and len(result) == 2
            and all(isinstance(part, torch.Tensor) for part in result),
            result,
            "a pair of tensors, (W, b)",
        )
        parameters = [parameter for layer in layers for parameter in layer.parameters()]
        attempt.require(same(parameters, given), "layers that have changed", "the layers as they were given")
        attempt.equal(result[0], W, _suspects_of_weight(layers, W), what="W")
        attempt.equal(result[1], b, _suspects_of_bias(layers, b), what="b")


def _described(layers: list[nn.Linear]) -> str:
    return ", ".join(f"({layer.in_features}, {layer.out_features}, {layer.bias is not None})" for layer in layers)


def _bias(layer: nn.Linear) -> torch.Tensor:
    return torch.zeros(layer.out_features) if layer.bias is None else layer.bias


def _composed(layers: list[nn.Linear]) -> tuple[torch.Tensor, torch.Tensor]:
    """W and b read off from what the stack makes of 0 and of each feature set to 1."""

    def run(X: torch.Tensor) -> torch.Tensor:
        for layer in layers:
            X = X @ layer.weight.T.double() + _bias(layer).double()
        return X

    features = layers[0].in_features
    b = run(torch.zeros(1, features, dtype=torch.double))
    return (run(torch.eye(features, dtype=torch.double)) - b).T, b[0]


def _suspects_of_weight(layers: list[nn.Linear], W: torch.Tensor) -> list[Suspect]:
    suspects = [Suspect(W.T, "That is the weight turned: torch stores it as (out, in).", 5)]
    if len({layer.weight.shape for layer in layers}) == 1:
        turned = torch.linalg.multi_dot([layer.weight for layer in layers]) if len(layers) > 1 else W
        suspects.append(Suspect(turned, "The product is in the order of reading; the later layer stands on the left."))
    return suspects


def _suspects_of_bias(layers: list[nn.Linear], b: torch.Tensor) -> list[Suspect]:
    suspects = [Suspect(_bias(layers[-1]), "The biases of the earlier layers are missing.")]
    if len({layer.out_features for layer in layers}) == 1:
        total = torch.stack([_bias(layer) for layer in layers]).sum(0)
        suspects.append(
            Suspect(total, "The biases are added as they are; an earlier one goes through the weights after it.")
        )
    return [*suspects, Suspect(torch.zeros_like(b), "No bias is left.")]


def _distinct(count: int) -> list[int]:
    """Widths from 3 to 24, no two alike."""
    return (torch.randperm(22)[:count] + 3).tolist()
