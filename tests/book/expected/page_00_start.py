"""The start page."""

import torch

from expected.clinical_mlp import forward, trained_layers


def figures(X: torch.Tensor) -> list[dict]:
    out = forward(trained_layers(), X[:16], train=False)
    logit = out["layer3"][0, 0]
    numbers = {"logit": logit, "risk": torch.sigmoid(logit), "first unit of layer1": out["layer1"][0, 0]}
    return [{name: float(f"{value:.6g}") for name, value in numbers.items()}]
