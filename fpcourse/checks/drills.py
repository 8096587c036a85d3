"""The checkers of the interview chapter's drills: six things to write from memory."""

import copy
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.forms import Gaps, Lines, Rows
from fpcourse.checks.same_model import count_hooks, is_as_it_was
from fpcourse.models import ClinicalMLP

ORDER = ("layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3")
OTHER_ORDERS = {
    "layer1 relu drop layer2 relu layer3": ("No BatchNorm is in it.", None),
    "layer1 bn1 drop layer2 bn2 layer3": ("No activation is in it.", 1),
    "layer1 relu bn1 drop layer2 relu bn2 layer3": ("Each BatchNorm is given what an activation puts out.", None),
    "layer1 bn1 relu drop layer2 bn2 relu drop layer3": ("Dropout stands after both activations.", None),
    "layer1 bn1 relu layer2 bn2 relu drop layer3": ("Dropout stands behind the second BatchNorm.", None),
    "layer1 bn1 relu drop layer2 relu layer3": ("The second layer has no BatchNorm after it.", None),
    "layer1 bn1 relu layer2 bn2 relu layer3": ("Dropout is missing, which eval mode does not show.", None),
    "layer1 relu bn1 drop layer2 bn2 relu layer3": ("The first BatchNorm is given what relu puts out.", None),
    "layer1 relu drop bn1 layer2 bn2 relu layer3": ("The first BatchNorm is given what dropout puts out.", None),
    "layer1 bn1 relu layer2 drop bn2 relu layer3": ("Dropout stands after the second linear layer.", None),
    "layer1 bn1 drop layer2 relu bn2 relu layer3": ("No activation stands between the first two layers.", 1),
    "layer1 bn1 drop layer2 bn2 relu layer3": ("No activation stands between the first two layers.", 1),
    "layer1 bn1 relu drop layer2 bn2 layer3": ("No activation stands before the last layer.", 1),
    "layer1 bn1 relu drop layer2 bn2 relu layer3 relu": ("A ReLU stands at the end: no logit is below 0.", None),
}

DRILL_FORWARD = (
    Lines(
        "def drill_forward(m, x):\n    x = m.layer1(x)",
        ("x = m.bn1(x)", "x = m.relu(x)", "x = m.drop(x)", "x = m.layer2(x)", "x = m.bn2(x)"),
        "    x = m.relu(x)\n    return m.layer3(x)",
        also_right=("02134",),  # what dropout scales up keeps its sign
    ),
    Gaps(
        """
        def drill_forward(m, x):
            z1 = m.bn1(m.layer1(x))
            a1 = ⟦m.drop(m.relu(z1)) | m.relu(z1) | m.drop(z1)⟧
            z2 = m.bn2(m.layer2(a1))
            a2 = ⟦m.relu(z2) | m.drop(m.relu(z2)) | z2⟧
            return ⟦m.layer3(a2) | m.relu(m.layer3(a2)) | m.layer3(a2).sigmoid()⟧
        """
    ),
)


@exercise(
    then="The first relu and the dropout after it may change places, and every number stays: why? "
    "Then draw it: down the left the tensors with their shapes.",
    forms=DRILL_FORWARD,
)
def drill_forward(attempt: Attempt) -> None:
    for training in (False, True):
        features, (width, _) = _widths()  # one for both hidden layers: then a wrong order runs, and says what it gives
        model = _used(ClinicalMLP(features, (width, width), p=0.4)).train(training)
        x = torch.randn(12, features)
        order: list[str] = []

        def run(forward: Callable, model: nn.Module = model, x: torch.Tensor = x, order: list[str] = order) -> Any:
            torch.manual_seed(0)  # so that dropout draws alike
            modules = copy.deepcopy(model)._modules
            order.clear()
            for name, module in modules.items():
                module.register_forward_pre_hook(lambda module, inputs, name=name: order.append(name))
            return forward(SimpleNamespace(**modules), x)

        with torch.no_grad():
            model.layer3.bias -= run(lambda m, x: _through(m, ORDER, x)).median()  # logits on both sides of 0
        expected = run(lambda m, x: _through(m, ORDER, x))
        suspects = [
            Suspect(run(lambda m, x, names=names: _through(m, names.split(), x)), *says)
            for names, says in OTHER_ORDERS.items()
        ]
        suspects.append(Suspect(expected.sigmoid(), "These are probabilities: a sigmoid stands at the end.", 2))
        mode = "train" if training else "eval"
        tried = (
            f"the modules of ClinicalMLP({features}, {(width, width)}) in {mode} mode, and x of shape {(12, features)}"
        )
        result = run(lambda m, x, tried=tried: attempt(m, x, tried=tried))
        told = f"Your order is {', '.join(order)}. Which of them is given what was meant for another?"
        suspects.append(Suspect(result, told))
        attempt.equal(result, expected, suspects)


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


SHAPES = """
def drill_shapes(batch, features, first, second):
    return {
        "weight1": ⟦(first, features) | (features, first) | (batch, first)⟧,
        "layer1": ⟦(batch, first) | (first, batch) | (batch, features)⟧,
        "layer2": ⟦(batch, second) | (second, batch) | (first, second)⟧,
        "logits": ⟦(batch, 1) | (batch,) | (1,) | (second, 1) | (1, batch)⟧,
        "parameters": ⟦features * first + first * second + second + 3 * first + 3 * second + 1
            | features * first + first * second + second
            | features * first + first * second + second + first + second + 1
            | features * first + first * second + second + 5 * first + 5 * second + 1
            | features * first + first * second + second + 2 * first + 2 * second
            | features * first + first * second + second + 2 * first + 2 * second + 1⟧,
    }
"""
DRILL_SHAPES = tuple(
    Rows(SHAPES, sizes=tuple(zip(("batch", "features", "first", "second"), sizes, strict=True)))
    for sizes in ((16, 20, 64, 32), (5, 6, 10, 3))
)


@exercise(then="Do it for the widths of a network of your own.", forms=DRILL_SHAPES)
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
        swapped, weight = "The two axes have changed places.", "That is (in, out) of a layer: no batch stands in it."
        suspects = {
            "weight1": [
                Suspect((features, first), "That is (in, out).", 5),
                Suspect((batch, first), "That is what the layer puts out for a batch, not what it holds."),
            ],
            "layer1": [Suspect((first, batch), swapped), Suspect((batch, features), "That is what goes in.")],
            "layer2": [Suspect((second, batch), swapped), Suspect((first, second), weight)],
            "logits": [
                Suspect((batch,), "A layer of one unit has an axis for its units, too."),
                Suspect((1,), "That is one patient's."),
                Suspect((second, 1), weight),
                Suspect((1, batch), swapped),
            ],
            "parameters": [
                Suspect(weights, "These are the weights of the linear layers alone."),
                Suspect(parameters - norms, "Nothing of the BatchNorms is counted."),
                Suspect(parameters - norms // 2, "Each BatchNorm is counted with one number per unit."),
                Suspect(parameters + norms, "The running statistics are counted too."),
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


DRILL_MEAN_LOSS = (
    Gaps(
        """
        def drill_mean_loss(model, batches):
            was_training, total, patients = model.training, 0.0, 0
            model.eval()
            try:
                for X, y in batches:
                    output = ⟦model(X) | torch.sigmoid(model(X))⟧
                    loss = F.binary_cross_entropy_with_logits(output, y, reduction=⟦"mean" | "sum"⟧)
                    total += ⟦loss.item() * len(y) | loss.item() | loss * len(y)⟧
                    patients += len(y)
                return total / patients
            finally:
                model.train(was_training)
        """,
        also_right=("011",),
    ),
    Gaps(
        """
        def drill_mean_loss(model, batches):
            was_training, outputs = model.training, []
            model.eval()
            try:
                with torch.no_grad():
                    for X, y in batches:
                        outputs.append(⟦model(X) | torch.sigmoid(model(X))⟧)
                y = torch.cat([y for X, y in batches])
                losses = F.binary_cross_entropy_with_logits(torch.cat(outputs), y, reduction="none")
                return ⟦losses.sum().item() / len(y) | losses.sum().item() / len(batches) | losses.sum().item()⟧
            finally:
                model.train(was_training)
        """
    ),
)


@exercise(then="Which of the three would a look at one number have shown?", forms=DRILL_MEAN_LOSS)
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

        suspects = list(_wrong_means(logits, y, sizes))
        before = copy.deepcopy(model)
        result = attempt(model, batches, tried=f"a model that is sure of itself and wrong, batches of {sizes} patients")
        attempt.equal(result, loss(logits, y).item(), suspects)
        graph = isinstance(result, torch.Tensor) and result.requires_grad
        keeps = "A loss added up as a tensor keeps all that its pass has saved, until the sum is gone."
        attempt.require(not graph, "a total with the graph of every pass", "a number", keeps)
        is_as_it_was(attempt, model, before)


def _wrong_means(logits: torch.Tensor, y: torch.Tensor, sizes: Sequence[int]) -> Iterator[Suspect]:
    """Wrong totals over wrong counts, of the logits and of their sigmoids."""
    patients = len(y)
    for outputs, twice in (
        (logits.sigmoid(), "The loss has a sigmoid inside, so here it was applied twice."),
        (logits, ""),
    ):
        losses = F.binary_cross_entropy_with_logits(outputs, y, reduction="none").split(tuple(sizes))
        sums, means = [part.sum().item() for part in losses], [part.mean().item() for part in losses]
        weighed_again = sum(total * size for total, size in zip(sums, sizes, strict=True))
        for value, says in (
            *([(sum(sums) / patients, "")] if twice else ()),
            (sum(means) / len(sizes), "A short last batch counts as much as a full one."),
            (sum(means) / patients, "Means of batches were added up, and their sum divided by the number of patients."),
            (sum(sums) / len(sizes), "A sum over patients was divided by the number of batches."),
            (weighed_again / patients, "The sum over a batch was multiplied by its number of patients."),
            (sum(sums), "That is a sum over all patients."),
        ):
            yield Suspect(value, f"{twice} {says}".strip(), 3 if twice else None)
