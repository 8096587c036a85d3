"""Trace your own model."""

import re

import torch
from torch import nn
from torch.nn import functional as F


def figures() -> list[dict]:
    calls = cnn_leaves(8)
    return [{"bytes": [size for _, size, _ in calls], "parameters": [count for *_, count in calls]}]


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


def check_tracing_bench(frames: dict) -> None:
    """Each row's numbers stand behind its bars, the sums in the caption, and every row is in the table."""
    for frame in frames.values():
        values = frame["values"]
        for count in (values["all bytes"], values["all parameters"]):
            assert f"{count:,}" in frame["caption"]
        assert sum(values["bytes"]) == values["all bytes"] and sum(values["parameters"]) == values["all parameters"]
        for label, *counts in zip(values["rows"], values["bytes"], values["parameters"], strict=True):
            assert all(f">{count:,}</text>" in frame["html"] for count in counts)
            assert re.search(rf"> *{re.escape(label)}</td>", frame["html"])
