"""The checkers of the exercises of chapter 6: a prediction that can be trusted, BatchNorm, dropout's two moments."""

import copy
import random
from contextlib import nullcontext

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.same_model import is_as_it_was
from fpcourse.models import ClinicalMLP

TRAIN_MODE = "The layers ran in the mode they came in: eval() is missing."


@exercise(then="Give it a model whose bn1 keeps no statistics, nn.BatchNorm1d(64, track_running_stats=False).")
def predict_risk(attempt: Attempt) -> None:
    for mode, patients, p in (("eval", 9, 0.3), ("train", 1, 0.0), ("train", 9, 0.0), ("frozen bn1", 7, 0.3)):
        model, X = _used_network(mode, p)
        X, before = X[:patients], copy.deepcopy(model)
        words = "a model in train mode with bn1 in eval mode" if mode == "frozen bn1" else f"a model in {mode} mode"
        tried = f"{words}, X {tuple(X.shape)}"
        if patients == 1:
            _refuses_no_lone_patient(attempt, copy.deepcopy(model), X.clone(), tried)
        risks = attempt(model, X.clone(), tried=tried)
        evaluated = copy.deepcopy(before).eval()
        attempt.equal(risks, _risks(evaluated, X), _suspects_of_risks(before, evaluated, X))
        graph = "All that the graph has saved is kept with it: eval() does not stop autograd."
        attempt.require(not risks.requires_grad, "risks with a graph", "risks without one", graph, 17)
        attempt.require(
            torch.is_grad_enabled(), "grad mode off afterwards", "grad mode on", "Use a block: with no_grad."
        )
        is_as_it_was(attempt, model, before)
    _also_after_an_error(attempt)


def _used_network(mode: str, p: float) -> tuple[ClinicalMLP, torch.Tensor]:
    """A network in ``mode`` that some batches have gone through, and patients with risks on both sides of 0.5."""
    features, hidden = random.randint(5, 20), (random.randint(12, 24), random.randint(8, 12))
    model, X = ClinicalMLP(features, hidden, p), torch.randn(40, features)
    with torch.no_grad():
        for batch in (X * 2 + 1).split(20):
            model(batch)
        model.layer3.weight.mul_(3)
        model.layer3.bias.sub_(model.eval()(X[:7]).mean())
    model.train(mode != "eval")
    if mode == "frozen bn1":
        model.bn1.eval()
    return model, X


def _risks(model: nn.Module, X: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.sigmoid(model(X))


def _refuses_no_lone_patient(attempt: Attempt, model: nn.Module, X: torch.Tensor, tried: str) -> None:
    error = attempt.error(model, X, tried=tried)
    if error is not None and "more than 1 value per channel" in str(error):
        attempt.fail(f"{type(error).__name__}: {error}", "one risk", TRAIN_MODE, 25)


def _suspects_of_risks(model: nn.Module, evaluated: nn.Module, X: torch.Tensor) -> list[Suspect]:
    """``model`` is in the mode in which it came in, ``evaluated`` in eval mode."""
    with torch.no_grad():
        logits = evaluated(X)
    risks = torch.sigmoid(logits)
    suspects = [
        Suspect(logits, "These are the logits; a sigmoid makes the probabilities.", 2),
        Suspect(torch.sigmoid(risks), "The sigmoid is applied twice: no risk can be below 0.5.", 3),
        Suspect((risks > 0.5).float(), "These are decisions, 0 or 1; asked is the probability."),
        Suspect(risks > 0.5, "These are decisions; asked is the probability."),
        Suspect(risks.flatten(), "Keep the shape (batch, 1)."),
        Suspect(torch.softmax(logits, 1), "A softmax over one logit is always 1: use a sigmoid."),
    ]
    doubled = _risks(copy.deepcopy(model), X.repeat(2, 1))[: len(X)]
    if len(X) > 1:
        return [*suspects, Suspect(_risks(copy.deepcopy(model), X), TRAIN_MODE, 25)]
    return [
        *suspects,
        Suspect(doubled, "A doubled row gets through train mode, where it leaves bn1 as the shift alone."),
    ]


def _also_after_an_error(attempt: Attempt) -> None:
    model, X = _used_network("frozen bn1", 0.3)
    before = copy.deepcopy(model)
    error = attempt.error(model, X[:, 1:], tried="X with a feature too few, which the model refuses")
    attempt.require(error is not None, "no error", "the model's own error", "Let it out; do not catch it.")
    flags, were = ([module.training for module in net.modules()] for net in (model, before))
    advice = "After an error the lines that put the flags back are not reached, unless they stand in a finally."
    attempt.require(flags == were, "modules left in eval mode", "each in its mode of before", advice)


@exercise(then="Hand in the statistics of a layer that was trained. Which batch gives mean 0 and std 1 in eval mode?")
def batch_norm(attempt: Attempt) -> None:
    for training, recorded in ((True, True), (False, False), (True, False), (False, True)):
        units, rows = random.randint(2, 6), random.randint(3, 8)
        z = torch.randn(rows, units) * 2 + torch.randn(units)
        mean, var = torch.randn(units), torch.rand(units) + 0.5
        momentum, eps = random.choice([0.2, 0.3]), random.choice([0.05, 0.1])
        tried = f"z {tuple(z.shape)}, training={training}, momentum={momentum}, eps={eps}"
        tried += "" if recorded else ", under no_grad"
        truth = _library_batch_norm(z, mean, var, training, momentum, eps)
        z.requires_grad_(recorded and training)
        with nullcontext() if recorded else torch.no_grad():
            result = attempt(z.clone(), mean.clone(), var.clone(), training, momentum, eps, tried=tried)
        is_triple = isinstance(result, (tuple, list)) and len(result) == 3
        attempt.require(is_triple, result, "three tensors: out, running_mean, running_var")
        suspects = _suspects_of_training if training else _suspects_of_use
        agrees = training == recorded  # grad mode and training say the same
        for what, value, right, suspected in zip(
            ("out", "running_mean", "running_var"),
            result,
            truth,
            suspects(z.detach(), mean, var, momentum, eps, agrees),
            strict=True,
        ):
            attempt.equal(value, right, suspected, what)
        if training and recorded:
            _passes_the_gradient(attempt, z, (mean, var, momentum, eps))


def _library_batch_norm(z, mean, var, training, momentum, eps) -> tuple[torch.Tensor, ...]:
    mean, var = mean.clone(), var.clone()
    return F.batch_norm(z, mean, var, training=training, momentum=momentum, eps=eps), mean, var


def _suspects_of_training(z, mean, var, momentum, eps, agrees) -> tuple[list[Suspect], ...]:
    batch, biased, unbiased = z.mean(0), z.var(0, correction=0), z.var(0, correction=1)
    of_running = (
        "In train mode the batch's own mean and variance normalise."
        if agrees
        else "It asks autograd for the mode. Under no_grad a layer in train mode still uses the batch."
    )
    swapped = "momentum is the weight of the new batch, here of the old value."
    return (
        [
            Suspect((z - mean) / (var + eps).sqrt(), of_running, None if agrees else 25),
            Suspect(
                (z - batch) / (unbiased + eps).sqrt(),
                "The unbiased variance normalises here; torch uses the biased one.",
            ),
            Suspect(
                (z - (mean + momentum * (batch - mean))) / (var + momentum * (unbiased - var) + eps).sqrt(),
                "It normalises by the running statistics after their move; in train mode the batch's own normalise.",
            ),
            Suspect(
                (z - z.mean()) / (z.var(correction=0) + eps).sqrt(),
                "One mean for all elements: take mean and variance over axis 0, unit by unit.",
                22,
            ),
            Suspect((z - batch) / biased.sqrt(), "eps is missing."),
            Suspect((z - batch) / (biased.sqrt() + eps), "eps is added to the std; it belongs to the variance."),
            Suspect((z - batch) / (biased + eps), "It divides by the variance: a square root is missing."),
        ],
        [
            Suspect(mean, "The running statistics do not move in train mode: return the new ones."),
            Suspect(batch, "The batch's mean replaces the running one; it moves a part of the way."),
            Suspect(momentum * mean + (1 - momentum) * batch, swapped),
        ],
        [
            Suspect(var, "The running variance does not move."),
            Suspect(
                (1 - momentum) * var + momentum * biased, "The biased variance is tracked; torch tracks the unbiased."
            ),
            Suspect(
                (1 - momentum) * var + momentum * unbiased.sqrt(), "It is the std that is tracked, not the variance."
            ),
            Suspect(momentum * var + (1 - momentum) * unbiased, swapped),
        ],
    )


def _suspects_of_use(z, mean, var, momentum, eps, agrees) -> tuple[list[Suspect], ...]:
    batch, biased = z.mean(0), z.var(0, correction=0)
    of_batch = (
        "In eval mode the running statistics normalise, not those of the batch."
        if agrees
        else "It asks autograd for the mode. With grad a layer in eval mode still uses its running statistics."
    )
    moved = "In eval mode the running statistics stay."
    return (
        [
            Suspect((z - batch) / (biased + eps).sqrt(), of_batch, 28 if agrees else 17),
            Suspect((z - mean) / var.sqrt(), "eps is missing."),
        ],
        [Suspect((1 - momentum) * mean + momentum * batch, moved)],
        [Suspect((1 - momentum) * var + momentum * z.var(0), moved)],
    )


def _passes_the_gradient(attempt: Attempt, z: torch.Tensor, others: tuple) -> None:
    mean, var, momentum, eps = others
    weights, tried = torch.randn(z.shape), f"the gradient of z {tuple(z.shape)} in train mode"
    result = attempt(z, mean.clone(), var.clone(), True, momentum, eps, tried=tried)
    tensors = isinstance(result, (tuple, list)) and all(isinstance(item, torch.Tensor) for item in result)
    attempt.require(tensors and len(result) == 3, result, "three tensors, as in the call before")
    out, *statistics = result
    carried = any(statistic.requires_grad for statistic in statistics)
    detached = "They would keep the graph of every batch: track from z.detach()."
    attempt.require(not carried, "running statistics with a graph", "plain numbers", detached)
    attempt.require(out.requires_grad, "out without a graph", "out with one", "z is detached, or no_grad is on.")
    with attempt.running(tried):
        (gradient,) = torch.autograd.grad((out * weights).sum(), z, allow_unused=True)
    library = _library_batch_norm(z, mean, var, True, momentum, eps)[0]
    (right,) = torch.autograd.grad((library * weights).sum(), z)
    through = "The batch's mean and variance depend on z too: only what is tracked is detached."
    attempt.require(
        gradient is not None and same(gradient, right),
        "another gradient of z",
        "that of torch",
        through,
    )


@exercise(then="Dropout twice, one after the other, with p and q: which single dropout has the same mean and variance?")
def dropout_moments(attempt: Attempt) -> None:
    for scaled in (True, False):
        for shape, p in (((5,), random.uniform(0.15, 0.45)), ((3, 4), random.uniform(0.55, 0.85)), ((1, 2), 0.0)):
            x = torch.randn(shape) * 2 + 0.3
            tried = f"x {tuple(x.shape)}, p={p:.3f}, scaled={scaled}"
            results = [attempt(x.clone(), p, scaled, tried=tried) for _ in range(2)]
            for result in results:
                is_pair = isinstance(result, (tuple, list)) and len(result) == 2
                attempt.require(is_pair, result, "two tensors: mean, variance")
            (mean, variance), again = results
            both = isinstance(mean, torch.Tensor) and isinstance(again[0], torch.Tensor)
            drawn = both and mean.shape == again[0].shape and not same(mean, again[0])
            estimate = "It draws masks, which gives an estimate; asked is what the formula gives."
            attempt.require(not drawn, "another mean in a second call", "the same one", estimate)
            right = _moments(x, p, scaled)
            attempt.equal(mean, right[0], _suspects_of_mean(x, p, scaled), "mean")
            attempt.equal(variance, right[1], _suspects_of_variance(x, p, scaled), "variance")


def _moments(x: torch.Tensor, p: float, scaled: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """By the definition: the two values that can come out, each with its probability."""
    kept = x / (1 - p) if scaled else x
    mean = (1 - p) * kept + p * 0.0
    return mean, (1 - p) * (kept - mean) ** 2 + p * (0.0 - mean) ** 2


def _suspects_of_mean(x: torch.Tensor, p: float, scaled: bool) -> list[Suspect]:
    unscaled = "That holds with scaled=False; here the kept values are divided by 1 − p." if scaled else ""
    return [
        Suspect((1 - p) * x, unscaled),
        Suspect(x, "That holds with scaled=True; without scaling the mean shrinks.", 27),
        Suspect(x / (1 - p), "That is what a kept value becomes; the dropped ones count as 0."),
        Suspect(p * x, "p is the probability of being dropped, 1 − p that of being kept."),
        Suspect(x.mean(), "One number for all of x: asked is the mean of each value over many masks."),
    ]


def _suspects_of_variance(x: torch.Tensor, p: float, scaled: bool) -> list[Suspect]:
    right, squared = _moments(x, p, scaled)[1], x**2
    unsquared = "Values of 2 vary four times as much as values of 1: the variance has x squared."
    factor = "The factor 1/(1 − p) of the kept values enters the variance squared."
    mean = x if scaled else (1 - p) * x
    kept = x / (1 - p) if scaled else x
    dropped = "The dropped values count too: add p times their squared distance from the mean."
    suspects = [
        Suspect((1 - p) * (kept - mean) ** 2, dropped),
        Suspect(right.sqrt(), "It is the std: the variance is its square."),
        Suspect(x * p / (1 - p) if scaled else x * p * (1 - p), unsquared),
        Suspect(squared / (1 - p) if scaled else squared * (1 - p), "That is the mean of the squares; take off mean²."),
        Suspect(torch.zeros_like(x), "Equal means are not equal values: from mask to mask the output varies."),
    ]
    if scaled:
        swapped = Suspect(squared * (1 - p) / p, "p is the probability of being dropped, 1 − p that of being kept.")
        return [*suspects, swapped, Suspect(squared * p * (1 - p), factor), Suspect(squared * p, factor)]
    return [*suspects, Suspect(squared * p / (1 - p), "That holds with scaled=True; here nothing is divided.")]
