"""The start page."""

import itertools
import re

import torch

from expected.clinical_mlp import CALLS, forward, layers


def figures() -> list[dict]:
    return [{}]  # a diagram


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


def check_batch_flow(frames: dict, X: torch.Tensor) -> None:
    """The numbers in the caption and the line in the picture are this tensor's."""
    for controls, frame in frames.items():
        _, tensor = batch_flow_tensor(*controls, X)
        zeros = (tensor == 0).float().mean().item()
        for text in (
            f"shape {tuple(tensor.shape)}",
            f"Zeros: {zeros:.0%} ",
            f"begins with {tensor[0, 0]:.2f}.".replace("-", "−"),
        ):
            assert text in frame["caption"]
        check_drawn_line(frame["html"], tensor[0])


def check_drawn_line(html: str, row: torch.Tensor) -> None:
    """The line in the picture is this row of numbers, not another: read off its path, up to the axis' scale."""
    (path,) = re.findall(r'<path d="([^"]*)"[^>]*stroke: var\(--fp-hidden', html)
    points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
    (left, zero), (right, _) = points[0], points[-1]  # it begins and ends at 0
    middles = [left + (right - left) * (unit + 0.5) / len(row) for unit in range(len(row))]
    flat = [(x, there, y) for (x, y), (there, _) in itertools.pairwise(points) if there > x]
    heights = torch.tensor([next(y for x, there, y in flat if x <= middle <= there) for middle in middles])
    tallest = row.abs().argmax()
    scale = (heights[tallest] - zero) / row[tallest]
    assert scale < 0, "a larger value must stand higher"
    assert (zero + scale * row - heights).abs().max() < 0.4
