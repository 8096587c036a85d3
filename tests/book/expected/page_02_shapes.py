"""Tensor shapes through a network."""

import torch
from torch import nn

from expected.clinical_mlp import forward, layers
from fpcourse import patients


def figures() -> list[dict]:
    parts = layers()
    outputs = list(forward(parts, torch.zeros(1, 20), train=False).items())[1:]
    own = sum(out.nbytes for name, out in outputs if name != "drop")  # which returns its input in eval mode
    batches = [1, 16, 128, 1024]
    parameters = sum(p.nbytes for part in parts.values() for p in part.parameters())
    return [
        two_networks(),
        {
            "batch sizes": batches,
            "activation bytes": [own * batch for batch in batches],
            "parameter bytes": parameters,
            "outputs are ahead from": min(n for n in range(1, 100) if n * own > parameters),
        },
    ]


def two_networks() -> dict:
    """Trained in float64, with the two ways to pair risks and outcomes written as an explicit axis."""
    values = {}
    known, others = patients(4000, seed=1), patients(2000, seed=2)
    for name, pairs in (("A", "i,i->i"), ("B", "i,j->ij")):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1)).double()
        adam, losses = torch.optim.Adam(net.parameters(), lr=0.01), []
        for _ in range(200):
            rows = torch.randperm(4000)[:256]
            risk, y = torch.sigmoid(net(known.X[rows].double()))[:, 0], known.y[rows, 0].double()
            one = torch.ones_like(y)
            loss = (torch.einsum(pairs, risk, one) - torch.einsum(pairs, one, y)).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        risks = torch.sigmoid(net(others.X.double()))
        numbers = risks.min(), risks.max(), losses[0], sum(losses[-20:]) / 20
        values[name] = [f"{number:.3f}" for number in numbers]
    return values


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
        "output bytes": 4 * sum(rows * columns for rows, columns in shapes[1:]),  # drop's is its input
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
