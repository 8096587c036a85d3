"""plots.whiteboard: rows from top to bottom, nodes beside their tensors, arrows down on the left, up on the right."""

import pytest
from helpers.figures import BOARD, colour, of_kind, texts_by_row
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from fpcourse import plots
from fpcourse.page.palette import BATCH, HIDDEN, OUTPUT

LEFT, RIGHT = 0.245, 0.755


def drawn(rows=BOARD, nothing=""):
    (axes,) = plots.whiteboard(rows, nothing).axes
    return axes


def arrows(axes):
    return [text for text in axes.texts if getattr(text, "arrowprops", None)]


def boxes(axes, lane, row):
    return [
        box
        for box in of_kind(axes, FancyBboxPatch)
        if box.get_x() + box.get_width() / 2 == pytest.approx(lane)
        and box.get_y() + box.get_height() / 2 == pytest.approx(row)
    ]


def test_each_row_says_what_was_given_and_the_first_is_on_top():
    axes = drawn()
    heads, *lines = texts_by_row(axes)
    assert heads == ["forward, downwards", "the graph: backward, upwards"]
    said = [words for line in lines for words in line if words]
    given = [words for row in BOARD for words in (row.tensor, row.node, row.number, row.note) if words]
    assert said == given
    bottom, top = axes.get_ylim()
    assert bottom > top


def test_the_pass_leads_down_on_the_left():
    down = [(arrow.xy, arrow.get_position()) for arrow in arrows(drawn()) if arrow.xy[0] == LEFT]
    assert [(round(start[1]), round(end[1])) for end, start in down] == [(0, 1), (1, 2), (2, 3)]


def test_the_graph_leads_up_on_the_right_from_node_to_node():
    """From the fourth row to the second: the third has no node, as dropout in eval mode."""
    (up,) = [arrow for arrow in arrows(drawn()) if arrow.xy[0] == RIGHT]
    assert (round(up.get_position()[1]), round(up.xy[1])) == (3, 1)
    assert to_hex(up.arrow_patch.get_edgecolor()) == OUTPUT and up.arrow_patch.get_linewidth() > 2
    plain = [plots.Written("X (1, 1)", "", "Addmm", "keeps 4 bytes")] * 2
    (up,) = [arrow for arrow in arrows(drawn(plain)) if arrow.xy[0] == RIGHT]
    assert up.arrow_patch.get_linewidth() < 2


def test_what_is_kept_is_filled_what_has_a_gradient_is_outlined_and_a_row_spoken_of_is_lit():
    axes = drawn()
    assert colour(boxes(axes, LEFT, 1)[0]) == BATCH and len(boxes(axes, LEFT, 0)) == 1
    assert colour(boxes(axes, RIGHT, 3)[0]) == HIDDEN
    (gradient,) = boxes(axes, RIGHT, 1)
    assert to_hex(gradient.get_edgecolor()) == OUTPUT and gradient.get_facecolor()[3] == 0
    assert boxes(axes, RIGHT, 0) == boxes(axes, RIGHT, 2) == []
    (empty,) = boxes(axes, LEFT, 4)
    assert empty.get_linestyle() == ":"


def test_nothing_is_said_where_nothing_is_recorded():
    words = [text.get_text() for text in drawn(BOARD[:1], "nothing recorded").texts]
    assert words.count("nothing recorded") == 1
    assert "nothing recorded" not in [text.get_text() for text in drawn(nothing="nothing recorded").texts]


@pytest.mark.parametrize("rows", [[], [plots.Written()]])
def test_an_empty_board_is_refused(rows):
    with pytest.raises(ValueError, match="no row to draw"):
        plots.whiteboard(rows)


def test_a_gap_in_the_pass_is_refused():
    with pytest.raises(ValueError, match="below one that is not"):
        plots.whiteboard([BOARD[0], plots.Written(), BOARD[1]])
