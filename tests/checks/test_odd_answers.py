"""What a checker of chapters 1 and 2 must survive: anything may come back, and nothing stays as a trace."""

import copy

import pytest
import torch
from torch import nn

from fpcourse.checks import check
from fpcourse.checks.exercises import checkers


class Unreadable:
    """An object whose repr and comparison raise."""

    def __repr__(self):
        raise ValueError("no repr")

    def __eq__(self, other):
        raise ValueError("no comparison")

    __hash__ = None


ODD = {
    "None": None,
    "a string": "z1",
    "a number": 3,
    "nan": float("nan"),
    "a tuple": (1, 2),
    "a pair of None": (None, None),
    "an empty list": [],
    "an empty dictionary": {},
    "a dictionary of numbers": {1: 2, None: 3},
    "a generator": (number for number in range(3)),
    "a tensor": torch.ones(2, 3, requires_grad=True),
    "a pair of tensors": (torch.ones(2, 3, requires_grad=True), torch.ones(2, dtype=torch.complex64)),
    "a meta tensor": torch.empty((), device="meta"),
    "a sparse tensor": torch.eye(3).to_sparse(),
    "an array": torch.ones(3).numpy(),
    "a model": nn.Linear(2, 3),
    "an uninitialised model": (nn.LazyLinear(3), 5),
    "a model and a tensor": (nn.Sequential(nn.Linear(2, 3)), torch.ones(3)),
    "a class": (nn.Linear, nn.ReLU),
    "the function itself": check,
    "an object without repr": Unreadable(),
}
EXERCISES = ["three_hidden_layers", "every_step", "as_one_layer", "twelve_shapes", "leaf_shapes", "repaired"]


def verdict_on(function, name):
    function.__name__ = name
    return check(function)


def keys_of(name):
    return {
        "twelve_shapes": ["X[0]", "X.T", "X.mean(dim=0)", "X.flatten()", "layer1.weight", "layer2.bias", "layer1(X)",
                          "layer1(X[0])", "layer1(week)", "layer2(layer1(X))", "logits", "logits - y"],
        "every_step": ["z1", "a1", "z2", "a2", "z3"],
        "repaired": ["centred", "share right", "weighted", "channels first"],
    }.get(name)  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", EXERCISES)
def test_an_odd_answer_is_a_wrong_answer(name, odd):
    def answers(*args):
        if name == "leaf_shapes":
            with torch.device("meta"):
                args[0]()
        return odd

    found = verdict_on(answers, name)
    assert found.state == "not yet" and found.message.startswith("Tried ")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ["twelve_shapes", "every_step", "repaired"])
def test_an_odd_value_under_a_right_key_is_a_wrong_answer(name, odd):
    found = verdict_on(lambda *args: dict.fromkeys(keys_of(name), odd), name)
    assert found.state == "not yet" and found.message.startswith("Tried ")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ["three_hidden_layers", "as_one_layer"])
def test_an_odd_part_of_a_pair_is_a_wrong_answer(name, odd):
    def first_right(*args):
        if name == "as_one_layer":
            return torch.ones(1), odd
        features, *hidden = args
        layers = [nn.Linear(*pair) for pair in zip(args, [*hidden, 1], strict=True)]
        return nn.Sequential(*[one for layer in layers for one in (layer, nn.ReLU())][:-1]), odd

    assert verdict_on(first_right, name).state == "not yet"


@pytest.mark.parametrize("name", EXERCISES)
def test_a_hard_coded_answer_is_refused(name):
    """The right answer to the arguments of the first call is no answer to those of the next."""
    right, kept = RIGHT[name], []

    def hard_coded(*args):
        kept.append(kept[0] if kept else right(*args))
        return copy.deepcopy(kept[0])

    assert check_right(name).state == "passed"
    found = verdict_on(hard_coded, name)
    assert (found.state, len(kept)) == ("not yet", 2) or "build()" in found.message


def check_right(name):
    return verdict_on(lambda *args: RIGHT[name](*args), name)


def three(*widths):
    pairs = list(zip(widths, [*widths[1:], 1], strict=True))
    layers = [one for pair in pairs for one in (nn.Linear(*pair), nn.ReLU())][:-1]
    return nn.Sequential(*layers), sum(into * out + out for into, out in pairs)


def steps(X, layers):
    found = {}
    for number, layer in enumerate(layers, start=1):
        found[f"z{number}"] = X = layer(X)
        if layer is not layers[-1]:
            found[f"a{number}"] = X = X.relu()
    return found


def probed(layers):
    """By what the stack makes of 0 and of each feature alone."""
    run, features = nn.Sequential(*layers), layers[0].in_features
    b = run(torch.zeros(features))
    return (run(torch.eye(features)) - b).T, b


def twelve(batch, features, first, second):
    shapes = [(features,), (features, batch), (features,), (batch * features,), (first, features), (second,)]
    shapes += [(batch, first), (first,), (7, batch, first), (batch, second), (batch, 1), (batch, batch)]
    return dict(zip(keys_of("twelve_shapes"), map(list, shapes), strict=True))


def by_hooks(build, input_shape):
    found = []
    with torch.device("meta"):
        model = build()
        for module in model.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda module, args, output: found.append(output.shape))
        model(torch.empty(input_shape))
    return found


def mended(X, logits, y, weight, images):
    return {
        "centred": X - X.mean(0, keepdim=True),
        "share right": ((logits.squeeze(1) > 0) == y.bool()).double().mean().item(),
        "weighted": (X.T * weight).T,
        "channels first": images.movedim(-1, 1),
    }


RIGHT = {
    "three_hidden_layers": three,
    "every_step": steps,
    "as_one_layer": probed,
    "twelve_shapes": twelve,
    "leaf_shapes": by_hooks,
    "repaired": mended,
}


@pytest.mark.parametrize("name", EXERCISES)
def test_another_way_to_the_right_answer_passes_every_time(name):
    assert {check_right(name).state for _ in range(20)} == {"passed"}


def one_relu_for_all(features, first, second, third):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()
            self.layers = nn.ModuleList(map(nn.Linear, (features, first, second, third), (first, second, third, 1)))

        def forward(self, X):
            for layer in self.layers[:-1]:
                X = self.relu(layer(X))
            return self.layers[-1](X)

    return Model(), three(features, first, second, third)[1]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_class_of_ones_own_and_another_grad_mode_pass(mode):
    def three_hidden_layers(*widths):
        with mode():
            return one_relu_for_all(*widths)

    def every_step(X, layers):
        with mode():
            return steps(X, layers)

    assert [check(three_hidden_layers).state, check(every_step).state] == ["passed", "passed"]


def test_layers_that_were_changed_are_noticed():
    def as_one_layer(layers):
        found = [part.clone() for part in probed(layers)]
        with torch.no_grad():
            layers[0].weight.zero_()
        return found

    assert "layers that have changed" in check(as_one_layer).message


def test_an_input_that_was_changed_is_noticed():
    def every_step(X, layers):
        found = steps(X, layers)
        X.zero_()
        return {key: value.detach() for key, value in found.items()}

    assert "another X than before" in check(every_step).message


def test_another_batchnorm_in_the_stack_is_noticed():
    def three_hidden_layers(*widths):
        model, count = three(*widths)
        return nn.Sequential(nn.BatchNorm1d(widths[0]), model), count

    assert "weights in BatchNorm1d, Linear" in check(three_hidden_layers).message


@pytest.mark.parametrize("raises", [False, True])
def test_the_default_device_is_put_back(raises):
    def leaf_shapes(build, input_shape):
        torch.set_default_device("meta")
        return 1 / 0 if raises else by_hooks(build, input_shape)

    assert check(leaf_shapes).state == "not yet"
    assert torch.get_default_device() == torch.device("cpu") and torch.ones(1).device.type == "cpu"


def test_every_exercise_of_the_two_chapters_is_met_here():
    here = {name for name, one in checkers().items() if one.run.__module__.endswith((".forward_pass", ".shapes"))}
    assert here == set(EXERCISES)
