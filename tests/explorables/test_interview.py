import pytest

from fpcourse.explorables import whiteboard
from fpcourse.explorables.interview import run


@pytest.mark.parametrize("recording", ["grad", "no_grad"])
def test_the_mode_and_not_the_recording_decides_what_moves(recording):
    train, evaluation = run("train", recording), run("eval", recording)
    assert (train.buffers_moved, train.random_state_moved) == (6, True)
    assert (evaluation.buffers_moved, evaluation.random_state_moved) == (0, False)


def test_dropout_has_a_node_in_train_mode_alone():
    assert set(run("train", "grad").kept) - set(run("eval", "grad").kept) == {"drop"}


def test_backward_without_a_graph_shows_torchs_error():
    assert "does not require grad" in str(run("eval", "no_grad").error)
    assert whiteboard(7, "eval", "no_grad").alt != whiteboard(7, "eval", "grad").alt
