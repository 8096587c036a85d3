"""The clinic. The networks are trained once more, in plain torch."""

import torch
from torch import nn
from torch.nn import functional as F

from expected.clinical_mlp import layers


def figures(X: torch.Tensor, training_X: torch.Tensor, training_y: torch.Tensor) -> list[dict]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trained = Trained(training_X, training_y)
    finally:
        torch.set_num_threads(threads)
    third = below_zero(trained, X)  # before the passes in train mode, which move what BatchNorm remembers
    return [calls_of_patient_0(trained, X[:16]), dead_units(X), third]


class Trained:
    """The article's network in functional calls, after five passes over the patients for training."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor):
        torch.manual_seed(0)
        self.parts = layers()
        self.memory = {name: (torch.zeros(n), torch.ones(n)) for name, n in (("bn1", 64), ("bn2", 32))}
        parameters = [p for name in ("layer1", "layer2", "layer3", "bn1", "bn2") for p in self.parts[name].parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0)
        for _ in range(5):
            for rows in torch.randperm(len(X)).split(256):
                optimizer.zero_grad()
                F.binary_cross_entropy_with_logits(self(X[rows], train=True), y[rows]).backward()
                optimizer.step()

    def norm(self, name: str, z: torch.Tensor, train: bool) -> torch.Tensor:
        mean, var = self.memory[name]
        if train:
            with torch.no_grad():
                self.memory[name] = (0.9 * mean + 0.1 * z.mean(0), 0.9 * var + 0.1 * z.var(0))
            mean, var = z.mean(0), z.var(0, unbiased=False)
        return (z - mean) / torch.sqrt(var + 1e-5) * self.parts[name].weight + self.parts[name].bias

    def first(self, X: torch.Tensor, train: bool = False) -> torch.Tensor:
        """What leaves ``bn1``."""
        return self.norm("bn1", self.parts["layer1"](X), train)

    def __call__(self, X: torch.Tensor, train: bool) -> torch.Tensor:
        a1 = F.dropout(self.first(X, train).clamp(min=0), 0.3, training=train)
        return self.parts["layer3"](self.norm("bn2", self.parts["layer2"](a1), train).clamp(min=0))


@torch.no_grad()
def calls_of_patient_0(network: Trained, X: torch.Tensor) -> dict:
    in_eval = torch.sigmoid(network(X, train=False)[0, 0])
    torch.manual_seed(1)
    risks = torch.stack([torch.sigmoid(network(X, train=True)[0, 0]) for _ in range(20)])
    numbers = {"eval mode": in_eval, "lowest": risks.min(), "highest": risks.max()}
    return {"calls": 20} | {name: round(value.item(), 2) for name, value in numbers.items()}


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
        "share below 0, as a clone": round((a1 < 0).float().mean().item(), 2),
    }
