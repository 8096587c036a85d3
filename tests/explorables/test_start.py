import pytest
import torch

from fpcourse import ClinicalMLP, patients
from fpcourse.explorables import batch_flow


def test_the_last_step_is_what_the_model_says():
    torch.manual_seed(0)
    model, X = ClinicalMLP().eval(), patients(16, seed=0).X
    shown = batch_flow(8, 16, "eval").values["patient 0, first values"]
    assert shown == pytest.approx(model(X)[0].tolist(), abs=1e-6)


@pytest.mark.parametrize(("mode", "more"), [("train", True), ("eval", False)])
def test_dropout_sets_values_to_zero_in_train_mode_alone(mode, more):
    relu, drop = (batch_flow(step, 16, mode).values["share of zeros"] for step in (3, 4))
    assert (drop > relu) == more
