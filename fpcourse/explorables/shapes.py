"""shape_bench: the tensors of a pass for a batch, two widths, and data that may not fit the model."""

import torch

from fpcourse import plots
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP
from fpcourse.page.view import View, failed


def shape_bench(batch_size: int, width_1: int, width_2: int, features: int) -> View:
    """The shapes, parameters and bytes of one pass in eval mode of a ClinicalMLP for 20 features."""
    model = ClinicalMLP(n_features=20, hidden=(width_1, width_2)).eval()
    try:
        calls = trace(model, torch.zeros(batch_size, features))
    except RuntimeError as error:
        return failed(
            error,
            plots.shape_ribbon(error.partial_trace),
            caption=f"layer1 holds weights for 20 features, shape ({width_1}, 20), and the batch has {features}. "
            "The first layer refused, and nothing after it ran.",
            values={"calls that worked": len(error.partial_trace) - 1},
        )
    # In eval mode drop returns its input, so its output takes no memory of its own.
    output_bytes = sum(call.output_bytes for call in calls if call.name != "drop")
    return View(
        (plots.shape_ribbon(calls), calls.table(("layer", "input", "output", "parameters", "bytes"))),
        caption=f"{calls.parameters:,} parameters, {calls.parameters * 4:,} bytes. For a batch of {batch_size} "
        f"the outputs take {output_bytes:,} bytes, as drop hands its input on.",
        alt="The tensors of the pass as rectangles, from "
        + ", then ".join(f"{call.label} {call.output_shapes[0]}" for call in calls)
        + ". The same shapes are in the table below.",
        values={
            "shapes": [call.output_shapes[0] for call in calls],
            "parameters": calls.parameters,
            "parameter bytes": calls.parameters * 4,
            "output bytes": output_bytes,
        },
    )
