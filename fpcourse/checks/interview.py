"""The checkers of the interview chapter: ten sentences, eight snippets, a report on a faulty model, six drills."""

import copy
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse import ClinicalMLP, autograd_graph
from fpcourse.checks.exercises import Attempt, Suspect, exercise, same

MARKS = ("true", "false", "depends")
SENTENCES = {
    1: "`eval()` switches gradients off.",
    2: "`no_grad()` switches dropout off.",
    3: "The graph is built when `backward()` is called.",
    4: "The forward pass caches every pre-activation.",
    5: "In eval mode `nn.Dropout` scales its output.",
    6: "After BatchNorm every unit has mean 0 and std 1.",
    7: "Half of the first ReLU's outputs are 0, so half of its units are dead.",
    8: "The forward pass does not change the model.",
    9: "In train mode the model's logit for a patient depends on the others in the batch.",
    10: "From one seed, the model's logits are the same with and without `no_grad()`.",
}
MISCONCEPTIONS = {1: 17, 2: 25, 3: 15, 4: 19, 5: 27, 6: 21, 7: 20, 8: 14, 9: 28, 10: 25}


@exercise(then="Say each of them again, with the condition under which it holds, as you would in an interview.")
def mark_sentences(attempt: Attempt) -> None:
    marks = attempt()
    attempt.require(isinstance(marks, dict), marks, "a dictionary of ten marks, {1: ..., 2: ..., and so on}")
    attempt.require(set(marks) == set(SENTENCES), f"the keys {list(marks)}", "the keys 1 to 10, as numbers")
    for number, mark in marks.items():
        attempt.tried = f"sentence {number}"
        attempt.require(isinstance(mark, str) and mark in MARKS, repr(mark), f"one of {MARKS}, as text")
    for number, runs in _runs_of_sentences().items():
        shown = "; ".join(f"{case}, it {'holds' if holds else 'does not hold'}" for case, holds in runs.items())
        attempt.tried = f'sentence {number}, "{SENTENCES[number].rstrip(".")}"'
        attempt.require(
            marks[number] == mark_of(list(runs.values())),
            repr(marks[number]),
            f"the mark that fits the runs: {shown}",
            misconception=MISCONCEPTIONS[number],
        )


def mark_of(holds: list[bool]) -> str:
    """The mark of a sentence by the runs: it holds in all of them, in none, or in some."""
    return "true" if all(holds) else "depends" if any(holds) else "false"


def _runs_of_sentences() -> dict[int, dict[str, bool]]:
    """For each sentence the cases that were run, and whether it holds there."""
    X, y = torch.randn(64, 20), torch.randint(0, 2, (64, 1)).float()
    model, plain = ClinicalMLP(), ClinicalMLP(p=0.0)
    drop, bn, z = nn.Dropout(0.3), nn.BatchNorm1d(20), 2 + 3 * X
    seed = int(torch.randint(1000, ()))

    def out(net: nn.Module, training: bool, recording: bool = True, rows: int = 64) -> torch.Tensor:
        torch.manual_seed(seed)
        with torch.set_grad_enabled(recording):
            return copy.deepcopy(net).train(training)(X[:rows])

    def changes(training: bool) -> bool:
        net = copy.deepcopy(model).train(training)
        net(X)
        return not same(dict(net.named_buffers()), dict(model.named_buffers()))

    loss = F.binary_cross_entropy_with_logits(out(model, False), y)
    built = len(autograd_graph(loss).nodes)
    loss.backward()
    with torch.no_grad():
        dropped, first = drop(X), model.eval().relu(model.bn1(model.layer1(torch.randn(512, 20))))
    dead = (first == 0).all(0).float().mean()
    normed, remembered = bn(z), bn.eval()(z)
    return {
        1: {"the logits in eval mode": out(model, False).grad_fn is None},
        2: {"dropout in train mode under no_grad": torch.equal(dropped, X)},
        3: {f"{built} nodes before backward()": len(autograd_graph(loss).nodes) > built},
        4: {
            "with Linear, ReLU": _keeps_its_input(nn.ReLU()),
            "with Linear, GELU": _keeps_its_input(nn.GELU()),
            "with Linear, BatchNorm, ReLU": _keeps_its_input(nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())),
        },
        5: {"the output in eval mode": not torch.equal(drop.eval()(X), X)},
        6: {"in train mode, before training": _standard(normed), "in eval mode": _standard(remembered)},
        7: {f"{(first == 0).float().mean():.0%} zeros, {dead:.0%} dead units": bool(dead > 0.25)},
        8: {"in eval mode": not changes(False), "in train mode": not changes(True)},
        # Of 32 patients, as the logit of one can stay nearly the same by chance.
        9: {"32 patients among 64, then alone": not same(out(plain, True)[:32], out(plain, True, rows=32))},
        10: {
            f"in {mode} mode": same(out(model, mode == "train"), out(model, mode == "train", False))
            for mode in ("train", "eval")
        },
    }


def _keeps_its_input(activation: nn.Module) -> bool:
    """Whether autograd keeps what goes into an activation between two linear layers."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        pre = nn.Linear(5, 8)(torch.randn(4, 5))
        nn.Linear(8, 1)(activation(pre))
    return any(tensor.data_ptr() == pre.data_ptr() for tensor in kept)


def _standard(values: torch.Tensor) -> bool:
    units = torch.ones(values.shape[1])
    return bool(values.mean(0).abs().max() < 1e-3) and bool((values.std(0, correction=0) - units).abs().max() < 1e-3)


@exercise(then="Change one line of a snippet, predict again, then run it.")
def predict_snippets(attempt: Attempt) -> None:
    for _ in range(3):
        n, width, passes = (int(torch.randint(low, high, ())) for low, high in ((3, 10), (5, 40), (4, 8)))
        c = float(torch.randint(2, 10, ()))
        expected, suspects = _snippets(n, width, passes, c), _suspects(n, width, passes, c)
        result = attempt(n, width, passes, c)
        _same_keys(attempt, result, expected)
        for key, value in expected.items():
            attempt.equal(result[key], value, suspects[key], what=f"{key!r}:")


def _snippets(n: int, width: int, passes: int, c: float) -> dict[str, Any]:
    """What each snippet of the exercise gives, run."""
    model, runs = ClinicalMLP(), []
    for _ in range(passes):
        model.relu.register_forward_hook(lambda *call: runs.append(1))
        model(torch.randn(n, 20))
    w = torch.tensor(c, requires_grad=True)
    for _ in range(passes):
        (w * w).backward()
    bn = nn.BatchNorm1d(1)
    with torch.no_grad():
        for _ in range(passes):
            bn(torch.full((n, 1), c))
    a = torch.tensor([-c, c])
    kept = a.detach()
    a.relu_()
    part = nn.Sequential(nn.Linear(20, width), nn.BatchNorm1d(width))
    net = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 1))
    return {
        "shape": tuple((torch.zeros(n, 1) - torch.zeros(n)).shape),
        "parameters": sum(p.numel() for p in part.parameters()),
        "hook runs": len(runs),
        "gradient": w.grad.item(),
        "dropout": nn.Dropout(0.5).eval()(torch.full((n,), c)).sum().item(),
        "bytes": autograd_graph(net(torch.zeros(n, 20))).saved_bytes,
        "running mean": bn.running_mean.item(),
        "kept": kept.sum().item(),
    }


def _suspects(n: int, width: int, passes: int, c: float) -> dict[str, list[Suspect]]:
    weights = 20 * width + width
    return {
        "shape": [
            Suspect((n, 1), "The axis of n was lined up with the first axis; axes are lined up from the last.", 7),
            Suspect((n,), "The two look alike, but one has an axis more; axes are lined up from the last.", 7),
        ],
        "parameters": [
            Suspect(weights, "BatchNorm has a scale and a shift for each unit, and both are parameters."),
            Suspect(weights + 4 * width, "The running statistics are buffers, not parameters."),
            Suspect(weights + 4 * width + 1, "The running statistics are buffers, not parameters."),
        ],
        "hook runs": [
            Suspect(2 * passes, "Each pass adds a hook and none is removed: the earlier ones run again.", 13),
            Suspect(passes * (passes + 1) // 2, "The model calls relu twice in a pass.", 10),
        ],
        "gradient": [
            Suspect(2 * c, "backward() adds to .grad.", 18),
            Suspect(c * passes, "The slope of w · w is 2w."),
        ],
        "dropout": [
            Suspect(n * c * factor, "In eval mode dropout hands its input on; the scaling is in train mode.", 27)
            for factor in (0.5, 2)
        ],
        "bytes": [
            Suspect(4 * (20 * n + 2 * n * width + width), "ReLU's output is kept, what went into it is not.", 19),
            Suspect(4 * (weights + width + 1), "These are the bytes of the parameters, not of what is kept.", 6),
            Suspect(4 * (20 * n + n * width + weights), "The first layer keeps no weight: X asks for no gradient."),
            Suspect(20 * n + n * width + width, "Each number takes 4 bytes."),
            Suspect(4 * (20 * n + n * width), "The last layer keeps its weight too: its input asks for a gradient."),
        ],
        "running mean": [
            Suspect(0.0, "no_grad does not stop the running statistics, which start from 0.", 14),
            Suspect(c, "One pass moves the running mean a tenth of the way.", 26),
            Suspect(c * 0.9**passes, "That is what is left of the way from 0 to the batch's mean."),
            Suspect(0.1 * c, "That is after one pass; each further pass goes a tenth of what is left."),
        ],
        "kept": [Suspect(0.0, "detach() copies nothing: the in-place ReLU wrote into what was kept.", 24)],
    }


def _same_keys(attempt: Attempt, result: Any, expected: dict) -> None:
    attempt.require(isinstance(result, dict), result, f"a dictionary with the keys {list(expected)}")
    attempt.require(result.keys() == expected.keys(), f"keys {list(result)}", f"keys {list(expected)}")


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.linear, self.norm = nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out)
        self.relu, self.drop = nn.ReLU(), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.relu(self.norm(self.linear(x))))


class _Net(nn.Module):
    """Some blocks and a last layer; ``cut`` is the number of a block after which detach() cuts the graph."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.blocks = nn.Sequential(*map(_Block, widths[:-1], widths[1:]))
        self.head, self.end, self.cut = nn.Linear(widths[-1], 1), nn.Identity(), None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, block in enumerate(self.blocks):
            x = block(x)
            x = x.detach() if number == self.cut else x
        return self.end(self.head(x))


def _frozen_with_gradients(net: _Net, block: _Block) -> None:
    block.linear.requires_grad_(False)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape)


FAULTS: dict[str, Callable[[_Net, _Block], object]] = {
    "without a fault": lambda net, block: None,
    "with dead units": lambda net, block: nn.init.constant_(block.norm.bias[1:], -1000.0),
    "with a layer that is never called": lambda net, block: block.add_module("spare", nn.Linear(3, 3).eval()),
    "with a module left in train mode": lambda net, block: block.norm.train(),
    "in train mode": lambda net, block: net.train(),
    "with a sigmoid at its end": lambda net, block: setattr(net, "end", nn.Sigmoid().eval()),
    "with a frozen layer": lambda net, block: block.linear.requires_grad_(False),
    "with a detach() in its forward": lambda net, block: setattr(net, "cut", 0),
    "with a frozen layer and gradients of an earlier pass": _frozen_with_gradients,
}


@exercise(then="Run it on a network of your own, before and after training.")
def forward_report(attempt: Attempt) -> None:
    for fault, put_in in FAULTS.items():
        widths = torch.randint(4, 12, (int(torch.randint(3, 6, ())),)).tolist()
        net, X = _Net(widths).eval(), torch.randn(40, widths[0])
        with torch.no_grad():
            put_in(net, net.blocks[int(torch.randint(len(net.blocks), ()))])
        expected, suspects = _report(net, X)
        before = _snapshot(net)
        torch.manual_seed(0)
        result = attempt(net, X, tried=f"forward_report(a model {fault}, a tensor of shape {tuple(X.shape)})")
        _same_keys(attempt, result, expected)
        for key, value in expected.items():
            found = result[key]
            if key != "output_range" and isinstance(found, (list, tuple, set)):
                found = sorted(map(str, found))  # in any order
            attempt.equal(found, value, suspects[key], what=f"{key!r}:")
        _left_as_it_was(attempt, net, before)


def _report(net: _Net, X: torch.Tensor) -> tuple[dict[str, Any], dict[str, list[Suspect]]]:
    """What the report of a model is, and what wrong reports say; worked out on copies of it."""
    torch.manual_seed(0)
    given, hasty, net = net, copy.deepcopy(net), copy.deepcopy(net)
    for parameter, of_before in zip(hasty.parameters(), given.parameters(), strict=True):
        parameter.grad = of_before.grad  # which a copy of a parameter lacks
    as_it_is = hasty(X)
    as_it_is.sum().backward()
    torch.manual_seed(0)
    moved = copy.deepcopy(given).train()
    moved(X)
    moved = moved.eval()(X)
    leaves = {name: module for name, module in net.named_modules() if not list(module.children())}
    in_train_mode = sorted(name for name, module in leaves.items() if module.training)
    outputs: dict[str, torch.Tensor] = {}
    for name, module in leaves.items():
        module.register_forward_hook(lambda module, args, output, name=name: outputs.update({name: output.detach()}))
    net.eval().zero_grad()
    out = net(X)
    out.sum().backward()
    zeros = {name: outputs[name] == 0 for name, module in leaves.items() if isinstance(module, nn.ReLU)}
    frozen = sorted(name for name, parameter in net.named_parameters() if not parameter.requires_grad)
    reset = "Look before eval() sets the flags."
    return {
        "never_called": sorted(leaves.keys() - outputs.keys()),
        "in_train_mode": in_train_mode,
        "dead_units": {name: int(zero.all(0).sum()) for name, zero in zeros.items()},
        "no_gradient": _without_gradient(net),
        "output_range": (out.min().item(), out.max().item()),
    }, {
        "never_called": [Suspect([], "Compare the leaf modules with those whose hooks ran.")],
        "in_train_mode": [Suspect([], reset), Suspect(sorted(leaves), "These are all leaf modules. " + reset)],
        "dead_units": [
            Suspect(
                {name: int(zero.sum()) for name, zero in zeros.items()}, "These are zeros, not columns of zeros.", 20
            ),
            Suspect({name: int(zero[0].sum()) for name, zero in zeros.items()}, "These are the zeros of one row.", 20),
        ],
        "no_gradient": [
            Suspect(_without_gradient(hasty), "Gradients of an earlier pass are there: set them to None first.", 18),
            Suspect(frozen, "A parameter can ask for a gradient and get none: run backward() and look at .grad."),
        ],
        "output_range": [
            Suspect((as_it_is.min().item(), as_it_is.max().item()), "Run the pass in eval mode, all modules.", 25),
            Suspect((moved.min().item(), moved.max().item()), "A pass in train mode moved what eval mode reads.", 14),
        ],
    }


def _without_gradient(net: nn.Module) -> list[str]:
    return sorted(name for name, parameter in net.named_parameters() if parameter.grad is None)


LEFT_BEHIND = {
    "hooks": ("A hook is left on the model.", 13),
    "training flag": ("Put each module's own flag back, or work inside unchanged(model).", None),
    "buffer": ("A pass in train mode moves running statistics.", 14),
    "gradient": ("backward() writes into .grad; work inside unchanged(model).", None),
    "requires_grad": ("Put it back, or work inside unchanged(model).", None),
    "parameter": ("The report must not write into the model.", None),
}


def _snapshot(model: nn.Module) -> dict[str, dict[str, Any]]:
    """What a function that looks at a model must leave as it was."""
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    return {
        "hooks": {name: _count_hooks(module) for name, module in modules.items()},
        "training flag": {name: module.training for name, module in modules.items()},
        "buffer": {name: buffer.clone() for name, buffer in model.named_buffers()},
        "gradient": {name: None if p.grad is None else p.grad.clone() for name, p in parameters.items()},
        "requires_grad": {name: p.requires_grad for name, p in parameters.items()},
        "parameter": {name: p.detach().clone() for name, p in parameters.items()},
    }


def _count_hooks(module: nn.Module) -> int:
    return len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)


def _left_as_it_was(attempt: Attempt, model: nn.Module, before: dict[str, dict[str, Any]]) -> None:
    after = _snapshot(model)
    for what, was in before.items():
        changed = [name or "the model itself" for name, value in was.items() if not same(after[what].get(name), value)]
        if changed:
            attempt.fail(f"the {what} of {changed[0]} changed", "the model as it was", *LEFT_BEHIND[what])


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
        said = f"drill_forward(the modules in {mode} mode, a tensor of shape {tuple(x.shape)})"
        attempt.equal(run(lambda m, x, said=said: attempt(m, x, tried=said)), expected, suspects)


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
        _same_keys(attempt, result, expected)
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
        good = isinstance(out, torch.Tensor) and out.shape == x.shape
        attempt.require(good, out, f"a tensor of shape {tuple(x.shape)}")
        kept = out != 0
        zeros = f"a share of {1 - kept.float().mean():.2f} zeros"
        attempt.require(not kept.all(), zeros, f"a share near {p}", "Nothing was dropped.")
        if same(out, was * kept / p):
            attempt.fail(
                f"kept values times {1 / p:.4g}", f"times {1 / (1 - p):.4g}", "Divide by 1 − p, the share that is kept."
            )
        if same(out, was * kept):
            attempt.fail("kept values as they were", f"kept values times {1 / (1 - p):.4g}", "Scaling is missing.", 27)
        attempt.equal(out, scaled * kept)
        alike = bool((kept == kept[:1]).all() or (kept == kept[:, :1]).all())
        attempt.require(not alike, "whole rows or columns alike", "each value drawn on its own")
        flipped = abs(kept.float().mean() - p) < 0.05
        looks = "p is the share that is dropped, not the share that is kept." if flipped else ""
        attempt.require(abs(kept.float().mean() - (1 - p)) < 0.05, zeros, f"a share near {p}", looks)
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
    said = "drill_hook(model, a {}, x), for a model of Linear, ReLU, Linear and the same ReLU, in place"
    for layer, values in ((model[1], expected), (model[0], [first])):
        result = attempt(model, layer, x, tried=said.format(type(layer).__name__))
        good = isinstance(result, (list, tuple)) and all(isinstance(one, torch.Tensor) for one in result)
        attempt.require(good, result, f"a list of {len(values)}, a tensor for each call")
        attempt.require(
            len(result) == len(values), f"{len(result)} of the calls", f"{len(values)}, one for each", misconception=10
        )
        graph = any(one.requires_grad for one in result)
        attempt.require(not graph, "tensors with a graph behind them", "tensors without", "Detach what is kept.")
        attempt.equal(list(result), values, [Suspect([first.relu()], "A later layer wrote into it: keep a clone.", 24)])
        _hook_is_gone(attempt, layer)
    broken = nn.Sequential(nn.Linear(5, 4), nn.Linear(3, 1))
    error = attempt.error(broken, broken[0], x, tried="drill_hook(a model whose second layer raises an error, ...)")
    attempt.require(error is not None, "no error", "the error of the model", "It was swallowed.")
    _hook_is_gone(attempt, broken[0], " when the pass raises")


def _hook_is_gone(attempt: Attempt, layer: nn.Module, when: str = "") -> None:
    attempt.require(not _count_hooks(layer), f"a hook left on the layer{when}", "none", "remove() in finally.", 13)


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
        before = _snapshot(model)
        result = attempt(model, batches, tried=f"drill_mean_loss(a model, batches of {sizes} patients)")
        attempt.equal(result, loss(logits, y).item(), suspects)
        graph = isinstance(result, torch.Tensor) and result.requires_grad
        attempt.require(not graph, "a total with the graph of every pass", "a number", "Add loss.item().")
        _left_as_it_was(attempt, model, before)
