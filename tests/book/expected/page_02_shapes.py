"""Tensor shapes through a network."""

import torch

from expected.clinical_mlp import CALLS, forward, layers


def figures() -> list[dict]:
    outputs = list(forward(layers(), torch.zeros(16, 20), train=False).items())[1:]
    parts = layers()
    counts = [sum(p.numel() for p in parts[name].parameters()) if name in parts else 0 for name in CALLS]
    totals = [sum(out.nbytes for _, out in outputs) // 16 * batch for batch in (1, 16, 128, 1024)]
    return [
        {name: list(out.shape) for name, out in outputs},
        {"parameters": counts, "activation elements": [out.numel() for _, out in outputs]},
        {"batch sizes": [1, 16, 128, 1024], "activation bytes": totals, "parameter bytes": 4 * sum(counts)},
    ]


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


def check_shape_bench(frames: dict) -> None:
    """The numbers in caption, picture and table are those in the values."""
    for (batch, *_), frame in frames.items():
        values = frame["values"]
        if "error" in values:
            assert "mat1 and mat2 shapes cannot be multiplied" in frame["html"]
            assert f"({batch}x19" in frame["html"]
            continue
        for count in (values["parameters"], 4 * values["parameters"], values["output bytes"]):
            assert f"{count:,}" in frame["caption"]
        for rows, columns in values["shapes"]:
            assert f">({rows}, {columns})<" in frame["html"]
