"""Wrong answers to the drills of the interview chapter."""

import copy

import torch
from torch.nn import functional as F

from fpcourse import in_mode
from fpcourse.checks.drills import DRILL_FORWARD, DRILL_MEAN_LOSS, DRILL_SHAPES
from fpcourse.checks.forms import answer


def outline(m, x, names):
    for name in names.split():
        x = getattr(m, name)(x)
    return x


def no_batchnorm(m, x):
    return outline(m, x, "layer1 relu drop layer2 relu layer3")


def batchnorm_after_relu(m, x):
    return outline(m, x, "layer1 relu bn1 drop layer2 relu bn2 layer3")


def no_second_batchnorm(m, x):
    return outline(m, x, "layer1 bn1 relu drop layer2 relu layer3")


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


def mean_of_means(model, batches):
    return mean_loss(model, batches, add=lambda loss, y: loss.item(), count=len(batches))


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
        (no_batchnorm, "No BatchNorm is in it", None),
        (answer(DRILL_FORWARD[1], "220"), "No activation is in it", 1),
        (batchnorm_after_relu, "Each BatchNorm is given what an activation puts out", None),
        (answer(DRILL_FORWARD[1], "010"), "Dropout stands after both activations", None),
        (answer(DRILL_FORWARD[1], "110"), "Dropout stands behind the second BatchNorm", None),
        (no_second_batchnorm, "The second layer has no BatchNorm after it", None),
        (answer(DRILL_FORWARD[1], "100"), "which eval mode does not show", None),
        (answer(DRILL_FORWARD[1], "001"), "no logit is below 0", None),
        (answer(DRILL_FORWARD[1], "002"), "These are probabilities", 2),
    ],
    "drill_shapes": [
        (answer(DRILL_SHAPES[0], "10000"), "That is (in, out).", 5),
        (answer(DRILL_SHAPES[0], "00010"), "A layer of one unit has an axis for its units", None),
        (answer(DRILL_SHAPES[0], "00001"), "the weights of the linear layers alone", None),
        (answer(DRILL_SHAPES[0], "00002"), "Nothing of the BatchNorms is counted", None),
        (answer(DRILL_SHAPES[0], "00003"), "The running statistics are counted too", None),
        (answer(DRILL_SHAPES[0], "00004"), "The biases of the linear layers", None),
        (answer(DRILL_SHAPES[0], "00005"), "one number per unit", None),
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
        (answer(DRILL_MEAN_LOSS[0], "100"), "has a sigmoid inside", 3),
        (mean_of_means, "A short last batch counts", None),
        (answer(DRILL_MEAN_LOSS[0], "002"), "the graph of every pass", None),
        (left_in_eval, "the training flag of", None),
        (statistics_of_train_mode, "A pass in train mode moves", 14),
    ],
}  # fmt: skip
