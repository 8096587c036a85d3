"""The checkers of the interview chapter: ten sentences, eight snippets, a report on a faulty model."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.same_model import copied, is_as_it_was
from fpcourse.measure.autograd import autograd_graph
from fpcourse.models import ClinicalMLP

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
    attempt.dictionary(marks, SENTENCES)
    for number, mark in marks.items():
        attempt.tried = f"sentence {number}"
        attempt.require(isinstance(mark, str) and mark in MARKS, repr(mark), f"one of {MARKS}, as text")
    for number, runs in _runs_of_sentences().items():
        outcomes = "; ".join(f"{case}, it {'holds' if holds else 'does not hold'}" for case, holds in runs.items())
        attempt.tried = f'sentence {number}, "{SENTENCES[number].rstrip(".")}"'
        attempt.require(
            marks[number] == mark_of(list(runs.values())),
            repr(marks[number]),
            f"the mark that fits the runs: {outcomes}",
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
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        pre = nn.Linear(5, 8)(torch.randn(4, 5))
        nn.Linear(8, 1)(activation(pre))
    return any(tensor.data_ptr() == pre.data_ptr() for tensor in saved)


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
        attempt.dictionary(result, expected)
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
        before = copied(net)
        torch.manual_seed(0)
        result = attempt(net, X, tried=f"forward_report(a model {fault}, a tensor of shape {tuple(X.shape)})")
        attempt.dictionary(result, expected)
        for key, value in expected.items():
            answer = result[key]
            if key != "output_range" and isinstance(answer, (list, tuple, set)):
                answer = sorted(map(str, answer))  # in any order
            attempt.equal(answer, value, suspects[key], what=f"{key!r}:")
        is_as_it_was(attempt, net, before)


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
