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


ODD = {
    "None": None,
    "a string": "z1",
    "a number": 3,
    "nan": float("nan"),
    "a tuple": (1, 2),
    "a pair of None": (None, None),
    "an empty list": [],
    "an empty dictionary": {},
    "a dictionary of numbers": {1: 2, None: 3},
    "a generator": (number for number in range(3)),
    "a tensor": torch.ones(2, 3, requires_grad=True),
    "a pair of tensors": (torch.ones(2, 3, requires_grad=True), torch.ones(2, dtype=torch.complex64)),
    "a meta tensor": torch.empty((), device="meta"),
    "a sparse tensor": torch.eye(3).to_sparse(),
    "an array": torch.ones(3).numpy(),
    "a model": nn.Linear(2, 3),
    "an uninitialised model": (nn.LazyLinear(3), 5),
    "a model and a tensor": (nn.Sequential(nn.Linear(2, 3)), torch.ones(3)),
    "a class": (nn.Linear, nn.ReLU),
    "the function itself": check,
    "an object without repr": Unreadable(),
}
