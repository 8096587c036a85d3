"""What is drawn, read off a picture."""

import itertools
import re

import torch


def check_drawn_line(html: str, row: torch.Tensor) -> None:
    """The line in the picture is this row of numbers, not another: read off its path, up to the axis' scale."""
    path, _ = re.findall(r'<path d="([^"]*)"[^>]*stroke: var\(--fp-hidden', html)  # the other is the legend's
    points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
    (left, zero), (right, _) = points[0], points[-1]  # it begins and ends at 0
    middles = [left + (right - left) * (unit + 0.5) / len(row) for unit in range(len(row))]
    flat = [(x, there, y) for (x, y), (there, _) in itertools.pairwise(points) if there > x]
    heights = torch.tensor([next(y for x, there, y in flat if x <= middle <= there) for middle in middles])
    tallest = row.abs().argmax()
    scale = (heights[tallest] - zero) / row[tallest]
    assert scale < 0, "a larger value must stand higher"
    assert (zero + scale * row - heights).abs().max() < 0.4
