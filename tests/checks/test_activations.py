"""What the checkers of chapter 5 must not let through."""

import pytest
import torch
from helpers.odd_answers import verdict_on
from helpers.wrong.activations import activations_of, zero_throughout


def in_double(found):
    kept = []

    def hook(module, inputs, output):
        kept.append(output.detach().double().clone())
        found.update(mean=torch.cat(kept).mean(0), std=torch.cat(kept).std(0, correction=0))

    return hook


def test_a_hook_that_writes_into_the_output_is_noticed():
    def answer(found):
        def hook(module, inputs, output):
            output.detach().zero_()
            found.update(mean=torch.zeros(output.shape[1]), std=torch.zeros(output.shape[1]))

        return hook

    assert "written into it" in verdict_on(answer, "streaming_hook").message


def zeroes_the_batches(model, layer, batches):
    for batch in batches:
        batch.zero_()
    return zero_throughout(torch.cat(activations_of(model, layer, batches)))


def clears_the_batches(model, layer, batches):
    batches.clear()
    return []


@pytest.mark.parametrize("function", [zeroes_the_batches, clears_the_batches])
def test_batches_written_into_change_nothing_that_is_compared(function):
    assert verdict_on(function, "dead_units").state == "not yet"


@pytest.mark.parametrize("gain", [10**400, float("inf"), True, torch.tensor(2), torch.tensor([1.0, 2.0])])
def test_a_gain_that_is_no_gain_is_refused(gain):
    assert "Expected: " in verdict_on(lambda activation, rows: gain, "keeping_gain").message


def test_a_list_known_by_heart_is_refused():
    seen = []

    def known(model, layer, batches):
        seen.append(zero_throughout(torch.cat(activations_of(model, layer, batches))))
        return seen[0]

    assert verdict_on(known, "dead_units").state == "not yet"


def test_one_gain_for_all_activations_is_refused():
    by_heart = {torch.relu: 1.59, torch.tanh: 1.25}
    found = verdict_on(lambda activation, rows: by_heart.get(activation, 1.1), "keeping_gain")
    assert found.state == "not yet" and "a leaky ReLU" in found.message


def test_a_model_that_was_taken_apart_is_noticed():
    def takes_apart(model, layer, batches):
        silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
        del model.drop
        return silent

    assert "the hooks of drop" in verdict_on(takes_apart, "dead_units").message


def test_another_dtype_is_noticed():
    def doubles(model, layer, batches):
        silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
        model.double()
        return silent

    assert "the buffer of" in verdict_on(doubles, "dead_units").message


def test_a_hook_that_raises_becomes_the_verdict():
    def answer(found):
        return lambda module, inputs: None

    assert "TypeError" in verdict_on(answer, "streaming_hook").message
