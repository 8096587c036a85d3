"""Build it and train it."""

import torch

from expected.clinical_mlp import forward, layers


def figures() -> list[dict]:
    outputs = list(forward(layers(), torch.zeros(16, 20), train=False).items())[1:]
    return [{name: list(out.shape) for name, out in outputs}]
