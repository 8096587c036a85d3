"""Wrong answers to the exercises of this chapter, as people give them."""

import warnings

from torch import nn

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
        (marks_by_text, "Came out: keys 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.", None),
        (marks_as_a_list, "Came out: list of 10", None),
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
}  # fmt: skip
