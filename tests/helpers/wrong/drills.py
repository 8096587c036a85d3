"""Wrong answers to the drills of the interview chapter."""

import copy

import torch
from torch.nn import functional as F

from fpcourse import in_mode


def outline(m, x, names):
    for name in names.split():
        x = getattr(m, name)(x)
    return x


def no_batchnorm(m, x):
    return outline(m, x, "layer1 relu drop layer2 relu layer3")


def no_activation(m, x):
    return outline(m, x, "layer1 bn1 drop layer2 bn2 layer3")


def batchnorm_after_relu(m, x):
    return outline(m, x, "layer1 relu bn1 drop layer2 relu bn2 layer3")


def dropout_twice(m, x):
    return outline(m, x, "layer1 bn1 relu drop layer2 bn2 relu drop layer3")


def dropout_after_the_second(m, x):
    return outline(m, x, "layer1 bn1 relu layer2 bn2 relu drop layer3")


def no_second_batchnorm(m, x):
    return outline(m, x, "layer1 bn1 relu drop layer2 relu layer3")


def no_dropout(m, x):
    return outline(m, x, "layer1 bn1 relu layer2 bn2 relu layer3")


def relu_at_the_end(m, x):
    return outline(m, x, "layer1 bn1 relu drop layer2 bn2 relu layer3 relu")


def sigmoid_at_the_end(m, x):
    return torch.sigmoid(outline(m, x, "layer1 bn1 relu drop layer2 bn2 relu layer3"))


def shapes(batch, features, first, second):
    parameters = features * first + first * second + second + 3 * (first + second) + 1
    return {
        "weight1": (first, features),
        "layer1": (batch, first),
        "layer2": (batch, second),
        "logits": (batch, 1),
        "parameters": parameters,
    }


def weight_as_in_and_out(batch, features, first, second):
    return shapes(batch, features, first, second) | {"weight1": (features, first)}


def logits_without_their_axis(batch, features, first, second):
    return shapes(batch, features, first, second) | {"logits": (batch,)}


def weights_alone(batch, features, first, second):
    return shapes(batch, features, first, second) | {"parameters": features * first + first * second + second}


def no_norms(batch, features, first, second):
    found = shapes(batch, features, first, second)
    return found | {"parameters": found["parameters"] - 2 * (first + second)}


def running_statistics_as_parameters(batch, features, first, second):
    found = shapes(batch, features, first, second)
    return found | {"parameters": found["parameters"] + 2 * (first + second)}


def no_biases(batch, features, first, second):
    found = shapes(batch, features, first, second)
    return found | {"parameters": found["parameters"] - (first + second + 1)}


def unbiased_statistics_of_the_batch(x, mean, var, weight, bias, eps):
    return (x - x.mean(0)) / (x.var(0) + eps).sqrt() * weight + bias


def statistics_of_the_batch(x, mean, var, weight, bias, eps):
    return (x - x.mean(0)) / (x.var(0, correction=0) + eps).sqrt() * weight + bias


def no_root(x, mean, var, weight, bias, eps):
    return (x - mean) / (var + eps) * weight + bias


def eps_outside_the_root(x, mean, var, weight, bias, eps):
    return (x - mean) / (var.sqrt() + eps) * weight + bias


def no_eps(x, mean, var, weight, bias, eps):
    return (x - mean) / var.sqrt() * weight + bias


def no_weight_and_bias(x, mean, var, weight, bias, eps):
    return (x - mean) / (var + eps).sqrt()


def written_in_place(x, mean, var, weight, bias, eps):
    return x.sub_(mean).div_((var + eps).sqrt()).mul_(weight).add_(bias)


def dropout(x, keep, scale):
    return x * (torch.rand(x.shape) < keep) * scale


def divided_by_p(x, p, training):
    return dropout(x, 1 - p, 1 / p) if training else x


def scaled_in_eval(x, p, training):
    return dropout(x, 1 - p, 1) if training else x * (1 - p)


def unscaled(x, p, training):
    return dropout(x, 1 - p, 1) if training else x


def nothing_dropped(x, p, training):
    return x / (1 - p) if training else x


def p_kept(x, p, training):
    return dropout(x, p, 1 / (1 - p)) if training else x


def rows_dropped(x, p, training):
    return x * (torch.rand(x.shape[1]) >= p) / (1 - p) if training else x


def seeded(x, p, training):
    torch.manual_seed(0)
    return dropout(x, 1 - p, 1 / (1 - p)) if training else x


def hooked(model, layer, x, keep=lambda output: output.detach().clone()):
    outputs = []
    handle = layer.register_forward_hook(lambda module, inputs, output: outputs.append(keep(output)))
    try:
        model(x)
    finally:
        handle.remove()
    return outputs


def kept_with_its_graph(model, layer, x):
    return hooked(model, layer, x, torch.clone)


def detached_without_a_copy(model, layer, x):
    return hooked(model, layer, x, torch.detach)


def last_call_alone(model, layer, x):
    return hooked(model, layer, x)[-1:]


def handle_thrown_away(model, layer, x):
    outputs = []
    layer.register_forward_hook(lambda module, inputs, output: outputs.append(output.detach().clone()))
    model(x)
    return outputs


def removed_after_a_pass_that_works(model, layer, x):
    outputs = []
    handle = layer.register_forward_hook(lambda module, inputs, output: outputs.append(output.detach().clone()))
    model(x)
    handle.remove()
    return outputs


def error_swallowed(model, layer, x):
    try:
        return hooked(model, layer, x)
    except RuntimeError:
        return []


def mean_loss(model, batches, end=lambda z: z, add=lambda loss, y: loss.item() * len(y), count=None):
    was_training = model.training
    model.eval()
    total = 0.0
    for X, y in batches:
        total = total + add(F.binary_cross_entropy_with_logits(end(model(X)), y), y)
    model.train(was_training)
    return total / (count or sum(len(y) for _, y in batches))


def sigmoid_before_the_loss(model, batches):
    return mean_loss(model, batches, end=torch.sigmoid)


def mean_of_means(model, batches):
    return mean_loss(model, batches, add=lambda loss, y: loss.item(), count=len(batches))


def graph_carried(model, batches):
    return mean_loss(model, batches, add=lambda loss, y: loss * len(y))


def left_in_eval(model, batches):
    found = mean_loss(copy.deepcopy(model), batches)
    model.eval()
    return found


def statistics_of_train_mode(model, batches):
    found = mean_loss(model, batches)
    with torch.no_grad(), in_mode(model, "train"):
        model(batches[0][0])
    return found


WRONG = {
    "drill_forward": [
        (no_batchnorm, "BatchNorm is missing", None),
        (no_activation, "The activation is missing", 1),
        (batchnorm_after_relu, "BatchNorm comes before the activation", None),
        (dropout_twice, "no dropout after the second activation", None),
        (dropout_after_the_second, "Dropout stands after the first activation", None),
        (no_second_batchnorm, "The second layer has a BatchNorm too", None),
        (no_dropout, "which eval mode does not show", None),
        (relu_at_the_end, "which may be below 0", None),
        (sigmoid_at_the_end, "These are probabilities", 2),
    ],
    "drill_shapes": [
        (weight_as_in_and_out, "stored as (out, in)", 5),
        (logits_without_their_axis, "keeps its axis of one unit", None),
        (weights_alone, "Biases count", None),
        (no_norms, "The BatchNorms have a scale and a shift", None),
        (running_statistics_as_parameters, "are buffers", None),
        (no_biases, "The biases of the linear layers", None),
    ],
    "drill_batchnorm": [
        (statistics_of_the_batch, "the batch's own mean and variance", 21),
        (unbiased_statistics_of_the_batch, "the batch's own mean and unbiased variance", 21),
        (no_root, "square root of the variance", None),
        (eps_outside_the_root, "under the root", None),
        (no_eps, "eps is missing", None),
        (no_weight_and_bias, "Scale and shift", None),
        (written_in_place, "x itself was written to", None),
    ],
    "drill_dropout": [
        (scaled_in_eval, "In eval mode dropout hands its input on", 27),
        (divided_by_p, "Divide by 1 − p", None),
        (unscaled, "Scaling is missing", 27),
        (nothing_dropped, "Nothing was dropped", None),
        (p_kept, "not the share that is kept", None),
        (rows_dropped, "whole rows or columns alike", None),
        (seeded, "the same zeros twice", None),
    ],
    "drill_hook": [
        (kept_with_its_graph, "tensors with a graph", None),
        (detached_without_a_copy, "keep a clone", 24),
        (last_call_alone, "1 of the calls", 10),
        (handle_thrown_away, "a hook left on the layer. ", 13),
        (removed_after_a_pass_that_works, "a hook left on the layer when the pass raises", 13),
        (error_swallowed, "It was swallowed", None),
    ],
    "drill_mean_loss": [
        (sigmoid_before_the_loss, "has a sigmoid inside", 3),
        (mean_of_means, "weigh each by its patients", None),
        (graph_carried, "the graph of every pass", None),
        (left_in_eval, "the training flag of", None),
        (statistics_of_train_mode, "A pass in train mode moves", 14),
    ],
}  # fmt: skip
