"""The truth of the checkers on autograd is held against plain torch."""

import pytest
import torch
from helpers.odd_answers import verdict_on
from helpers.wrong.autograd import _kept, _walk

from fpcourse import mlp


def a_set_of_leaves(tensor):
    return {node.variable for node in _walk(tensor) if hasattr(node, "variable")}


@pytest.mark.parametrize(("name", "function"), [("leaves_behind", a_set_of_leaves), ("kept_bytes", _kept)])
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
