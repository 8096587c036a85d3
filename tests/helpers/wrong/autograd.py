"""Wrong answers to the exercises of this chapter, as people give them."""

from itertools import pairwise

import torch
from torch.nn import functional as F

from fpcourse.checks.autograd import ACCUMULATE
from fpcourse.checks.forms import answer


def _each_part(model, loss_of, X, y, size):
    return [
        (len(rows), loss_of(model(rows), targets)) for rows, targets in zip(X.split(size), y.split(size), strict=True)
    ]


def the_whole_batch_at_once(model, loss_of, X, y, size):
    model.zero_grad()
    loss = loss_of(model(X), y)
    loss.backward()
    return loss.item()


def one_backward_at_the_end(model, loss_of, X, y, size):
    model.zero_grad()
    loss = sum(rows / len(X) * loss for rows, loss in _each_part(model, loss_of, X, y, size))
    loss.backward()
    return loss.item()


def nothing_reset(model, loss_of, X, y, size):
    total = 0.0
    for rows, targets in zip(X.split(size), y.split(size), strict=True):
        loss = loss_of(model(rows), targets) * len(rows) / len(X)
        loss.backward()
        total += loss.item()
    return total


def always_cross_entropy(model, loss_of, X, y, size):
    return answer(ACCUMULATE[0], "000")(model, F.binary_cross_entropy_with_logits, X, y, size)


def row_by_row(model, loss_of, X, y, size):
    return answer(ACCUMULATE[0], "000")(model, loss_of, X, y, 1)


def leaves_eval_mode_on(model, loss_of, X, y, size):
    return answer(ACCUMULATE[0], "000")(model.eval(), loss_of, X, y, size)


def clears_the_batch(model, loss_of, X, y, size):
    loss = answer(ACCUMULATE[0], "000")(model, loss_of, X, y, size)
    X.zero_()
    return loss


def and_a_step(model, loss_of, X, y, size):
    total = answer(ACCUMULATE[0], "000")(model, loss_of, X, y, size)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return total


def mean_of_means(model, loss_of, X, y, size):
    answer(ACCUMULATE[0], "000")(model, loss_of, X, y, size)
    with torch.no_grad():
        losses = [loss.item() for _, loss in _each_part(model, loss_of, X, y, size)]
    return sum(losses) / len(losses)


def returns_nothing(model, loss_of, X, y, size):
    answer(ACCUMULATE[0], "000")(model, loss_of, X, y, size)
    print(end="")


def _walk(tensor):
    """Every node once, without recursion."""
    nodes = [tensor.grad_fn] if tensor.grad_fn else []
    for node in nodes:
        nodes += [following for following, _ in node.next_functions if following and following not in nodes]
    return nodes


def follows_the_first_input(tensor):
    leaves, node = [], tensor.grad_fn
    while node:
        leaves += [node.variable] if hasattr(node, "variable") else []
        node = node.next_functions[0][0] if node.next_functions else None
    return leaves


def looks_one_step_back(tensor):
    steps = tensor.grad_fn.next_functions if tensor.grad_fn else ()
    return [node.variable for node, _ in steps if hasattr(node, "variable")]


def does_not_expect_none(tensor):
    leaves, nodes = [], [tensor.grad_fn]
    for node in nodes:
        nodes += [following for following, _ in node.next_functions]
        leaves += [node.variable] if hasattr(node, "variable") else []
    return leaves


def _recursive(node, leaves):
    for following, _ in node.next_functions if node else ():
        _recursive(following, leaves)
    leaves += [node.variable] if hasattr(node, "variable") else []
    return leaves


def counts_a_leaf_for_each_use(tensor):
    return _recursive(tensor.grad_fn, [])


def goes_every_path(tensor):
    return set(_recursive(tensor.grad_fn, []))


def recursion(tensor):
    leaves, seen = [], set()

    def visit(node):
        if node is None or node in seen:
            return
        seen.add(node)
        leaves.extend([node.variable] if hasattr(node, "variable") else [])
        for following, _ in node.next_functions:
            visit(following)

    visit(tensor.grad_fn)
    return leaves


def asks_with_in(tensor):
    leaves = []
    for node in _walk(tensor):
        if hasattr(node, "variable") and node.variable not in leaves:
            leaves.append(node.variable)
    return leaves


def hands_out_nodes(tensor):
    return [node for node in _walk(tensor) if hasattr(node, "variable")]


def hands_out_gradients(tensor):
    leaves = [node.variable for node in _walk(tensor) if hasattr(node, "variable")]
    return list(torch.autograd.grad(tensor.sum(), leaves)) if leaves else []


def prints_the_leaves(tensor):
    print(len(_walk(tensor)), end="")


def _weights(widths):
    return sum(n_in * n_out for n_in, n_out in pairwise(widths))


def _kept(batch, widths, activations=None, parameters=None):
    activations = 4 * batch * sum(widths[:-1]) if activations is None else activations
    return {
        "activations": activations,
        "parameters": 4 * _weights(widths[1:]) if parameters is None else parameters,
    }


def pre_activations_too(batch, widths):
    return _kept(batch, widths, 4 * batch * (widths[0] + 2 * sum(widths[1:-1])))


def the_outputs_of_all_layers(batch, widths):
    return _kept(batch, widths, 4 * batch * sum(widths))


def what_comes_out_of_each_layer(batch, widths):
    return _kept(batch, widths, 4 * batch * sum(widths[1:]))


def not_the_batch(batch, widths):
    return _kept(batch, widths, 4 * batch * sum(widths[1:-1]))


def numbers_for_bytes(batch, widths):
    return _kept(batch, widths, batch * sum(widths[:-1]))


def eight_bytes_each(batch, widths):
    return _kept(batch, widths, 8 * batch * sum(widths[:-1]))


def the_first_weight_too(batch, widths):
    return _kept(batch, widths, None, 4 * _weights(widths))


def biases_too(batch, widths):
    return _kept(batch, widths, None, 4 * (_weights(widths[1:]) + sum(widths[2:])))


def no_weight(batch, widths):
    return _kept(batch, widths, None, 0)


def the_chapters_network(batch, widths):
    return _kept(32, [64, 256, 10])


def one_sum(batch, widths):
    return sum(_kept(batch, widths).values())


WRONG = {
    "accumulate": [
        (answer(ACCUMULATE[0], "020"), "Each part's mean went in whole", None),
        (answer(ACCUMULATE[0], "220"), "Every part has the same weight here, but the last one has fewer rows", None),
        (answer(ACCUMULATE[0], "010"), "That is the gradient of the sum over all rows", None),
        (answer(ACCUMULATE[0], "002"), "It holds on to the nodes of every part's graph", None),
        (answer(ACCUMULATE[0], "003"), "a plain number of a tensor", None),
        (answer(ACCUMULATE[1], "100"), "Each part was divided by the size of one part", None),
        (answer(ACCUMULATE[1], "001"), "Only the last part is left", None),
        (answer(ACCUMULATE[0], "100"), "It is divided once too often", None),
        (the_whole_batch_at_once, "10 rows in one call of the model. Expected: at most 4", None),
        (one_backward_at_the_end, "call it on each part, before the next one begins", None),
        (nothing_reset, "What was in .grad before is still in there", 18),
        (and_a_step, "parameters as they were, and no step", None),
        (leaves_eval_mode_on, "a model in eval mode", None),
        (clears_the_batch, "a batch that was written into", None),
        (always_cross_entropy, "mse_loss", None),
        (row_by_row, "a part of size 1. Expected: 4 rows at a time, fewer only in the last part", None),
        (mean_of_means, "That is the mean of the parts' means", None),
        (returns_nothing, "without a return statement", None),
    ],
    "leaves_behind": [
        (follows_the_first_input, "Came out: no tensor. Expected: w, b. Follow every pair", None),
        (looks_one_step_back, "Came out: b. Expected: w, b. Follow every pair", None),
        (does_not_expect_none, "'NoneType' object has no attribute 'next_functions'", None),
        (counts_a_leaf_for_each_use, "Two paths lead to one leaf", None),
        (goes_every_path, "2**40 paths, 41 nodes). It was stopped after 300,000 lines", None),
        (recursion, "keep a list of the nodes still to visit). It raised RecursionError", None),
        (asks_with_in, "Two leaves of equal values are two", None),
        (hands_out_nodes, "An AccumulateGrad has its leaf in variable", None),
        (hands_out_gradients, "Not all of these are leaves of this graph", None),
        (prints_the_leaves, "without a return statement", None),
    ],
    "kept_bytes": [
        (pre_activations_too, "what goes into the ReLU", 19),
        (the_outputs_of_all_layers, "The last layer's output was counted", None),
        (what_comes_out_of_each_layer, "A linear layer keeps what goes in", 19),
        (not_the_batch, "The batch itself is missing", None),
        (numbers_for_bytes, "These are numbers, not bytes", None),
        (eight_bytes_each, "float64 takes 8", None),
        (the_first_weight_too, "The first weight was counted", None),
        (biases_too, "Biases were counted", None),
        (no_weight, "A weight is kept too", None),
        (the_chapters_network, "activations: 40960. Expected: activations:", None),
        (one_sum, "with the keys", None),
    ],
}
