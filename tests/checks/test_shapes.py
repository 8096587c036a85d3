"""The checkers of chapter 2: hard-coded answers are refused, other ways to the right one pass."""

import pytest
import torch
from helpers.odd_answers import ODD, verdict_on

from fpcourse.checks import check
from fpcourse.checks.exercises import UNFORESEEN

FIRST_SIX = ("X[0]", "X.T", "X.mean(dim=0)", "X.flatten()", "layer1.weight", "layer2.bias")
LAST_SIX = ("layer1(X)", "layer1(X[0])", "layer1(week)", "layer2(layer1(X))", "logits", "logits - y")


def twelve(batch, features, first, second):
    shapes = [(features,), (features, batch), (features,), (batch * features,), (first, features), (second,)]
    shapes += [(batch, first), (first,), (7, batch, first), (batch, second), (batch, 1), (batch, batch)]
    return dict(zip(FIRST_SIX + LAST_SIX, map(list, shapes), strict=True))


def by_hooks(build, input_shape):
    found = []
    with torch.device("meta"):
        model = build()
        for module in model.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda module, args, output: found.append(output.shape))
        model(torch.empty(input_shape))
    return found


def mended(X, logits, y, weight, images):
    return {
        "centred": X - X.mean(0, keepdim=True),
        "share right": ((logits.squeeze(1) > 0) == y.bool()).double().mean().item(),
        "weighted": (X.T * weight).T,
        "channels first": images.movedim(-1, 1),
    }


RIGHT = {"twelve_shapes": twelve, "leaf_shapes": by_hooks, "repaired": mended}


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_to_the_first_inputs_alone_is_refused(name):
    kept = []

    def hard_coded(*args):
        kept.append(RIGHT[name](*args))
        return kept[0]

    assert (verdict_on(hard_coded, name).state, len(kept)) == ("not yet", 2)


@pytest.mark.parametrize("name", RIGHT)
def test_another_way_to_the_right_answer_passes_every_time(name):
    assert {verdict_on(lambda *args: RIGHT[name](*args), name).state for _ in range(5)} == {"passed"}


def test_an_odd_answer_after_a_call_of_build_is_foreseen():
    for odd in ODD:
        found = verdict_on(lambda *args, odd=odd: (by_hooks(*args), odd)[1], "leaf_shapes")
        assert found.state == "not yet" and UNFORESEEN not in found.message, found


def test_shapes_that_are_known_without_a_model_are_refused():
    def leaf_shapes(build, input_shape):
        return [input_shape]

    assert "an answer without a call of build()" in check(leaf_shapes).message


@pytest.mark.parametrize("raises", [False, True])
def test_the_default_device_is_put_back(raises):
    def leaf_shapes(build, input_shape):
        torch.set_default_device("meta")
        return 1 / 0 if raises else by_hooks(build, input_shape)

    assert check(leaf_shapes).state == "not yet"
    assert torch.get_default_device() == torch.device("cpu") and torch.ones(1).device.type == "cpu"
