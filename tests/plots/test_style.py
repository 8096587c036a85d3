"""All figures: text shows and stays apart, axes do not move between frames, the reader's style is left."""

import re
from itertools import combinations

import pytest
import torch
from helpers.figures import (
    FIGURES,
    MODEL,
    every_figure,
    text_boxes,
)
from matplotlib import pyplot

from fpcourse import plots
from fpcourse.measure.tracing import trace
from fpcourse.page.svg import svg
from fpcourse.plots.style import WIDTH


@pytest.fixture(scope="module")
def figures():
    return every_figure()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_leave_pyplot_alone_and_hold_no_nan(figures, name):
    figure = figures[name]
    assert pyplot.get_fignums() == [] and figure.canvas.manager is None
    assert figure.get_size_inches()[0] == WIDTH
    assert not re.search(r"\b(nan|inf)\b", svg(figure, "p-"))


@pytest.mark.parametrize("name", FIGURES)
def test_text_stays_on_the_figure_and_off_other_text(figures, name):
    figure, found = figures[name], text_boxes(figures[name])
    assert len(found) > 4
    for text, box in found:
        assert min(box.x0, box.y0) > -1, text
        assert box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1, text
    for (one, box), (other, other_box) in combinations(found, 2):
        across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        up = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert min(across, up) < 2, (one, other)


def test_the_readers_style_is_left_and_text_is_no_formula():
    before = dict(pyplot.rcParams)
    figure = plots.histograms({"cost in $ and $": torch.zeros(2)})
    assert dict(pyplot.rcParams) == before
    assert "cost in $ and $" in svg(figure, "p-")


def positions(figure):
    return [axes.get_position().bounds for axes in figure.axes]


def test_axes_stand_still_between_frames():
    torch.manual_seed(0)
    small, large = torch.randn(2, 4), 1e4 * torch.randn(128, 4)
    for frames in (
        [plots.histograms({"a": x, "bn1": x}) for x in (small, large)],
        [plots.unit_values(x, limit=2) for x in (small, large)],
        [plots.shape_ribbon(trace(MODEL, torch.zeros(n, 20)), active) for n, active in ((1, None), (4096, 2))],
        [plots.bytes_against_batch([1, n], [10, 10 * n], 40) for n in (2, 10**6)],
    ):
        first, second = frames
        assert first.get_layout_engine() is None  # which would move them at the first draw
        assert positions(first) == positions(second)
        assert (first.get_size_inches() == second.get_size_inches()).all()
    for one, other in zip(*[plots.histograms({"a": x, "b": x}).axes for x in (small, large)], strict=True):
        assert one.get_xlim() == other.get_xlim() == (-3, 3) and one.get_ylim() == other.get_ylim() == (
            0,
            0.6,
        )
