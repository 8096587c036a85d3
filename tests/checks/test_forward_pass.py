"""The checkers of chapter 1: hard-coded answers are refused, other ways to the right one pass."""

import pytest
import torch
from helpers.odd_answers import verdict_on
from torch import nn

from fpcourse.checks import check


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


RIGHT = {"three_hidden_layers": three, "every_step": steps, "as_one_layer": probed}


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_to_the_first_inputs_alone_is_refused(name):
    kept = []

    def hard_coded(*args):
        kept.append(kept[0] if kept else RIGHT[name](*args))
        return kept[0]

    assert (verdict_on(hard_coded, name).state, len(kept)) == ("not yet", 2)


@pytest.mark.parametrize("name", RIGHT)
def test_another_way_to_the_right_answer_passes_every_time(name):
    assert {verdict_on(lambda *args: RIGHT[name](*args), name).state for _ in range(5)} == {"passed"}


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


def test_a_relu_at_the_end_is_noticed_every_time():
    """Also where all logits would have been above 0."""

    def three_hidden_layers(*widths):
        model, count = three(*widths)
        return nn.Sequential(model, nn.ReLU()), count

    assert all("no logit is below 0" in check(three_hidden_layers).message for _ in range(20))


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
