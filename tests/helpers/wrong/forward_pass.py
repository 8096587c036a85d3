"""Wrong answers to the exercises of this chapter, as people give them."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.forms import answer
from fpcourse.checks.forward_pass import THREE_HIDDEN_LAYERS


def stack(*widths, activation=nn.ReLU):
    layers = [layer for into, out in pairwise(widths) for layer in (nn.Linear(into, out), activation())]
    return nn.Sequential(*layers[:-1])


def numbers(*widths):
    return sum(into * out + out for into, out in pairwise(widths))


def two_hidden_layers(features, first, second, third):
    return stack(features, first, second, 1), numbers(features, first, second, 1)


def out_before_in(features, first, second, third):
    layers = [layer for into, out in pairwise((features, first, second, third, 1)) for layer in (nn.Linear(out, into),)]
    return nn.Sequential(*layers), numbers(features, first, second, third, 1)


def nothing_between(features, first, second, third):
    model = stack(features, first, second, third, 1, activation=nn.Identity)
    return model, numbers(features, first, second, third, 1)


def no_relu_after_the_third(features, first, second, third):
    model = stack(features, first, second, third, 1)
    return nn.Sequential(*model[:5], model[6]), numbers(features, first, second, third, 1)


def no_relu_after_the_first(features, first, second, third):
    model = stack(features, first, second, third, 1)
    return nn.Sequential(model[0], *model[2:]), numbers(features, first, second, third, 1)


def no_relu_after_the_second(features, first, second, third):
    model = stack(features, first, second, third, 1)
    return nn.Sequential(*model[:3], *model[4:]), numbers(features, first, second, third, 1)


def one_relu_before_the_logit(features, first, second, third):
    model = stack(features, first, second, third, 1)
    return nn.Sequential(model[0], model[2], *model[4:]), numbers(features, first, second, third, 1)


def without_bias(features, first, second, third):
    model = stack(features, first, second, third)
    return nn.Sequential(*model, nn.ReLU(), nn.Linear(third, 1, bias=False)), 0


def hidden_layers_counted(features, first, second, third):
    return stack(features, first, second, third, 1), numbers(features, first, second, third)


def the_model_was_asked(features, first, second, third):
    model = stack(features, first, second, third, 1)
    return model, sum(parameter.numel() for parameter in model.parameters())


def the_articles_widths(features, first, second, third):
    return stack(20, 64, 32, 16, 1), numbers(20, 64, 32, 16, 1)


def the_model_alone(features, first, second, third):
    return stack(features, first, second, third, 1)


def relu_in_place(X, layers):
    steps, A = {}, X
    for number, layer in enumerate(layers, start=1):
        steps[f"z{number}"] = A = layer(A)
        if number < len(layers):
            steps[f"a{number}"] = A = F.relu(A, inplace=True)
    return steps


def relu_after_the_last(X, layers):
    steps, A = {}, X
    for number, layer in enumerate(layers, start=1):
        steps[f"z{number}"] = layer(A)
        steps[f"a{number}"] = A = torch.relu(steps[f"z{number}"])
    return steps


def z_handed_on(X, layers):
    steps, Z = {}, X
    for number, layer in enumerate(layers, start=1):
        steps[f"z{number}"] = Z = layer(Z)
        if number < len(layers):
            steps[f"a{number}"] = torch.relu(Z)
    return steps


def a_is_z(X, layers):
    steps, A = {}, X
    for number, layer in enumerate(layers, start=1):
        steps[f"z{number}"] = Z = layer(A)
        A = torch.relu(Z)
        if number < len(layers):
            steps[f"a{number}"] = Z
    return steps


def one_key_for_all(X, layers):
    steps, A = {}, X
    for layer in layers:
        steps["z1"] = layer(A)
        if layer is not layers[-1]:
            steps["a1"] = A = torch.relu(steps["z1"])
    return steps


def all_z_first(X, layers):
    steps = dict(list(relu_after_the_last(X, layers).items())[:-1])
    return {name: steps[name] for name in sorted(steps, reverse=True)}


def bias_left_out(X, layers):
    steps, A = {}, X
    for number, layer in enumerate(layers, start=1):
        steps[f"z{number}"] = A @ layer.weight.T
        if number < len(layers):
            steps[f"a{number}"] = A = torch.relu(steps[f"z{number}"])
    return steps


def a_list(X, layers):
    return list(relu_after_the_last(X, layers).values())


def weight_not_turned(X, layers):
    return {"z1": X @ layers[0].weight + layers[0].bias}


def collapse(layers, bias_of):
    W, b = layers[0].weight, bias_of(layers[0])
    for layer in layers[1:]:
        W, b = layer.weight @ W, layer.weight @ b + bias_of(layer)
    return W, b


def bias_or_zero(layer):
    return torch.zeros(layer.out_features) if layer.bias is None else layer.bias


def in_reading_order(layers):
    W, b = layers[0].weight, bias_or_zero(layers[0])
    for layer in layers[1:]:
        W = W @ layer.weight
    return W, b


def turned(layers):
    W, b = collapse(layers, bias_or_zero)
    return W.T.contiguous(), b


def last_bias_alone(layers):
    return collapse(layers, bias_or_zero)[0], bias_or_zero(layers[-1])


def biases_added_up(layers):
    return collapse(layers, bias_or_zero)[0], sum(bias_or_zero(layer) for layer in layers)


def no_bias_at_all(layers):
    W, b = collapse(layers, bias_or_zero)
    return W, torch.zeros_like(b)


def every_layer_has_a_bias(layers):
    return collapse(layers, lambda layer: layer.bias)


def two_layers_always(layers):
    return collapse(layers[:2], bias_or_zero)


def a_layer_in_place_of_the_pair(layers):
    return nn.Linear(layers[0].in_features, layers[-1].out_features)


WRONG = {
    "three_hidden_layers": [
        (two_hidden_layers, "It has 3 Linear layers", None),
        (out_before_in, "the order of a weight's shape", None),
        (nothing_between, "so they are one", 1),
        (no_relu_after_the_third, "The third hidden layer has no ReLU", 1),
        (no_relu_after_the_first, "The first hidden layer has no ReLU", 1),
        (no_relu_after_the_second, "The second hidden layer has no ReLU", 1),
        (one_relu_before_the_logit, "The first two hidden layers have no ReLU", 1),
        (answer(THREE_HIDDEN_LAYERS[0], "010"), "The bias of the layer that gives the logit is missing", None),
        (answer(THREE_HIDDEN_LAYERS[1], "01"), "no logit is below 0", None),
        (answer(THREE_HIDDEN_LAYERS[0], "200"), "these are probabilities", 2),
        (without_bias, "some without bias", None),
        (answer(THREE_HIDDEN_LAYERS[1], "10"), "The biases are missing.", None),
        (answer(THREE_HIDDEN_LAYERS[0], "030"), "four biases, one for each layer", None),
        (answer(THREE_HIDDEN_LAYERS[0], "020"), "a bias for each number that goes into a layer", None),
        (hidden_layers_counted, "The layer that gives the logit is not counted", None),
        (the_model_was_asked, "with numel()", None),
        (the_articles_widths, "other widths than the arguments", None),
        (the_model_alone, "Expected: a pair, (model, count)", None),
    ],
    "every_step": [
        (relu_in_place, "Nothing is below 0: the ReLU wrote into", None),
        (relu_after_the_last, "no activation follows it", None),
        (z_handed_on, "The layer was given z, not a", None),
        (a_is_z, "That is the pre-activation: the ReLU is missing", None),
        (one_key_for_all, "a second value under the same key", None),
        (all_z_first, "in the order in which the numbers arise", None),
        (bias_left_out, "The bias is missing.", None),
        (a_list, "Expected: a dictionary with the keys z1, a1", None),
        (weight_not_turned, "cannot be multiplied", None),
    ],
    "as_one_layer": [
        (in_reading_order, "the later layer stands on the left", None),
        (turned, "That is the weight turned", 5),
        (last_bias_alone, "The biases of the earlier layers are missing", None),
        (biases_added_up, "an earlier one goes through the weights after it", None),
        (no_bias_at_all, "No bias is left", None),
        (every_layer_has_a_bias, "'NoneType'", None),
        (two_layers_always, "W a tensor of shape", None),
        (a_layer_in_place_of_the_pair, "Expected: a pair of tensors, (W, b)", None),
    ],
}
