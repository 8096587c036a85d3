"""Training against inference."""

import copy
import re

import torch
from torch.nn import functional as F

from expected.clinical_mlp import forward, layers
from expected.trained import Rounded, auroc, networks_by_epoch, one_thread

PASSES = 20


def figures(
    X: torch.Tensor,
    training_X: torch.Tensor,
    training_y: torch.Tensor,
    validation_X: torch.Tensor,
    validation_y: torch.Tensor,
) -> list[dict]:
    return [*forgotten(X[:16]), validations(training_X, training_y, validation_X[:500], validation_y[:500])]


@torch.no_grad()
def validations(
    training_X: torch.Tensor, training_y: torch.Tensor, X: torch.Tensor, y: torch.Tensor
) -> dict[str, Rounded]:
    """AUROCs in eval mode, and the mean of fifty in train mode for each batch size."""

    def trained():
        return copy.deepcopy(networks_by_epoch(5, training_X, training_y)[5])

    found = {"eval mode": Rounded(auroc(trained()(X, train=False), y), 2)}
    for size in (8, 32, 128):
        torch.manual_seed(0)
        total = 0.0
        for _ in range(50):
            network, logits = trained(), torch.empty(len(X), 1)
            with one_thread():
                for rows in torch.randperm(len(X)).split(size):
                    logits[rows] = network(X[rows], train=True)
            total += auroc(logits, y)
        found[f"mean, batches of {size}"] = Rounded(total / 50, 2)
    return found


def forgotten(X: torch.Tensor) -> list[dict]:
    torch.manual_seed(0)
    parts = layers()
    usual = forward(parts, X, train=False)["layer3"][0, 0].sigmoid()
    torch.manual_seed(1)
    risks = torch.stack([forward(parts, X, train=True)["layer3"][0, 0].sigmoid() for _ in range(200)])
    spread = (risks - risks.mean()).square().mean().sqrt()
    numbers = {"eval": usual, "mean": risks.mean(), "std": spread, "lowest": risks.min(), "highest": risks.max()}
    return [
        {"passes": 200, "threshold": 0.5, "above it": int((risks > 0.5).sum())}
        | {name: round(value.item(), 3) for name, value in numbers.items()}
    ]


def one_pass(parts: dict, X: torch.Tensor, train: bool, p: float) -> tuple[float, float]:
    """Patient 0's probability, and the largest change of a running statistic from a mean of 0 and a variance of 1."""
    moved = [0.0]

    def norm(name: str, z: torch.Tensor) -> torch.Tensor:
        mean, var = torch.zeros(1), torch.ones(1)
        if train:
            mean, var = z.mean(0), (z - z.mean(0)).square().mean(0)
            unbiased = var * len(z) / (len(z) - 1)
            moved.extend([(0.1 * mean).abs().max().item(), (0.1 * (unbiased - 1)).abs().max().item()])
        return (z - mean) / (var + 1e-5).sqrt() * parts[name].weight + parts[name].bias

    with torch.no_grad():
        a1 = norm("bn1", parts["layer1"](X)).clamp(min=0)
        a2 = norm("bn2", parts["layer2"](F.dropout(a1, p, training=train))).clamp(min=0)
        return parts["layer3"](a2)[0, 0].sigmoid().item(), max(moved)


def passes(mode: str, batch_size: int, p: float, X: torch.Tensor) -> list[tuple[float, float]]:
    torch.manual_seed(0)
    parts = layers()
    torch.manual_seed(0)
    return [one_pass(parts, X[:batch_size], mode == "train", p) for _ in range(PASSES)]


def switchboard(mode: str, context: str, batch_size: int, p: float, X: torch.Tensor) -> dict:
    train = mode == "train"
    if train and batch_size == 1:
        return {"error": "ValueError"}
    risks, moved = zip(*passes(mode, batch_size, p, X), strict=True)
    risks = torch.tensor(risks, dtype=torch.float64)
    floats = batch_size * (20 + 64 + 64 + 32 + 32)  # the input, z1, its relu, z2, its relu
    floats += 64 * 32 + 32 + 3 * (64 + 32)  # weights of layer2 and layer3; scales and running statistics
    if train:
        floats += 2 * (64 + 32)  # the batch's statistics
        floats += 2 * 64 * batch_size if p else 0  # dropout's mask and its output
    return {
        "passes": PASSES,
        "lowest": risks.min().item(),
        "highest": risks.max().item(),
        "spread": (risks - risks.mean()).square().mean().sqrt().item() if train and p else 0.0,
        "graph": context == "grad",
        "bytes saved": 4 * floats if context == "grad" else 0,
        "statistics moved": moved[0],
        "random state used": train and p > 0,
    }


def check_switchboard(frames: dict) -> None:
    """The caption, each lamp and each number says what the values say."""
    for (mode, context, _, p), frame in frames.items():
        marked = re.findall(r"<mark>(.*?)\n?</mark>", frame["html"], flags=re.S)
        values = frame["values"]
        if "error" in values:
            assert "Expected more than 1 value per channel when training" in frame["html"]
            assert context in frame["caption"] and ["self.bn1(z1)" in line for line in marked] == [True]
            continue
        trained = ["bn1", "drop", "bn2"] if p else ["bn1", "bn2"]
        assert [re.search(r"self\.(\w+)\(", line)[1] for line in marked] == (trained if mode == "train" else [])
        assert f" {values['lowest']:.3f}" in frame["caption"]
        assert ("each time" in frame["caption"]) == (values["spread"] == 0) == (mode == "eval" or p == 0)
        # Mode and dropout decide the first and the last lamp, the context the graph and its bytes, the mode the fourth.
        drops, records = mode == "train" and p > 0, context == "grad"
        check_lamps(frame, values, lit=[drops, records, records, mode == "train", drops])


def check_lamps(frame: dict, values: dict, lit: list[bool]) -> None:
    numbers = {
        "outputs differ": f"spread {values['spread']:.3g}",
        "graph built": "yes" if values["graph"] else "no",
        "bytes saved for backward": f"{values['bytes saved']:,}",
        "running statistics moved": f"by {values['statistics moved']:.3g}",
        "random state used": "yes" if values["random state used"] else "no",
    }
    texts = re.findall(r"<text([^>]*)>([^<]*)</text>", frame["html"])[-10:]
    assert dict(zip([words for _, words in texts[::2]], [number for _, number in texts[1::2]], strict=True)) == numbers
    assert ["font-weight: 700" in style for style, _ in texts] == [on for on in lit for _ in range(2)]
    lamps = re.findall(r"<use [^>]*>", frame["html"])[-5:]
    assert ["fill-opacity: 0" not in lamp for lamp in lamps] == lit
    said = (f"{words} {'lit' if is_lit else 'out'}" for words, is_lit in zip(numbers, lit, strict=True))
    assert all(words in frame["alt"] for words in said) and f"{sum(lit)} of the 5 lamps" in frame["caption"]
