"""The truth of the checkers of chapter 4 is held against plain torch and the page."""

import ast
import inspect
import math

import pytest
import torch
from helpers.notebooks import read
from helpers.odd_answers import verdict_on
from helpers.wrong.autograd import _exp, _kept, _relu, _walk
from refresh import ROOT

from fpcourse import mlp
from fpcourse.checks import autograd

NAMES = ("leaves_behind", "exp_and_relu", "kept_bytes")


def a_set_of_leaves(tensor):
    return {node.variable for node in _walk(tensor) if hasattr(node, "variable")}


def a_product_for_relu(value, Value):
    return [_exp(value, Value), value * Value(1.0 if value.data > 0 else 0.0)]


@pytest.mark.parametrize(
    ("name", "function"), [(NAMES[0], a_set_of_leaves), (NAMES[1], a_product_for_relu), (NAMES[2], _kept)]
)
def test_another_way_is_as_good(name, function):
    assert [verdict_on(function, name).state for _ in range(2)] == ["passed"] * 2


def made_from_itself(value, Value):
    result = Value(math.exp(value.data))
    result.made_from = ((result, 1.0),)
    return result, _relu(value, Value)


def test_a_value_made_from_itself_ends_in_a_verdict():
    assert "It raised RecursionError" in verdict_on(made_from_itself, "exp_and_relu").message


def test_the_engine_is_that_of_the_page():
    [page] = [cell.source for cell in read(ROOT / "book/04_autograd.ipynb").cells if cell.id == "engine"]
    [shown] = [node for node in ast.parse(page).body if isinstance(node, ast.ClassDef)]
    shown.body = shown.body[1:]  # without its docstring
    [used] = ast.parse(inspect.getsource(autograd.Value)).body
    used.body = used.body[1:]
    assert ast.dump(shown) == ast.dump(used)


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
