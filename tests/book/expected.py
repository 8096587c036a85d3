"""The numbers of the book's explorables, once more, in plain torch: fpcourse is not imported here.

Each function takes an explorable's controls and returns the values that the page must show.
"""

import torch
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


def forward(parts: dict[str, nn.Module], X: torch.Tensor, train: bool) -> dict[str, torch.Tensor]:
    """Every intermediate of one pass, by label, from functional calls."""
    out = {"input": X}

    def norm(name: str, z: torch.Tensor) -> torch.Tensor:
        mean, var = (z.mean(0), z.var(0, unbiased=False)) if train else (torch.zeros(1), torch.ones(1))
        return (z - mean) / torch.sqrt(var + 1e-5) * parts[name].weight + parts[name].bias

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


def batch_flow_tensor(step: int, batch_size: int, mode: str, X: torch.Tensor) -> tuple[str, torch.Tensor]:
    """The tensor of one step and its label; ``X`` holds the cohort's first rows."""
    torch.manual_seed(0)
    label = ["input", *CALLS][step]
    return label, forward(layers(), X[:batch_size], mode == "train")[label]


def batch_flow(step: int, batch_size: int, mode: str, X: torch.Tensor) -> dict:
    label, values = batch_flow_tensor(step, batch_size, mode, X)
    return {
        "tensor": label,
        "shape": list(values.shape),
        "patient 0, first values": values[0, :3].tolist(),
        "batch mean": values.mean().item(),
        "share of zeros": (values == 0).float().mean().item(),
    }


def shape_bench(batch_size: int, width_1: int, width_2: int, features: int) -> dict:
    if features != 20:
        return {"error": "RuntimeError", "calls that worked": 0}
    shapes = [[batch_size, width_1]] * 4 + [[batch_size, width_2]] * 3 + [[batch_size, 1]]
    weights = 20 * width_1 + width_1 * width_2 + width_2
    biases = width_1 + width_2 + 1
    norms = 2 * width_1 + 2 * width_2
    return {
        "shapes": shapes,
        "parameters": weights + biases + norms,
        "parameter bytes": 4 * (weights + biases + norms),
        "output bytes": 4 * sum(rows * columns for rows, columns in shapes),
    }


def figures(path: str) -> list[dict]:
    """The values of the page's other figures, in order; a diagram has none."""
    if path == "book/00_start.html":
        return [{}]
    if path != "book/02_shapes.html":
        return []
    outputs = list(forward(layers(), torch.zeros(16, 20), train=False).items())[1:]
    parts = layers()
    counts = [sum(p.numel() for p in parts[name].parameters()) if name in parts else 0 for name in CALLS]
    totals = [sum(out.nbytes for _, out in outputs) // 16 * batch for batch in (1, 16, 128, 1024)]
    return [
        {name: list(out.shape) for name, out in outputs},
        {"parameters": counts, "activation elements": [out.numel() for _, out in outputs]},
        {"batch sizes": [1, 16, 128, 1024], "activation bytes": totals, "parameter bytes": 4 * sum(counts)},
    ]
