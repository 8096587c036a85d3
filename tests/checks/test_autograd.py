"""The truth of the checkers on autograd is held against plain torch."""

import pytest
import torch
from helpers.odd_answers import verdict_on
from helpers.wrong.autograd import _kept, _walk

from fpcourse import mlp


def a_set_of_leaves(tensor):
    return {node.variable for node in _walk(tensor) if hasattr(node, "variable")}


def by_grad(model, loss_of, X, y, size):
    """Without backward(): the gradients of summed losses, added up and divided in the end."""
    parameters, total = list(model.parameters()), 0.0
    sums = [torch.zeros_like(value) for value in parameters]
    for rows, targets in zip(X.split(size), y.split(size), strict=True):
        loss = loss_of(model(rows), targets, reduction="sum")
        total += loss.item() / len(X)
        for value, gradient in zip(sums, torch.autograd.grad(loss, parameters), strict=True):
            value += gradient
    for value, gradient in zip(parameters, sums, strict=True):
        value.grad = gradient / len(X)
    return total


def the_loss_first(model, loss_of, X, y, size):
    """Two walks over the parts: one for the number, one for the gradient."""
    model.zero_grad()
    total = 0.0
    for rows, targets in zip(X.split(size), y.split(size), strict=True):
        total += loss_of(model(rows), targets).item() * len(rows) / len(X)
    for rows, targets in zip(X.split(size), y.split(size), strict=True):
        loss_of(model(rows), targets).backward(torch.tensor(len(rows) / len(X)))
    return total


OTHER_WAYS = [
    ("accumulate", by_grad),
    ("accumulate", the_loss_first),
    ("leaves_behind", a_set_of_leaves),
    ("kept_bytes", _kept),
]


@pytest.mark.parametrize(("name", "function"), OTHER_WAYS)
def test_another_way_is_as_good(name, function):
    assert [verdict_on(function, name).state for _ in range(2)] == ["passed"] * 2


@pytest.mark.parametrize(("batch", "widths"), [(32, [64, 256, 10]), (7, [3, 4]), (5, [2, 3, 4, 6])])
def test_bytes_kept_are_those_that_torch_packs(batch, widths):
    net, kept = mlp(widths), {}
    parameters = {parameter.data_ptr() for parameter in net.parameters()}

    def pack(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = net(torch.randn(batch, widths[0]))
    assert output.grad_fn
    of_parameters = sum(size for place, size in kept.items() if place in parameters)
    assert _kept(batch, widths) == {"activations": sum(kept.values()) - of_parameters, "parameters": of_parameters}
