"""switchboard_of: four switches, and what a pass does in each of their positions."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import torch

from fpcourse import plots
from fpcourse.models import ClinicalMLP
from fpcourse.page.listing import Listing
from fpcourse.page.view import View, failed

FORWARD = textwrap.dedent(inspect.getsource(ClinicalMLP.forward)).strip()


def switchboard_of(measured: Callable[..., dict[str, Any]], X: torch.Tensor) -> Callable[..., View]:
    """The draw function, for ``measured(model, X, mode, context, passes=20)`` as the page writes it."""

    def switchboard(mode: str, context: str, batch_size: int, p: float) -> View:
        torch.manual_seed(0)
        model = ClinicalMLP(p=p)
        in_training = () if mode == "eval" else (2, 4, 6) if p else (2, 6)  # bn1, drop, bn2
        try:
            results = measured(model, X[:batch_size], mode, context)
        except ValueError as error:
            return failed(
                error,
                Listing(FORWARD, active=(2,)),
                caption="One patient has no spread to divide by: bn1 refuses a batch of 1 in train mode, "
                f"with {context} as with the other contexts.",
            )
        usual = measured(model, X[:batch_size], "eval", "no_grad", passes=1)["logits"]
        risk, usual = torch.sigmoid(results["logits"][:, 0, 0]), torch.sigmoid(usual[0, 0, 0])
        spread = risk.std(correction=0).item() if (risk != risk[0]).any() else 0.0
        effects = _effects(results, spread)
        return View(
            (plots.switchboard(risk.tolist(), usual.item(), (0.3, 0.7), effects), Listing(FORWARD, active=in_training)),
            caption="Twenty passes of the same batch put patient 0's probability "
            + (f"anywhere from {risk.min():.3f} to {risk.max():.3f}." if spread else f"at {risk[0]:.3f} each time.")
            + f" {sum(on for on, _ in effects.values())} of the 5 lamps are lit.",
            alt="Above, the probability of patient 0 in 20 passes as dots on an axis from 0.3 to 0.7, from "
            f"{risk.min():.3f} to {risk.max():.3f}, with a dashed line at eval mode's {usual:.3f}. Below, five lamps: "
            + ", ".join(f"{words} {'lit' if on else 'out'} ({text})" for words, (on, text) in effects.items())
            + ".",
            values={
                "passes": len(risk),
                "lowest": risk.min(),
                "highest": risk.max(),
                "spread": spread,
                **{key: value for key, value in results.items() if key != "logits"},
            },
        )

    return switchboard


def _effects(results: Mapping[str, Any], spread: float) -> dict[str, tuple[bool, str]]:
    """For each lamp whether it is lit, and the number beside it."""
    moved = results["statistics moved"]
    return {
        "outputs differ": (spread > 0, f"spread {spread:.3g}"),
        "graph built": (results["graph"], "yes" if results["graph"] else "no"),
        "bytes saved for backward": (results["bytes saved"] > 0, f"{results['bytes saved']:,}"),
        "running statistics moved": (moved > 0, f"by {moved:.3g}"),
        "random state used": (results["random state used"], "yes" if results["random state used"] else "no"),
    }
