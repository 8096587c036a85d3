"""One function a figure: each takes results of the package and returns a matplotlib Figure, in one style."""

from fpcourse.plots.activations import histograms, tensor_fields, tensor_rows, unit_values
from fpcourse.plots.distributions import distributions, spread_by_layer, zeros_by_unit
from fpcourse.plots.gradients import Number, Tracked, recorded_steps, slopes_and_gradients
from fpcourse.plots.graph import computation_graph
from fpcourse.plots.learning import correlations, losses, representations
from fpcourse.plots.modes import evaluations, repeated_passes, switchboard
from fpcourse.plots.neuron import activation_curves, contributions, decision_surfaces, layer_step, neuron
from fpcourse.plots.shapes import (
    bytes_against_batch,
    bytes_and_parameters,
    shape_ribbon,
)
from fpcourse.plots.tracing import call_timeline, trace_stage
from fpcourse.plots.whiteboard import Written, whiteboard
