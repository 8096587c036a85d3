from fpcourse.explorables import SETTINGS, graph_builder
from fpcourse.explorables.autograd import run


def test_a_setting_changes_what_is_recorded_and_not_the_loss():
    kept = {s: sum(save.bytes for saves in run(s).saved.values() for save in saves) for s in SETTINGS}
    assert kept["all"] == 28 and kept["x_frozen"] == 16 and kept["no_grad"] == 0
    assert all(abs(run(setting).tensors["loss"].item() - 0.49) < 1e-6 for setting in SETTINGS)


def test_a_node_frees_what_it_kept_once_its_gradient_has_left():
    result = run("all")
    assert result.freed["p"] == {"PowBackward0"} and result.freed["w"] == {"PowBackward0", "MulBackward0"}


def test_an_error_keeps_the_picture_that_led_to_it():
    raised, before = graph_builder("no_grad", 5), graph_builder("no_grad", 4)
    assert raised.values["error"] == "RuntimeError" and "error" not in before.values
    assert len(raised.content) == len(before.content) + 1
