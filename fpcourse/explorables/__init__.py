"""The book's larger figures with controls: draw functions that are longer than a reader should see in a cell.

One module for each page. They may use all other rooms but ``checks``, and nothing uses them but notebooks.
"""

from fpcourse.explorables.autograd import SETTINGS, graph_builder
from fpcourse.explorables.forward_pass import layer_stepper_of
from fpcourse.explorables.gradients import GATES, there_and_back
from fpcourse.explorables.interview import whiteboard
from fpcourse.explorables.modes import switchboard_of
from fpcourse.explorables.shapes import shape_bench
from fpcourse.explorables.stage import network_stage
from fpcourse.explorables.tracing import kept_pre_activation_of, trace_theatre_of

__all__ = [
    "GATES",
    "SETTINGS",
    "graph_builder",
    "kept_pre_activation_of",
    "layer_stepper_of",
    "network_stage",
    "shape_bench",
    "switchboard_of",
    "there_and_back",
    "trace_theatre_of",
    "whiteboard",
]
