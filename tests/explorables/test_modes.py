import torch

from fpcourse import patients
from fpcourse.explorables import switchboard_of


def measured(model, X, mode, context, passes=20):
    """A pass that does nothing in eval mode, and all of it in train mode."""
    does = mode == "train"
    return {
        "logits": torch.linspace(-0.5, 0.5, passes).reshape(passes, 1, 1).expand(passes, len(X), 1) * float(does),
        "graph": does,
        "bytes saved": 8 * does,
        "statistics moved": 0.5 * does,
        "random state used": does,
    }


def test_a_lamp_is_lit_by_what_was_measured():
    board = switchboard_of(measured, patients(4, seed=0).X)
    assert board("eval", "grad", 4, 0.3).alt.count(" out (") == 5
    assert board("train", "grad", 4, 0.3).alt.count(" lit (") == 5


def test_one_patient_in_train_mode_shows_what_torch_says():
    def refuses(*_, **__):
        raise ValueError("Expected more than 1 value per channel")

    assert "batch of 1" in switchboard_of(refuses, patients(1, seed=0).X)("train", "grad", 1, 0.3).caption
