"""The truth of the checkers on where gradients come from is held against the page, and other ways pass."""

import ast
import inspect
import math

import pytest
import torch
from helpers.notebooks import read
from helpers.odd_answers import verdict_on
from helpers.wrong.gradients import _exp, _product, _relu
from refresh import ROOT

from fpcourse.checks import gradients


def a_product_for_relu(value, Value):
    return [_exp(value, Value), value * Value(1.0 if value.data > 0 else 0.0)]


def tanh_by_the_hyperbolic_cosine(a, b, Value):
    return [_product(b, a, Value), Value(math.tanh(a.data), [(a, 1 / math.cosh(a.data) ** 2)])]


def by_einsum(X, W, Z, dA):
    dZ = torch.where(Z > 0, dA, 0.0)
    return torch.einsum("no,oi->ni", dZ, W), torch.einsum("no,ni->oi", dZ, X), torch.einsum("no->o", dZ)


def by_autograd(X, W, Z, dA):
    b = (Z - X @ W.T)[0]
    leaves = [tensor.clone().requires_grad_() for tensor in (X, W, b)]
    return torch.autograd.grad(torch.relu(leaves[0] @ leaves[1].T + leaves[2]), leaves, dA)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("exp_and_relu", a_product_for_relu),
        ("times_and_tanh", tanh_by_the_hyperbolic_cosine),
        ("layer_backward", by_einsum),
        ("layer_backward", by_autograd),
    ],
)
def test_another_way_is_as_good(name, function):
    assert [verdict_on(function, name).state for _ in range(3)] == ["passed"] * 3


def made_from_itself(value, Value):
    result = Value(math.exp(value.data))
    result.made_from = ((result, 1.0),)
    return result, _relu(value, Value)


def test_a_value_made_from_itself_ends_in_a_verdict():
    assert "It raised RecursionError" in verdict_on(made_from_itself, "exp_and_relu").message


def test_the_engine_is_that_of_the_page_with_what_its_exercise_adds():
    [page] = [cell.source for cell in read(ROOT / "book/gradients.ipynb").cells if cell.id == "engine"]
    [shown] = [node for node in ast.parse(page).body if isinstance(node, ast.ClassDef)]
    [used] = ast.parse(inspect.getsource(gradients.Value)).body
    added = {node.name for node in used.body[-2:]}
    assert added == {"__mul__", "tanh"}
    for node in (shown, used):
        node.body = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name not in added]
        for part in node.body:
            part.body = [
                line for line in part.body if not isinstance(line, ast.Expr) or isinstance(line.value, ast.Call)
            ]
    assert ast.dump(shown) == ast.dump(used)
