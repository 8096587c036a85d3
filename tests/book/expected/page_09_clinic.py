"""The clinic. The networks are trained once more, in plain torch."""

import copy

import torch
from torch import nn

from expected.trained import Rounded, Trained, networks_by_epoch


def figures(X: torch.Tensor, training_X: torch.Tensor, training_y: torch.Tensor) -> list[dict]:
    trained = networks_by_epoch(5, training_X, training_y)[5]
    # A copy for the passes in train mode, which move what BatchNorm remembers.
    return [calls_of_patient_0(copy.deepcopy(trained), X[:16]), dead_units(X), below_zero(trained, X)]


@torch.no_grad()
def calls_of_patient_0(network: Trained, X: torch.Tensor) -> dict:
    in_eval = torch.sigmoid(network(X, train=False)[0, 0])
    torch.manual_seed(1)
    risks = torch.stack([torch.sigmoid(network(X, train=True)[0, 0]) for _ in range(20)])
    numbers = {"eval mode": in_eval, "lowest": risks.min(), "highest": risks.max()}
    return {"calls": 20} | {name: Rounded(value.item(), 2) for name, value in numbers.items()}


@torch.no_grad()
def dead_units(X: torch.Tensor) -> dict:
    """Below a ReLU that passes nothing no weight moves, so the seed's are those of after the training."""
    torch.manual_seed(10)
    first, second, third = nn.Linear(20, 32), nn.Linear(32, 32), nn.Linear(32, 32)
    a1 = first(X).clamp(min=0)
    a2 = second(a1).clamp(min=0)
    a3 = (a2 @ -third.weight.abs().T - third.bias.abs()).clamp(min=0)
    return {"units that are 0 for all, of 32": [int((a == 0).all(0).sum()) for a in (a1, a2, a3)]}


@torch.no_grad()
def below_zero(network: Trained, X: torch.Tensor) -> dict:
    a1 = network.first(X)
    return {
        "share below 0, kept as it is": (a1.clamp(min=0) < 0).float().mean().item(),
        "share below 0, as a clone": Rounded((a1 < 0).float().mean().item(), 2),
    }
