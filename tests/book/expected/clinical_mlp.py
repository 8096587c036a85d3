"""The article's network in functional calls."""

import torch
from refresh import ROOT
from torch import nn
from torch.nn import functional as F

CALLS = ["layer1", "bn1", "relu:1", "drop", "layer2", "bn2", "relu:2", "layer3"]


def layers(widths: tuple[int, int] = (64, 32)) -> dict[str, nn.Module]:
    """The article's layers, made in the article's order, so that a seed gives the same weights."""
    first, second = widths
    return {
        "layer1": nn.Linear(20, first),
        "layer2": nn.Linear(first, second),
        "layer3": nn.Linear(second, 1),
        "bn1": nn.BatchNorm1d(first),
        "bn2": nn.BatchNorm1d(second),
    }


def trained_layers() -> dict[str, nn.Module]:
    """The same with the weights and statistics that ship with the package."""
    parts, shipped = layers(), torch.load(ROOT / "fpcourse/weights/clinical_mlp.pt", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict({key.split(".")[1]: value for key, value in shipped.items() if key.startswith(f"{name}.")})
    return parts


def forward(parts: dict[str, nn.Module], X: torch.Tensor, train: bool) -> dict[str, torch.Tensor]:
    """Every intermediate of one pass, by label, from functional calls."""
    out = {"input": X}

    def norm(name: str, z: torch.Tensor) -> torch.Tensor:
        part = parts[name]
        mean, var = (z.mean(0), z.var(0, unbiased=False)) if train else (part.running_mean, part.running_var)
        return (z - mean) / torch.sqrt(var + 1e-5) * part.weight + part.bias

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ parts[name].weight.T + parts[name].bias

    with torch.no_grad():
        out["layer1"] = linear("layer1", X)
        out["bn1"] = norm("bn1", out["layer1"])
        out["relu:1"] = out["bn1"].clamp(min=0)
        out["drop"] = F.dropout(out["relu:1"], 0.3, training=train)
        out["layer2"] = linear("layer2", out["drop"])
        out["bn2"] = norm("bn2", out["layer2"])
        out["relu:2"] = out["bn2"].clamp(min=0)
        out["layer3"] = linear("layer3", out["relu:2"])
    return out
