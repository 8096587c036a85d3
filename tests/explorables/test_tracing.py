import pytest

from fpcourse import patients
from fpcourse.explorables import trace_theatre_of

X = patients(16, seed=0).X


def careless(model, X):
    handles = []
    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_hook(lambda *_: None))
    model(X)
    for handle in handles:
        handle.remove()
    return ["row"]


def careful(model, X):
    handles = []
    try:
        for name, module in model.named_modules():
            if name:
                handles.append(module.register_forward_hook(lambda *_: None))
        model(X)
    finally:
        for handle in handles:
            handle.remove()
    return ["row"]


@pytest.mark.parametrize(("tracer", "hooks"), [(careless, 7), (careful, 0)])
def test_a_tracer_is_judged_by_what_it_leaves_after_an_error(tracer, hooks):
    end = trace_theatre_of(tracer, X)("layer2", "eval", "minimal", 3).values
    assert end["hooks on the modules"] == hooks and end["rows you hold"] == 0
    assert end["buffers that differ"] == 0 and not end["random state moved"]


def test_the_courses_own_tracer_hands_over_the_calls_before_the_error():
    end = trace_theatre_of(careless, X)("layer2", "train", "fpcourse.trace", 3).values
    assert end["rows you hold"] == 5 and end["hooks on the modules"] == end["buffers that differ"] == 0
