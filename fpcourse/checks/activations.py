"""The checkers of the exercises of chapter 5: dead units, statistics in a stream, a gain for ten layers."""

import copy
import gc
import math
import random
from collections import OrderedDict
from collections.abc import Callable
from itertools import accumulate

import torch
from torch import nn

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.same_model import is_as_it_was

DRAWS = 8  # of ten layers' weights, so that one draw decides little


@exercise(then="What should it return for the relu of a ClinicalMLP, which runs twice in a pass?")
def dead_units(attempt: Attempt) -> None:
    for mode, layer in (("eval", "act"), ("train", "act"), ("frozen norm", "act"), ("train", "first")):
        model, batches = _network_with_dead_units()
        model.train(mode != "eval")
        if mode == "frozen norm":
            model.norm.eval()
        before, prefix = copy.deepcopy(model), "other modules in train mode, " if mode == "frozen norm" else ""
        modes = f"{prefix}norm in {'train' if model.norm.training else 'eval'} mode"
        handed = [batch.clone() for batch in batches]
        result = attempt(model, layer, handed, tried=f"dead_units(model, {layer!r}, {len(batches)} batches), {modes}")
        outputs = _outputs(copy.deepcopy(before).eval(), layer, batches)
        _is_a_list_of_indices(attempt, result, outputs)
        in_train_mode = _outputs(copy.deepcopy(before).train(), layer, batches)
        attempt.equal(sorted(result), _zero(torch.cat(outputs)), _suspects_of_dead_units(outputs, in_train_mode))
        is_as_it_was(attempt, model, before)


def _network_with_dead_units() -> tuple[nn.Sequential, list[torch.Tensor]]:
    """A network of units that are dead, dead in eval mode, and firing for a row here or there.

    Each of the wrong answers that are known gives another list.
    """
    features, units = random.randint(6, 12), random.randint(14, 20)
    first, norm = nn.Linear(features, units), nn.BatchNorm1d(units)
    model = nn.Sequential(
        OrderedDict(first=first, norm=norm, act=nn.ReLU(), drop=nn.Dropout(0.5), last=nn.Linear(units, 1))
    )
    batches = [torch.randn(random.randint(5, 12), features) for _ in range(random.randint(3, 5))]
    a, b, in_eval, early, late, each, seldom, zero, below = random.sample(range(units), 9)
    reading = [early, late, each, seldom]  # each of these reads one feature
    with torch.no_grad():
        norm.bias[[a, b]] = -100.0
        norm.running_mean[in_eval] = 100.0
        first.weight[[*reading, zero, below]] = 0.0
        first.weight[reading, range(4)] = 1.0
        first.bias[[early, late, each]], first.bias[seldom] = -9.0, 9.0
        first.bias[zero], first.bias[below] = 0.0, -5.0
        batches[0][random.randrange(len(batches[0])), 0] = 10.0  # lifts its unit above 0 here, and nowhere else
        batches[-1][random.randrange(len(batches[-1])), 1] = 10.0
        for batch in batches:
            batch[random.randrange(len(batch)), 2] = 10.0  # above 0 once in each batch
        batches[0][0, 3] = -10.0  # 0 once
    return model, batches


def _outputs(model: nn.Sequential, layer: str, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    upto = model[: [name for name, _ in model.named_children()].index(layer) + 1]
    with torch.no_grad():
        return [upto(batch) for batch in batches]


def _zero(a: torch.Tensor) -> list[int]:
    return (a == 0).all(0).nonzero().flatten().tolist()


def _suspects_of_dead_units(outs: list[torch.Tensor], in_train_mode: list[torch.Tensor]) -> list[Suspect]:
    everything, by_batch = torch.cat(outs), [set(_zero(a)) for a in outs]
    few = (everything == 0).any(0).nonzero().flatten().tolist()
    mostly = ((everything == 0).float().mean(0) > 0.5).nonzero().flatten().tolist()
    below = (everything <= 0).all(0).nonzero().flatten().tolist()
    samples = (everything == 0).all(1).nonzero().flatten().tolist()  # seldom any
    return [
        Suspect(_zero(torch.cat(in_train_mode)), "That is so in train mode, where norm uses each batch's statistics."),
        Suspect(_zero(outs[-1]), "It looks at the last batch alone; a unit of this list fires in an earlier one.", 20),
        Suspect(_zero(outs[0]), "It looks at the first batch alone: does it return inside the loop?", 20),
        Suspect(sorted(set.union(*by_batch)), "Units that are 0 for all of one batch: they fire in another one.", 20),
        Suspect(few, "These are 0 for at least one sample; a dead unit is 0 for every one."),
        Suspect(mostly, "These are 0 for most samples. A unit that fires for a few is not dead."),
        Suspect([len(_zero(everything))], "It is a count, in a list: asked are the indices of these units."),
        Suspect(samples, "Is it from .all(1)? That asks of each sample; .all(0) asks of each unit, over the batch."),
        Suspect(below, "A unit whose output is below 0 counts as 0 here; ask for == 0."),
    ]


def _is_a_list_of_indices(attempt: Attempt, result: object, outputs: list[torch.Tensor]) -> None:
    is_list = isinstance(result, (list, tuple))
    looks_like = "A function without a return statement returns None." if result is None else ""
    if isinstance(result, torch.Tensor):
        looks_like = "It is a tensor. From a mask, .nonzero().flatten().tolist() makes the indices."
    elif isinstance(result, int):
        looks_like = "It is a count: the question is which units, not how many."
    elif is_list and any(isinstance(item, (list, tuple)) for item in result):
        looks_like = "Each index is in a list of its own: .flatten() comes before .tolist()."
    is_right = is_list and all(type(item) is int for item in result)
    attempt.require(is_right, result, f"a list of indices, {_zero(torch.cat(outputs))}", looks_like)


@exercise(then="Register it on bn1 of a ClinicalMLP and stream the 512 patients: in eval mode, then in train mode.")
def streaming_hook(attempt: Attempt) -> None:
    units = random.randint(3, 7)
    first, *others = random.sample(range(2, 30), 3)
    sizes = [first, *random.sample([1, *others], 3)]  # a lone row too, later
    shifts = torch.randn(4, units).mul(3)
    parts = [torch.randn(size, units) + shift for size, shift in zip(sizes, shifts, strict=True)]
    for statistics, seen in _streamed(attempt, parts):
        attempt.equal(statistics["mean"], torch.cat(seen).mean(0), _suspects_of_mean(seen), "mean")
        attempt.equal(statistics["std"], torch.cat(seen).std(0, correction=0), _suspects_of_std(seen), "std")
    _with_a_large_mean(attempt)
    _keeps_little(attempt)


def _streamed(attempt: Attempt, parts: list[torch.Tensor], about: str = ""):
    """Pass after pass of a layer that has the hook: what the hook has found, and the batches so far."""
    found: dict = {}
    hook = attempt(found, tried="streaming_hook(found), with an empty dictionary")
    attempt.require(callable(hook), hook, "a function hook(module, inputs, output)")
    layer, number = nn.Identity(), 0
    handle = layer.register_forward_hook(hook)
    for number, part in enumerate(parts, 1):
        sizes = ", ".join(str(len(batch)) for batch in parts[:number][-4:])
        with attempt.running(f"{number} batches, the last of {sizes} rows{about}"):
            output = layer(part.clone())  # a hook that writes into it must not write into what is compared
        untouched = isinstance(output, torch.Tensor) and same(output, part)
        attempt.require(
            untouched,
            "another output of the layer",
            "its own",
            "What a hook returns replaces the output, and what it writes in place is written into it.",
        )
        missing = [key for key in ("mean", "std") if not isinstance(found.get(key), torch.Tensor)]
        attempt.require(
            not missing,
            ", ".join(f"found[{key!r}] is {type(found.get(key)).__name__}" for key in missing),
            'tensors under "mean" and "std" after each pass',
        )
        yield found, parts[:number]
    handle.remove()


def _suspects_of_mean(seen: list[torch.Tensor]) -> list[Suspect]:
    return [
        Suspect(seen[-1].mean(0), "These are the numbers of the last batch alone."),
        Suspect(
            torch.stack([part.mean(0) for part in seen]).mean(0),
            "It is the plain average over the batches; a batch of 20 rows counts ten times as much as one of 2.",
        ),
        Suspect(torch.cat(seen).mean(), "It is one number over all elements: take it over axis 0, unit by unit.", 22),
    ]


def _suspects_of_std(seen: list[torch.Tensor]) -> list[Suspect]:
    stds, variances = ([part.std(0, correction=0) ** power for part in seen] for power in (1, 2))
    counts = [len(part) / sum(map(len, seen)) for part in seen]

    def averaged(values):
        return sum(count * value for count, value in zip(counts, values, strict=True))

    nan = torch.full_like(stds[-1], math.nan)
    within = "It averages the batches' spreads. The batches' means differ too, and that part is missing."
    return [
        Suspect(nan, "It is nan: of one row, var(0) and std(0) divide by n − 1, which is 0."),
        Suspect(_with_the_new_mean(seen), "b − m takes the mean of before this batch: move the mean after the sum."),
        Suspect(torch.cat(seen).std(0), "It divides by n − 1; correction 0 divides by n."),
        Suspect(torch.cat(seen).var(0, correction=0), "It is the variance: its square root is the std."),
        Suspect(torch.stack(stds).mean(0), within),
        Suspect(averaged(stds), within),
        Suspect(averaged(variances).sqrt(), within),
        Suspect(stds[-1], "These are the numbers of the last batch alone."),
        Suspect(torch.cat(seen).std(correction=0), "It is one number over all elements: take it over axis 0.", 22),
    ]


def _with_the_new_mean(seen: list[torch.Tensor]) -> torch.Tensor:
    """The std that comes out where the mean is moved before the sum of squared deviations."""
    n, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for part in seen:
        k, of_part = len(part), part.mean(0)
        mean = mean + (of_part - mean) * k / (n + k)
        squares = squares + ((part - of_part) ** 2).sum(0) + (of_part - mean) ** 2 * n * k / (n + k)
        n += k
    return (squares / n).sqrt()


def _with_a_large_mean(attempt: Attempt) -> None:
    at = random.choice([5_000, 10_000])
    parts = [torch.randn(size, 4) + at for size in (7, 40, 1, 16)]
    squares = "The mean of squares minus the square of the mean loses its digits here: add up squared deviations."
    for statistics, seen in _streamed(attempt, parts, f", of mean {at:,} and std 1"):
        truth = torch.cat(seen).double().std(0, correction=0)
        if not _within_a_hundredth(statistics["std"], truth):
            attempt.equal(statistics["std"], truth, [Suspect(statistics["std"], squares)], "std")


def _within_a_hundredth(std: torch.Tensor, truth: torch.Tensor) -> bool:
    """As near as float32 comes, with a mean so large."""
    try:
        return std.shape == truth.shape and torch.allclose(std.detach().double(), truth, rtol=0.01)
    except Exception:  # a tensor without values, as on the meta device
        return False


def _keeps_little(attempt: Attempt) -> None:
    parts = list((torch.randn(4_000, 8) * 2).requires_grad_().split(50))
    before = _numbers_alive()
    for statistics, seen in _streamed(attempt, parts, ", with a graph behind them"):
        if len(seen) == len(parts):  # while the hook is still there, with all that it holds
            size = _numbers_alive() - before
            graph = [key for key in ("mean", "std") if statistics[key].requires_grad]
    looks_like = "Each pass's graph stays alive: detach first."
    attempt.require(not graph, f"a graph behind {' and '.join(graph)}", "plain numbers", looks_like)
    attempt.require(size < 8_000, f"{size:,} numbers kept", "a few for each unit", "It keeps the batches themselves.")


def _numbers_alive() -> int:
    """How many numbers all living tensors hold, those that a hook has hidden away too."""
    gc.collect()
    return sum(obj.numel() for obj in gc.get_objects() if type(obj) is torch.Tensor)


@exercise(then="Give it a sine, torch.sin. And how do the gains move for layer 20 instead of layer 10?")
def keeping_gain(attempt: Attempt) -> None:
    slope, size = random.uniform(0.2, 0.5), random.uniform(0.35, 0.6)
    cases: list[tuple[str, Callable, float]] = [
        ("torch.relu", torch.relu, 1.0),
        ("torch.tanh", torch.tanh, size),
        (f"a leaky ReLU of slope {slope:.2f}", nn.LeakyReLU(slope), 1.0),
    ]
    for name, activation, std in cases:
        rows = torch.randn(128, random.choice([160, 192])) * std
        answer = attempt(activation, rows.clone(), tried=f"{name}, rows {tuple(rows.shape)} of std {std:.2f}")
        gain = _number(answer)
        attempt.require(gain is not None, answer, "one number, the gain")
        attempt.require(math.isfinite(gain) and gain > 0, f"a gain of {gain}", "a gain above 0")
        spread = _spreads(gain, activation, rows)
        attempt.require(
            0.75 < spread[10] / spread[0] < 1.33,
            f"a gain of {gain:.3f}, and with it a std over the batch of {spread[10]:.2g} at layer 10",
            f"between {0.75 * spread[0]:.2f} and {1.33 * spread[0]:.2f}, as in the rows: {spread[0]:.2f}",
            *_looks_like_gain(gain, activation, rows, spread),
        )


def _number(answer: object) -> float | None:
    """A number, or a tensor of one, as a float; None for what is neither."""
    is_tensor = isinstance(answer, torch.Tensor) and answer.numel() == 1 and answer.is_floating_point()
    if not is_tensor and (isinstance(answer, bool) or not isinstance(answer, (int, float))):
        return None
    try:
        return float(answer.item() if is_tensor else answer)
    except Exception:  # a tensor without a value, a whole number too large for a float
        return None


def _looks_like_gain(gain: float, activation: Callable, rows: torch.Tensor, spread: list[float]) -> tuple:
    width = rows.shape[1]
    if activation is torch.relu and abs(gain - 2**0.5) < 0.04:
        return "It is He's √2, which keeps the mean square and so the std over all elements; the rows grow alike.", 22
    if abs(gain - 3**-0.5) < 0.01:
        return "It is the gain of torch's default weights, 1/√3.", 23
    if abs(gain - 1) < 0.01:
        return "A gain of 1 suits layers without an activation.", None
    scaled = _spreads(gain * width**0.5, activation, rows) if gain < 0.3 else [1.0, *[0.0] * 10]
    if 0.75 < scaled[10] / scaled[0] < 1.33:
        return "It is the std of the weights; the gain is that times √width.", None
    if 0.9 < spread[1] / spread[0] < 1.1:
        return "It keeps the std from the rows to layer 1; after that the values no longer have mean 0.", None
    return f"The gain is too {'small' if spread[10] < spread[0] else 'large'}.", None


def _spreads(gain: float, activation: Callable, rows: torch.Tensor) -> list[float]:
    """The std over the batch of the rows and of each of ten layers, averaged over draws of the weights."""
    width = rows.shape[1]
    weights = torch.randn(10, DRAWS, width, width) * gain / width**0.5
    with torch.no_grad():
        layers = accumulate(weights, lambda a, weight: activation(a @ weight), initial=rows.expand(DRAWS, -1, -1))
        return [a.std(1, correction=0).mean().item() for a in layers]
