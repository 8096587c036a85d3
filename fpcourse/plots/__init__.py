"""One function a figure: each takes results of the package and returns a matplotlib Figure, in one style."""

from fpcourse.plots.activations import histograms, unit_values
from fpcourse.plots.diagrams import training_step
from fpcourse.plots.graph import computation_graph
from fpcourse.plots.shapes import (
    bytes_against_batch,
    bytes_and_parameters,
    parameters_and_activations,
    shape_ribbon,
)

__all__ = [
    "bytes_against_batch",
    "bytes_and_parameters",
    "computation_graph",
    "histograms",
    "parameters_and_activations",
    "shape_ribbon",
    "training_step",
    "unit_values",
]
