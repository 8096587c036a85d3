"""The article's network trained once more in plain torch, by functional calls; and what its risks are worth."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional as F

from expected.clinical_mlp import layers


@dataclass(frozen=True)
class Rounded:
    """Equal to a number that is this one rounded, give or take what another order of the sums makes of the training."""

    value: float
    digits: int

    def __eq__(self, shown: object) -> bool:
        return isinstance(shown, (int, float)) and abs(shown - self.value) <= 0.6 * 10**-self.digits


class Trained:
    """The network from seed 0 on; ``learn`` is one pass over the patients for training."""

    def __init__(self):
        self.parts = layers()
        self.memory = {name: (torch.zeros(n), torch.ones(n)) for name, n in (("bn1", 64), ("bn2", 32))}
        parameters = [p for name in ("layer1", "layer2", "layer3", "bn1", "bn2") for p in self.parts[name].parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0)

    def learn(self, X: torch.Tensor, y: torch.Tensor) -> None:
        for rows in torch.randperm(len(X)).split(256):
            self.optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(self(X[rows], train=True), y[rows]).backward()
            self.optimizer.step()

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

    def second(self, X: torch.Tensor, train: bool = False) -> torch.Tensor:
        """What leaves the second ReLU."""
        a1 = F.dropout(self.first(X, train).clamp(min=0), 0.3, training=train)
        return self.norm("bn2", self.parts["layer2"](a1), train).clamp(min=0)

    def __call__(self, X: torch.Tensor, train: bool) -> torch.Tensor:
        return self.parts["layer3"](self.second(X, train))


@cache
def networks_by_epoch(count: int, X: torch.Tensor, y: torch.Tensor) -> list[Trained]:
    """The network before training and after each epoch."""
    with one_thread(), torch.enable_grad():
        torch.manual_seed(0)
        network = Trained()
        networks = [_snapshot(network)]
        for _ in range(count):
            network.learn(X, y)
            networks.append(_snapshot(network))
    return networks


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch adds in one order, whatever the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _snapshot(network: Trained) -> Trained:
    kept = copy.copy(network)
    kept.parts, kept.memory = copy.deepcopy(network.parts), dict(network.memory)
    return kept


def auroc(scores: torch.Tensor, y: torch.Tensor) -> float:
    """By its definition: over all pairs of a readmitted patient and another, a tie counting a half."""
    scores, readmitted = scores.detach().flatten().double(), y.flatten() == 1
    gaps = scores[readmitted].unsqueeze(1) - scores[~readmitted]
    return ((gaps > 0).double() + (gaps == 0).double() / 2).mean().item()


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return (a @ b / (a.square().sum() * b.square().sum()).sqrt()).item()
