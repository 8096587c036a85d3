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


def block(inside: int, outside: int) -> nn.ModuleDict:
    """The layers of a residual block that hold weights."""
    return nn.ModuleDict(
        {
            "conv1": nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
            "bn1": nn.BatchNorm2d(outside),
            "conv2": nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            "bn2": nn.BatchNorm2d(outside),
            "shortcut": nn.Conv2d(inside, outside, 1, stride=2, bias=False),
        }
    )


def cnn_leaves(batch_size: int) -> list[tuple[str, int, int]]:
    """Name, bytes of output and parameters of each call, step by step."""
    done = []

    def run(name: str, function, *inputs: torch.Tensor, module: nn.Module | None = None) -> torch.Tensor:
        out = function(*inputs)
        done.append((name, out.nbytes, sum(p.numel() for p in module.parameters()) if module else 0))
        return out

    stem = {"stem.0": nn.Conv2d(3, 16, 3, padding=1, bias=False), "stem.1": nn.BatchNorm2d(16)}
    fc = nn.Linear(64, 10)
    with torch.no_grad():
        x = torch.zeros(batch_size, 3, 32, 32)
        for name, module in stem.items():
            x = run(name, module, x, module=module)
        x = run("stem.2", F.relu, x)
        for stage, parts in (("stage1", block(16, 32)), ("stage2", block(32, 64))):
            came = x
            for name in ("conv1", "bn1"):
                x = run(f"{stage}.{name}", parts[name], x, module=parts[name])
            x = run(f"{stage}.relu:1", F.relu, x)
            for name in ("conv2", "bn2"):
                x = run(f"{stage}.{name}", parts[name], x, module=parts[name])
            around = run(f"{stage}.shortcut", parts["shortcut"], came, module=parts["shortcut"])
            x = run(f"{stage}.relu:2", F.relu, x + around)
        x = run("pool", lambda images: images.mean((2, 3), keepdim=True), x)
        run("fc", fc, x.flatten(1), module=fc)
    return done


def lstm_leaves(batch_size: int) -> list[tuple[str, int, int]]:
    lengths = ([5, 3, 2, 2] * 8)[:batch_size]
    # float32 rows of 32, then whole numbers of 8 bytes: sentences a step, an order and its inverse; two states.
    packed = 4 * 32 * sum(lengths) + 8 * (max(lengths) + 2 * batch_size) + 2 * 4 * 32 * batch_size
    weights = 4 * 32 * (16 + 32 + 2)  # four gates: from the input, from the state, two biases
    return [("embed", 4 * batch_size * 5 * 16, 1600), ("lstm", packed, weights), ("head", 4 * batch_size * 2, 66)]


def transformer_leaves(batch_size: int) -> list[tuple[str, int, int]]:
    narrow, wide = 4 * batch_size * 10 * 32, 4 * batch_size * 10 * 64
    attention = 4 * (32 * 32 + 32)  # queries, keys, values and the projection of the output
    one_layer = [
        ("self_attn", narrow, attention),
        ("dropout1", narrow, 0),
        ("norm1", narrow, 64),
        ("linear1", wide, 64 * 32 + 64),
        ("dropout", wide, 0),
        ("linear2", narrow, 32 * 64 + 32),
        ("dropout2", narrow, 0),
        ("norm2", narrow, 64),
    ]
    return [(f"layers.{number}.{name}", *counts) for number in (0, 1) for name, *counts in one_layer]


def tracing_bench(model: str, batch_size: int, depth: int) -> dict:
    leaves, whole = {
        "cnn": (cnn_leaves, "SmallResNet"),
        "lstm": (lstm_leaves, "SentenceReader"),
        "transformer": (transformer_leaves, "TransformerEncoder"),
    }[model]
    calls = leaves(batch_size)
    rows: dict[str, list[int]] = {}
    for name, size, count in calls:
        # The list that holds an encoder's layers is never called, so its name is no level of its own.
        levels = [whole, name.rpartition(".")[0] or name, name]
        row = rows.setdefault(levels[depth], [0, 0])
        row[0] += size
        row[1] += count
    return {
        "rows": list(rows),
        "bytes": [size for size, _ in rows.values()],
        "parameters": [count for _, count in rows.values()],
        "leaf calls": len(calls),
        "all bytes": sum(size for _, size, _ in calls),
        "all parameters": sum(count for *_, count in calls),
    }


def figures(path: str) -> list[dict]:
    """The values of the page's other figures, in order; a diagram has none."""
    if path == "book/00_start.html":
        return [{}]
    if path == "book/08_trace_your_own.html":
        calls = cnn_leaves(8)
        return [{"bytes": [size for _, size, _ in calls], "parameters": [count for *_, count in calls]}]
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
