"""plots.diagrams: the boxes and arrows of each drawing."""

from itertools import pairwise

import pytest
from helpers.figures import colour, of_kind
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from fpcourse import plots
from fpcourse.page.palette import BATCH, MUTED


def test_training_step_lights_the_forward_pass():
    (axes,) = plots.training_step().axes
    words = ["forward pass", "loss", "backward pass", "optimiser step"]
    *names, back = [text for text in axes.texts if text.get_text()]
    arrows = [text for text in axes.texts if not text.get_text()]
    assert [" ".join(name.get_text().split()) for name in names] == words
    assert back.get_text() == "new weights, next batch"
    assert [name.get_weight() for name in names] == ["bold", "normal", "normal", "normal"]
    frames = [patch for patch in of_kind(axes, Rectangle) if patch.get_edgecolor()[3] == 1]
    lights = [patch for patch in of_kind(axes, Rectangle) if patch.get_facecolor()[3] > 0]
    for frame, name in zip(frames, names, strict=True):
        assert frame.get_center() == pytest.approx(name.get_position())
    assert [light.get_bbox().bounds for light in lights] == [frames[0].get_bbox().bounds]
    assert colour(lights[0]) == BATCH
    assert [to_hex(frame.get_edgecolor()) for frame in frames] == [BATCH, MUTED, MUTED, MUTED]
    for arrow, (one, next_one) in zip(arrows, pairwise(frames), strict=False):
        assert arrow.xyann[0] == pytest.approx(one.get_bbox().x1) and arrow.xy[0] == pytest.approx(next_one.get_x())
    (line,) = axes.lines  # from the last box to below the first, where the last arrow goes up into it
    (start_x, start_y), *_, end = line.get_xydata().tolist()
    assert (start_x, start_y) == (pytest.approx(frames[3].get_center()[0]), frames[3].get_y())
    assert len(arrows) == 4 and list(arrows[3].xyann) == end
    assert arrows[3].xy == (pytest.approx(frames[0].get_center()[0]), frames[0].get_y())
