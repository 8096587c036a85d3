"""The checkers of the interview chapter's drills: six things to write from memory."""

import copy
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.same_model import count_hooks, is_as_it_was
from fpcourse.models import ClinicalMLP

ORDER = ("layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3")
OTHER_ORDERS = {
    "layer1 relu drop layer2 relu layer3": ("BatchNorm is missing, after each of the first two layers.", None),
    "layer1 bn1 drop layer2 bn2 layer3": ("The activation is missing.", 1),
    "layer1 relu bn1 drop layer2 relu bn2 layer3": ("BatchNorm comes before the activation here.", None),
    "layer1 bn1 relu drop layer2 bn2 relu drop layer3": ("There is no dropout after the second activation.", None),
    "layer1 bn1 relu layer2 bn2 relu drop layer3": ("Dropout stands after the first activation.", None),
    "layer1 bn1 relu drop layer2 relu layer3": ("The second layer has a BatchNorm too.", None),
    "layer1 bn1 relu layer2 bn2 relu layer3": ("Dropout is missing, which eval mode does not show.", None),
    "layer1 bn1 relu drop layer2 bn2 relu layer3 relu": ("The last layer gives logits, which may be below 0.", None),
}


@exercise(then="Draw it: down the left the tensors with their shapes.")
def drill_forward(attempt: Attempt) -> None:
    for training in (False, True):
        model = _used(ClinicalMLP(*_widths(), p=0.4)).train(training)
        x = torch.randn(12, model.layer1.in_features)

        def run(forward: Callable, model: nn.Module = model, x: torch.Tensor = x) -> Any:
            torch.manual_seed(0)  # so that dropout draws alike
            return forward(SimpleNamespace(**copy.deepcopy(model)._modules), x)

        expected = run(lambda m, x: _through(m, ORDER, x))
        suspects = [
            Suspect(run(lambda m, x, names=names: _through(m, names.split(), x)), *says)
            for names, says in OTHER_ORDERS.items()
        ]
        suspects.append(Suspect(expected.sigmoid(), "These are probabilities; the network ends with logits.", 2))
        mode = "train" if training else "eval"
        tried = f"drill_forward(the modules in {mode} mode, a tensor of shape {tuple(x.shape)})"
        attempt.equal(run(lambda m, x, tried=tried: attempt(m, x, tried=tried)), expected, suspects)


def _widths() -> tuple[int, tuple[int, int]]:
    features, first, second = torch.randperm(20)[:3].add(4).tolist()  # all different
    return features, (first, second)


def _used(model: nn.Module) -> nn.Module:
    """The model with BatchNorms that have seen data, so that leaving one out shows in eval mode too."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    return model


def _through(modules: SimpleNamespace, names: Sequence[str], x: torch.Tensor) -> torch.Tensor:
    for name in names:
        x = getattr(modules, name)(x)
    return x


@exercise(then="Do it for the widths of a network of your own.")
def drill_shapes(attempt: Attempt) -> None:
    for _ in range(3):
        batch, (features, (first, second)) = int(torch.randint(24, 40, ())), _widths()
        model = ClinicalMLP(features, (first, second))
        weights, norms = features * first + first * second + second, 2 * (first + second)
        parameters = sum(p.numel() for p in model.parameters())
        expected = {
            "weight1": tuple(model.layer1.weight.shape),
            "layer1": (batch, first),
            "layer2": (batch, second),
            "logits": tuple(model(torch.zeros(batch, features)).shape),
            "parameters": parameters,
        }
        suspects = {
            "weight1": [Suspect((features, first), "A weight is stored as (out, in).", 5)],
            "logits": [Suspect((batch,), "The last layer keeps its axis of one unit.")],
            "parameters": [
                Suspect(weights, "Biases count, and scale and shift of the BatchNorms."),
                Suspect(parameters - norms, "The BatchNorms have a scale and a shift for each unit."),
                Suspect(parameters + norms, "Running statistics are buffers, not parameters."),
                Suspect(parameters - first - second - 1, "The biases of the linear layers are missing."),
            ],
        }
        result = attempt(batch, features, first, second)
        attempt.dictionary(result, expected)
        for key, value in expected.items():
            attempt.equal(result[key], value, suspects.get(key, ()), what=f"{key!r}:")


@exercise(then="Now in train mode: which two numbers come from the batch?")
def drill_batchnorm(attempt: Attempt) -> None:
    for rows, width in ((6, 3), (1, 5), (9, 8)):
        x, mean, weight, bias = 2 * torch.randn(rows, width) + 1, *torch.randn(3, width)
        var, eps = torch.rand(width) + 0.2, 0.05 + float(torch.rand(()))
        expected = F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)
        batch = (x - x.mean(0)) / (x.var(0, correction=0) + eps).sqrt()
        unbiased = (x - x.mean(0)) / (x.var(0) + eps).sqrt() if rows > 1 else batch
        suspects = [
            Suspect(unbiased * weight + bias, "These are the batch's own mean and unbiased variance.", 21),
            Suspect(batch * weight + bias, "These are the batch's own mean and variance: train mode.", 21),
            Suspect((x - mean) / (var + eps) * weight + bias, "Divide by the square root of the variance."),
            Suspect((x - mean) / (var.sqrt() + eps) * weight + bias, "eps belongs under the root."),
            Suspect((x - mean) / var.sqrt() * weight + bias, "eps is missing."),
            Suspect((x - mean) / (var + eps).sqrt(), "Scale and shift, weight and bias, are missing."),
        ]
        was = x.clone()
        attempt.equal(attempt(x, mean, var, weight, bias, eps), expected, suspects)
        attempt.require(same(x, was), "x itself was written to", "x as it was", "Make a new tensor.")


@exercise(then="Say why nothing is left to scale in eval mode.")
def drill_dropout(attempt: Attempt) -> None:
    for p in (0.2, 0.7):
        x = torch.rand(200, 50) + 1
        was, scaled = x.clone(), x / (1 - p)
        out = attempt(x, p, False)
        attempt.equal(out, was, [Suspect(was * (1 - p), "In eval mode dropout hands its input on.", 27)])
        out = attempt(x, p, True)
        attempt.require(same(x, was), "x itself was written to", "x as it was", "Make a new tensor.")
        attempt.tensor(out, x.shape)
        mask = out != 0
        zeros = f"a share of {1 - mask.float().mean():.2f} zeros"
        attempt.require(not mask.all(), zeros, f"a share near {p}", "Nothing was dropped.")
        if same(out, was * mask / p):
            attempt.fail(
                f"kept values times {1 / p:.4g}", f"times {1 / (1 - p):.4g}", "Divide by 1 − p, the share that is kept."
            )
        if same(out, was * mask):
            attempt.fail("kept values as they were", f"kept values times {1 / (1 - p):.4g}", "Scaling is missing.", 27)
        attempt.equal(out, scaled * mask)
        alike = bool((mask == mask[:1]).all() or (mask == mask[:, :1]).all())
        attempt.require(not alike, "whole rows or columns alike", "each value drawn on its own")
        flipped = abs(mask.float().mean() - p) < 0.05
        looks = "p is the share that is dropped, not the share that is kept." if flipped else ""
        attempt.require(abs(mask.float().mean() - (1 - p)) < 0.05, zeros, f"a share near {p}", looks)
        again = attempt(x, p, True)
        attempt.require(not same(again, out), "the same zeros twice", "a fresh draw for each pass", "Was a seed set?")


@exercise(then="Do it with the names of the layers as the keys of a dictionary of lists.")
def drill_hook(attempt: Attempt) -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(inplace=True), nn.Linear(4, 4))
    model.append(model[1])  # one module, two calls
    x = torch.randn(7, 5)
    first, expected = F.linear(x, model[0].weight, model[0].bias), []
    second = model[2](first.relu())
    expected = [first.relu(), second.relu()]
    tried = "drill_hook(model, a {}, x), for a model of Linear, ReLU, Linear and the same ReLU, in place"
    for layer, values in ((model[1], expected), (model[0], [first])):
        result = attempt(model, layer, x, tried=tried.format(type(layer).__name__))
        good = isinstance(result, (list, tuple)) and all(isinstance(tensor, torch.Tensor) for tensor in result)
        attempt.require(good, result, f"a list of {len(values)}, a tensor for each call")
        attempt.require(
            len(result) == len(values), f"{len(result)} of the calls", f"{len(values)}, one for each", misconception=10
        )
        graph = any(tensor.requires_grad for tensor in result)
        attempt.require(not graph, "tensors with a graph behind them", "tensors without", "Detach what is kept.")
        attempt.equal(list(result), values, [Suspect([first.relu()], "A later layer wrote into it: keep a clone.", 24)])
        _hook_is_gone(attempt, layer)
    broken = nn.Sequential(nn.Linear(5, 4), nn.Linear(3, 1))
    error = attempt.error(broken, broken[0], x, tried="drill_hook(a model whose second layer raises an error, ...)")
    attempt.require(error is not None, "no error", "the error of the model", "It was swallowed.")
    _hook_is_gone(attempt, broken[0], " when the pass raises")


def _hook_is_gone(attempt: Attempt, layer: nn.Module, when: str = "") -> None:
    attempt.require(not count_hooks(layer), f"a hook left on the layer{when}", "none", "remove() in finally.", 13)


@exercise(then="Which of the three would a look at one number have shown?")
def drill_mean_loss(attempt: Attempt) -> None:
    loss = F.binary_cross_entropy_with_logits
    for training in (True, False):
        model, sizes = _used(ClinicalMLP(p=0.5)).train(training), (9, 9, 2)
        with torch.no_grad():
            model.layer3.weight *= 20  # sure of itself, and below always wrong: then no two of the means are close
            X = torch.randn(sum(sizes), 20)
            logits = copy.deepcopy(model).eval()(X)
        y = (logits < 0).float()
        batches = list(zip(X.split(sizes), y.split(sizes), strict=True))

        def by_batch(outputs: torch.Tensor, targets: torch.Tensor = y, sizes: tuple = sizes) -> float:
            parts = zip(outputs.split(sizes), targets.split(sizes), strict=True)
            return sum(loss(output, target).item() for output, target in parts) / len(sizes)

        twice = "The loss has a sigmoid inside: give it logits."
        suspects = [
            Suspect(loss(logits.sigmoid(), y).item(), twice, 3),
            Suspect(by_batch(logits.sigmoid()), twice, 3),
            Suspect(by_batch(logits), "A short last batch counts as much as a full one: weigh each by its patients."),
        ]
        before = copy.deepcopy(model)
        result = attempt(model, batches, tried=f"drill_mean_loss(a model, batches of {sizes} patients)")
        attempt.equal(result, loss(logits, y).item(), suspects)
        graph = isinstance(result, torch.Tensor) and result.requires_grad
        attempt.require(not graph, "a total with the graph of every pass", "a number", "Add loss.item().")
        is_as_it_was(attempt, model, before)
