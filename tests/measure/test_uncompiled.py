"""visibility: what runs fused or compiled outside the block runs module by module inside, in every thread."""

import threading
import warnings

import pytest
import torch
from torch import nn

from fpcourse.measure.uncompiled import calls_visible


def settings():
    # torch adds filters to the list when it imports what it needs.
    return torch.backends.mha.get_fastpath_enabled(), torch._dynamo.eval_frame._stance.stance, warnings.filters


def calls_of(model, x):
    """The types of the modules that a global hook sees."""
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    model(x)
    handle.remove()
    return seen


@pytest.fixture
def compiled():
    torch.compiler.reset()
    model = torch.compile(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), backend="eager")
    model(torch.ones(1, 2))
    yield model
    torch.compiler.reset()


def test_a_compiled_model_runs_module_by_module_without_a_warning(compiled):
    before = settings()
    with warnings.catch_warnings(record=True) as caught, calls_visible(list(compiled.modules())):
        assert calls_of(compiled, torch.ones(1, 2))[:2] == ["Linear", "ReLU"]
    assert caught == []
    assert settings() == before and settings()[2] is before[2]


def test_a_transformer_encoder_runs_module_by_module():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder, x = nn.TransformerEncoder(layer, 1).eval(), torch.randn(2, 3, 4)
    with torch.no_grad():
        assert "Linear" not in calls_of(encoder, x)
        with calls_visible([]):
            assert calls_of(encoder, x).count("Linear") == 2
        assert "Linear" not in calls_of(encoder, x)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_settings_are_put_back_after_an_exception(compiled, error):
    before = settings()
    with pytest.raises(error), calls_visible(list(compiled.modules())):
        raise error
    assert settings() == before


def test_a_reader_who_has_switched_the_fused_path_off_finds_it_off():
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with calls_visible([]):
            pass
        assert not torch.backends.mha.get_fastpath_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


def test_overlapping_blocks_in_two_threads_put_back_what_was_before_both(compiled):
    before, modules = settings(), list(compiled.modules())
    entered, left = threading.Event(), threading.Event()
    inside = []

    def other():
        with calls_visible(modules):
            entered.set()
            left.wait(10)
            inside.append(settings()[:2])

    thread = threading.Thread(target=other)
    with calls_visible(modules):
        thread.start()
        assert entered.wait(10)
    left.set()  # the first block has ended inside the second
    thread.join()
    assert inside == [(False, "force_eager")]
    assert settings() == before and settings()[2] is before[2]
