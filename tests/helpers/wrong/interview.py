"""Wrong answers to the exercises of this chapter, as people give them."""

import copy
import warnings

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse import capture, in_mode, unchanged

MARKS = {
    1: "false", 2: "false", 3: "false", 4: "depends", 5: "false",
    6: "depends", 7: "false", 8: "depends", 9: "true", 10: "true",
}  # fmt: skip


def marks(name, **changed):
    """The right marks but for some of them, as a function of that name: ``s4="true"`` marks the fourth so."""

    def mark():
        return MARKS | {int(number[1:]): value for number, value in changed.items()}

    mark.__name__ = name
    return mark


def marks_as_booleans():
    return {number: mark == "true" for number, mark in MARKS.items()}


def marks_by_text():
    return {str(number): mark for number, mark in MARKS.items()}


def marks_as_a_list():
    return list(MARKS.values())


def snippets(n, width, passes, c):
    return {
        "shape": (n, n),
        "parameters": 20 * width + width + 2 * width,
        "hook runs": passes * (passes + 1),
        "gradient": 2 * c * passes,
        "dropout": n * c,
        "bytes": 4 * (20 * n + n * width + width),
        "running mean": c * (1 - 0.9**passes),
        "kept": c,
    }


def no_broadcast(n, width, passes, c):
    return snippets(n, width, passes, c) | {"shape": (n, 1)}


def no_scale_and_shift(n, width, passes, c):
    return snippets(n, width, passes, c) | {"parameters": 21 * width}


def buffers_as_parameters(n, width, passes, c):
    return snippets(n, width, passes, c) | {"parameters": 25 * width}


def hooks_that_end_with_the_pass(n, width, passes, c):
    return snippets(n, width, passes, c) | {"hook runs": 2 * passes}


def relu_called_once(n, width, passes, c):
    return snippets(n, width, passes, c) | {"hook runs": passes * (passes + 1) // 2}


def gradient_overwritten(n, width, passes, c):
    return snippets(n, width, passes, c) | {"gradient": 2 * c}


def dropout_scaled_in_eval(n, width, passes, c):
    return snippets(n, width, passes, c) | {"dropout": n * c * 0.5}


def first_weight_kept(n, width, passes, c):
    return snippets(n, width, passes, c) | {"bytes": 4 * (20 * n + n * width + 20 * width + width)}


def numbers_for_bytes(n, width, passes, c):
    return snippets(n, width, passes, c) | {"bytes": 20 * n + n * width + width}


def slope_of_one_factor(n, width, passes, c):
    return snippets(n, width, passes, c) | {"gradient": c * passes}


def what_is_left_of_the_way(n, width, passes, c):
    return snippets(n, width, passes, c) | {"running mean": c * 0.9**passes}


def pre_activation_kept(n, width, passes, c):
    return snippets(n, width, passes, c) | {"bytes": 4 * (20 * n + 2 * n * width + width)}


def statistics_stopped_by_no_grad(n, width, passes, c):
    return snippets(n, width, passes, c) | {"running mean": 0.0}


def one_pass(n, width, passes, c):
    return snippets(n, width, passes, c) | {"running mean": 0.1 * c}


def detach_as_a_copy(n, width, passes, c):
    return snippets(n, width, passes, c) | {"kept": 0.0}


def snippets_for_one_case(n, width, passes, c):
    return snippets(2, 64, 3, 2.0)


def report(model, X, flags_after_eval=False, dead=lambda zero: zero.all(0), reset=True):
    """A right report; the arguments make it wrong."""
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    with unchanged(model):
        training = [name for name, module in leaves.items() if module.training]
        model.eval()
        if flags_after_eval:
            training = [name for name, module in leaves.items() if module.training]
        if reset:
            model.zero_grad()
        with capture(model, list(leaves)) as kept:
            out = model(X)
        out.sum().backward()
        without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    return {
        "never_called": [name for name in leaves if name not in kept],
        "in_train_mode": training,
        "dead_units": {name: int(dead(kept[name] == 0).sum()) for name in kept if isinstance(leaves[name], nn.ReLU)},
        "no_gradient": without,
        "output_range": (out.min().item(), out.max().item()),
    }


def zeros_for_dead_units(model, X):
    return report(model, X, dead=lambda zero: zero)


def one_row_for_the_data(model, X):
    return report(model, X, dead=lambda zero: zero[0])


def flags_read_after_eval(model, X):
    return report(model, X, flags_after_eval=True)


def gradients_of_before(model, X):
    with warnings.catch_warnings(action="ignore"):  # unchanged() says that gradients were written into
        return report(model, X, reset=False)


def frozen_for_without_gradient(model, X):
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    return report(model, X) | {"no_gradient": frozen}


def pass_in_the_mode_it_is_in(model, X):
    with unchanged(model):
        out = model(X)
    return report(model, X) | {"output_range": (out.min().item(), out.max().item())}


def hooks_left(model, X):
    for module in model.modules():
        module.register_forward_hook(lambda *call: None)
    return report(model, X)


def gradients_left(model, X):
    found = report(model, X)
    model(X).sum().backward()
    return found


def eval_left(model, X):
    found = report(model, X)
    model.eval()
    return found


def a_pass_in_train_mode_first(model, X):
    found = report(model, X)
    with unchanged(model):
        model.train()(X)
        out = model.eval()(X)
    return found | {"output_range": (out.min().item(), out.max().item())}


def statistics_moved(model, X):
    found = report(model, X)
    with in_mode(model, "train"):
        model(X)
    return found


def every_layer_called(model, X):
    return report(model, X) | {"never_called": []}


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
    "mark_sentences": [
        (marks("eval_switches_gradients_off", s1="true"), "`eval()` switches gradients off", 17),
        (marks("no_grad_switches_dropout_off", s2="true"), "`no_grad()` switches dropout off", 25),
        (marks("graph_built_by_backward", s3="true"), "21 nodes before backward()", 15),
        (marks("every_pre_activation", s4="true"), "with Linear, ReLU, it does not hold", 19),
        (marks("eval_scales", s5="depends"), "In eval mode `nn.Dropout` scales", 27),
        (marks("always_standard", s6="true"), "After BatchNorm every unit", 21),
        (marks("zeros_are_dead_units", s7="true"), "so half of its units are dead", 20),
        (marks("nothing_changes", s8="true"), "in train mode, it does not hold", 14),
        (marks("each_patient_alone", s9="false"), "depends on the others", 28),
        (marks("no_grad_changes_numbers", s10="false"), "From one seed", 25),
        (marks_as_booleans, "Tried sentence 1. Came out: False", None),
        (marks_by_text, "the keys 1 to 10, as numbers", None),
        (marks_as_a_list, "a dictionary of ten marks", None),
    ],
    "predict_snippets": [
        (no_broadcast, "The axis of n was lined up with the first axis", 7),
        (no_scale_and_shift, "BatchNorm has a scale and a shift", None),
        (buffers_as_parameters, "buffers, not parameters", None),
        (hooks_that_end_with_the_pass, "Each pass adds a hook", 13),
        (relu_called_once, "calls relu twice", 10),
        (gradient_overwritten, "backward() adds to .grad", 18),
        (dropout_scaled_in_eval, "the scaling is in train mode", 27),
        (first_weight_kept, "The first layer keeps no weight", None),
        (numbers_for_bytes, "Each number takes 4 bytes", None),
        (slope_of_one_factor, "The slope of w · w is 2w", None),
        (what_is_left_of_the_way, "what is left of the way from 0", None),
        (pre_activation_kept, "what went into it is not", 19),
        (statistics_stopped_by_no_grad, "does not stop the running statistics", 14),
        (one_pass, "after one pass", None),
        (detach_as_a_copy, "detach() copies nothing", 24),
        (snippets_for_one_case, "Came out: 'shape': (2, 2)", None),
    ],
    "forward_report": [
        (every_layer_called, "leaf modules with those whose hooks ran", None),
        (flags_read_after_eval, "Look before eval()", None),
        (zeros_for_dead_units, "not columns of zeros", 20),
        (one_row_for_the_data, "the zeros of one row", 20),
        (gradients_of_before, "Gradients of an earlier pass are there", 18),
        (frozen_for_without_gradient, "can ask for a gradient and get none", None),
        (pass_in_the_mode_it_is_in, "Run the pass in eval mode", 25),
        (hooks_left, "A hook is left on the model", 13),
        (gradients_left, "the gradient of", None),
        (eval_left, "the training flag of", None),
        (statistics_moved, "the buffer of", 14),
        (a_pass_in_train_mode_first, "moved what eval mode reads", 14),
    ],
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
