"""network_stage: the start page's figure, the whole forward pass of ClinicalMLP to put one's hands into.

The scripts in ``assets`` draw it and run the pass themselves, on what is packed here; where no script runs, as in the
file of a notebook, there is the still picture.
"""

import base64
import inspect
from html import escape

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fpcourse import plots
from fpcourse.cohort import FEATURES, patients
from fpcourse.measure.capturing import get_intermediate_activations
from fpcourse.measure.modes import in_mode
from fpcourse.measure.preserve import same_random_state, unchanged
from fpcourse.models import ClinicalMLP
from fpcourse.page.markup import asset, compressed, display_bundle, figure_html
from fpcourse.page.show import static_build
from fpcourse.page.view import View

PATIENTS, MASKS = 16, 8
SCRIPTS = "forward.js", "network_state.js", "network_fields.js", "network_stories.js", "stage.js"
CALLED = ("layer1", "bn1", "relu", "drop", "layer2", "bn2", "layer3")
TITLE = "The course's network, every number of one pass: point at any"


def network_stage() -> None:
    """Show it, to be moved; where nothing runs, as it stands at the start."""
    view = still()
    if static_build():
        display_bundle({"text/html": stage_html(view, "network"), "text/plain": repr(view)})
        return
    from fpcourse.page.live import display_html

    style = asset("views.css") + asset("stage.css", "explorables")
    script = "".join([asset("packed.js"), *(asset(name, "explorables") for name in SCRIPTS)])
    # In a function, as the cell may run twice.
    display_html(
        f"<style>{style}</style>{stage_html(view, 'network-live')}<script>(() => {{{script}}})();</script>", view
    )


def stage_html(view: View, identifier: str) -> str:
    """The still picture, and what the scripts need."""
    return (
        f'<div class="fp-network" id="{identifier}" role="group" aria-label="Interactive figure: {escape(TITLE)}">'
        f"{figure_html(view, f'{identifier}-still')}"
        f'<script type="text/plain" class="fp-packed" id="{identifier}-packed">{packed()}</script></div>'
    )


def networks() -> dict[str, ClinicalMLP]:
    """The network as training left it, and as the course makes it: from seed 0."""
    with same_random_state():
        torch.manual_seed(0)
        return {"learned": ClinicalMLP.trained(), "random": ClinicalMLP().eval()}


def still() -> View:
    """Patient 0 in the trained network: a row of bars for each tensor."""
    model, X = ClinicalMLP.trained(), patients(PATIENTS).X
    outputs = get_intermediate_activations(model, X, CALLED)
    rows = {label: tensor[0] for label, tensor in {"input": X, **outputs}.items()}
    risk = rows["layer3"].sigmoid().item()
    return View(
        (plots.tensor_rows(rows),),
        caption=f"Patient 0 in the trained network: 20 facts go in at the top, each row of bars is computed from the "
        f"row above, and the last is one number, the logit. A sigmoid makes it a risk of {risk:.3f}.",
        alt="Nine rows of bars, one row below the other: 20 facts, then 64, 64, 64, 64, 32, 32, 32 values and 1. "
        "After each relu no bar points down.",
        values={"logit": rows["layer3"].item(), "risk": risk, "first unit of layer1": rows["layer1"][0].item()},
    )


def risks(name: str, X: torch.Tensor, mask: int | None = None) -> torch.Tensor:
    """The risk of each patient: in eval mode, or in train mode with the draw of this seed."""
    model = networks()[name]
    with unchanged(model), in_mode(model, "eval" if mask is None else "train"), torch.no_grad():
        torch.manual_seed(mask or 0)
        return model(X).sigmoid().flatten()


def edited(patient: int, **facts: float) -> torch.Tensor:
    """The sixteen patients with some facts of one changed, standardised as they are."""
    cohort = patients(PATIENTS)
    X = cohort.X.clone()
    for name, value in facts.items():
        at = cohort.features.index(name)
        X[patient, at] = (torch.tensor(value, dtype=torch.float64) - FEATURES[at].mean) / FEATURES[at].std
    return X


def cards() -> list[dict]:
    """Five questions, each answered by a state of the figure; what they say in numbers torch has computed."""
    X, younger, other = patients(PATIENTS).X, edited(0, age=35), edited(7, number_inpatient=12)
    learned = networks()["learned"]
    off = get_intermediate_activations(learned, X, ["relu"])["relu:1"] == 0
    spread = {name: (risks(name, X).min().item(), risks(name, X).max().item()) for name in ("learned", "random")}
    draws = [risks("learned", X, mask)[0].item() for mask in range(4)]
    before, after = risks("learned", X)[0], risks("learned", younger)[0]
    return [
        {
            "question": "Patient 0 is 85 years old. Make it 35: how many of the 64 numbers in the next row change?",
            "guesses": ["One", "About half", "All 64"],
            "right": "All 64",
            "state": {"edits": {"0": {"age": 35}}, "call": 1},
            "answer": "All 64. Each of these numbers is a sum over all 20 facts, so one fact moves every sum. Point at "
            f"one to see it added up. The risk goes from {before:.3f} to {after:.3f}.",
        },
        {
            "question": "relu puts a 0 in place of what is below 0. Are the same cells off for another patient?",
            "guesses": ["The same cells", "Partly others", "All others"],
            "right": "Partly others",
            "state": {"call": 3, "patient": 1, "unit": int((off[1] & ~off[0]).nonzero()[0])},
            "answer": f"Partly others. Of 64, {off[0].sum()} are off for patient 0 and {off[1].sum()} for patient 1; "
            f"{(off[0] != off[1]).sum()} are off for only one of the two, as this one is. Move the patient and watch "
            "the gaps wander.",
        },
        {
            "question": "Set the inpatient stays of patient 7 to 12. Does the risk of patient 0 move?",
            "guesses": ["In both modes", "Only in train mode", "Only in eval mode", "In neither"],
            "right": "Only in train mode",
            "state": {"mode": "train", "edits": {"7": {"number_inpatient": 12}}, "call": 2},
            "answer": "Only in train mode. There bn1 reads down the column, and patient 7 is in it: with the same "
            f"draw of dropout, patient 0 goes from {draws[0]:.3f} to {risks('learned', other, 0)[0]:.3f}. In eval mode "
            "bn1 reads a stored mean and variance, and nobody else.",
        },
        {
            "question": "In train mode, the same patients go through once more. Is the risk the same?",
            "guesses": ["Yes", "No"],
            "right": "No",
            "state": {"mode": "train", "mask": 1, "call": 4},
            "answer": f"No: {draws[0]:.3f}, then {draws[1]:.3f}, {draws[2]:.3f}, {draws[3]:.3f}. Dropout leaves out "
            "different cells each time. Press “Call again”. In eval mode nothing is left out.",
        },
        {
            "question": "The same arithmetic with random weights: how far apart are the sixteen risks?",
            "guesses": ["Further than now", "As far as now", "Closer together"],
            "right": "Closer together",
            "state": {"weights": "random", "call": 8},
            "answer": "Closer together: from {:.2f} to {:.2f}, where the learned weights give {:.2f} to {:.2f}. "
            "Training changed no step of the pass, only the numbers in it.".format(
                *spread["random"], *spread["learned"]
            ),
        },
    ]


def packed() -> str:
    """All that the script needs: weights, patients, draws of dropout, words."""
    cohort = patients(PATIENTS)
    lines = inspect.getsource(ClinicalMLP.forward).splitlines()[1:]
    data = {
        "networks": {name: weights(model) for name, model in networks().items()},
        "raw": cohort.raw.tolist(),
        "facts": [
            {key: getattr(fact, key) for key in ("name", "unit", "mean", "std", "low", "high", "step")}
            for fact in FEATURES
        ],
        "implies": [(fact.name, fact.latent_of) for fact in FEATURES if fact.latent_of],
        "masks": [mask_bits(seed) for seed in range(MASKS)],
        "code": [line.split("#")[0].strip() for line in lines],
        "cards": cards(),
    }
    return compressed(data)


def weights(model: nn.Module) -> dict:
    """By module: each parameter and statistic as base64 of float32, row by row."""
    names = {"running_mean": "mean", "running_var": "variance"}
    tensors: dict[str, dict] = {}
    for path, tensor in model.state_dict().items():
        module, name = path.split(".")
        if name != "num_batches_tracked":
            numbers = tensor.numpy().astype("<f4").tobytes()
            tensors.setdefault(module, {})[names.get(name, name)] = base64.b64encode(numbers).decode()
    return tensors


def mask_bits(seed: int) -> str:
    """What ``drop`` lets through when torch draws from this seed: a bit a unit, patient by patient."""
    with same_random_state():
        torch.manual_seed(seed)
        keep = F.dropout(torch.ones(PATIENTS, 64), 0.3) != 0
    return base64.b64encode(np.packbits(keep.numpy()).tobytes()).decode()
