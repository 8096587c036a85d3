"""Wrong answers to the exercise of this chapter, as people give them."""

from itertools import pairwise

import torch
from torch import nn

from fpcourse.checks.building import TOWER
from fpcourse.checks.forms import answer


def one_layer_outside(widths, p):
    class Tower(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(*widths[:2])
            self.others = [nn.Linear(*pair) for pair in pairwise(widths[1:])]

        def forward(self, X):
            return self.first(X)

    return Tower()


def dropped_by(*kinds):
    def tower(widths, p):
        layers = []
        for number, pair in enumerate(pairwise(widths)):
            kind = kinds[min(number, len(kinds) - 1)]
            layers += [nn.Linear(*pair), nn.ReLU(), kind(p)]
        return nn.Sequential(*layers[:-2])

    return tower


def nothing(p):
    return nn.Identity()


class Unscaled(nn.Dropout):
    def forward(self, A):
        return A * (torch.rand(A.shape) >= self.p) if self.training else A


def the_class_and_no_network(widths, p):
    return nn.Sequential


WRONG = {
    "tower": [
        (answer(TOWER[0], "100"), "not layers in a list, a tuple or a dictionary", None),
        (answer(TOWER[0], "002"), "Something is dropped in eval mode, too", None),
        (answer(TOWER[0], "020"), "nn.Dropout takes 0.5 by itself", None),
        (dropped_by(Unscaled), "What is kept is not divided by 1 − p", 27),
        (answer(TOWER[1], "01"), "A ReLU comes after the last layer", None),
        (answer(TOWER[1], "21"), "No ReLU comes after the hidden layers", 1),
        (one_layer_outside, "Some layer is not registered", None),
        (dropped_by(nothing), "Nothing is dropped.", None),
        (dropped_by(nn.Dropout, nothing), "Nothing is dropped after the last hidden layer", None),
        (dropped_by(nothing, nn.Dropout), "or its units are dropped together", None),
        (the_class_and_no_network, "Expected: an nn.Module", None),
    ],
}
