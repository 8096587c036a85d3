"""Intermediate activations."""

import math
import re
from collections.abc import Iterator
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from expected.clinical_mlp import forward, layers
from expected.drawn import check_drawn_line
from expected.trained import Rounded, Trained, auroc, correlation, networks_by_epoch

SHOWN = ["layer1", "bn1", "relu:1", "layer2", "bn2", "relu:2"]
LAYERS = 10


def figures(
    X: torch.Tensor,
    training_X: torch.Tensor,
    training_y: torch.Tensor,
    validation_X: torch.Tensor,
    true_logit: torch.Tensor,
    feature_names: tuple[str, ...],
) -> list[dict]:
    networks = networks_by_epoch(15, training_X, training_y)
    before_and_after = {"untrained": networks[0], "trained": networks[5]}
    return [
        *untrained_figures(X),
        {name: stds(network, validation_X) for name, network in before_and_after.items()},
        dict(
            most_telling(name, network, validation_X, true_logit, feature_names)
            for name, network in before_and_after.items()
        ),
    ]


def untrained_figures(X: torch.Tensor) -> list[dict]:
    torch.manual_seed(0)
    parts = layers()
    healthy = forward(parts, X, train=False)["relu:2"]
    with torch.no_grad():
        parts["bn2"].bias[20] = -10
    broken = forward(parts, X, train=False)["relu:2"]
    runs = [[spreads(a) for a in deep("He", "relu", seed)] for seed in range(12)]

    def extremes(layer: int, which: int) -> list[float]:
        found = [run[layer][which] for run in runs]
        return [round(min(found), 2), round(max(found), 2)]

    return [
        {
            "16 patients: 0 for all": silent(healthy[:16]),
            "512 patients: 0 for all": silent(healthy),
            "shift at -10: 0 for all": silent(broken),
            "512 patients, zeros of units 0 to 3": [sum(v == 0 for v in healthy[:, u].tolist()) for u in range(4)],
        },
        {
            "layer 1": extremes(0, 0),
            "layer 10": extremes(9, 0),
            "layer 10, over the batch": extremes(9, 1),
        },
    ]


def silent(a: torch.Tensor) -> list[int]:
    """The columns that hold nothing but zeros."""
    return [unit for unit, most in enumerate(a.abs().amax(0).tolist()) if most == 0]


def share(chosen: torch.Tensor) -> float:
    return chosen.sum().item() / chosen.numel()


def spreads(a: torch.Tensor) -> tuple[float, float]:
    """The root mean square distance from the mean: of all elements, and per column, averaged."""
    a = a.double()
    return tuple(
        (a - mean).square().mean(dims).sqrt().mean().item() for mean, dims in ((a.mean(), (0, 1)), (a.mean(0), 0))
    )


# The distribution bench


def bench_tensors(batch_size: int, width: int, batchnorm: str, X: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    parts = layers((width, width // 2))

    def norm(z: torch.Tensor) -> torch.Tensor:
        if batchnorm == "no":
            return z
        return (z - z.mean(0)) / torch.sqrt(z.var(0, unbiased=False) + 1e-5)

    with torch.no_grad():
        z1 = X[:batch_size] @ parts["layer1"].weight.T + parts["layer1"].bias
        n1 = norm(z1)
        a1 = n1.clamp(min=0)
        z2 = a1 @ parts["layer2"].weight.T + parts["layer2"].bias
        n2 = norm(z2)
    return dict(zip(SHOWN, (z1, n1, a1, z2, n2, n2.clamp(min=0)), strict=True))


def distribution_bench(batch_size: int, width: int, batchnorm: str, X: torch.Tensor) -> dict:
    tensors = bench_tensors(batch_size, width, batchnorm, X).values()
    return {
        "tensors": SHOWN,
        "mean": [round(a.double().mean().item(), 4) + 0.0 for a in tensors],
        "std": [spreads(a)[0] for a in tensors],
        "zero fraction": [share(a == 0) for a in tensors],
        "0 for all": [len(silent(a)) for a in tensors],
    }


def check_distribution_bench(frames: dict, X: torch.Tensor) -> None:
    """The table is these tensors'; the caption names the setting."""
    for controls, frame in frames.items():
        batch_size, width, batchnorm = controls
        assert f" {batch_size} patients; widths {width} and {width // 2}." in frame["caption"]
        assert ("taken out" in frame["caption"]) == (batchnorm == "no")
        tensors = bench_tensors(*controls, X)
        rows = re.findall(r"<tr><td>(.*?)</td></tr>", frame["html"])
        for (label, a), row in zip(tensors.items(), rows, strict=True):
            cells = re.split(r"</td><td[^>]*>", row)
            near = [a.double().mean().item(), spreads(a)[0]]
            assert cells[0] == label and cells[4] == f"{len(silent(a))} of {a.shape[1]}"
            assert all(abs(float(cell) - wanted) < 6e-4 for cell, wanted in zip(cells[1:3], near, strict=True))
            assert cells[3] == f"{share(a == 0):.0%}"


# Depth and initialisation


def deep(weights: str | float, activation: str, seed: int = 0) -> Iterator[torch.Tensor]:
    """The outputs of ten layers on 512 random rows."""
    torch.manual_seed(seed)
    a = torch.randn(512, 256)
    for _ in range(LAYERS):
        W, b = nn.Linear(256, 256).parameters()
        with torch.no_grad():
            if weights != "default":
                W = torch.randn(256, 256).mul_(math.sqrt(2 / 256) if weights == "He" else weights)
                b = torch.zeros(256)
            z = F.linear(a, W, b)
            a = z.clamp(min=0) if activation == "relu" else torch.tanh(z)
        yield a


@cache
def deep_with_spreads(weights: str | float, activation: str) -> tuple[list[torch.Tensor], list[tuple[float, float]]]:
    outputs = list(deep(weights, activation))
    return outputs, [spreads(a) for a in outputs]


def relative(a: torch.Tensor, over_batch: float) -> float:
    return over_batch / math.sqrt(a.double().square().mean().item())


def initialisation_bench(weights: str | float, activation: str, layer: int) -> dict:
    outputs, both = deep_with_spreads(weights, activation)
    std, over_batch = zip(*both, strict=True)
    a = outputs[layer - 1]
    return {
        "std": list(std),
        "std over batch": list(over_batch),
        "relative to the rms": [relative(one, own) for one, own in zip(outputs, over_batch, strict=True)],
        "zero fraction": share(a == 0),
        "beyond 3": share(a.abs() > 3),
    }


def check_initialisation_bench(frames: dict) -> None:
    """Small numbers are right too, and the caption says those of its layer."""
    for (weights, activation, layer), frame in frames.items():
        outputs, wanted = deep_with_spreads(weights, activation)
        for name, which in (("std", 0), ("std over batch", 1)):
            for found, pair in zip(frame["values"][name], wanted, strict=True):
                assert math.isclose(found, pair[which], rel_tol=1e-3)  # small numbers too
        std, over_batch = wanted[layer - 1]
        a = outputs[layer - 1]
        caption = frame["caption"]
        assert f"Layer {layer} (grey line): std {std:.2g}, over the batch {over_batch:.2g}, relative" in caption
        assert f" relative to the rms {relative(a, over_batch):.2g}." in caption
        assert f" {share(a.abs() > 3):.0%} lie beyond −3 and 3" in caption
        near = f" {share(a.abs() > 0.99):.0%} within 0.01 of −1 or 1"
        assert (near in caption) == (activation == "tanh")


# The trained network


@torch.no_grad()
def stds(network: Trained, X: torch.Tensor) -> list[Rounded]:
    return [Rounded(spreads(a)[0], 1) for a in (network.first(X), network.second(X))]


@torch.no_grad()
def most_telling(
    name: str, network: Trained, X: torch.Tensor, true_logit: torch.Tensor, feature_names: tuple[str, ...]
) -> tuple[str, list]:
    """The unit that goes most with the true logit; and the feature that goes most with the unit, upwards."""
    units = network.second(X).T
    unit = max(range(32), key=lambda at: correlation(units[at], true_logit))
    best, feature = max(
        (correlation(units[unit], column), feature) for column, feature in zip(X.T, feature_names, strict=True)
    )
    return f"{name}, unit {unit}", [Rounded(best, 1), feature]


@torch.no_grad()
def training_length(
    epochs: int,
    training_X: torch.Tensor,
    training_y: torch.Tensor,
    validation_X: torch.Tensor,
    validation_y: torch.Tensor,
    true_logit: torch.Tensor,
) -> dict:
    network = networks_by_epoch(15, training_X, training_y)[epochs]
    a = network.second(validation_X).double()
    _, directions = torch.linalg.eigh((a - a.mean(0)).T @ (a - a.mean(0)))  # ascending
    found = {
        "AUROC, validation": auroc(network(validation_X, train=False), validation_y),
        "AUROC, training": auroc(network(training_X, train=False), training_y),
        "correlation": abs(correlation(a @ directions[:, -1], true_logit)),
    }
    return {name: Rounded(value, 1 if name == "correlation" else 2) for name, value in found.items()}


def check_training_length(frames: dict) -> None:
    """The caption says the values."""
    for (count,), frame in frames.items():
        values = frame["values"]
        assert f"After {count} epochs: AUROC {values['AUROC, validation']:.2f} on validation data" in frame["caption"]
        assert f"{values['AUROC, training']:.2f} on the patients it learned from" in frame["caption"]


def with_values(stays: int, age: int, X: torch.Tensor, feature_names: tuple[str, ...]) -> torch.Tensor:
    """Patient 0's row with these two features, standardised by their published means and stds."""
    x = X[:1].clone()
    x[0, feature_names.index("number_inpatient")] = (stays - 0.64) / 1.26
    x[0, feature_names.index("age")] = (age - 65.97) / 15.94
    return x


@torch.no_grad()
def another_patient(
    stays: int,
    age: int,
    training_X: torch.Tensor,
    training_y: torch.Tensor,
    validation_X: torch.Tensor,
    feature_names: tuple[str, ...],
) -> dict:
    network = networks_by_epoch(15, training_X, training_y)[5]
    x = with_values(stays, age, validation_X, feature_names)
    return {"risk": Rounded(torch.sigmoid(network(x, train=False)).item(), 2)}


@torch.no_grad()
def check_another_patient(
    frames: dict,
    training_X: torch.Tensor,
    training_y: torch.Tensor,
    validation_X: torch.Tensor,
    feature_names: tuple[str, ...],
) -> None:
    """The lines are this patient's activations, and the caption says the risk."""
    network = networks_by_epoch(15, training_X, training_y)[5]
    for (stays, age), frame in frames.items():
        x = with_values(stays, age, validation_X, feature_names)
        pictures = re.findall(r"<svg.*?</svg>", frame["html"], flags=re.S)
        for picture, a in zip(pictures, (network.first(x).clamp(min=0), network.second(x)), strict=True):
            check_drawn_line(picture, a[0])
        said = f"{stays} inpatient stays, {age} years old: risk {frame['values']['risk']:.2f}."
        assert said in frame["caption"]
