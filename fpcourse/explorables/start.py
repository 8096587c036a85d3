"""batch_flow: a batch on its way through ClinicalMLP, step by step."""

import inspect
import textwrap

import torch

from fpcourse import plots
from fpcourse.cohort import patients
from fpcourse.measure.capturing import get_intermediate_activations
from fpcourse.measure.modes import in_mode
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP
from fpcourse.page.listing import Listing
from fpcourse.page.view import View

DOES = {
    "input": "Each column is one feature, standardised: 0 is the average patient.",
    "layer1": "Each unit is a weighted sum of all 20 features, plus a bias.",
    "bn1": "In train mode each unit is normalised by the batch's mean and spread. "
    "In eval mode, before training, almost nothing changes.",
    "relu:1": "Negative values become 0, the others stay.",
    "drop": "In train mode some units are set to 0 and the rest made larger; in eval mode nothing happens.",
    "layer2": "Each unit is a weighted sum of the units before it, plus a bias.",
    "bn2": "As bn1, for the second layer's units.",
    "relu:2": "The same module as in step 3, called a second time.",
    "layer3": "One number a patient: the logit. A sigmoid turns it into a probability.",
}


def batch_flow(step: int, batch_size: int, mode: str) -> View:
    torch.manual_seed(0)
    model = ClinicalMLP()
    X = patients(batch_size, seed=0).X
    with in_mode(model, mode):
        calls = trace(model, X)
        outputs = {"input": X, **get_intermediate_activations(model, X, [call.name for call in calls])}
    label = ["input", *(call.label for call in calls)][step]
    values = outputs[label]
    shape, row = tuple(values.shape), values[0]
    return View(
        (
            plots.shape_ribbon(calls, active=step),
            plots.unit_values(values, limit=3),
            Listing(textwrap.dedent(inspect.getsource(ClinicalMLP.forward)).strip(), active=(step,)),
        ),
        caption=f"Step {step}, {label}: a tensor of shape {shape}. {DOES[label]} "
        f"Zeros: {(values == 0).float().mean():.0%} of the values. Patient 0 begins with {_number(row[0])}. "
        "Rectangles: width for features, height and blue edge for the batch. Below, line: patient 0; "
        "band: from the smallest to the largest value in the batch, the axis ending at −3 and 3.",
        alt=f"The tensors of the pass as rectangles, one row a step; row {step}, {label} {shape}, is lit. "
        f"Below, the values of patient 0, from {_number(row.min())} to {_number(row.max())}, "
        f"over the range of the batch, from {_number(values.min())} to {_number(values.max())}.",
        values={
            "tensor": label,
            "shape": shape,
            "patient 0, first values": row[:3],
            "batch mean": values.mean(),
            "share of zeros": (values == 0).float().mean(),
        },
    )


def _number(value: torch.Tensor) -> str:
    return f"{value:.2f}".replace("-", "−")
