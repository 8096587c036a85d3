"""One of every figure, and what the tests read off a figure."""

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from fpcourse import plots
from fpcourse.measure.autograd import autograd_graph
from fpcourse.measure.tracing import trace
from fpcourse.models import ClinicalMLP

MODEL = ClinicalMLP().eval()
CALLS = trace(MODEL, torch.zeros(16, 20))
LABELS = ["layer1", "bn1", "relu:1", "drop", "layer2", "bn2", "relu:2", "layer3"]
SHAPES = [(16, 64)] * 4 + [(16, 32)] * 3 + [(16, 1)]
PARAMETERS = [20 * 64 + 64, 128, 0, 0, 64 * 32 + 32, 64, 0, 33]

LONG_ROWS = {
    "layers.0.self_attn": (2_097_152, 4224),
    "stage1.shortcut": (1024, 2_073_178),
    "fc": (40, 0),
}

GAUGES = [("hooks on the modules: 7", 7, 7), ("buffers that differ: 3 of 6", 3, 6), ("random state: as before", 0, 1)]
STEPS = {
    "loss": plots.Tracked((0.245, 0), ("z",), "loss = [0.49]", "PowBackward0", True, freed=True),
    "z": plots.Tracked((0.245, 1), ("p", "b"), "z = [-0.7]", "AddBackward0", True, gradient="dL/dz = [-1.4]"),
    "b": plots.Tracked((0.755, 1), value="b = [0.1]", note="leaf", leaf=True),
    "p": plots.Tracked((0.245, 2), ("w",), "p = [1, -3, 1.2]", "MulBackward0", True, kept="keeps x and w, 24 bytes"),
    "w": plots.Tracked((0.245, 3), value="w = [0.5, -1, 0.3]", note="leaf, requires grad", requires_grad=True,
                       leaf=True, gradient="w.grad = [-2.8, -4.2, -5.6]"),
    "x": plots.Tracked((0.755, 3)),
}  # fmt: skip


BOARD = [
    plots.Written("X (16, 20)", "patient 0: 1.190"),
    plots.Written("layer1 (16, 64)", "patient 0: 0.104", "Addmm", "grad (64, 20) and (64,)", gradient=True, lit=True),
    plots.Written("drop (16, 64)", "hands its input on"),
    plots.Written("relu (16, 64)", "patient 0: 0.104", "NativeBatchNorm", "keeps 12,288 bytes"),
    plots.Written(),
]


EFFECTS = {
    "outputs differ": (True, "spread 0.0373"),
    "graph built": (False, "no"),
    "bytes saved for backward": (False, "0"),
    "running statistics moved": (True, "by 0.0946"),
    "random state used": (True, "yes"),
}


def graph_of(model=MODEL, X=None):
    return autograd_graph(model(torch.ones(16, 20) if X is None else X).sum(), model)


STEP = {
    "X": torch.tensor([[1.0, 2.0, -1.0], [0.0, -2.0, 1.0], [1.0, 1.0, 2.0]]),
    "W": torch.tensor([[0.5, -1.0, 2.0], [1.0, 1.0, -0.5]]),
    "b": torch.tensor([0.5, -1.0]),
    "Z": torch.tensor([[-3.0, 2.5], [4.5, -3.5], [4.0, 0.0]]),
    "A": torch.tensor([[0.0474, 0.924], [0.989, 0.0293], [0.982, 0.5]]),
}
LINE = torch.linspace(-1, 1, 9)
SQUARE = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def every_figure():
    return {
        "shape_ribbon": plots.shape_ribbon(CALLS, active=3),
        "bytes_and_parameters": plots.bytes_and_parameters(LONG_ROWS),
        "bytes_against_batch": plots.bytes_against_batch([1, 16, 1024], [1412, 22592, 1445888], 14596),
        "unit_values": plots.unit_values(torch.randn(16, 64), limit=4),
        "tensor_fields": plots.tensor_fields(
            {name: torch.randn(16, 64) for name in ("facts", "relu:1", "drop", "relu:2")}
        ),
        "histograms": plots.histograms({name: torch.randn(16, 64) for name in "abcd"}),
        "neuron": plots.neuron((1.0, -1.0, 2.0), (-1.5, -2.5, 0.5), -0.5),
        "layer_step": plots.layer_step(**STEP, at=(2, 1, 4), sums=[1, 2, 1, 0]),
        "contributions": plots.contributions(
            LINE, {"a": LINE[:, None] * torch.ones(2), "b": torch.zeros(9, 3)}, {"a": LINE, "b": LINE}, LINE, (-4, 4)
        ),
        "decision_surfaces": plots.decision_surfaces(
            LINE, {"a": LINE + LINE[:, None], "b": LINE * LINE[:, None]}, SQUARE, torch.tensor([0, 1, 1, 0])
        ),
        "activation_curves": plots.activation_curves(LINE, {"leaky_relu": (LINE, LINE), "silu": (LINE, LINE)}),
        "call_timeline": plots.call_timeline(CALLS, [name for name, _ in MODEL.named_modules()]),
        "trace_stage": plots.trace_stage(dict.fromkeys(LABELS, "finished"), GAUGES),
        "distributions": plots.distributions({name: torch.randn(16, 64).relu() for name in "abcd"}),
        "zeros_by_unit": plots.zeros_by_unit({"a": torch.eye(4)[:, :3], "b": torch.tensor([[0.0, 1.0], [0.0, 0.0]])}),
        "spread_by_layer": plots.spread_by_layer([[1, 0.1, 0.2]], [[1, 0.01, 1e-4]], low=1e-10, high=1e4, active=2),
        "computation_graph": plots.computation_graph(graph_of()),
        "recorded_steps": plots.recorded_steps(STEPS, active="z", walked=[("loss", "z")]),
        "repeated_passes": plots.repeated_passes([0.45, 0.5, 0.41, 0.59] * 50, 0.46, (0.3, 0.7)),
        "evaluations": plots.evaluations({"batches of 8": [0.65, 0.7], "batches of 128": [0.7]}, 0.73, (0.6, 0.8)),
        "losses": plots.losses([0.6, 0.4, 0.3], [0.6, 0.5, 0.5], (0.25, 0.65), active=1),
        "representations": plots.representations(
            {"untrained": SQUARE, "trained": SQUARE}, torch.tensor([1.0, 2.0, 3.0, 4.0]), limit=2
        ),
        "correlations": plots.correlations(
            [f"a_feature_so_long_{at}" for at in range(12)], {"before": [0.1] * 12, "after": [-0.9] * 12}
        ),
        "whiteboard": plots.whiteboard(BOARD),
        "switchboard": plots.switchboard([0.45, 0.5] * 10, 0.46, (0.3, 0.7), EFFECTS),
    }


FIGURES = list(every_figure())


def of_kind(axes, kind):
    return [patch for patch in axes.patches if type(patch) is kind]


def colour(patch):
    return to_hex(patch.get_facecolor())


def texts_by_row(axes):
    """The texts of an axes, top row first, each row from left to right."""
    rows = {}
    for text in axes.texts:
        x, y = text.get_position()
        rows.setdefault(y, []).append((x, text.get_text()))
    return [[text for _, text in sorted(rows[y])] for y in sorted(rows)]


def text_boxes(figure):
    """The text that shows, with its place in pixels."""
    FigureCanvasAgg(figure).draw()
    found = []
    for axes in figure.axes:
        texts = [*axes.texts, axes._left_title]
        if axes.axison:
            texts += [axes.xaxis.label, axes.yaxis.label]
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                texts += [tick.label1 for tick in ticks if tick.label1.get_visible()]
        texts += axes.get_legend().get_texts() if axes.get_legend() else []
        found += [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    legends = (text for legend in figure.legends for text in legend.get_texts())
    return [*found, *((text.get_text(), text.get_window_extent()) for text in legends)]
