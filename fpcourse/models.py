"""The networks of the course: the article's ClinicalMLP and a plain multilayer perceptron."""

from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from itertools import pairwise

import torch
from torch import nn


class ClinicalMLP(nn.Module):
    """The article's network: clinical features in, one raw logit for readmission within 30 days out.

    Shapes: ``(batch, n_features)`` in, ``(batch, 1)`` out. Apply ``torch.sigmoid`` to the logit for a
    probability. There is one ``relu``, called twice, and no dropout after the second call.

    Source of the architecture and its names: Asma Hafeez Khan, "The Forward Pass", Learnixo, 2026.

    Raises:
        ValueError: a width is not a positive whole number, or ``hidden`` does not hold two of them.

    Example:
        >>> from fpcourse import ClinicalMLP, patients
        >>> ClinicalMLP()(patients(16).X).shape
        torch.Size([16, 1])
    """

    def __init__(self, n_features: int = 20, hidden: tuple[int, int] = (64, 32), p: float = 0.3):
        super().__init__()
        if not isinstance(hidden, Sequence) or len(hidden) != 2:
            raise ValueError(f"hidden must hold the two hidden widths, e.g. (64, 32); got {hidden!r}")
        first, second = _check_widths((n_features, *hidden))[1:]
        self.layer1 = nn.Linear(n_features, first)
        self.layer2 = nn.Linear(first, second)
        self.layer3 = nn.Linear(second, 1)
        self.relu = nn.ReLU()
        self.bn1 = nn.BatchNorm1d(first)
        self.bn2 = nn.BatchNorm1d(second)
        self.drop = nn.Dropout(p=p)

    @classmethod
    def trained(cls) -> "ClinicalMLP":
        """The network as training left it, in eval mode, anew at each call: the same numbers on every machine.

        Its weights come with the package. It learned from made-up patients, ``patients(4000, seed=1)``; how, and what
        its risks are worth, stands in ``fpcourse/weights/README.md``.

        Example:
            >>> from fpcourse import ClinicalMLP, patients
            >>> ClinicalMLP.trained()(patients(16).X)[0].sigmoid().item()  # doctest: +ELLIPSIS
            0.12...
        """
        with as_file(files("fpcourse") / "weights" / "clinical_mlp.pt") as path:
            weights = torch.load(path, weights_only=True)
        with torch.device("meta"):  # which draws no random weights first
            model = cls()
        model.load_state_dict(weights, assign=True)
        return model.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z1 = self.layer1(x)  # (batch, 64)
        z1 = self.bn1(z1)  # (batch, 64)
        a1 = self.relu(z1)  # (batch, 64)
        a1 = self.drop(a1)  # (batch, 64)
        z2 = self.layer2(a1)  # (batch, 32)
        z2 = self.bn2(z2)  # (batch, 32)
        a2 = self.relu(z2)  # (batch, 32)
        return self.layer3(a2)  # (batch, 1), a raw logit


def mlp(widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given ``widths``, an activation after each but the last.

    ``mlp([64, 256, 10])`` is Linear(64, 256), ReLU, Linear(256, 10): ``(batch, 64)`` to ``(batch, 10)``.

    Raises:
        ValueError: fewer than two widths, or a width that is not a positive whole number.

    Example:
        >>> from torch import nn
        >>> from fpcourse import mlp
        >>> [type(layer).__name__ for layer in mlp([20, 64, 32, 1], nn.Tanh)]
        ['Linear', 'Tanh', 'Linear', 'Tanh', 'Linear']
    """
    widths = _check_widths(widths)
    if len(widths) < 2:
        raise ValueError(f"widths must name an input and an output width, e.g. [20, 1]; got {list(widths)}")
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def _check_widths(widths: Sequence[int]) -> tuple[int, ...]:
    for width in widths:
        if not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise ValueError(f"a layer width must be a positive whole number; got {width!r} in {tuple(widths)}")
    return tuple(widths)
