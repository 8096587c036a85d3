"""The checker of the exercise on building a module: tower."""

from itertools import pairwise

import torch
from torch import nn

from fpcourse.checks.exercises import Attempt, Suspect, exercise, same
from fpcourse.checks.forms import Gaps

TOWER = (
    Gaps(
        """
        def tower(widths, p):
            class Tower(nn.Module):
                def __init__(self):
                    super().__init__()
                    pairs = zip(widths, widths[1:])
                    self.layers = ⟦nn.ModuleList | list⟧(nn.Linear(*pair) for pair in pairs)
                    self.drop = ⟦= nn.Dropout(p) | p | nn.Dropout() | nn.Dropout(p=p)⟧

                def forward(self, A):
                    for layer in self.layers[:-1]:
                        A = torch.relu(layer(A))
                        A = ⟦self.drop(A) | F.dropout(A, self.drop, self.training) | F.dropout(A, p) | nn.Dropout(p)(A)⟧
                    return self.layers[-1](A)

            return Tower()
        """,
        also_right=("011", "030"),  # the number in place of the module, and a function that is told the mode
    ),
    Gaps(
        """
        def tower(widths, p):
            layers = []
            for n_in, n_out in zip(widths, widths[1:]):
                layers += ⟦[nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(p)]
                    | [nn.ReLU(), nn.Dropout(p), nn.Linear(n_in, n_out)]
                    | [nn.Linear(n_in, n_out), nn.Dropout(p)]⟧
            return nn.Sequential(*layers⟦[:-2] | [:-1] | [:]⟧)
        """
    ),
)


@exercise(then="What would the names in its state_dict() be if one more layer were put in front?", forms=TOWER)
def tower(attempt: Attempt) -> None:
    """What the module registers, what it computes in eval mode, and what it drops in train mode, unit by unit."""
    for widths, p in (([7, 5, 4, 1], 0.5), ([3, 6, 2], 0.3), ([5, 2], 0.0)):
        model = _registered(attempt, widths, p)
        _check_eval(attempt, model, widths, f"{attempt.name}({widths}, {p})")
        if p:
            _check_train(attempt, _registered(attempt, [4, 2, 1, 1], p), p, f"{attempt.name}([4, 2, 1, 1], {p})")


def _registered(attempt: Attempt, widths: list[int], p: float) -> nn.Module:
    """The reader's module, once its parameters are made sure of."""
    model = attempt(list(widths), p)
    attempt.require(isinstance(model, nn.Module), model, "an nn.Module")
    attempt.tried = f"the parameters() of {attempt.name}({widths}, {p})"
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    expected = [shape for n_in, n_out in pairwise(widths) for shape in ((n_out, n_in), (n_out,))]
    looks_like = ""
    if not shapes:
        looks_like = "A module finds layers that are its own attributes, not layers in a list, a tuple or a dictionary."
    elif len(shapes) < len(expected):
        looks_like = "Some layer is not registered, or is not there."
    attempt.require(shapes == expected, f"shapes {shapes}", f"shapes {expected}", looks_like)
    return model


def _check_eval(attempt: Attempt, model: nn.Module, widths: list[int], tried: str) -> None:
    """Against plain functions of the same weights."""
    X, weights = torch.randn(40, widths[0]), [parameter.detach() for parameter in model.parameters()]
    given = X.clone()

    def by_hand(last: bool = False, relu: bool = True) -> torch.Tensor:
        A, layers = X, list(zip(weights[::2], weights[1::2], strict=True))
        for number, (W, b) in enumerate(layers, start=1):
            A = A @ W.T + b
            if relu and (number < len(layers) or last):
                A = torch.relu(A)
        return A

    weights[-1] -= by_hand().median()  # outputs on both sides of 0
    with attempt.running(f"{tried} in eval mode, twice"):
        still, repeated = model.eval()(X), model(X)
    drops = "Something is dropped in eval mode, too: what makes it ask for the mode?"
    attempt.require(same(still, repeated), "two different outputs", "the same output twice", drops)
    attempt.tried = f"{tried} in eval mode"
    suspects = [
        Suspect(by_hand(last=True), "A ReLU comes after the last layer: no output is below 0."),
        Suspect(by_hand(relu=False), "No ReLU comes after the hidden layers.", 1),
    ]
    attempt.equal(still, by_hand(), suspects, what="the output")
    attempt.require(same(X, given), "another X than before", "X as it was given")


def _check_train(attempt: Attempt, model: nn.Module, p: float, tried: str) -> None:
    """Two units of 1, then one of 100, and of 1 and 10 more for each of the two: so the output says what was kept."""
    W, b, W2, b2, W3, b3 = (parameter.detach() for parameter in model.parameters())
    for parameter, value in ((W, 0), (b, 1), (b2, 100), (W3, 1), (b3, -9)):
        parameter.fill_(value)
    W2.copy_(torch.tensor([[1.0, 10.0]]))
    with attempt.running(f"{tried} in train mode, on 4,000 equal rows"):
        last = model.train()(torch.rand(1, 4).expand(4000, 4)).detach() + 9
    kept, share = last[last.abs() > 1e-3], (last.abs() <= 1e-3).float().mean().item()
    attempt.require(last.min() < last.max(), "no hidden value dropped", f"a share near {p}", "Nothing is dropped.")
    says = "Nothing is dropped after the last hidden layer." if not share else ""
    says = "nn.Dropout takes 0.5 by itself." if abs(share - 0.5) < 0.04 else says
    attempt.require(abs(share - p) < 0.04, f"a share of {share:.2f} dropped", f"a share near {p}", says)
    found, scale = kept.round(decimals=2).unique(), 1 / (1 - p)
    expected = torch.tensor([scale * (100 + scale * more) for more in (0, 1, 10, 11)])
    together = "After the first hidden layer nothing is dropped, or its units are dropped together."
    attempt.require(len(found) == 4, f"{len(found)} different sums", "4, as two units are kept or not", together)
    unscaled = [Suspect(torch.tensor([100.0, 101, 110, 111]), "What is kept is not divided by 1 − p.", 27)]
    attempt.equal(found, expected.round(decimals=2), unscaled, what="what two layers make of what is kept")
