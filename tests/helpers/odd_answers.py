"""Answers that nobody expects, for the checkers to survive; and a way to check a function under another name."""

import torch
from torch import nn

from fpcourse.checks import Verdict, check


def verdict_on(function, name) -> Verdict:
    """The verdict on a function as an answer to the exercise of that name."""
    function.__name__ = name
    return check(function)


class Unreadable:
    """An object whose repr and comparison raise."""

    def __repr__(self):
        raise ValueError("no repr")

    def __eq__(self, other):
        raise ValueError("no comparison")

    __hash__ = None


ODD = [
    None,
    True,
    3,
    float("nan"),
    "z1",
    (1, 2),
    (None, None),
    [],
    {},
    [[[]]] * 7,
    [("relu",)] * 6,
    {1: 2, None: 3},
    {"activations": torch.ones(2), "parameters": float("inf")},
    (number for number in range(3)),
    torch.ones(2, 3, requires_grad=True),
    (torch.ones(2, 3, requires_grad=True), torch.ones(2, dtype=torch.complex64)),
    [torch.ones(7, 4), "text"],
    torch.empty((), device="meta"),
    torch.eye(3).to_sparse(),
    torch.ones(3).numpy(),
    nn.ReLU().eval(),
    (nn.LazyLinear(3), 5),
    (nn.Sequential(nn.Linear(2, 3)), torch.ones(3)),
    (nn.Linear, nn.ReLU),
    len,
    Unreadable(),
]
