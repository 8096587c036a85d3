"""layer_stepper_of: a layer for a batch, computed one multiplication at a time."""

import inspect
import math
import textwrap
from collections.abc import Callable

import torch

from fpcourse import plots
from fpcourse.page.listing import Listing
from fpcourse.page.view import View

PARTS = 5  # of a cell of Z with three features: a product each, the bias, the activation


def layer_stepper_of(X: torch.Tensor, W: torch.Tensor, b: torch.Tensor, layer: Callable) -> Callable[..., View]:
    """The draw function for X (batch, 3), W (units, 3) and b (units,); ``layer`` is the page's own nested loop."""
    source = _loops(layer)
    last = len(X) * len(W) * PARTS

    def layer_stepper(step: int, activation: str) -> View:
        Z, A = torch.full((2, len(X), len(W)), torch.nan)
        for count in range(step):
            (i, j), part = divmod(count // PARTS, len(W)), count % PARTS
            if part == 0:
                Z[i, j], sums = 0, []
            if part < 4:
                added = X[i, part] * W[j, part] if part < 3 else b[j]
                Z[i, j] += added
                sums.append(Z[i, j].item())
            else:
                A[i, j] = getattr(torch, activation)(Z[i, j])
        if part < 3:
            text = (
                f"Feature {part}: {X[i, part]:g} · {W[j, part]:g} = {added:g} is added, the sum so far is {Z[i, j]:g}."
            )
        elif part == 3:
            text = f"The bias of unit {j}, {added:g}, is added: Z[{i}, {j}] = {Z[i, j]:g}."
        else:
            text = f"{activation}({Z[i, j]:g}) = {A[i, j]:.3g}."
        return View(
            (plots.layer_step(X, W, b, Z, A, (i, j, part), sums), Listing(source, active=(3 + max(0, part - 2),))),
            caption=f"Step {step} of {last}: row {i} of X, unit {j}. {text}".replace("-", "−"),
            alt=f"The matrices X, W, b, Z and A. Row {i} of X and row {j} of W are outlined; of Z, "
            f"{-(-step // PARTS)} of {Z.numel()} cells are filled or begun. Beside them the parts of "
            f"Z[{i}, {j}]. {text}",
            values={"cell": [i, j], "sums": sums, "Z": _so_far(Z), "A": _so_far(A)},
        )

    return layer_stepper


def _loops(layer: Callable) -> str:
    """From the first loop to the line before the return."""
    lines = inspect.getsource(layer).splitlines()
    begin = next(at for at, line in enumerate(lines) if line.lstrip().startswith("for "))
    return textwrap.dedent("\n".join(lines[begin:-1]))


def _so_far(matrix: torch.Tensor) -> list[list[float | None]]:
    """The numbers of a matrix, None where nothing has been computed."""
    return [[None if math.isnan(number) else number for number in row] for row in matrix.tolist()]
